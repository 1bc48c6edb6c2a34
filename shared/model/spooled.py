"""Bytes that are too many for memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

PIECE = 1 << 20
"""Bytes of a piece."""
LARGEST_ENCODED = 220_000_000
"""Bytes of the largest message that crosses, as encoded: attachments of 150 MB in base64 with its line ends (215 MB),
and their texts."""


class Spooled(Protocol):
    """Bytes that stand in a file of this process, for as long as the spool that keeps them is open."""

    @property
    def size(self) -> int: ...

    def pieces(self, most: int = PIECE) -> Iterator[bytes]:
        """From the beginning, each of `most` bytes but the last, which may be shorter. None for an empty file."""
        ...


Content = bytes | Spooled


def size_of(content: Content | None) -> int:
    """In bytes; nothing has none."""
    if content is None:
        return 0
    return len(content) if isinstance(content, bytes) else content.size


def whole(content: Content) -> bytes:
    """In memory."""
    return content if isinstance(content, bytes) else b"".join(content.pieces())


def pieces_of(content: Content, most: int = PIECE) -> Iterator[bytes]:
    """Its bytes in turn, as `Spooled.pieces`."""
    if not isinstance(content, bytes):
        return content.pieces(most)
    return (content[at : at + most] for at in range(0, len(content), most))
