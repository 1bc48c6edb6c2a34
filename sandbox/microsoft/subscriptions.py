"""Subscriptions to the messages of a mailbox or a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from sandbox.microsoft.calls import READ, Call, Route
from sandbox.microsoft.errors import GraphError, bad_body, denied
from sandbox.microsoft.notifications import Delivery, Outbox
from sandbox.microsoft.query import Predicate, parse_filter
from sandbox.microsoft.records import Change, Message
from sandbox.microsoft.render import etag, message_id
from sandbox.microsoft.store import Store
from sandbox.microsoft.times import epoch, iso
from sandbox.microsoft.world import World
from sandbox.web import Response

Post = Callable[[str, Mapping[str, str], bytes], tuple[int, bytes]]
"""POST url, headers, body -> status, body; OSError when there is no answer."""

Lifecycle = Literal["reauthorizationRequired", "subscriptionRemoved", "missed"]

SHORTEST_LIFE, LONGEST_LIFE = 45 * 60.0, 10_080 * 60.0
MAX_PER_MAILBOX, MAX_CLIENT_STATE = 1000, 128
_CHANGES = frozenset({"created", "updated", "deleted"})
_RESOURCE = re.compile(
    r"/?users(?:/([^/()]+)|\('([^']+)'\))(?:/mailFolders(?:/([^/()]+)|\('([^']+)'\)))?/messages(?:\?(.*))?",
    re.IGNORECASE,
)
_MEMBERS = frozenset(
    [
        "changeType",
        "notificationUrl",
        "lifecycleNotificationUrl",
        "resource",
        "expirationDateTime",
        "clientState",
        "latestSupportedTlsVersion",
        "includeResourceData",
        "encryptionCertificate",
        "encryptionCertificateId",
        "id",
        "applicationId",
        "creatorId",
        "notificationQueryOptions",
        "notificationUrlAppId",
    ]
)


@dataclass(slots=True)
class Subscription:
    """`folder` is "" for the whole mailbox; `silent` while a reauthorization is asked for and not given."""

    id: str
    store: Store
    folder: str
    resource: str
    changes: frozenset[str]
    url: str
    lifecycle_url: str
    client_state: str
    immutable: bool
    test: Predicate
    tls: str
    expires: float
    authorized: float
    silent: bool = False


class Subscriptions:
    def __init__(self, world: World, outbox: Outbox, app_id: str, tenant_id: str, post: Post | None) -> None:
        self._world = world
        self._outbox = outbox
        self._app_id = app_id
        self._tenant_id = tenant_id
        self.post = post
        self.stores: Mapping[str, Store] = {}
        self.all: dict[str, Subscription] = {}
        outbox.on_given_up = self._missed
        world.listeners.append(self._changed)

    # ------------------------------------------------------------------------------------------------------- routes
    def create(self, call: Call) -> Response:
        """The world's lock isn't held while the endpoints are asked, so that they may call back."""
        with self._world.lock:
            wanted = self._wanted(call)
        for url in dict.fromkeys(filter(None, (wanted.url, wanted.lifecycle_url))):
            self._handshake(url)
        with self._world.lock:
            self._check_room(wanted)
            self.all[wanted.id] = wanted
            return Response.of_json(201, self._json(wanted))

    def _wanted(self, call: Call) -> Subscription:
        body = {name: value for name, value in call.object().items() if "@odata." not in name}
        for name in body.keys() - _MEMBERS:
            raise bad_body(f"The property '{name}' does not exist on type 'microsoft.graph.subscription'.")
        if body.get("includeResourceData"):
            raise GraphError(400, "InvalidRequest", "encryptionCertificate is required with includeResourceData.")
        store, folder, test = self._resource(body.get("resource"))
        changes = frozenset(part.strip().lower() for part in str(body.get("changeType") or "").split(","))
        if not changes or changes - _CHANGES:
            raise GraphError(400, "InvalidRequest", "changeType must name created, updated or deleted.")
        client_state = body.get("clientState") or ""
        if not isinstance(client_state, str) or len(client_state) > MAX_CLIENT_STATE:
            raise GraphError(400, "InvalidRequest", f"clientState has at most {MAX_CLIENT_STATE} characters.")
        wanted = Subscription(
            id=self._world.guid(),
            store=store,
            folder=folder,
            resource=str(body["resource"]),
            changes=changes,
            url=_endpoint(body.get("notificationUrl"), "notificationUrl"),
            lifecycle_url=_endpoint(body.get("lifecycleNotificationUrl"), "lifecycleNotificationUrl", needed=False),
            client_state=client_state,
            immutable=call.immutable,
            test=test,
            tls=str(body.get("latestSupportedTlsVersion") or "v1_2"),
            expires=self._expiry(body.get("expirationDateTime")),
            authorized=self._world.now(),
        )
        self._check_room(wanted)
        return wanted

    def _resource(self, text: Any) -> tuple[Store, str, Predicate]:
        match = _RESOURCE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise GraphError(400, "ExtensionError", "The resource is not one that can be subscribed to.")
        store = self.stores.get((match[1] or match[2]).lower())
        if store is None:
            raise GraphError(404, "ErrorInvalidUser", "The requested user is invalid.")
        if store.denied:
            raise denied()
        folder = match[3] or match[4]
        options = dict(part.partition("=")[::2] for part in (match[5] or "").split("&"))
        wanted = options.get("$filter")
        test = parse_filter(wanted)[0] if wanted else (lambda message: True)
        return store, store.folder(folder).id if folder else "", test

    def _expiry(self, text: Any) -> float:
        try:
            expires = epoch(text)
        except (ValueError, AttributeError) as error:
            raise GraphError(400, "InvalidRequest", "expirationDateTime must be a date and time.") from error
        now = self._world.now()
        if expires <= now:
            raise GraphError(400, "InvalidRequest", "expirationDateTime must be in the future.")
        if expires > now + LONGEST_LIFE:
            minutes = int(LONGEST_LIFE // 60)
            raise GraphError(
                400, "ExtensionError", f"Subscription expiration can only be {minutes} minutes in the future."
            )
        return max(expires, now + SHORTEST_LIFE)

    def _check_room(self, wanted: Subscription) -> None:
        self._expire()
        others = [s for s in self.all.values() if s.store is wanted.store]
        if self._world.switches.subscription_conflict:
            same = [s for s in others if (s.folder, s.changes) == (wanted.folder, wanted.changes)]
            if any(s.resource.lower() == wanted.resource.lower() for s in same):
                raise GraphError(409, "Conflict", "A subscription to this resource and change types exists already.")
        if len(others) >= MAX_PER_MAILBOX:
            raise GraphError(403, "ExtensionError", "The mailbox has reached the limit of active subscriptions.")

    def _handshake(self, url: str) -> None:
        token = f"Validation: Testing client application reachability for subscription Request-Id: {self._world.guid()}"
        target = f"{url}{'&' if urlsplit(url).query else '?'}validationToken={quote(token, safe='')}"
        refusal = GraphError(400, "ValidationError", "Subscription validation request failed.")
        if self.post is None:
            raise refusal
        try:
            status, body = self.post(target, {"content-type": "text/plain; charset=utf-8"}, b"")
        except OSError as error:
            raise refusal from error
        if status != 200 or body.decode("utf-8", "replace").strip() != token:
            raise refusal

    def list(self, call: Call) -> Response:
        self._expire()
        return Response.of_json(
            200,
            {
                "@odata.context": f"{self._world.base_url}/$metadata#subscriptions",
                "value": [self._json(s) for s in self.all.values()],
            },
        )

    def get(self, call: Call) -> Response:
        return Response.of_json(200, self._json(self._one(call)))

    def renew(self, call: Call) -> Response:
        subscription, body = self._one(call), call.object()
        for name in body:
            if name != "expirationDateTime" and "@odata." not in name:
                raise GraphError(400, "InvalidRequest", f"{name} can't be updated.")
        subscription.expires = self._expiry(body.get("expirationDateTime"))
        self._authorize(subscription)
        return Response.of_json(200, self._json(subscription))

    def reauthorize(self, call: Call) -> Response:
        self._authorize(self._one(call))
        return Response(204)

    def delete(self, call: Call) -> Response:
        del self.all[self._one(call).id]
        return Response(204)

    def _authorize(self, subscription: Subscription) -> None:
        subscription.silent, subscription.authorized = False, self._world.now()

    def _one(self, call: Call) -> Subscription:
        self._expire()
        if call.args["s"] not in self.all:
            raise GraphError(404, "ResourceNotFound", "The object was not found.")
        return self.all[call.args["s"]]

    def _json(self, subscription: Subscription) -> dict[str, Any]:
        return {
            "id": subscription.id,
            "resource": subscription.resource,
            "applicationId": self._app_id,
            "changeType": ",".join(sorted(subscription.changes)),
            "clientState": subscription.client_state or None,
            "notificationUrl": subscription.url,
            "lifecycleNotificationUrl": subscription.lifecycle_url or None,
            "expirationDateTime": iso(subscription.expires),
            "creatorId": self._app_id,
            "includeResourceData": None,
            "latestSupportedTlsVersion": subscription.tls,
            "encryptionCertificate": None,
            "encryptionCertificateId": None,
        }

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "subscriptions", self.create, READ, locks=False),
            Route("GET", "subscriptions", self.list),
            Route("GET", "subscriptions/{s}", self.get),
            Route("PATCH", "subscriptions/{s}", self.renew),
            Route("DELETE", "subscriptions/{s}", self.delete),
            Route("POST", "subscriptions/{s}/reauthorize", self.reauthorize),
        )

    # ------------------------------------------------------------------------------------------------ notifications
    def _expire(self) -> None:
        now, life = self._world.now(), self._world.switches.reauthorize_after
        for subscription in list(self.all.values()):
            if subscription.expires <= now:
                del self.all[subscription.id]
            elif life is not None and not subscription.silent and now - subscription.authorized > life:
                self.lifecycle(subscription.id, "reauthorizationRequired")

    def lifecycle(self, id: str, event: Lifecycle) -> None:
        """Tell the endpoint; a removed subscription is gone, one to be reauthorized is silent until it is."""
        subscription = self.all[id]
        if event == "subscriptionRemoved":
            del self.all[id]
        subscription.silent = event == "reauthorizationRequired"
        if subscription.lifecycle_url:
            self._outbox.send(subscription.lifecycle_url, {**self._head(subscription), "lifecycleEvent": event})

    def _missed(self, delivery: Delivery) -> None:
        for id in {str(item["subscriptionId"]) for item in delivery.items if "lifecycleEvent" not in item}:
            if id in self.all:
                self.lifecycle(id, "missed")

    def _head(self, subscription: Subscription) -> dict[str, Any]:
        return {
            "subscriptionId": subscription.id,
            "subscriptionExpirationDateTime": iso(subscription.expires),
            "clientState": subscription.client_state or None,
            "tenantId": self._tenant_id,
        }

    def _changed(self, store: Store, before: Message | None, after: Message | None) -> None:
        self._expire()
        for subscription in self.all.values():
            if subscription.store is store and not subscription.silent:
                self._notify(subscription, before, after)

    def _notify(self, subscription: Subscription, before: Message | None, after: Message | None) -> None:
        old = before if before is not None and subscription.folder in ("", before.folder) else None
        new = after if after is not None and subscription.folder in ("", after.folder) else None
        if old is None and new is None:
            return
        change: Change = "created" if old is None else "deleted" if new is None else "updated"
        message = new or old
        if message is None or change not in subscription.changes or not subscription.test(message):
            return
        switches = self._world.switches
        if self._world.happens(switches.notification_lost):
            return
        for _ in range(2 if self._world.happens(switches.notification_duplicate) else 1):
            delay = self._world.random.uniform(0, switches.notification_delay) if switches.notification_delay else 0.0
            self._outbox.send(subscription.url, self._item(subscription, change, message), delay)

    def _item(self, subscription: Subscription, change: Change, message: Message) -> dict[str, Any]:
        resource = f"Users/{subscription.store.guid}/Messages/{message_id(message, subscription.immutable)}"
        return {
            "id": self._world.guid(),
            **self._head(subscription),
            "changeType": change,
            "resource": resource,
            "resourceData": {
                "@odata.type": "#Microsoft.Graph.Message",
                "@odata.id": resource,
                "@odata.etag": etag(message),
                "id": message_id(message, subscription.immutable),
            },
        }


def _endpoint(value: Any, name: str, *, needed: bool = True) -> str:
    """https, or http on this machine."""
    if not value and not needed:
        return ""
    parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")):
        raise GraphError(400, "InvalidRequest", f"{name} must be an https URL.")
    return str(value)
