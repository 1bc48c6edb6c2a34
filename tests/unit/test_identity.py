"""Keys and hashes: the same everywhere and for ever, and telling nothing."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace

import pytest

from shared.model.mail import Folder, Item
from shared.model.pairs import Pair
from shared.sync.identity import Identity

PAIR = Pair("pair-1", "Chan", "chan@office.example", "chan@factory.example", since=0)
IDENTITY = Identity(b"secret of this deployment", PAIR)
ITEM = Item("id", "inbox", False, "none", 1_000.25, "one@example", "Packing list", "ann@example")
NAMELESS = replace(ITEM, message_id="")


def test_a_key_is_the_same_after_every_restart() -> None:
    """Written out: a key that changed would make every open intent a second copy."""
    assert IDENTITY.key("outlook", "AAMk") == "25cb6b66-18a6-5d26-929b-6bd5d380f3e2"
    assert uuid.UUID(IDENTITY.key("outlook", "AAMk")).version == 5


def test_a_key_depends_on_the_mailboxes_and_not_on_what_the_pair_is_called() -> None:
    renamed = Pair("pair-9", "Lee", "Chan@Office.example", "CHAN@factory.example", since=5)
    assert Identity(b"another secret", renamed).key("outlook", "AAMk") == IDENTITY.key("outlook", "AAMk")


def test_keys_differ_by_side_id_kind_and_mailbox() -> None:
    elsewhere = replace(IDENTITY, pair=replace(PAIR, dingtalk="lee@factory.example"))
    keys = [
        IDENTITY.key("outlook", "AAMk"),
        IDENTITY.key("dingtalk", "AAMk"),
        IDENTITY.key("outlook", "aamk"),
        replace(IDENTITY, kind="calendar").key("outlook", "AAMk"),
        elsewhere.key("outlook", "AAMk"),
    ]
    assert len(set(keys)) == len(keys)


def test_the_identity_of_a_message_is_its_message_id_alone() -> None:
    other = Item("other", "sent", True, "flagged", 9.0, "one@example", "Re: packing list", "bob@example", size=7)
    assert IDENTITY.mid(other) == IDENTITY.mid(ITEM)
    assert IDENTITY.mid(replace(ITEM, message_id="two@example")) != IDENTITY.mid(ITEM)


@pytest.mark.parametrize("change", [{"sender": "bob@example"}, {"received": 1_001.0}, {"subject": "Invoice"}])
def test_without_a_message_id_sender_date_and_subject_tell_it(change: dict[str, object]) -> None:
    assert IDENTITY.mid(replace(NAMELESS, **change)) != IDENTITY.mid(NAMELESS)  # type: ignore[arg-type]


def test_without_a_message_id_parts_of_a_second_tell_nothing() -> None:
    assert IDENTITY.mid(replace(NAMELESS, received=1_000.75, id="other", size=9)) == IDENTITY.mid(NAMELESS)


def test_a_hash_is_128_bits_in_hex_and_another_one_under_another_secret() -> None:
    hashes = [IDENTITY.mid(ITEM), IDENTITY.path(Folder("f", ("Invoices",), None)), IDENTITY.client_state()]
    assert all(re.fullmatch("[0-9a-f]{32}", text) for text in hashes)
    assert len(set(hashes)) == 3
    assert replace(IDENTITY, secret=b"another").mid(ITEM) != IDENTITY.mid(ITEM)


def test_one_text_has_different_hashes_as_a_message_id_and_as_a_path() -> None:
    assert IDENTITY.path(Folder("f", ("one@example",), None)) != IDENTITY.mid(ITEM)


def test_a_path_is_told_by_every_name_in_it() -> None:
    paths = [("a", "b"), ("a",), ("b",), ("b", "a"), ("ab",)]
    assert len({IDENTITY.path(Folder("f", path, None)) for path in paths}) == len(paths)


def test_the_mark_of_notifications_is_each_pairs_own() -> None:
    assert replace(IDENTITY, pair=replace(PAIR, id="pair-2")).client_state() != IDENTITY.client_state()
