"""The side door: people at a mailbox of another process see and do the same as in this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from sandbox.people import meet
from sandbox.truth import Mailbox
from sandbox.vendors import Vendors

MIME = (
    b"From: Li Na <li.na@supplier.example>\r\nTo: chan@office.example, ops@customs.example\r\nSubject: Plan\r\n"
    b"Message-ID: <one@mail.example>\r\nDate: Tue, 24 Nov 2026 03:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\n'
    b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="a.pdf"\r\n\r\n%PDF\r\n--b--\r\n'
)


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    with Vendors(pairs=1) as vendors:
        yield vendors


@pytest.mark.parametrize("side", ["outlook", "dingtalk"])
def test_what_people_do_through_the_door_is_done(vendors: Vendors, side: str) -> None:
    [person], [remote] = vendors.people, meet(vendors.ready())
    there = {str(name): box for name, box in person.boxes.items()}[side]
    here = {str(name): box for name, box in remote.boxes.items()}[side]
    assert here.address == there.address
    folder = here.make_folder("Plans")
    first = here.deliver(MIME)
    here.set_read(first, True)
    here.set_flag(first, "flagged")
    first = here.move(first, folder)
    second = here.copy(first, here.role("inbox"))
    here.purge(here.deliver(MIME, folder, read=True))
    _same(here, there)
    found = {message.folder: message for message in here.messages()}
    assert set(found) == {folder, here.role("inbox")}
    assert (found[folder].id, found[here.role("inbox")].id) == (first, second)
    assert (found[folder].read, found[folder].flag, found[folder].subject) == (True, "flagged", "Plan")
    assert [attachment.name for attachment in found[folder].attachments] == ["a.pdf"]


def _same(one: Mailbox, two: Mailbox) -> None:
    assert list(one.folders()) == list(two.folders())
    assert list(one.messages()) == list(two.messages())


def test_the_door_counts_what_was_asked_of_the_vendors(vendors: Vendors) -> None:
    counts = requests.get(f"{vendors.ready()['people']}/counts", timeout=5).json()
    assert (counts["writes"], counts["sent"]) == ({"outlook": 0, "dingtalk": 0}, 0)


def test_nothing_else_is_behind_the_door(vendors: Vendors) -> None:
    url, [person] = vendors.ready()["people"], vendors.people
    assert requests.get(url, timeout=5).status_code == 404
    assert requests.post(f"{url}/{person.name}/outlook/__init__", json=[], timeout=5).status_code == 404
    assert requests.post(f"{url}/nobody/outlook/folders", json=[], timeout=5).status_code == 400
    [remote] = meet(vendors.ready())
    with pytest.raises(ValueError, match="set_read"):
        remote.boxes["outlook"].set_read("no such message", True)
