"""What every store takes and no more, checked in our own code: an emulator may let through what the cloud refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.ports.state import ANY, Op
from shared.state.keys import encode_key

MAX_OPS = 100
MAX_ROW = (1 << 20) - (4 << 10)
"""Bytes of a row's value as JSON, in UTF-16 as it is kept and in ASCII as it is sent, the longer of the two. With the
names of its properties and two keys of 1 KiB that is the 1 MiB of Azure's tables."""
MAX_TRANSACTION = 4 << 20
"""Bytes of a transaction on the wire (Azure: entity group transactions)."""
HEADERS = 2 << 10
"""Bytes on the wire of an op beside its value: its headers, its keys and the names of its properties."""
MAX_KEY = 512
"""Characters of a key or the name of a partition as `encode_key` writes it; any text."""
MAX_SECRET = 25_000
"""Bytes of a secret (Azure: Key Vault)."""
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
        if op.kind == "delete" and op.if_match == "":
            raise ValueError("a delete of a row that must not be there: leave it out")
    texts = [_encoded(op) for op in ops]
    size = sum(HEADERS + _sent(text) for text in texts)
    if size > MAX_TRANSACTION:
        raise ValueError(f"a transaction of {size} bytes: at most {MAX_TRANSACTION} go together")
    return texts


def check_key(key: str) -> None:
    """ValueError unless `key` can be written as UTF-8 and takes at most MAX_KEY characters."""
    key.encode()
    if (size := len(encode_key(key))) > MAX_KEY:
        raise ValueError(f"a key of {size} characters as it is stored: at most {MAX_KEY} are")


def check_message(message: Mapping[str, Any]) -> bytes:
    """-> the message as JSON in UTF-8. ValueError when a queue would not take it."""
    body = _json(message).encode()
    if len(body) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(body)} bytes: a queue takes {MAX_MESSAGE}")
    return body


_SEGMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,200}")
_SECRET = re.compile(r"[a-z0-9-]{1,127}")


def check_blob_name(name: str) -> list[str]:
    """-> the parts of the name. ValueError unless each is of lower-case letters, digits, dots, dashes and underscores,
    so that it can't lead elsewhere and is the same on every file system."""
    segments = name.split("/")
    if not all(map(_SEGMENT.fullmatch, segments)):
        raise ValueError("a blob's name is made of a-z, 0-9, '.', '-' and '_', in parts joined by '/'")
    return segments


def check_secret_name(name: str) -> str:
    """-> the name. ValueError when a store would not take it."""
    if not _SECRET.fullmatch(name):
        raise ValueError("a secret's name is made of a-z, 0-9 and '-'")
    return name


def check_secret(value: str) -> str:
    """-> the value. ValueError, which doesn't show it, when a store would not take it."""
    size = len(value.encode())
    if not 0 < size <= MAX_SECRET:
        raise ValueError(f"a secret of {size} bytes: 1 to {MAX_SECRET} are stored")
    return value


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
    size = max(len(text.encode("utf-16-le")), _sent(text))
    if size > MAX_ROW:
        raise ValueError(f"a row of {size} bytes: at most {MAX_ROW} are stored")
    return text


def _sent(text: str) -> int:
    """Bytes of a text inside the JSON of a request, where all that isn't ASCII is escaped."""
    return len(json.dumps(text))


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
