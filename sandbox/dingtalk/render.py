"""Messages and folders as the REST door shows them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sandbox.dingtalk.errors import invalid
from sandbox.dingtalk.records import Address, Folder, Message
from sandbox.dingtalk.store import Store
from sandbox.dingtalk.switches import Switches

DEFAULT = ("id", "mailId", "subject", "summary", "folderId", "isRead", "hasAttachments")
"""What comes without $select."""
POSTING = 2.0
"""Seconds that a sent mail takes on its way out."""


def iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(text: str) -> float:
    """UTC ISO-8601 with Z."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise invalid("times are UTC, like 2025-06-01T00:00:00Z") from exc
    if moment.tzinfo is None:
        raise invalid("times are UTC, like 2025-06-01T00:00:00Z")
    return moment.timestamp()


def folder(store: Store, shown: Folder) -> dict[str, Any]:
    total, unread = store.counters(shown.id)
    return {
        "id": shown.id,
        "displayName": shown.name,
        "parentFolderId": shown.parent,
        "childFolderCount": len(store.children(shown.id)),
        "totalItemCount": total,
        "unreadItemCount": unread,
        "extensions": {},
    }


def message(item: Message, switches: Switches, now: float) -> dict[str, Any]:
    """Every member there is."""
    parsed, mid = item.parsed, item.parsed.message_id
    return {
        "id": item.id,
        "mailId": item.id,
        "conversationId": parsed.conversation,
        "folderId": item.folder,
        "internetMessageId": f"<{mid}>" if mid and switches.brackets_on_message_id else mid,
        "subject": parsed.subject,
        "summary": " ".join(parsed.text.split())[:100],
        "priority": parsed.priority,
        "from": _address(parsed.from_),
        "sender": _address(parsed.sender),
        "toRecipients": [_address(a) for a in parsed.to],
        "ccRecipients": [_address(a) for a in parsed.cc],
        "bccRecipients": [_address(a) for a in parsed.bcc],
        "replyTo": [_address(a) for a in parsed.reply_to],
        "isRead": item.read,
        "isReplied": item.answered,
        "isForwarded": False,
        "isReadReceiptRequested": parsed.wants_receipt,
        "hasAttachments": any(not part.inline for part in parsed.parts),
        "tags": sorted(item.tags),
        "internetMessageHeaders": dict(reversed(parsed.headers)),
        "sentDateTime": iso(parsed.date),
        "receivedDateTime": iso(item.received),
        "lastModifiedDateTime": iso(item.modified),
        "size": str(len(item.mime)) if switches.size_as_string else len(item.mime),
        "sendStatus": _send_status(item, now),
        "body": {"bodyText": parsed.text, "bodyHtml": parsed.html},
    }


def selected(
    whole: dict[str, Any], select: str | None, switches: Switches, listing: bool
) -> tuple[dict[str, Any], list[str]]:
    """What $select asks for, and the names in it that the vendor doesn't know."""
    names = [name.strip() for name in select.split(",") if name.strip()] if select else list(DEFAULT)
    hidden = set(_hidden(switches)) if listing else set()
    return {n: whole[n] for n in names if n in whole and n not in hidden}, [n for n in names if n not in whole]


def _hidden(switches: Switches) -> Iterable[str]:
    if not switches.headers_in_list:
        yield "internetMessageHeaders"
    if not switches.body_in_list:
        yield "body"


def _send_status(item: Message, now: float) -> str:
    if not item.posted:
        return "none"
    return "posting" if now < item.created + POSTING else "success"


def _address(address: Address | None) -> dict[str, str] | None:
    return None if address is None else {"email": address.email, "name": address.name}
