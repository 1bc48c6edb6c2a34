"""A message in a request's body, member by member."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.microsoft import ids, mime, properties
from sandbox.microsoft.errors import GraphError, bad_body
from sandbox.microsoft.records import Address, Attachment, Message
from sandbox.microsoft.store import Store
from sandbox.microsoft.times import epoch

MAX_HEADERS = 5
MAX_HEADER_VALUE = 995
SMALL_ATTACHMENT = 3 * 1024 * 1024


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise bad_body("Cannot convert the literal to the expected type 'Edm.String'.")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad_body("Cannot convert the literal to the expected type 'Edm.Boolean'.")
    return value


def _one_of(*words: str) -> Callable[[Any], str]:
    by_lower = {word.lower(): word for word in words}

    def read(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in by_lower:
            raise bad_body(f"The value must be one of {', '.join(words)}.")
        return by_lower[value.lower()]

    return read


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise bad_body("A JSON object was expected.")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise bad_body("A JSON array was expected.")
    return value


def _address(value: Any) -> Address | None:
    if value is None:
        return None
    inner = _object(_object(value).get("emailAddress"))
    address = _text(inner.get("address"))
    return Address(_text(inner.get("name")) or address, address)


def _addresses(value: Any) -> tuple[Address, ...]:
    found = tuple(a for a in map(_address, _list(value)) if a is not None)
    if any("@" not in a.address or re.search(r"[\s<>]", a.address) for a in found):
        raise GraphError(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
    return found


def _item_body(value: Any) -> tuple[str, str]:
    """-> text, html; one of them is empty."""
    body = _object(value)
    content = _text(body.get("content"))
    return ("", content) if _BODY_TYPE(body.get("contentType") or "text") == "html" else (content, "")


_BODY_TYPE = _one_of("text", "html")
_FLAG = _one_of("notFlagged", "flagged", "complete")


def _flag(value: Any) -> Mapping[str, Any]:
    flag = _object(value)
    dates = ("startDateTime", "dueDateTime", "completedDateTime")
    for name in dates:
        if flag.get(name) is not None:
            try:
                epoch(_text(_object(flag[name]).get("dateTime")))
            except ValueError as error:
                raise bad_body(f"{name} is not a valid date and time.") from error
    if flag.get("dueDateTime") and not flag.get("startDateTime"):
        raise GraphError(400, "ErrorInvalidRequest", "A dueDateTime requires a startDateTime.")
    given = {name: dict(flag[name]) for name in dates if flag.get(name) is not None}
    return {"flagStatus": _FLAG(flag.get("flagStatus") or ("flagged" if given else "notFlagged")), **given}


def _categories(value: Any) -> tuple[str, ...]:
    return tuple(_text(v) for v in _list(value))


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    headers = tuple((_text(_object(v).get("name")), _text(_object(v).get("value"))) for v in _list(value))
    for name, text in headers:
        if not name.lower().startswith("x-"):
            raise GraphError(
                400,
                "InvalidInternetMessageHeader",
                f"The internet message header name '{name}' should start with 'x-' or 'X-'.",
            )
        if len(text) > MAX_HEADER_VALUE:
            raise GraphError(
                400, "InvalidInternetMessageHeader", "The value of an internet message header is too long."
            )
    if len(headers) > MAX_HEADERS:
        raise GraphError(
            400,
            "InvalidInternetMessageHeaderCollection",
            f"The maximum number of internet message headers is {MAX_HEADERS}.",
        )
    return headers


def _properties(value: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in map(_object, _list(value)):
        id = properties.canonical(item.get("id"))
        found[id] = properties.check_value(id, item.get("value"))
    return found


_PARSERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "subject": ("subject", _text),
    "body": ("body", _item_body),
    "from": ("from_", _address),
    "sender": ("sender", _address),
    "toRecipients": ("to", _addresses),
    "ccRecipients": ("cc", _addresses),
    "bccRecipients": ("bcc", _addresses),
    "replyTo": ("reply_to", _addresses),
    "isRead": ("read", _boolean),
    "importance": ("importance", _one_of("low", "normal", "high")),
    "categories": ("categories", _categories),
    "flag": ("flag", _flag),
    "inferenceClassification": ("inference", _one_of("focused", "other")),
    "internetMessageId": ("message_id", _text),
    "internetMessageHeaders": ("headers", _headers),
    "singleValueExtendedProperties": ("properties", _properties),
    "isReadReceiptRequested": ("receipt", _boolean),
    "isDeliveryReceiptRequested": ("delivery_receipt", _boolean),
}
"""Member -> field of Message (`body` stands for text and html) and how it is read."""

ADVANCED_MEMBERS = frozenset(
    [
        "subject",
        "body",
        "toRecipients",
        "ccRecipients",
        "bccRecipients",
        "from",
        "sender",
        "replyTo",
        "internetMessageId",
        "singleValueExtendedProperties",
        "multiValueExtendedProperties",
    ]
)
"""Of a message that isn't a draft these will need the role Mail-Advanced.ReadWrite.All."""

_IGNORED = frozenset(
    [
        "id",
        "changeKey",
        "createdDateTime",
        "lastModifiedDateTime",
        "receivedDateTime",
        "sentDateTime",
        "hasAttachments",
        "bodyPreview",
        "parentFolderId",
        "conversationId",
        "conversationIndex",
        "isDraft",
        "webLink",
        "uniqueBody",
    ]
)
"""Read-only: accepted and not obeyed."""


def message_fields(store: Store, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of Message as far as the body names them; what it names in vain is noted, what doesn't exist refused."""
    fields: dict[str, Any] = {}
    for name, value in body.items():
        if "@odata." in name:
            continue
        if name in _PARSERS:
            field, read = _PARSERS[name]
            fields[field] = read(value)
        elif name == "attachments":
            fields["attachments"] = tuple(attachment_of(store, item) for item in _list(value))
        elif name in _IGNORED or name == "multiValueExtendedProperties":
            store.world.ignore(route, name)
        else:
            raise bad_body(
                f"The property '{name}' does not exist on type 'microsoft.graph.message'. Make sure to only use "
                "property names that are defined by the type."
            )
    if "body" in fields:
        fields["text"], fields["html"] = fields.pop("body")
    return fields


# -------------------------------------------------------------------------------------------------------- attachments
_ATTACHMENT_MEMBERS = frozenset(
    [
        "id",
        "name",
        "contentType",
        "contentBytes",
        "isInline",
        "contentId",
        "contentLocation",
        "size",
        "lastModifiedDateTime",
        "item",
    ]
)


def attachment_of(store: Store, value: Any) -> Attachment:
    item = _object(value)
    kind = _text(item.get("@odata.type")).removeprefix("#").lower()
    for name in item:
        if "@odata." not in name and name not in _ATTACHMENT_MEMBERS:
            raise bad_body(f"The property '{name}' does not exist on type 'microsoft.graph.attachment'.")
    if kind == "microsoft.graph.fileattachment":
        return new_attachment(
            store,
            name=_text(item.get("name")),
            content_type=_text(item.get("contentType")) or "application/octet-stream",
            content=_base64(item.get("contentBytes")),
            inline=_boolean(item.get("isInline") or False),
            content_id=_text(item.get("contentId")),
        )
    if kind == "microsoft.graph.itemattachment":
        return new_attachment(store, name=_text(item.get("name")), content=_item(store, item.get("item")), kind="item")
    raise GraphError(
        400,
        "ErrorInvalidRequest",
        "An attachment needs an @odata.type: fileAttachment and itemAttachment are possible.",
    )


def new_attachment(store: Store, *, name: str, content: bytes, **more: Any) -> Attachment:
    if not name:
        raise GraphError(400, "ErrorMissingArgument", "The required attachment property name is missing.")
    given = {"content_type": "message/rfc822", "inline": False, "content_id": "", "kind": "file", **more}
    id = ids.make(ids.DEFAULT, store.guid, "attachment", store.world.serial())
    return Attachment(id=id, name=name, content=content, modified=store.world.now(), **given)


def _item(store: Store, value: Any) -> bytes:
    """The MIME of a message given as JSON."""
    fields = message_fields(store, "item attachment", _object(value))
    now = store.world.now()
    message = Message(
        id=ids.guid("item", store.world.serial()), default_id="", serial=0, folder="", by="client",
        **{"received": now, "created": now, "modified": now, **fields},
    )  # fmt: skip
    return mime.compose(message)


def _base64(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error as error:
        raise bad_body("Cannot convert the literal to the expected type 'Edm.Binary'.") from error
