"""Routes that send mail. Whatever uses them is counted: nothing in a mirror may."""

from __future__ import annotations

from typing import Any

from sandbox.microsoft.bodies import message_fields
from sandbox.microsoft.calls import SEND, Call, Route
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.messages import target
from sandbox.microsoft.records import Address
from sandbox.web import Response


def _keep(call: Call, fields: dict[str, Any]) -> None:
    """Count it, and keep a copy in the sent items."""
    if not (fields.get("to") or fields.get("cc") or fields.get("bcc")):
        raise GraphError(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
    call.world.sent_mail += 1
    owner = Address(call.mailbox.display_name, call.mailbox.address)
    call.mailbox.add(
        call.mailbox.folder("sentitems").id,
        {"from_": owner, "sender": owner, **fields, "read": True, "draft": False, "by": "client"},
    )


def send_mail(call: Call) -> Response:
    body = {name.lower(): value for name, value in call.object().items()}
    if not isinstance(body.get("message"), dict):
        raise GraphError(400, "ErrorInvalidRequest", "The parameter Message is missing.")
    _keep(call, message_fields(call.mailbox, call.route, body["message"]))
    return Response(202)


def send_draft(call: Call) -> Response:
    message, store = target(call), call.mailbox
    if not message.draft:
        raise GraphError(400, "ErrorInvalidRequest", "Only a draft can be sent.")
    if not (message.to or message.cc or message.bcc):
        raise GraphError(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
    call.world.sent_mail += 1
    sent = store.change(message, draft=False, sent=call.world.now(), received=call.world.now())
    store.move(sent, store.folder("sentitems").id)
    return Response(202)


def _answering(call: Call, prefix: str, to: tuple[Address, ...]) -> Response:
    message = target(call)
    _keep(
        call,
        {
            "subject": prefix + message.subject,
            "to": to,
            "text": str(call.object().get("comment") or ""),
            "in_reply_to": message.message_id,
            "references": f"{message.references} {message.message_id}".strip(),
        },
    )
    return Response(202)


def reply(call: Call) -> Response:
    message = target(call)
    return _answering(call, "Re: ", message.reply_to or ((message.from_,) if message.from_ else ()))


def reply_all(call: Call) -> Response:
    message = target(call)
    author = (message.from_,) if message.from_ else ()
    return _answering(call, "Re: ", (*author, *message.to, *message.cc))


def forward(call: Call) -> Response:
    fields = message_fields(call.mailbox, call.route, {"toRecipients": call.object().get("toRecipients") or []})
    return _answering(call, "Fw: ", fields["to"])


ROUTES = (
    Route("POST", "users/{u}/sendMail", send_mail, SEND),
    Route("POST", "users/{u}/messages/{m}/send", send_draft, SEND),
    Route("POST", "users/{u}/messages/{m}/reply", reply, SEND),
    Route("POST", "users/{u}/messages/{m}/replyAll", reply_all, SEND),
    Route("POST", "users/{u}/messages/{m}/forward", forward, SEND),
)
