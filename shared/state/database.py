"""One SQLite file for several threads and processes."""

from __future__ import annotations

import sqlite3
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.model.errors import StoreUnavailable

PATIENCE = 10.0
"""Seconds that a writer waits for another."""

ADVICE = {
    sqlite3.SQLITE_BUSY: f"another process has held it for more than {PATIENCE:g} s; end that process, or try again",
    sqlite3.SQLITE_LOCKED: f"another process has held it for more than {PATIENCE:g} s; end that process, or try again",
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_IOERR: "the disk failed; check its health and its free space",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened; check that its folder exists and may be written to",
    sqlite3.SQLITE_READONLY: "it may not be written to; check who owns the file and its folder",
    sqlite3.SQLITE_PERM: "it may not be written to; check who owns the file and its folder",
    sqlite3.SQLITE_CORRUPT: "it is damaged; stop everything that uses it and restore a copy",
    sqlite3.SQLITE_NOTADB: "it is no database; move it away or choose another folder for the state",
}
"""What to do, by SQLite's primary result code."""


class Database:
    """Connections to `path`, which is made, for its owner alone, where it isn't there. `schema`: statements that do
    nothing the second time (CREATE ... IF NOT EXISTS), with semicolons between them.

    A connection serves one caller at a time and is kept for the next. They are closed with this object. Every method
    raises StoreUnavailable, which says what to do."""

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        weakref.finalize(self, _close, self._idle)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise StoreUnavailable(f"{path} can't be made: {error.strerror}; choose another folder") from error
        with self.reading() as connection:
            _make_wal(connection)
        with self.writing() as connection:
            for statement in filter(str.strip, schema.split(";")):
                connection.execute(statement)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection on which each statement stands alone."""
        with self._translated():
            connection = self._taken()
            try:
                yield connection
            finally:
                if connection.in_transaction:  # it could not be undone: SQLite does so when the connection ends
                    connection.close()
                else:
                    self._idle.append(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a transaction that no other writer interrupts; undone when the block raises."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # after some failures SQLite has already rolled back
                    connection.execute("ROLLBACK")
                raise

    def _taken(self) -> sqlite3.Connection:
        with suppress(IndexError):
            return self._idle.pop()
        return self._opened()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA synchronous = FULL")  # an intent must outlive a power cut
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            advice = ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "try again, then check the disk")
            raise StoreUnavailable(f"the state in {self._path}: {advice}", code=name) from error


def _make_wal(connection: sqlite3.Connection) -> None:
    """Readers beside a writer. Of several processes that switch a new file at once all but one are refused without
    being kept waiting, so they ask again."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _close(connections: list[sqlite3.Connection]) -> None:
    for connection in connections:
        connection.close()
