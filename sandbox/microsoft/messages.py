"""Routes of messages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sandbox.microsoft import names, properties
from sandbox.microsoft.bodies import ADVANCED_MEMBERS, message_fields
from sandbox.microsoft.calls import ADVANCED, READ, WRITE, Call, Handler, Route
from sandbox.microsoft.errors import GraphError, denied, not_found
from sandbox.microsoft.mime import compose, parse
from sandbox.microsoft.query import check_options, page, parse_filter, parse_order
from sandbox.microsoft.records import Address, Message
from sandbox.microsoft.render import View, etag, message_json
from sandbox.microsoft.times import epoch
from sandbox.web import Response

_ENTITY_OPTIONS = frozenset({"$select", "$expand"})
_LIST_OPTIONS = _ENTITY_OPTIONS | {"$top", "$skip", "$filter", "$orderby", "$count"}


def target(call: Call, *, reading: bool = False) -> Message:
    """The message that the URL names; one that isn't in the folder that the URL names is not found."""
    message = call.mailbox.read(call.args["m"]) if reading else call.mailbox.find(call.args["m"])
    if "f" in call.args and call.mailbox.folder(call.args["f"]).id != message.folder:
        raise not_found()
    return message


def answer(call: Call, status: int, message: Message) -> Response:
    context = f"{call.world.base_url}/$metadata#users('{call.args['u']}')/messages/$entity"
    headers = {"ETag": etag(message)}
    if "outlook.body-content-type" in call.preferences:
        headers["Preference-Applied"] = f'outlook.body-content-type="{"text" if call.text_bodies else "html"}"'
    return Response.of_json(status, {"@odata.context": context} | message_json(message, View.of(call)), headers)


# ------------------------------------------------------------------------------------------------------------ reading
def _listed(call: Call) -> Sequence[Message]:
    store = call.mailbox
    if "f" in call.args:
        return store.index.newest_first(store.folder(call.args["f"]).id)
    return [
        message
        for folder in list(store.folders)
        if store.under(folder, names.ROOT)
        for message in store.index.folder(folder).values()
    ]


def list_messages(call: Call) -> Response:
    check_options(call, _LIST_OPTIONS)
    text = call.query.get("$filter")
    test, fields = parse_filter(text) if text else (lambda message: True, ())
    oldest_first = parse_order(call.query.get("$orderby"), fields)
    found = [message for message in _listed(call) if test(message)]
    found.sort(key=lambda m: (m.received, m.serial), reverse=not oldest_first)
    view = View.of(call)
    context = f"{call.world.base_url}/$metadata#users('{call.args['u']}')/messages"
    return Response.of_json(200, page(call, found, lambda m: message_json(m, view), {"@odata.context": context}))


def get_message(call: Call) -> Response:
    check_options(call, _ENTITY_OPTIONS)
    return answer(call, 200, target(call, reading=True))


def get_mime(call: Call) -> Response:
    message, largest = target(call, reading=True), call.world.switches.largest_mime
    mime = compose(message) if message.mime is None else message.mime
    if largest is not None and len(mime) > largest:
        raise GraphError(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
    return Response(200, {"content-type": "text/plain"}, mime)


# ----------------------------------------------------------------------------------------------------------- creating
def create_message(call: Call) -> Response:
    folder = call.mailbox.folder(call.args.get("f", "drafts"), use=True)
    if call.request.headers.get("content-type", "").lower().startswith("text/plain"):
        fields = _from_mime(call)
    else:
        fields = _from_json(call)
    if not call.world.switches.keeps_internet_message_id:
        fields["message_id"] = ""
    return answer(call, 201, call.mailbox.add(folder.id, {**fields, "by": "client"}))


def _from_mime(call: Call) -> dict[str, Any]:
    """Always a draft, whatever the folder."""
    try:
        mime = base64.b64decode(b"".join(call.request.body.split()), validate=True)
    except binascii.Error as error:
        raise GraphError(
            400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content."
        ) from error
    if not mime or b"\n" in mime.replace(b"\r\n", b""):
        raise GraphError(400, "UnableToDeserializePostBody", "were unable to deserialize the MIME content.")
    return {**parse(mime, call.world.now()), "draft": True, "read": True, "receipt_due": False}


def _from_json(call: Call) -> dict[str, Any]:
    fields = message_fields(call.mailbox, call.route, call.object())
    given: dict[str, str] = dict(fields.get("properties", {}))
    flags = given.pop(properties.FLAGS, None)
    draft = flags is None or bool(int(flags) & properties.UNSENT)
    if not draft and call.world.switches.advanced_covers_create and ADVANCED not in call.roles:
        raise denied()
    if draft:
        fields["read"] = True
    else:
        fields.setdefault("read", bool(int(flags or 0) & properties.READ))
    now = call.world.now()
    fields |= {
        "draft": draft,
        "received": epoch(given.pop(properties.DELIVERED)) if properties.DELIVERED in given else now,
        "sent": epoch(given.pop(properties.SUBMITTED)) if properties.SUBMITTED in given else now,
        "in_reply_to": given.pop(properties.IN_REPLY_TO, ""),
        "references": given.pop(properties.REFERENCES, ""),
        "receipt_due": fields.get("receipt", False) and not draft and not fields["read"],
    }
    if properties.TRANSPORT_HEADERS in given and not call.world.switches.stores_transport_headers:
        del given[properties.TRANSPORT_HEADERS]
        call.world.ignore(call.route, properties.TRANSPORT_HEADERS)
    return {**fields, "properties": given, **_authors(call, fields, draft)}


def _authors(call: Call, fields: dict[str, Any], draft: bool) -> dict[str, Address | None]:
    """A draft is from the owner unless it says otherwise; the owner it is too where foreign ones aren't accepted."""
    owner = Address(call.mailbox.display_name, call.mailbox.address)
    author = fields.get("from_") or (owner if draft else fields.get("sender"))
    if author and author.address.lower() != owner.address.lower() and not call.world.switches.accepts_foreign_from:
        return {"from_": owner, "sender": owner}
    return {"from_": author, "sender": fields.get("sender") or author}


# ----------------------------------------------------------------------------------------------------------- changing
def patch_message(call: Call) -> Response:
    message, body = target(call), call.object()
    call.mailbox.check_version(message, call.request.headers.get("if-match"))
    needs_more = not message.draft and call.world.switches.advanced_write_required and ADVANCED not in call.roles
    if needs_more and ADVANCED_MEMBERS & body.keys():
        raise denied()
    for name in ("attachments", "internetMessageHeaders"):
        if name in body:
            raise GraphError(400, "ErrorInvalidPropertySet", f"{name} can't be set by an update.")
    fields = message_fields(call.mailbox, call.route, body)
    if "properties" in fields:
        fields["properties"] = _patched_properties(call, message, fields["properties"])
    if fields.keys() & {"subject", "text", "from_", "sender", "to", "cc", "bcc", "reply_to", "message_id"}:
        fields["mime"] = None
    message = _with_receipt(call, message, fields)
    return answer(call, 200, call.mailbox.change(message, **fields) if fields else message)


_FIXED = frozenset({properties.FLAGS, properties.DELIVERED, properties.SUBMITTED, properties.TRANSPORT_HEADERS})


def _patched_properties(call: Call, message: Message, given: dict[str, str]) -> dict[str, str]:
    for id in _FIXED & given.keys():
        call.world.ignore(call.route, id)
    return {**message.properties, **{id: value for id, value in given.items() if id not in _FIXED}}


def _with_receipt(call: Call, message: Message, fields: dict[str, Any]) -> Message:
    """Reading a received message that asks for a receipt sends it, once."""
    if not (fields.get("read") and not message.read and message.receipt_due) or message.draft:
        return message
    if call.world.switches.read_sends_receipt and call.mailbox.sends_receipts:
        call.world.receipts += 1
    return replace(message, receipt_due=False)


def move_message(call: Call) -> Response:
    message = target(call)
    if call.world.switches.if_match_on_move:
        call.mailbox.check_version(message, call.request.headers.get("if-match"))
    folder = call.mailbox.folder(call.argument("destinationId"), use=True)
    return answer(call, 201, call.mailbox.move(message, folder.id))


def copy_message(call: Call) -> Response:
    folder = call.mailbox.folder(call.argument("destinationId"), use=True)
    return answer(call, 201, call.mailbox.copy(target(call), folder.id, "client"))


def delete_message(call: Call) -> Response:
    message = target(call)
    call.mailbox.check_version(message, call.request.headers.get("if-match"))
    call.mailbox.delete(message)
    return Response(204)


def purge_message(call: Call) -> Response:
    call.mailbox.purge(target(call))
    return Response(204)


def translate_ids(call: Call) -> Response:
    body = call.object()
    inputs = body.get("inputIds")
    if not isinstance(inputs, list) or not all(isinstance(i, str) for i in inputs) or len(inputs) > 1000:
        raise GraphError(400, "ErrorInvalidRequest", "inputIds must be a list of at most 1000 ids.")
    immutable = "immutable" in str(body.get("targetIdType", "")).lower()
    value = [{"sourceId": text, "targetId": _translated(call, text, immutable)} for text in inputs]
    return Response.of_json(200, {"value": value})


def _translated(call: Call, text: str, immutable: bool) -> str:
    message = call.mailbox.find(text)
    return message.id if immutable else message.default_id


_BOTH: tuple[tuple[str, str, Handler, frozenset[str]], ...] = (
    ("GET", "", get_message, READ),
    ("PATCH", "", patch_message, WRITE),
    ("DELETE", "", delete_message, WRITE),
    ("GET", "/$value", get_mime, READ),
    ("POST", "/move", move_message, WRITE),
    ("POST", "/copy", copy_message, WRITE),
    ("POST", "/permanentDelete", purge_message, WRITE),
)

ROUTES = (
    Route("GET", "users/{u}/messages", list_messages),
    Route("POST", "users/{u}/messages", create_message, WRITE),
    Route("GET", "users/{u}/mailFolders/{f}/messages", list_messages),
    Route("POST", "users/{u}/mailFolders/{f}/messages", create_message, WRITE),
    *(
        Route(method, f"users/{{u}}/{place}messages/{{m}}{tail}", handler, roles)
        for place in ("", "mailFolders/{f}/")
        for method, tail, handler, roles in _BOTH
    ),
    Route("POST", "users/{u}/translateExchangeIds", translate_ids),
)
