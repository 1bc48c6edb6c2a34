"""Large messages out of DingTalk, against the simulated vendor: into the spool, by either door."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from sandbox.dingtalk import Switches
from sandbox.simulation.adapters import SimStream
from shared.dingtalk.replica import DingTalkMail
from shared.model.errors import NoRoom, TooLarge
from shared.model.mail import Message
from shared.model.spooled import Spooled, whole
from tests.contract.test_dingtalk_replica import Desk, desks
from tests.support.alimail import ADDRESS
from tests.support.files import File, Folder

__all__ = ["desks"]

PLAN, PICTURE = random.Random(1).randbytes(4_000_000), random.Random(2).randbytes(300_000)


def letter(*more: bytes) -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "Bob <bob@office.example>", ADDRESS
    message["Subject"], message["Message-ID"] = "Plan", "<one@mail.example>"
    message["Date"] = "Mon, 21 Sep 2026 10:00:00 +0800"
    message.set_content("See the plan")
    message.add_alternative('<p>See the plan</p><img src="cid:logo@office">', subtype="html")
    html = message.get_body(("html",))
    assert isinstance(html, EmailMessage)
    html.add_related(PICTURE, "image", "png", cid="<logo@office>", filename="logo.png", disposition="inline")
    for number, content in enumerate((PLAN, *more)):
        message.add_attachment(content, "application", "pdf", filename=f"计划 {number}.pdf")
    return message.as_bytes().replace(b"\n", b"\r\n")


def held(message: Message) -> list[tuple[str, bool, str, bytes]]:
    return sorted((a.name, a.inline, a.content_id, whole(a.content)) for a in message.attachments)


LETTER = letter(b"small")
INSIDE = [
    ("logo.png", True, "logo@office", PICTURE),
    ("计划 0.pdf", False, "", PLAN),
    ("计划 1.pdf", False, "", b"small"),
]


@pytest.fixture
def spool(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize("password", [True, False], ids=["IMAP", "REST"])
def test_a_large_message_is_fetched_into_files(spool: Folder, password: bool) -> None:
    desk = Desk() if password else Desk(password="")
    id = desk.box.deliver(LETTER)
    with pytest.raises(TooLarge):
        desk.replica.fetch(id)
    message = desk.replica.fetch(id, spool)
    assert held(message) == INSIDE
    assert (message.text, message.html[:19], message.subject) == ("See the plan\r\n", "<p>See the plan</p>", "Plan")
    large = [a.content for a in message.attachments if a.name == "计划 0.pdf"]
    assert isinstance(large[0], File)
    assert not desk.only.read


@pytest.mark.parametrize("stream", ["relative", "absolute", "json"])
def test_streams_are_followed_however_they_are_named(spool: Folder, stream: str) -> None:
    desk = Desk(Switches(stream=stream), password="")  # type: ignore[arg-type]
    message = desk.replica.fetch(desk.box.deliver(LETTER), spool)
    assert held(message) == INSIDE


def test_a_small_message_needs_no_file(spool: Folder) -> None:
    desk = Desk()
    message = desk.replica.fetch(desk.box.deliver(letter_of(b"small")), spool)
    assert [a.content for a in message.attachments] == [b"small"]
    assert spool.files() == []


def letter_of(content: bytes) -> bytes:
    message = EmailMessage()
    message["Message-ID"] = "<two@mail.example>"
    message.set_content("Hello")
    message.add_attachment(content, "application", "pdf", filename="a.pdf")
    return message.as_bytes().replace(b"\n", b"\r\n")


@pytest.mark.parametrize("password", [True, False], ids=["IMAP", "REST"])
def test_over_what_may_cross_it_is_too_large_and_nothing_is_kept(spool: Folder, password: bool) -> None:
    desk = Desk() if password else Desk(password="")
    id = desk.box.deliver(LETTER)
    inner = desk.replica
    smaller = DingTalkMail(
        inner._mailbox._alimail,
        inner._imap if password else None,
        ADDRESS,
        inner._executor,
        lambda: 0,
        largest=5_000_000,
    )
    with pytest.raises(TooLarge):
        smaller.fetch(id, spool)
    assert spool.files() == []


class Breaking(Folder):
    """Takes the first megabyte of a file, then breaks, once."""

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(path)
        self.error: Exception | None = error

    def keep(self, pieces: Iterable[bytes]) -> Spooled:  # type: ignore[override]
        return super().keep(self._broken(pieces))

    def _broken(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for number, piece in enumerate(pieces):
            yield piece
            if number and self.error:
                error, self.error = self.error, None
                raise error


def test_a_disk_that_is_full_in_the_middle_leaves_a_door_that_works(tmp_path: Path) -> None:
    desk = Desk()
    id = desk.box.deliver(LETTER)
    spool = Breaking(tmp_path, NoRoom("full", code="no_room"))
    with pytest.raises(NoRoom):
        desk.replica.fetch(id, spool)
    assert spool.files() == []
    assert held(desk.replica.fetch(id, spool)) == INSIDE


def test_an_original_that_is_cut_short_is_read_again_at_once(spool: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, read, cuts = Desk(), SimStream.read, [3_000_000]

    def cut(stream: SimStream, size: int) -> bytes:
        data = read(stream, size)
        if size > 100_000 and cuts:
            cuts[0] -= size
            if cuts[0] < 0:
                cuts.pop()
                return b""
        return data

    monkeypatch.setattr(SimStream, "read", cut)
    id = desk.box.deliver(LETTER)
    desk.replica.observe((), {}, None)
    assert held(desk.replica.fetch(id, spool)) == INSIDE
    assert cuts == []
    kept = spool.files()
    assert [len(file) for file in kept if len(file) > 5_000_000] == [len(LETTER)], "nothing stays of the first try"
