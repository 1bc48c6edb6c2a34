"""Extended properties: their ids in one form, and the built-in ones that a message answers from its fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.mime import header_block
from sandbox.microsoft.records import Message
from sandbox.microsoft.times import epoch, iso

_TYPES = {
    name.lower(): name
    for name in ("String", "Integer", "Long", "Short", "Boolean", "SystemTime", "Double", "Float", "Binary", "CLSID")
}
_TAG = re.compile(r"(\w+)\s+0x([0-9A-Fa-f]{1,8})")
_NAMED = re.compile(r"(\w+)\s+\{([0-9A-Fa-f-]{36})\}\s+(Name\s+(\S.*)|Id\s+0x([0-9A-Fa-f]+))", re.IGNORECASE)

FLAGS = "Integer 0xe07"
DELIVERED = "SystemTime 0xe06"
SUBMITTED = "SystemTime 0x39"
IN_REPLY_TO = "String 0x1042"
REFERENCES = "String 0x1039"
TRANSPORT_HEADERS = "String 0x7d"

LAST_VERB = "Integer 0x1081"
REPLIED, REPLIED_TO_ALL, FORWARDED = "102", "103", "104"

READ, UNSENT = 1, 8
"""Bits of PR_MESSAGE_FLAGS."""


def canonical(id: object) -> str:
    """One text per property: the type's own case, hexadecimal without leading zeros, GUID in lower case."""
    text = id.strip() if isinstance(id, str) else ""
    if match := _TAG.fullmatch(text):
        kind, name = match[1], f"0x{int(match[2], 16):x}"
    elif match := _NAMED.fullmatch(text):
        name = f"Name {match[4].strip()}" if match[4] else f"Id 0x{int(match[5], 16):x}"
        kind, name = match[1], f"{{{match[2].lower()}}} {name}"
    else:
        raise _invalid()
    if kind.lower() not in _TYPES:
        raise _invalid()
    return f"{_TYPES[kind.lower()]} {name}"


def check_value(id: str, value: object) -> str:
    """The value as text, refused where it doesn't fit the property's type."""
    if not isinstance(value, str):
        raise GraphError(400, "RequestBodyRead", "The value of a single-value extended property must be a string.")
    try:
        if id.startswith(("Integer ", "Long ", "Short ")):
            int(value)
        elif id.startswith("SystemTime "):
            epoch(value)
    except ValueError as error:
        raise GraphError(
            400, "ErrorInvalidExtendedPropertyValue", "The value does not match the type of the extended property."
        ) from error
    return value


def value_of(message: Message, id: str) -> str | None:
    """`id` is canonical. None when the message has no such property."""
    if id in _BUILT_IN:
        return _BUILT_IN[id](message) or None
    return _named(message.properties).get(id.casefold())


def _named(properties: Mapping[str, str]) -> dict[str, str]:
    """Names of properties are compared without case."""
    return {name.casefold(): value for name, value in properties.items()}


def _flags(message: Message) -> str:
    return str((READ if message.read else 0) | (UNSENT if message.draft else 0) | (16 if message.attachments else 0))


_BUILT_IN: dict[str, Callable[[Message], str]] = {
    FLAGS: _flags,
    DELIVERED: lambda m: iso(m.received),
    SUBMITTED: lambda m: "" if m.sent is None else iso(m.sent),
    IN_REPLY_TO: lambda m: m.in_reply_to,
    REFERENCES: lambda m: m.references,
    TRANSPORT_HEADERS: lambda m: header_block(m.mime) if m.mime else m.properties.get(TRANSPORT_HEADERS, ""),
    "String 0x1035": lambda m: m.message_id,
    "Integer 0xe08": lambda m: str(m.size),
    "Long 0xe08": lambda m: str(m.size),
}


def _invalid() -> GraphError:
    return GraphError(400, "ErrorInvalidExtendedProperty", "The extended property's id is not valid.")
