"""Graph's JSON as records and back; pure (Graph: message resource, extended properties)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from email.utils import getaddresses
from typing import Any

from shared.model.errors import Unavailable
from shared.model.mail import Address, Attachment, Item, Message, Row
from shared.model.spooled import Content, pieces_of, whole
from shared.model.words import Flag, Importance

Json = Mapping[str, Any]

SPACE = "String {7b0a4f0e-52a9-4d52-9a53-0f1b6f4c0d11} Name "
KEY = SPACE + "TandemKey"
ORIGINAL_ID = SPACE + "TandemMessageId"
SIZE = "Integer 0x0E08"
FLAGS_PROPERTY, DELIVERED, SUBMITTED = "Integer 0x0E07", "SystemTime 0x0E06", "SystemTime 0x0039"
IN_REPLY_TO, REFERENCES = "String 0x1042", "String 0x1039"
LAST_VERB = "Integer 0x1081"
"""Ids of extended properties: our own two, and those of the store (PR_MESSAGE_SIZE, PR_LAST_VERB_EXECUTED ...)."""

ANSWERED, FORWARDED = ("102", "103"), ("104",)
"""Values of the last verb: reply to the sender, reply to all, forward."""

ROW_FIELDS = "id,isRead,flag,parentFolderId,receivedDateTime,internetMessageId,isDraft,categories"
ITEM_FIELDS = (
    "id,parentFolderId,isRead,flag,receivedDateTime,internetMessageId,subject,from,toRecipients,ccRecipients,"
    "isDraft,isReadReceiptRequested,changeKey,categories,importance"
)
ASKED = " or ".join(f"id eq '{id}'" for id in (KEY, ORIGINAL_ID, SIZE, LAST_VERB))
EXPAND = f"singleValueExtendedProperties($filter={ASKED})"

TO_GRAPH: dict[Flag, str] = {"none": "notFlagged", "flagged": "flagged", "complete": "complete"}
OF_GRAPH: dict[str, Flag] = {text: flag for flag, text in TO_GRAPH.items()}
IMPORTANCE: dict[str, Importance] = {"low": "low", "high": "high"}
"""Whatever else it says is normal."""

ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+")
LAST = 253_402_300_799.0
"""The last second of the year 9999, in epoch seconds."""


def epoch(text: str | None) -> float:
    """2026-11-24T03:00:00Z (with or without fractions) in epoch seconds; 0 when missing. Unavailable for anything
    else."""
    try:
        return _utc(datetime.fromisoformat(text)).timestamp() if text else 0.0
    except ValueError as exc:
        raise Unavailable("Graph's answer holds a time that can't be read", code="no_time") from exc


def _utc(when: datetime) -> datetime:
    """A time without a zone is meant as UTC (RFC 5322: so is -0000)."""
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def iso(at: float) -> str:
    """Whole seconds, UTC; times that no mailbox can hold become the nearest that one can."""
    return datetime.fromtimestamp(int(min(max(at, 0.0), LAST)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bare(message_id: str | None) -> str:
    return (message_id or "").strip().removeprefix("<").removesuffix(">")


def flag_of(value: Json) -> Flag:
    return OF_GRAPH.get(str((value.get("flag") or {}).get("flagStatus")), "none")


def row(value: Json, folder: str) -> Row:
    """`folder`: where it was listed."""
    return Row(
        id=str(value["id"]),
        folder=str(value.get("parentFolderId") or folder),
        read=bool(value.get("isRead")),
        flag=flag_of(value),
        received=epoch(value.get("receivedDateTime")),
        message_id=bare(value.get("internetMessageId")),
        categories=tuple(value.get("categories") or ()),
    )


def item(value: Json) -> Item:
    shown, own = row(value, ""), _own(value)
    recipients = [*(value.get("toRecipients") or ()), *(value.get("ccRecipients") or ())]
    return Item(
        id=shown.id,
        folder=shown.folder,
        read=shown.read,
        flag=shown.flag,
        received=shown.received,
        message_id=bare(own.get(_plain(ORIGINAL_ID))) or shown.message_id,
        subject=str(value.get("subject") or ""),
        sender=_address(value.get("from")),
        recipients=tuple(a for a in map(_address, recipients) if a),
        size=int(own[_plain(SIZE)]) if own.get(_plain(SIZE), "").isdecimal() else None,
        key=own_key(value),
        version=version(value),
        draft=bool(value.get("isDraft")),
        wants_receipt=bool(value.get("isReadReceiptRequested")),
        categories=shown.categories,
        importance=IMPORTANCE.get(str(value.get("importance")), "normal"),
        answered=own.get(_plain(LAST_VERB)) in ANSWERED,
        forwarded=own.get(_plain(LAST_VERB)) in FORWARDED,
    )


def version(value: Json) -> str:
    """The tag that If-Match takes."""
    change_key = value.get("changeKey")
    return str(value.get("@odata.etag") or (f'W/"{change_key}"' if change_key else ""))


def own_key(value: Json) -> str:
    """Our mark on a message, "" if it has none."""
    return _own(value).get(_plain(KEY), "")


def _own(value: Json) -> dict[str, str]:
    """Extended properties that were asked for, by plain id."""
    return {_plain(p["id"]): str(p["value"]) for p in value.get("singleValueExtendedProperties") or ()}


def _plain(id: str) -> str:
    """Graph gives ids back in its own spelling: another case, no leading zeros."""
    return id.lower().replace("0x0", "0x")


def _address(value: Json | None) -> str:
    return str(((value or {}).get("emailAddress") or {}).get("address") or "").lower()


# ---- a message on its way to DingTalk: the original bytes
def message(mime: Content, item: Item) -> Message:
    """What a read by id shows is taken from `item`; everything else stands in the bytes' header. Bodies and attachments
    stay in the bytes."""
    head = BytesHeaderParser(policy=default).parsebytes(next(pieces_of(mime), b""))
    return Message(
        message_id=item.message_id,
        subject=_header(head, "subject"),
        sender=_first(head, "sender") or _first(head, "from"),
        from_=_first(head, "from"),
        to=_addresses(head, "to"),
        cc=_addresses(head, "cc"),
        bcc=_addresses(head, "bcc"),
        reply_to=_addresses(head, "reply-to"),
        sent=_date(head),
        received=item.received,
        in_reply_to=_header(head, "in-reply-to"),
        references=_header(head, "references"),
        text="",
        html="",
        attachments=(),
        importance=item.importance,
        mime=mime,
        answered=item.answered,
        forwarded=item.forwarded,
    )


UNREADABLE = (MessageError, ValueError, AttributeError, LookupError, TypeError, OverflowError, RecursionError)
"""What the standard library raises for a header that it can't take apart."""


def _header(head: EmailMessage, name: str) -> str:
    try:
        return str(head.get(name) or "")
    except UNREADABLE:
        return ""


def _addresses(head: EmailMessage, name: str) -> tuple[Address, ...]:
    return tuple(Address(n, a) for n, a in getaddresses([_header(head, name)]) if a)


def _first(head: EmailMessage, name: str) -> Address | None:
    return next(iter(_addresses(head, name)), None)


def _date(head: EmailMessage) -> float | None:
    try:
        return _utc(head["date"].datetime).timestamp()
    except UNREADABLE:
        return None


# ---- a message on its way from DingTalk: the creating POST
def creating(message: Message, read: bool, flag: Flag, key: str, categories: Sequence[str] = ()) -> dict[str, Any]:
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
        "categories": list(categories),
        "attachments": [attached(a) for a in message.attachments],
        "singleValueExtendedProperties": _properties(message, read, key),
    }
    if message.from_ is not None:
        body["from"] = _recipient(message.from_)
        body["sender"] = _recipient(message.sender or message.from_)
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
        LAST_VERB: ANSWERED[0] if message.answered else FORWARDED[0] if message.forwarded else "",
    }
    return [{"id": id, "value": value} for id, value in values.items() if value]


def _recipients(addresses: Sequence[Address]) -> list[dict[str, Any]]:
    """Without those that are no addresses: the vendor refuses the whole message for one of them."""
    return [_recipient(a) for a in addresses if ADDRESS.fullmatch(a.address)]


def _recipient(address: Address) -> dict[str, Any]:
    return {"emailAddress": {"name": address.name or address.address, "address": address.address}}


def attached(attachment: Attachment) -> dict[str, Any]:
    """With its bytes: for one that is small."""
    value: dict[str, Any] = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": attachment.name or "attachment",
        "contentType": attachment.content_type or "application/octet-stream",
        "contentBytes": base64.b64encode(whole(attachment.content)).decode(),
        "isInline": attachment.inline,
    }
    return {**value, "contentId": attachment.content_id} if attachment.content_id else value
