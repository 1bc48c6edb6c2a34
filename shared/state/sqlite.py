"""The Table port on SQLite, for everything that runs on one machine."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.model.errors import Conflict
from shared.ports.state import Entity, Op
from shared.state.database import Database
from shared.state.limits import admits, check_key, check_transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    partition TEXT NOT NULL, key TEXT NOT NULL, etag INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (partition, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (last INTEGER NOT NULL);
INSERT INTO versions SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM versions)
"""
PAGE = 500
"""Rows read, or keys asked for, at a time."""


class SqliteTable:
    """Rows in the file `path`. An etag is never used twice in a file, so a row that is deleted and made again is
    another one."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SCHEMA)

    def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        found: dict[str, Entity] = {}
        with self._database.reading() as connection:
            for start in range(0, len(keys), PAGE):
                found.update(_entities(connection, partition, keys[start : start + PAGE]))
        return found

    def scan(self, partition: str, start: str, end: str, limit: int | None = None) -> Iterator[Entity]:
        """A page at a time: a row that is written while the caller goes through them may be shown or not."""
        compare, left = ">=", limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            query = (
                f"SELECT key, value, etag FROM rows WHERE partition = ? AND key {compare} ? AND key < ? "
                "ORDER BY key LIMIT ?"
            )
            with self._database.reading() as connection:
                page = connection.execute(query, (partition, start, end, size)).fetchall()
            yield from map(_entity, page)
            if len(page) < size:
                return
            compare, start = ">", page[-1][0]
            left = None if left is None else left - size

    def partitions(self, prefix: str) -> list[str]:
        """One look into the index for each partition, however many rows it has."""
        names: list[str] = []
        compare, start = ">=", prefix
        with self._database.reading() as connection:
            while True:
                query = f"SELECT partition FROM rows WHERE partition {compare} ? ORDER BY partition LIMIT 1"
                row = connection.execute(query, (start,)).fetchone()
                if row is None or not row[0].startswith(prefix):
                    return names
                names.append(row[0])
                compare, start = ">", row[0]

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        check_key(partition)
        values = check_transaction(ops)
        with self._database.writing() as connection:
            held = _entities(connection, partition, [op.key for op in ops])
            for op in ops:
                if not admits(op.if_match, held[op.key].etag if op.key in held else None):
                    raise Conflict("a row has another version than the write expects; nothing was written")
            etags = _etags(connection, [op.key for op in ops if op.kind == "put"])
            for op, value in zip(ops, values, strict=True):
                if op.kind == "put":
                    row = (partition, op.key, etags[op.key], value)
                    connection.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", row)
                else:
                    connection.execute("DELETE FROM rows WHERE partition = ? AND key = ?", (partition, op.key))
        return {key: str(etag) for key, etag in etags.items()}

    def now(self) -> float:
        """This machine's clock: the store is here."""
        return time.time()


def _entities(connection: sqlite3.Connection, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
    query = f"SELECT key, value, etag FROM rows WHERE partition = ? AND key IN ({', '.join('?' * len(keys))})"
    return {row[0]: _entity(row) for row in connection.execute(query, (partition, *keys))}


def _entity(row: tuple[str, str, int]) -> Entity:
    key, value, etag = row
    return Entity(key, json.loads(value), str(etag))


def _etags(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, int]:
    """A new etag for each key."""
    connection.execute("UPDATE versions SET last = last + ?", (len(keys),))
    (last,) = connection.execute("SELECT last FROM versions").fetchone()
    return {key: last - index for index, key in enumerate(keys)}
