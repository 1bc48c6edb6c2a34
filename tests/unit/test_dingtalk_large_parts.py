"""Large originals taken apart from their files: the same as small ones are, whatever the pieces."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest

from shared.dingtalk import large
from shared.dingtalk.large import taken_apart_large
from shared.dingtalk.parts import Content, taken_apart
from shared.model.errors import TooLarge
from shared.model.spooled import whole
from tests.support.awkward import mixtures, singles
from tests.support.corpus import corpus
from tests.support.files import Folder

WHEN = 1_790_000_000.0
LETTERS = {
    **corpus("ann@factory.example", WHEN),
    **{letter.name: letter.mime for made in (singles, mixtures) for letter in made("ann@factory.example", WHEN)},
}


@dataclass(frozen=True)
class Cut:
    """A file that comes in pieces of so many bytes."""

    mime: bytes
    piece: int

    @property
    def size(self) -> int:
        return len(self.mime)

    def pieces(self, most: int = 0) -> Iterator[bytes]:
        return (self.mime[at : at + self.piece] for at in range(0, len(self.mime), self.piece))


def whole_of(content: Content) -> list[object]:
    return [(a.name, a.content_type, a.inline, a.content_id, whole(a.content)) for a in content.attachments]


@pytest.fixture
def spool(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize("small", [0, 40, 1 << 16])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_awkward_mail_is_taken_apart_alike(
    monkeypatch: pytest.MonkeyPatch, spool: Folder, piece: int, small: int
) -> None:
    monkeypatch.setattr(large, "SMALL", small)
    taken = 0
    for name, mime in LETTERS.items():
        content, asked = taken_apart_large(Cut(mime, piece), spool), taken_apart(mime)
        assert (content.text, content.html, whole_of(content)) == (asked.text, asked.html, whole_of(asked)), name
        taken += sum(not isinstance(a.content, bytes) for a in content.attachments)
    assert (taken > 20) is (small < 100)


ODD = [
    b"aGVsbG8gd29ybGQ=",
    b"aGVsbG8gd29ybGQ",
    b"aGVsbG8g\r\nd29ybGQ=\r\n",
    b"aGVs bG8g!\r\n\r\n*d29ybGQ=trailing",
    b"aGVsbG8=aGVsbG8=",
    b"",
    b"====",
    b"YQ==\r\n\r\nYQ==",
]


@pytest.mark.parametrize("coded", ODD)
def test_odd_base64_is_read_alike(monkeypatch: pytest.MonkeyPatch, spool: Folder, coded: bytes) -> None:
    monkeypatch.setattr(large, "SMALL", 0)
    mime = b"Content-Type: image/png\r\nContent-Transfer-Encoding: Base64\r\n\r\n" + coded
    assert whole_of(taken_apart_large(Cut(mime, 5), spool)) == whole_of(taken_apart(mime))


def test_what_is_large_stands_in_files_and_the_rest_stays_where_it_is(spool: Folder) -> None:
    message, big = EmailMessage(), random.Random(1).randbytes(3_000_000)
    message.set_content("您好")
    message.add_attachment(big, "application", "pdf", filename="报告.pdf")
    message.add_attachment(b"small", "application", "pdf", filename="small.pdf")
    inner = EmailMessage()
    inner["Subject"] = "An old letter"
    inner.set_content("Old")
    inner.add_attachment(big, "application", "zip", filename="inside.zip")
    message.add_attachment(inner)
    mime = message.as_bytes().replace(b"\n", b"\r\n")
    content, asked = taken_apart_large(Cut(mime, 1 << 16), spool), taken_apart(mime)
    assert whole_of(content) == whole_of(asked)
    assert [(a.name, isinstance(a.content, bytes)) for a in content.attachments] == [
        ("报告.pdf", False),
        ("small.pdf", True),
        ("An old letter.eml", False),
    ]
    assert content.text == "您好\r\n"


def test_texts_that_are_too_much_for_memory_are_too_large(spool: Folder) -> None:
    mime = b"Content-Type: text/html\r\n\r\n" + b"x" * 8_100_000
    with pytest.raises(TooLarge):
        taken_apart_large(Cut(mime, 1 << 20), spool)
