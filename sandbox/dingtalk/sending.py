"""Drafts and their sending over REST. Tandem never does this; it is here so that it would be counted."""

from __future__ import annotations

import re
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

MEMBERS: dict[str, type] = {
    "internetMessageId": str,
    "subject": str,
    "summary": str,
    "priority": str,
    "isReadReceiptRequested": bool,
    "from": dict,
    "toRecipients": list,
    "ccRecipients": list,
    "bccRecipients": list,
    "replyTo": list,
    "body": dict,
    "internetMessageHeaders": dict,
    "tags": list,
}
"""Null stands for a member that isn't there."""
RECIPIENTS = {"toRecipients": "To", "ccRecipients": "Cc", "bccRecipients": "Bcc", "replyTo": "Reply-To"}
PRIORITIES = {"PRY_HIGH": "1", "PRY_NORMAL": "3", "PRY_LOW": "5"}
MESSAGE_ID = re.compile(rb"^Message-ID:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", re.IGNORECASE | re.MULTILINE)


def create_draft(call: Call) -> Response:
    """Always a draft, now; dates and folders can't be given."""
    query, message = call.query("$select"), call.body("message").get("message")
    if not isinstance(message, dict):
        raise invalid("message")
    call.world.ignored.extend(f"{call.route}: message.{name}" for name in message if name not in MEMBERS)
    mime = _checked(call, message)
    tags = frozenset(map(str, message.get("tags") or ()))
    made = call.store.add(DRAFTS, mime, received=call.world.now(), read=True, tags=tags, by="client")
    return ok({"message": show(call, made, query.get("$select") or "id", listing=False)})


def _checked(call: Call, message: Mapping[str, Any]) -> bytes:
    for name, value in message.items():
        if value is not None and not isinstance(value, MEMBERS.get(name, object)):
            raise invalid(f"message.{name}")
    if message.get("priority") and message["priority"] not in PRIORITIES:
        raise invalid("message.priority")
    try:
        return _mime(call, message)
    except ValueError as exc:  # a header with a line end in it or given twice, or half a surrogate pair
        raise invalid("message") from exc


def _mime(call: Call, message: Mapping[str, Any]) -> bytes:
    mime, body = EmailMessage(policy=SMTP), message.get("body") or {}
    headers: dict[str, str] = {"From": _shown(message.get("from") or {"email": call.store.address})}
    for name, header in RECIPIENTS.items():
        if message.get(name):
            headers[header] = ", ".join(map(_shown, message[name]))
    headers["Subject"] = str(message.get("subject") or "")
    headers["Date"] = format_datetime(datetime.fromtimestamp(int(call.world.now()), UTC))
    headers["Message-ID"] = str(message.get("internetMessageId") or f"<draft{call.world.serial()}@dingtalk.example>")
    if message.get("priority"):
        headers["X-Priority"] = PRIORITIES[message["priority"]]
    if message.get("isReadReceiptRequested"):
        headers["Disposition-Notification-To"] = call.store.address
    for name, value in {**headers, **(message.get("internetMessageHeaders") or {})}.items():
        mime[name] = str(value)
    mime.set_content(str(body.get("bodyText") or ""))
    if body.get("bodyHtml"):
        mime.add_alternative(str(body["bodyHtml"]), subtype="html")
    return mime.as_bytes()


def _shown(address: Mapping[str, Any]) -> str:
    if not isinstance(address, dict) or not address.get("email"):
        raise invalid("an address needs an email")
    return formataddr((str(address.get("name") or ""), str(address["email"])))


def send(call: Call) -> Response:
    """The sent copy has a new id and a new Message-ID; headers of the sender's own survive."""
    call.query()
    keeps = call.body("saveToSentItems").get("saveToSentItems", True)
    draft = call.message(call.params[0])
    if draft.folder != DRAFTS:
        raise Refusal(400, "message.notDraft", "only a draft can be sent")
    if not (draft.parsed.to or draft.parsed.cc or draft.parsed.bcc):
        raise invalid("a mail needs recipients")
    call.world.sent_mail += 1
    line = f"Message-ID: <sent{call.world.serial()}@dingtalk.example>\r\n".encode()
    call.store.purge(draft)
    if keeps:
        rewritten = MESSAGE_ID.sub(line, draft.mime, count=1)
        call.store.add(SENT, rewritten, received=call.world.now(), read=True, tags=draft.tags, by="client", posted=True)
    return ok({})


ROUTES = (
    Route("POST", ("messages",), create_draft),
    Route("POST", ("messages", "*", "send"), send),
)
