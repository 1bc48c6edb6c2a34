"""Who wrote a message to whom, when and in which thread, in one read (Graph: message, extended properties)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shared.model.answers import fits
from shared.model.errors import Unavailable
from shared.model.mail import Address, Item, Message
from shared.outlook.mapping import IN_REPLY_TO, REFERENCES, epoch
from shared.outlook.shapes import RECIPIENT
from shared.outlook.transport import Graph

SELECT = "subject,from,sender,toRecipients,ccRecipients,replyTo,sentDateTime"
FILTER = f"id eq '{IN_REPLY_TO}' or id eq '{REFERENCES}'"
EXPAND = quote(f"singleValueExtendedProperties($filter={FILTER})", safe="$()=,")
SHAPE = {
    "subject": str,
    "from": RECIPIENT,
    "sender": RECIPIENT,
    "toRecipients": [RECIPIENT],
    "ccRecipients": [RECIPIENT],
    "replyTo": [RECIPIENT],
    "sentDateTime": str,
    "singleValueExtendedProperties": [{"id": str, "value": str}],
}


def head(graph: Graph, url: str, item: Item) -> Message:
    """Of the message at `url`, which a read by id showed as `item`; without texts and attachments."""
    value = graph.get(f"{url}?$select={SELECT}&$expand={EXPAND}", "a message's head")
    if not fits(value, SHAPE):
        raise Unavailable("Graph's answer is no message", code="no_json")
    own = {_tag(one): str(one.get("value") or "") for one in value.get("singleValueExtendedProperties") or ()}
    return Message(
        message_id=item.message_id,
        subject=item.subject,
        sender=_address(value.get("sender")),
        from_=_address(value.get("from")),
        to=_addresses(value.get("toRecipients")),
        cc=_addresses(value.get("ccRecipients")),
        bcc=(),
        reply_to=_addresses(value.get("replyTo")),
        sent=epoch(value.get("sentDateTime")) or None,
        received=item.received,
        in_reply_to=own.get(_tag({"id": IN_REPLY_TO}), ""),
        references=own.get(_tag({"id": REFERENCES}), ""),
        text="",
        html="",
        attachments=(),
        importance=item.importance,
        answered=item.answered,
        forwarded=item.forwarded,
    )


def _tag(property: Any) -> str:
    """Graph gives ids back in its own spelling."""
    return str(property.get("id") or "").lower()


def _address(value: Any) -> Address | None:
    shown = (value or {}).get("emailAddress") or {}
    return Address(str(shown.get("name") or ""), str(shown["address"])) if shown.get("address") else None


def _addresses(values: Any) -> tuple[Address, ...]:
    return tuple(found for one in values or () if (found := _address(one)) is not None)
