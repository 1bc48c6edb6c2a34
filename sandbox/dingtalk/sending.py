"""Drafts and their sending over REST. Tandem never does this; it is here so that it would be counted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Any

from sandbox.dingtalk.calls import Call, Route, ok
from sandbox.dingtalk.errors import Refusal, invalid
from sandbox.dingtalk.messages import show
from sandbox.dingtalk.records import DRAFTS, SENT
from sandbox.web import Response

MEMBERS = (
    "internetMessageId", "subject", "summary", "priority", "isReadReceiptRequested", "from", "toRecipients",
    "ccRecipients", "bccRecipients", "replyTo", "body", "internetMessageHeaders", "tags",
)  # fmt: skip


def create_draft(call: Call) -> Response:
    """Always a draft, now; dates and folders can't be given."""
    query, message = call.query("$select"), call.body("message").get("message")
    if not isinstance(message, dict):
        raise invalid("message")
    call.world.ignored.extend(f"{call.route}: message.{name}" for name in message if name not in MEMBERS)
    made = call.store.add(DRAFTS, _mime(call, message), received=call.world.now(), read=True, by="client")
    return ok({"message": show(call, made, query.get("$select") or "id", listing=False)})


def _mime(call: Call, message: Mapping[str, Any]) -> bytes:
    mime = EmailMessage(policy=SMTP)
    sender = message.get("from") or {"email": call.store.address}
    mime["From"] = _shown(sender)
    for name, header in (("toRecipients", "To"), ("ccRecipients", "Cc"), ("bccRecipients", "Bcc")):
        if message.get(name):
            mime[header] = ", ".join(_shown(one) for one in message[name])
    mime["Subject"] = str(message.get("subject") or "")
    mime["Date"] = format_datetime(datetime.fromtimestamp(int(call.world.now()), UTC))
    mime["Message-ID"] = str(message.get("internetMessageId") or f"<draft{call.world.serial()}@dingtalk.example>")
    for name, value in (message.get("internetMessageHeaders") or {}).items():
        mime[name] = value
    mime.set_content(str((message.get("body") or {}).get("bodyText") or ""))
    return mime.as_bytes()


def _shown(address: Mapping[str, Any]) -> str:
    return formataddr((str(address.get("name") or ""), str(address["email"])))


def send(call: Call) -> Response:
    """The sent copy has a new id and a new Message-ID; headers of the sender's own survive."""
    call.body("saveToSentItems")
    draft = call.message(call.params[0])
    if draft.folder != DRAFTS:
        raise Refusal(400, "message.notDraft", "only a draft can be sent")
    if not (draft.parsed.to or draft.parsed.cc or draft.parsed.bcc):
        raise invalid("a mail needs recipients")
    call.world.sent_mail += 1
    old = f"<{draft.parsed.message_id}>".encode()
    rewritten = draft.mime.replace(old, f"<sent{call.world.serial()}@dingtalk.example>".encode(), 1)
    call.store.purge(draft)
    call.store.add(SENT, rewritten, received=call.world.now(), read=True, by="client")
    return ok({})


ROUTES = (
    Route("POST", ("messages",), create_draft),
    Route("POST", ("messages", "*", "send"), send),
)
