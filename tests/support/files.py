"""A spool for tests: files in a folder of the test's own."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.model.spooled import PIECE


@dataclass(frozen=True, slots=True)
class File:
    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def pieces(self, most: int = PIECE) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while piece := file.read(most):
                yield piece


class Folder:
    """A spool whose files are in `path`."""

    def __init__(self, path: Path) -> None:
        self._path, self._names = path, itertools.count()

    def keep(self, pieces: Iterable[bytes]) -> File:
        file = File(self._path / f"{next(self._names):05}")
        try:
            with file.path.open("wb") as out:
                for piece in pieces:
                    out.write(piece)
        except BaseException:
            file.path.unlink()
            raise
        return file

    def files(self) -> list[bytes]:
        """What is kept, in the order in which it came."""
        return [path.read_bytes() for path in sorted(self._path.iterdir())]
