"""Which conversation a message belongs to."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

from sandbox.microsoft.records import Message

_REPLY = re.compile(r"^\s*((re|fw|fwd|aw|wg|答复|回复|转发|回覆|轉寄)\s*[:：]\s*)+", re.IGNORECASE)
_ID = re.compile(r"<[^<>\s]+>")


def conversation_of(message: Message, known: Mapping[str, str]) -> str:
    """By In-Reply-To and References where there are any, else by subject. `known`: conversations by Message-ID."""
    ids = _ID.findall(f"{message.references} {message.in_reply_to}")
    if not ids:
        return _name(_REPLY.sub("", message.subject).strip().casefold() or message.message_id)
    return next((known[id] for id in ids if id in known), _name(ids[0]))


def _name(root: str) -> str:
    return "AAQkA" + base64.urlsafe_b64encode(hashlib.sha256(root.encode()).digest()).decode().rstrip("=") + "AAA="
