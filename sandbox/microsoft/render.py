"""Folders, messages and attachments as the vendor's JSON."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.microsoft import ids, properties
from sandbox.microsoft.calls import Call
from sandbox.microsoft.mime import plain, preview
from sandbox.microsoft.query import Expand, parse_expand, parse_select
from sandbox.microsoft.records import Address, Attachment, Folder, Message
from sandbox.microsoft.store import Store
from sandbox.microsoft.times import iso


def message_id(message: Message, immutable: bool) -> str:
    return message.id if immutable else message.default_id


def etag(message: Message) -> str:
    return f'W/"{ids.change_key(message.id, message.version)}"'


def recipient(address: Address | None) -> dict[str, Any] | None:
    return (
        None
        if address is None
        else {"emailAddress": {"name": address.name or address.address, "address": address.address}}
    )


def recipients(addresses: Sequence[Address]) -> list[dict[str, Any] | None]:
    return [recipient(a) for a in addresses]


@dataclass(frozen=True, slots=True)
class View:
    """How one request wants its messages."""

    immutable: bool
    text_bodies: bool
    select: frozenset[str] | None
    expand: Expand

    @classmethod
    def of(cls, call: Call) -> View:
        query = call.query
        return cls(
            call.immutable,
            call.text_bodies,
            parse_select(query.get("$select"), MESSAGE_NAMES, "message"),
            parse_expand(query.get("$expand")),
        )


def message_json(message: Message, view: View) -> dict[str, Any]:
    """With `$select` the members named, else all but those that come only when asked for."""
    chosen = (_MEMBERS.keys() - _ONLY_SELECTED) if view.select is None else view.select
    answer: dict[str, Any] = {"@odata.etag": etag(message)}
    if message.meeting:
        answer = {"@odata.type": "#microsoft.graph.eventMessageRequest", **answer}
    answer["id"] = message_id(message, view.immutable)
    answer |= {name: member(message, view) for name, member in _MEMBERS.items() if name in chosen}
    if view.expand.attachments:
        answer["attachments"] = [attachment_json(a) for a in message.attachments]
    found = [(id, properties.value_of(message, id)) for id in view.expand.properties]
    if any(value is not None for _, value in found):
        answer["singleValueExtendedProperties"] = [{"id": i, "value": v} for i, v in found if v is not None]
    return answer


def _body(message: Message, view: View) -> dict[str, str]:
    """HTML, cleaned, unless text was asked for."""
    if view.text_bodies:
        return {"contentType": "text", "content": message.text or plain(message.html)}
    if not message.html:
        content = f'<div class="PlainText">{html.escape(message.text)}</div>' if message.text else ""
        return {"contentType": "html", "content": _HEAD + content + "</body></html>"}
    clean = re.sub(r"(?is)<script\b.*?(</script>|$)", "", message.html)
    whole = re.search(r"(?i)<html\b", clean)
    return {"contentType": "html", "content": clean if whole else f"{_HEAD}{clean}</body></html>"}


_HEAD = '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>'

_MEMBERS: dict[str, Callable[[Message, View], Any]] = {
    "createdDateTime": lambda m, v: iso(m.created),
    "lastModifiedDateTime": lambda m, v: iso(m.modified),
    "changeKey": lambda m, v: ids.change_key(m.id, m.version),
    "categories": lambda m, v: list(m.categories),
    "receivedDateTime": lambda m, v: iso(m.received),
    "sentDateTime": lambda m, v: None if m.sent is None else iso(m.sent),
    "hasAttachments": lambda m, v: any(not a.inline for a in m.attachments),
    "internetMessageId": lambda m, v: m.message_id,
    "internetMessageHeaders": lambda m, v: [{"name": n, "value": value} for n, value in m.headers] or None,
    "subject": lambda m, v: m.subject,
    "bodyPreview": lambda m, v: preview(m),
    "importance": lambda m, v: m.importance,
    "parentFolderId": lambda m, v: m.folder,
    "conversationId": lambda m, v: m.conversation,
    "conversationIndex": lambda m, v: base64.b64encode(m.conversation[:22].encode()).decode(),
    "isDeliveryReceiptRequested": lambda m, v: m.delivery_receipt,
    "isReadReceiptRequested": lambda m, v: m.receipt,
    "isRead": lambda m, v: m.read,
    "isDraft": lambda m, v: m.draft,
    "webLink": lambda m, v: f"https://outlook.office365.com/owa/?ItemID={message_id(m, v.immutable)}&exvsurl=1",
    "inferenceClassification": lambda m, v: m.inference,
    "body": _body,
    "uniqueBody": _body,
    "sender": lambda m, v: recipient(m.sender),
    "from": lambda m, v: recipient(m.from_),
    "toRecipients": lambda m, v: recipients(m.to),
    "ccRecipients": lambda m, v: recipients(m.cc),
    "bccRecipients": lambda m, v: recipients(m.bcc),
    "replyTo": lambda m, v: recipients(m.reply_to),
    "flag": lambda m, v: dict(m.flag),
}
_ONLY_SELECTED = {"internetMessageHeaders", "uniqueBody"}

MESSAGE_NAMES = {name.lower(): name for name in ("id", *_MEMBERS)}


# ------------------------------------------------------------------------------------------------------------ folders
def folder_json(store: Store, folder: Folder, select: frozenset[str] | None = None) -> dict[str, Any]:
    total, unread = store.index.counters(folder.id)
    answer = {
        "displayName": folder.name,
        "parentFolderId": folder.parent,
        "childFolderCount": sum(not child.hidden for child in store.children(folder.id)),
        "unreadItemCount": unread,
        "totalItemCount": total,
        "isHidden": folder.hidden,
    }
    return {"id": folder.id} | {name: value for name, value in answer.items() if select is None or name in select}


FOLDER_NAMES = {
    name.lower(): name
    for name in [
        "id",
        "displayName",
        "parentFolderId",
        "childFolderCount",
        "unreadItemCount",
        "totalItemCount",
        "isHidden",
    ]
}


# -------------------------------------------------------------------------------------------------------- attachments
def attachment_json(attachment: Attachment, select: frozenset[str] | None = None, overhead: int = 0) -> dict[str, Any]:
    members: dict[str, Callable[[], Any]] = {
        "lastModifiedDateTime": lambda: iso(attachment.modified),
        "name": lambda: attachment.name,
        "contentType": lambda: attachment.content_type if attachment.kind == "file" else None,
        "size": lambda: len(attachment.content) + overhead,
        "isInline": lambda: attachment.inline,
    }
    if attachment.kind == "file":
        members |= {
            "contentId": lambda: attachment.content_id or None,
            "contentLocation": lambda: None,
            "contentBytes": lambda: base64.b64encode(attachment.content).decode(),
        }
    answer = {
        "@odata.type": f"#microsoft.graph.{attachment.kind}Attachment",
        "@odata.mediaContentType": attachment.content_type,
        "id": attachment.id,
    }
    return answer | {name: value() for name, value in members.items() if select is None or name in select}


ATTACHMENT_NAMES = {
    name.lower(): name
    for name in [
        "id",
        "lastModifiedDateTime",
        "name",
        "contentType",
        "size",
        "isInline",
        "contentId",
        "contentLocation",
        "contentBytes",
    ]
}
