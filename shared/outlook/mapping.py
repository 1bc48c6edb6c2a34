"""Graph's JSON as records and back; pure (Graph: message resource, extended properties)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any

from shared.model.mail import Address, Attachment, Item, Message, Row
from shared.model.words import Flag

Json = Mapping[str, Any]

SPACE = "String {7b0a4f0e-52a9-4d52-9a53-0f1b6f4c0d11} Name "
KEY = SPACE + "TandemKey"
ORIGINAL_ID = SPACE + "TandemMessageId"
FLAGS_PROPERTY, DELIVERED, SUBMITTED = "Integer 0x0E07", "SystemTime 0x0E06", "SystemTime 0x0039"
IN_REPLY_TO, REFERENCES = "String 0x1042", "String 0x1039"

ROW_FIELDS = "id,isRead,flag,parentFolderId,receivedDateTime,internetMessageId,isDraft"
ITEM_FIELDS = (
    "id,parentFolderId,isRead,flag,receivedDateTime,internetMessageId,subject,from,toRecipients,ccRecipients,"
    "isDraft,isReadReceiptRequested,changeKey"
)
EXPAND = f"singleValueExtendedProperties($filter=id eq '{KEY}' or id eq '{ORIGINAL_ID}')"

TO_GRAPH: dict[Flag, str] = {"none": "notFlagged", "flagged": "flagged", "complete": "complete"}
OF_GRAPH: dict[str, Flag] = {text: flag for flag, text in TO_GRAPH.items()}


def epoch(text: str | None) -> float:
    """2026-11-24T03:00:00Z (with or without fractions) in epoch seconds; 0 when missing."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else 0.0


def iso(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bare(message_id: str | None) -> str:
    return (message_id or "").strip().strip("<>")


def flag_of(value: Json) -> Flag:
    return OF_GRAPH.get(str((value.get("flag") or {}).get("flagStatus")), "none")


def row(value: Json) -> Row:
    return Row(
        id=str(value["id"]),
        folder=str(value.get("parentFolderId") or ""),
        read=bool(value.get("isRead")),
        flag=flag_of(value),
        received=epoch(value.get("receivedDateTime")),
        message_id=bare(value.get("internetMessageId")),
    )


def item(value: Json) -> Item:
    properties = {p["id"].lower(): str(p["value"]) for p in value.get("singleValueExtendedProperties") or ()}
    recipients = [*(value.get("toRecipients") or ()), *(value.get("ccRecipients") or ())]
    return Item(
        id=str(value["id"]),
        folder=str(value.get("parentFolderId") or ""),
        read=bool(value.get("isRead")),
        flag=flag_of(value),
        received=epoch(value.get("receivedDateTime")),
        message_id=bare(properties.get(ORIGINAL_ID.lower()) or value.get("internetMessageId")),
        subject=str(value.get("subject") or ""),
        sender=_address(value.get("from")),
        recipients=tuple(a for a in map(_address, recipients) if a),
        key=properties.get(KEY.lower(), ""),
        version=str(value.get("@odata.etag") or ""),
        draft=bool(value.get("isDraft")),
        wants_receipt=bool(value.get("isReadReceiptRequested")),
    )


def _address(value: Json | None) -> str:
    return str(((value or {}).get("emailAddress") or {}).get("address") or "").lower()


# ---- a message on its way to DingTalk: the original bytes
def message(mime: bytes, received: float, message_id: str) -> Message:
    """`received` and `message_id` are what the read by id shows; everything else is read from the bytes."""
    parsed = message_from_bytes(mime, policy=policy.default)
    return Message(
        message_id=message_id,
        subject=_header(parsed, "subject"),
        sender=_first(parsed, "sender") or _first(parsed, "from"),
        from_=_first(parsed, "from"),
        to=_addresses(parsed, "to"),
        cc=_addresses(parsed, "cc"),
        bcc=_addresses(parsed, "bcc"),
        reply_to=_addresses(parsed, "reply-to"),
        sent=_date(parsed),
        received=received,
        in_reply_to=_header(parsed, "in-reply-to"),
        references=_header(parsed, "references"),
        text="",
        html="",
        attachments=(),
        mime=mime,
    )


def _header(parsed: EmailMessage, name: str) -> str:
    try:
        return str(parsed.get(name) or "")
    except (ValueError, IndexError, AttributeError):
        return ""  # a header that the parser can't take apart


def _addresses(parsed: EmailMessage, name: str) -> tuple[Address, ...]:
    return tuple(Address(n, a) for n, a in getaddresses([_header(parsed, name)]) if a)


def _first(parsed: EmailMessage, name: str) -> Address | None:
    return next(iter(_addresses(parsed, name)), None)


def _date(parsed: EmailMessage) -> float | None:
    try:
        stamp = parsed["date"].datetime
        return float(stamp.timestamp()) if stamp else None
    except (ValueError, AttributeError, TypeError, IndexError):
        return None


# ---- a message on its way from DingTalk: the creating POST
def creating(message: Message, read: bool, flag: Flag, key: str) -> dict[str, Any]:
    """The body of the one POST that makes a message that is no draft, with its dates, state, thread and our key. It
    never asks for a receipt."""
    body: dict[str, Any] = {
        "subject": message.subject,
        "body": {"contentType": "html" if message.html else "text", "content": message.html or message.text},
        "toRecipients": _recipients(message.to),
        "ccRecipients": _recipients(message.cc),
        "bccRecipients": _recipients(message.bcc),
        "replyTo": _recipients(message.reply_to),
        "importance": message.importance,
        "isRead": read,
        "flag": {"flagStatus": TO_GRAPH[flag]},
        "attachments": [_attachment(a) for a in message.attachments],
        "singleValueExtendedProperties": _properties(message, read, key),
    }
    if message.from_ is not None:
        body["from"] = _recipients([message.from_])[0]
        body["sender"] = _recipients([message.sender or message.from_])[0]
    if message.message_id:
        body["internetMessageId"] = f"<{message.message_id}>"
    return body


def _properties(message: Message, read: bool, key: str) -> list[dict[str, str]]:
    sent = message.sent if message.sent is not None else message.received
    values = {
        FLAGS_PROPERTY: "1" if read else "0",
        DELIVERED: iso(message.received),
        SUBMITTED: iso(sent),
        KEY: key,
        ORIGINAL_ID: message.message_id,
        IN_REPLY_TO: message.in_reply_to,
        REFERENCES: message.references,
    }
    return [{"id": id, "value": value} for id, value in values.items() if value]


def _recipients(addresses: Sequence[Address]) -> list[dict[str, Any]]:
    return [{"emailAddress": {"name": a.name or a.address, "address": a.address}} for a in addresses]


def _attachment(attachment: Attachment) -> dict[str, Any]:
    value: dict[str, Any] = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": attachment.name,
        "contentType": attachment.content_type,
        "contentBytes": base64.b64encode(attachment.content).decode(),
        "isInline": attachment.inline,
    }
    return {**value, "contentId": attachment.content_id} if attachment.content_id else value
