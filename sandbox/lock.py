"""A lock on a folder that lives as long as its process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

LOCK = "in-use"


class InUse(Exception):
    """Another process holds the folder."""


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made when it isn't there. InUse when another process holds it.

    An empty SQLite file that is locked and never written: the lock is the operating system's, on every system that
    Python knows, and is gone with the process however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise InUse(f"{folder / LOCK}: {error}") from None
        yield
