"""Large originals taken apart from their files: the same as small ones are, whatever the pieces."""

from __future__ import annotations

import base64
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
LETTERS = corpus("ann@factory.example", WHEN) | {
    letter.name: letter.mime for made in (singles, mixtures) for letter in made("ann@factory.example", WHEN)
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


def _whole(content: Content) -> list[object]:
    return [(a.name, a.content_type, a.inline, a.content_id, whole(a.content)) for a in content.attachments]


@pytest.fixture
def spool(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize("small", [0, 40, 1 << 16])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_awkward_mail_is_taken_apart_alike(monkeypatch: pytest.MonkeyPatch, spool: Folder, piece: int, small: int) -> None:
    monkeypatch.setattr(large, "SMALL", small)
    taken = 0
    for name, mime in LETTERS.items():
        content, asked = taken_apart_large(Cut(mime, piece), spool), taken_apart(mime)
        assert (content.text, content.html, _whole(content)) == (asked.text, asked.html, _whole(asked)), name
        taken += sum(not isinstance(a.content, bytes) for a in content.attachments)
    assert (taken > 20) is (small < 100)
