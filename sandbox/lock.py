"""A lock on a folder that lives as long as its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "in-use"


class InUse(Exception):
    """Another process holds the folder; `pid` is its number, "" when it didn't say so yet."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder. InUse when another process does.

    The lock is the operating system's, so that it is gone with its process, however that ends."""
    file = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(os.read(file, 20).decode("ascii", "replace").strip()) from None
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(file)
