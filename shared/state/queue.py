"""The WorkQueue port on SQLite, and the receiving side that a local Functions host reads."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.model.errors import Conflict
from shared.ports.state import Poisoned, Received
from shared.state.database import Database
from shared.state.limits import check_message

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, body BLOB NOT NULL, inserted REAL NOT NULL,
    visible REAL NOT NULL, dequeue_count INTEGER NOT NULL DEFAULT 0, receipt TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS by_time ON messages (queue, visible)
"""
SHOWN = 32
"""Poisoned messages shown at once."""


class SqliteQueue:
    """Messages of any number of queues in the file `path`."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SCHEMA)

    def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        body, now = check_message(message), time.time()
        row = (queue, body, now, now + max(0.0, delay))
        with self._database.writing() as connection:
            connection.execute("INSERT INTO messages (queue, body, inserted, visible) VALUES (?, ?, ?, ?)", row)

    def receive(self, queue: str, count: int, visibility: float) -> list[Received]:
        now = time.time()
        with self._database.reading() as connection:
            if not _visible(connection, queue, now, 1):
                return []  # an idle queue, which is asked often, locks nobody out
        with self._database.writing() as connection:
            return [_handed_out(connection, id, now + visibility) for id in _visible(connection, queue, now, count)]

    def delete(self, queue: str, received: Received) -> None:
        self._settle(queue, received, "DELETE FROM messages")

    def release(self, queue: str, received: Received, delay: float) -> None:
        self._settle(queue, received, "UPDATE messages SET receipt = '', visible = ?", time.time() + delay)

    def poison(self, queue: str, received: Received) -> None:
        now = time.time()
        change = "UPDATE messages SET receipt = '', dequeue_count = 0, inserted = ?, visible = ?, queue = ?"
        self._settle(queue, received, change, now, now, f"{queue}-poison")

    def poisoned(self, queue: str) -> list[Poisoned]:
        query = "SELECT id, body, inserted FROM messages WHERE queue = ? AND visible <= ? ORDER BY visible, id LIMIT ?"
        with self._database.reading() as connection:
            rows = connection.execute(query, (f"{queue}-poison", time.time(), SHOWN)).fetchall()
        return [Poisoned(str(id), body, inserted) for id, body, inserted in rows]

    def replay(self, queue: str, id: str) -> None:
        now = time.time()
        change = "UPDATE messages SET receipt = '', dequeue_count = 0, inserted = ?, visible = ?, queue = ?"
        with self._database.writing() as connection:
            where = "WHERE id = ? AND queue = ? AND visible <= ?"
            done = connection.execute(f"{change} {where}", (now, now, queue, id, f"{queue}-poison", now))
            if not done.rowcount:
                raise Conflict(f"message {id} of queue {queue}-poison is held by somebody else, or is gone")

    def depth(self, queue: str) -> int:
        with self._database.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM messages WHERE queue = ?", (queue,)).fetchone()
            return int(count)

    def _settle(self, queue: str, received: Received, change: str, *values: object) -> None:
        held = (received.id, queue, received.receipt)
        with self._database.writing() as connection:
            done = connection.execute(f"{change} WHERE id = ? AND queue = ? AND receipt = ?", (*values, *held))
            if not done.rowcount:
                raise Conflict(f"message {received.id} of queue {queue} is held by somebody else, or is gone")


def _visible(connection: sqlite3.Connection, queue: str, now: float, count: int) -> list[int]:
    query = "SELECT id FROM messages WHERE queue = ? AND visible <= ? ORDER BY visible, id LIMIT ?"
    return [id for (id,) in connection.execute(query, (queue, now, count))]


def _handed_out(connection: sqlite3.Connection, id: int, until: float) -> Received:
    change = (
        "UPDATE messages SET visible = ?, dequeue_count = dequeue_count + 1, receipt = dequeue_count + 1 WHERE id = ?"
    )
    connection.execute(change, (until, id))
    query = "SELECT body, dequeue_count, receipt, inserted FROM messages WHERE id = ?"
    body, dequeue_count, receipt, inserted = connection.execute(query, (id,)).fetchone()
    return Received(str(id), body, dequeue_count, receipt, inserted)
