"""Files of this process for what is too large for its memory."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from shared.model.errors import NoRoom
from shared.model.spooled import PIECE, Spooled
from shared.ports.world import Spool

RESERVE = 64 << 20
"""Bytes of the disk that are left free: the host and its logs need some too."""


class FileSpool:
    """A Spool in `folder` (None: where this machine keeps what is temporary). The files have no names, so that the
    system takes them back however the process ends."""

    def __init__(self, folder: Path | None = None, reserve: int = RESERVE) -> None:
        self._folder, self._reserve = Path(folder or tempfile.gettempdir()), reserve
        self._files: list[BinaryIO] = []

    def keep(self, pieces: Iterable[bytes]) -> Spooled:
        """As the port's. NoRoom when the disk is too full for it, or the folder can't be written."""
        file = self._open()
        try:
            size = self._fill(file, pieces)
        except BaseException:
            file.close()
            raise
        self._files.append(file)
        return _Kept(file, size)

    def _open(self) -> BinaryIO:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryFile(dir=self._folder, buffering=0)
        except OSError as exc:
            raise self._no_room(exc.strerror) from exc

    def _fill(self, file: BinaryIO, pieces: Iterable[bytes]) -> int:
        size, checked = 0, -PIECE
        for piece in pieces:
            if size - checked >= PIECE:
                self._check()
                checked = size
            try:
                _write(file, piece)
            except OSError as exc:
                raise self._no_room(exc.strerror) from exc
            size += len(piece)
        return size

    def _check(self) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < self._reserve:
            raise self._no_room(f"{free >> 20} MB are free, {self._reserve >> 20} MB are to stay so")

    def _no_room(self, why: str | None) -> NoRoom:
        return NoRoom(
            f"the folder for large messages, {self._folder}, takes no more ({why}): make room there, or set"
            " TANDEM_SPOOL_FOLDER to a folder on a larger disk",
            code="no_room",
        )

    def close(self) -> None:
        """Delete everything that was kept."""
        files, self._files = self._files, []
        for file in files:
            file.close()

    def __enter__(self) -> FileSpool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class OneSpool:
    """A spool for one user of this process at a time: so the disk holds one large message, and the memory the pieces of
    one."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._lock = folder, threading.Lock()

    def open(self) -> AbstractContextManager[Spool] | None:
        """None while somebody else has it."""
        return self._opened() if self._lock.acquire(blocking=False) else None

    @contextmanager
    def _opened(self) -> Iterator[Spool]:
        try:
            with FileSpool(self._folder) as spool:
                yield spool
        finally:
            self._lock.release()


class _Kept:
    """Bytes of a file that is open. It may be read at several places at once."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size

    def pieces(self, most: int = PIECE) -> Iterator[bytes]:
        at = 0
        while at < self.size:
            piece = os.pread(self._file.fileno(), min(most, self.size - at), at)
            if not piece:
                raise EOFError(f"a file of the spool ends after {at} of its {self.size} bytes")
            at += len(piece)
            yield piece


def _write(file: BinaryIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
