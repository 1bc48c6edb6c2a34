"""What every store takes and no more, checked in our own code: an emulator may let through what the cloud refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shared.ports.state import ANY, Op

MAX_OPS = 100
MAX_ROW = 1 << 20
"""Bytes of a row's value as JSON."""
MAX_KEY = 512
"""Characters of a key or the name of a partition, any text."""
MAX_MESSAGE = 48 << 10
"""Bytes of a queue's message: 64 KiB once it is base64 (Azure: storage queues)."""


def check_transaction(ops: Sequence[Op]) -> list[str]:
    """-> the value of each op as JSON text, "" for a delete. ValueError when a store would not take them."""
    if len(ops) > MAX_OPS:
        raise ValueError(f"a transaction of {len(ops)} ops: at most {MAX_OPS} go together")
    if len({op.key for op in ops}) < len(ops):
        raise ValueError("a transaction names a key twice: merge the writes to one row first")
    for op in ops:
        check_key(op.key)
    return [_encoded(op) for op in ops]


def check_key(key: str) -> None:
    """ValueError unless `key` is at most MAX_KEY characters that can be written as UTF-8."""
    if len(key) > MAX_KEY:
        raise ValueError(f"a key of {len(key)} characters: at most {MAX_KEY} are stored")
    key.encode()


def check_message(message: Mapping[str, Any]) -> bytes:
    """-> the message as JSON in UTF-8. ValueError when a queue would not take it."""
    body = _json(message).encode()
    if len(body) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(body)} bytes: a queue takes {MAX_MESSAGE}")
    return body


def admits(if_match: str | None, etag: str | None) -> bool:
    """Whether an op with this condition may act on a row of version `etag` (None: there is no row)."""
    if if_match is None:
        return True
    if if_match == "":
        return etag is None
    return etag is not None and if_match in (ANY, etag)


def _encoded(op: Op) -> str:
    if op.kind == "delete":
        return ""
    if op.value is None:
        raise ValueError("a put without a value")
    text = _json(op.value)
    size = len(text.encode())
    if size > MAX_ROW:
        raise ValueError(f"a row of {size} bytes: at most {MAX_ROW} are stored")
    return text


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
