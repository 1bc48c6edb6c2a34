"""Alimail's JSON to records. Pure.

Members may be missing or null, `size` a number or a numeric string, Message-IDs with or without <>, `replyTo` a list
or one object (Alimail: semantics). There is no version.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.dingtalk.folders import DRAFTS
from shared.dingtalk.mime import (
    CALENDAR_TYPES,
    INVITE_NAME,
    INVITE_TYPE,
    KEY_HEADER,
    RECEIPT_HEADERS,
    without_method,
)
from shared.model.mail import Address, Attachment, Item, Message, Row
from shared.model.spooled import Content, whole
from shared.model.words import Flag, Importance

Json = Any

ROW = "id,folderId,isRead,tags,receivedDateTime,internetMessageId"
LISTED = ROW + ",internetMessageHeaders,size"
ITEM = LISTED + ",subject,from,sender,toRecipients,ccRecipients,isReadReceiptRequested"
HEAD = ITEM + ",bccRecipients,replyTo,sentDateTime,priority,isReplied,isForwarded"
WHOLE = HEAD + ",hasAttachments,body"
"""What is asked for by $select: Alimail shows only a small default set without it."""

FLAGGED_TAG, COMPLETE_TAG, IMPORTANT_TAG = "1", "2", "11"
"""Alimail: well-known tag ids: red flag, green tick, star."""

LAST = 253_402_300_799.0
"""The last second of the year 9999, in epoch seconds."""

FLAG_TAGS: dict[Flag, str] = {"flagged": FLAGGED_TAG, "complete": COMPLETE_TAG}

TAG_STEPS: dict[tuple[Flag, Flag], tuple[tuple[str, tuple[str, ...]], ...]] = {
    ("none", "flagged"): (("addTags", (FLAGGED_TAG,)),),
    ("none", "complete"): (("addTags", (COMPLETE_TAG,)),),
    ("flagged", "complete"): (("addTags", (COMPLETE_TAG,)), ("removeTags", (FLAGGED_TAG,))),
    ("flagged", "none"): (("removeTags", (FLAGGED_TAG,)),),
    ("complete", "flagged"): (("addTags", (FLAGGED_TAG,)), ("removeTags", (COMPLETE_TAG,))),
    ("complete", "none"): (("removeTags", (FLAGGED_TAG, COMPLETE_TAG)),),
}
"""From one flag to another, in an order that shows either the old one or the new one in between, never none."""

IMPORTANCE: dict[str, Importance] = {"PRY_LOW": "low", "PRY_HIGH": "high"}


Tags = Mapping[str, str]
"""Names of a mailbox's own tags by id; empty where categories don't cross."""
NO_TAGS: Tags = {}


def row(json: Json, tags: Tags = NO_TAGS) -> Row:
    return Row(
        id=str(json["id"]),
        folder=str(json.get("folderId") or ""),
        read=bool(json.get("isRead")),
        flag=flag(json.get("tags")),
        received=_received(json),
        message_id=_message_id(json.get("internetMessageId")),
        categories=tuple(sorted(tags[tag] for tag in _tags(json.get("tags")) if tag in tags)),
    )


def item(json: Json, tags: Tags = NO_TAGS) -> Item:
    shown = row(json, tags)
    fields = headers(json)
    asks = any(name.lower() in fields for name in RECEIPT_HEADERS)
    return Item(
        id=shown.id,
        folder=shown.folder,
        read=shown.read,
        flag=shown.flag,
        received=shown.received,
        message_id=shown.message_id,
        subject=str(json.get("subject") or ""),
        sender=_bare(json.get("from")) or _bare(json.get("sender")),
        recipients=tuple(
            filter(None, (_bare(one) for name in ("toRecipients", "ccRecipients") for one in json.get(name) or ()))
        ),
        size=size(json.get("size")),
        key=fields.get(KEY_HEADER.lower(), ""),
        draft=shown.folder == DRAFTS,
        wants_receipt=bool(json.get("isReadReceiptRequested")) or asks,
        categories=shown.categories,
    )


def key(json: Json) -> str | None:
    """Our key as a listing shows it; None when the listing shows no headers, "" when there is none among them."""
    return headers(json).get(KEY_HEADER.lower(), "") if json.get("internetMessageHeaders") else None


def message(json: Json, attachments: Sequence[Attachment]) -> Message:
    fields, body = headers(json), json.get("body") or {}
    important = IMPORTANT_TAG in _tags(json.get("tags"))
    return Message(
        message_id=_message_id(json.get("internetMessageId")),
        subject=str(json.get("subject") or ""),
        sender=_address(json.get("sender")),
        from_=_address(json.get("from")) or _address(json.get("sender")),
        to=_addresses(json.get("toRecipients")),
        cc=_addresses(json.get("ccRecipients")),
        bcc=_addresses(json.get("bccRecipients")),
        reply_to=_addresses(json.get("replyTo")),
        sent=epoch(json.get("sentDateTime")),
        received=_received(json),
        in_reply_to=fields.get("in-reply-to", ""),
        references=fields.get("references", ""),
        text=str(body.get("bodyText") or ""),
        html=str(body.get("bodyHtml") or ""),
        attachments=tuple(attachments),
        importance="high" if important else IMPORTANCE.get(str(json.get("priority")), "normal"),
        answered=bool(json.get("isReplied")),
        forwarded=bool(json.get("isForwarded")),
    )


def kind_of(json: Json) -> str:
    """The content type of an attachment as it is listed."""
    extra = {str(name).lower(): value for name, value in (json.get("extHeaders") or {}).items()}
    kind = str(extra.get("content-type") or json.get("contentType") or "application/octet-stream")
    return kind.partition(";")[0].strip().lower()


def content_type(json: Json) -> str:
    """The content type of a message, as its headers say."""
    return headers(json).get("content-type", "").partition(";")[0].strip().lower()


def attachment(json: Json, content: Content) -> Attachment:
    """The type stands in `extHeaders`, else in `contentType`. What invites becomes a file that doesn't."""
    kind = kind_of(json)
    if kind in CALENDAR_TYPES:
        return Attachment(INVITE_NAME, INVITE_TYPE, without_method(whole(content)))
    return Attachment(
        name=str(json.get("name") or "attachment"),
        content_type=kind,
        content=content,
        inline=bool(json.get("isInline")),
        content_id=str(json.get("contentId") or "").strip("<> "),
    )


def flag(tags: Json) -> Flag:
    shown = _tags(tags)
    return "complete" if COMPLETE_TAG in shown else "flagged" if FLAGGED_TAG in shown else "none"


def own_tags(listed: Sequence[Json]) -> Tags:
    """Names by id, without the tags that mean a flag or a star."""
    known = (FLAGGED_TAG, COMPLETE_TAG, IMPORTANT_TAG)
    shown = {str(one.get("id") or ""): str(one.get("name") or "").strip() for one in listed}
    return {id: name for id, name in shown.items() if id and name and id not in known}


def tag_steps(tags: Tags, was: Collection[str], now: Collection[str]) -> list[tuple[str, tuple[str, ...]]]:
    """What sets the categories `now` on a message that shows `was`; of two tags with one name the first is set."""
    ids = {name: id for id, name in reversed(list(tags.items()))}
    added = tuple(ids[name] for name in now if name in ids and name not in was)
    removed = tuple(id for id, name in tags.items() if name in was and name not in now)
    return [(action, some) for action, some in (("addTags", added), ("removeTags", removed)) if some]


def epoch(text: Json) -> float | None:
    """Epoch seconds of Alimail's UTC ISO-8601 time, None when there is none."""
    try:
        moment = datetime.fromisoformat(str(text or ""))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def stamp(seconds: float) -> str:
    """Epoch seconds as Alimail wants them, whole seconds: `2024-10-01T00:00:00Z`. Times that no mailbox can hold become
    the nearest that one can."""
    return datetime.fromtimestamp(int(min(max(seconds, 0.0), LAST)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _received(json: Json) -> float:
    return epoch(json.get("receivedDateTime")) or epoch(json.get("sentDateTime")) or 0.0


def _message_id(text: Json) -> str:
    return str(text or "").strip().removeprefix("<").removesuffix(">").strip()


def headers(json: Json) -> Mapping[str, str]:
    """By lower-case name; of a header that is shown as a list, the first value."""
    shown = json.get("internetMessageHeaders") or {}
    values = {
        str(name).lower(): value[0] if isinstance(value, list) and value else value for name, value in shown.items()
    }
    return {name: str(value).strip() for name, value in values.items() if value}


def _tags(tags: Json) -> frozenset[str]:
    return frozenset(str(tag) for tag in tags or ())


def size(value: Json) -> int | None:
    text = str(value or "")
    return int(text) if text.isdecimal() and len(text) <= 15 else None


def _address(json: Json) -> Address | None:
    email = str((json or {}).get("email") or "").strip()
    return Address(str(json.get("name") or ""), email) if email else None


def _addresses(json: Json) -> tuple[Address, ...]:
    many = json if isinstance(json, list) else [json]
    return tuple(address for one in many if (address := _address(one)))


def _bare(json: Json) -> str:
    address = _address(json)
    return address.address.lower() if address else ""
