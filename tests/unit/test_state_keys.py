"""Keys as Azure's tables take them: any text, there and back, and in the same order."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.state.keys import decode_key, encode_key

EDGES = "\0\x1f !\"#$%&'()./0>?@[\\]^~\x7f\x9f\xa0a报\ud7ff\uffff𠀀"
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(EDGES)
REFUSED = re.compile(r"[/\\#?%'\x00-\x20\x7f-\uffff]")


@given(TEXT)
def test_a_key_comes_back_as_it_was(key: str) -> None:
    assert decode_key(encode_key(key)) == key


@given(TEXT)
def test_a_key_holds_nothing_that_a_table_a_url_or_a_filter_minds(key: str) -> None:
    coded = encode_key(key)
    assert coded.isascii()
    assert not REFUSED.search(coded)


@given(TEXT, TEXT)
def test_keys_stay_in_order_and_apart(one: str, two: str) -> None:
    assert (encode_key(one) < encode_key(two)) == (one < two)
    assert (encode_key(one) == encode_key(two)) == (one == two)


@given(TEXT, TEXT)
def test_what_begins_with_a_text_begins_with_it_as_coded(start: str, rest: str) -> None:
    assert encode_key(start + rest) == encode_key(start) + encode_key(rest)
    assert encode_key(rest).startswith(encode_key(start)) == rest.startswith(start)


@pytest.mark.parametrize(
    ("key", "coded"),
    [
        ("s:lease", "s:lease"),
        ("s:look:outlook:AAMkAGI2TG93AAA=", "s:look:outlook:AAMkAGI2TG93AAA="),
        ("a/b", "a.2fb"),
        ("1.5", "1.2e5"),
        ("a b", "a!20b"),
        ("报", "~0062a5"),
    ],
)
def test_common_keys_stay_readable(key: str, coded: str) -> None:
    assert encode_key(key) == coded
