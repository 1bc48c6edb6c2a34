"""The simulated Microsoft 365: one handler for the login host and the API."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.microsoft import attachments, batch, delta, folders, messages, sending, users
from sandbox.microsoft.attachments import Uploads
from sandbox.microsoft.calls import Call, Route, Routes
from sandbox.microsoft.credentials import App
from sandbox.microsoft.errors import GraphError, denied, throttled, too_large
from sandbox.microsoft.identities import Identities
from sandbox.microsoft.notifications import Delivery, Outbox
from sandbox.microsoft.person import GraphMailbox
from sandbox.microsoft.store import Store
from sandbox.microsoft.subscriptions import Lifecycle, Post, Subscriptions
from sandbox.microsoft.switches import Switches
from sandbox.microsoft.throttle import Throttle
from sandbox.microsoft.times import iso
from sandbox.microsoft.tokens import Tokens
from sandbox.microsoft.world import World
from sandbox.web import Request, Response

SERVER = '{"ServerInfo":{"DataCenter":"East Asia","Slice":"E","Ring":"5","ScaleUnit":"001","RoleInstance":"HK0"}}'
MAX_REQUEST = 4 * 1024 * 1024
_WRITES = frozenset({"POST", "PATCH", "PUT"})


class Microsoft365:
    """Satisfies `sandbox.web.Vendor`. Serves /v1.0/… (the API), /api/gv1.0/… (uploads) and the login host's paths.

    `clock` gives epoch seconds. `post` carries the handshakes of new subscriptions; without it they fail. Thread-safe.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        random: random.Random,
        switches: Switches | None = None,
        base_url: str = "https://graph.microsoft.com/v1.0",
        login_url: str = "https://login.microsoftonline.com",
        tenant_id: str,
        client_id: str,
        client_secret: str,
        post: Post | None = None,
    ) -> None:
        self._world = World(clock, random, switches or Switches(), base_url)
        self.app = App(tenant_id, client_id, client_secret)
        self.tokens = Tokens(self._world, self.app, login_url)
        self.identities = Identities(self._world, self.tokens.credentials, f"{login_url}/{tenant_id}/v2.0")
        self.throttle = Throttle(self._world)
        self._outbox = Outbox(self._world)
        self.subscriptions = Subscriptions(self._world, self._outbox, client_id, tenant_id, post)
        self._uploads = Uploads(self._world)
        self._stores: dict[str, Store] = {}
        self._mailboxes: dict[str, GraphMailbox] = {}
        self.subscriptions.stores = self._stores
        self.hold: Callable[[Request], None] | None = None
        self._routes = Routes(
            (
                *folders.ROUTES,
                *messages.ROUTES,
                *attachments.ROUTES,
                *self._uploads.routes(),
                *delta.ROUTES,
                *sending.ROUTES,
                *users.ROUTES,
                *batch.ROUTES,
                *self.subscriptions.routes(),
            )
        )

    # --------------------------------------------------------------------------------------------------- side doors
    @property
    def base_url(self) -> str:
        """Links and contexts are absolute from here; settable once the server has its port."""
        return self._world.base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        self._world.base_url = url.rstrip("/")

    @property
    def login_url(self) -> str:
        return self.tokens.login_url

    @login_url.setter
    def login_url(self, url: str) -> None:
        self.tokens.login_url = url.rstrip("/")

    @property
    def switches(self) -> Switches:
        return self._world.switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        self._world.switches = switches

    @property
    def mailboxes(self) -> Mapping[str, GraphMailbox]:
        """By address as it was added."""
        return self._mailboxes

    @property
    def counts(self) -> Counter[str]:
        """HTTP requests by route, whatever was answered; a batch is one, token requests stand under "token"."""
        return self._world.counts

    @property
    def part_counts(self) -> Counter[str]:
        """Parts of batches by route."""
        return self._world.part_counts

    @property
    def sent_mail(self) -> int:
        return self._world.sent_mail

    @property
    def receipts(self) -> int:
        return self._world.receipts

    @property
    def ignored(self) -> list[str]:
        return self._world.ignored

    def add_mailbox(self, address: str, *, display_name: str = "", language: str = "en") -> GraphMailbox:
        """A new mailbox with its default folders, named in `language` (en, zh-CN, zh-TW)."""
        with self._world.lock:
            if address.lower() in self._stores:
                raise ValueError("the mailbox exists already")
            store = Store(self._world, address, display_name, language)
            self._stores[address.lower()] = self._stores[store.guid] = store
            self._mailboxes[address] = GraphMailbox(store)
            return self._mailboxes[address]

    def take_notifications(self) -> list[Delivery]:
        """Deliveries that are due, in order; the driver posts them and says by `notified` how it went."""
        with self._world.lock:
            return self._outbox.take()

    def notified(self, delivery: Delivery, ok: bool) -> None:
        """Not ok: it comes again with back-off, for up to four hours."""
        with self._world.lock:
            self._outbox.done(delivery, ok)

    def next_notification(self) -> float | None:
        """When the next delivery is due (epoch seconds), None when there is none."""
        with self._world.lock:
            return self._outbox.due()

    def on_notification(self, tell: Callable[[], None]) -> None:
        """`tell` is called whenever something was queued; it must not block."""
        self._outbox.on_queued = tell

    def lifecycle(self, subscription: str, event: Lifecycle) -> None:
        """Make a subscription ask for reauthorization, be removed, or have missed something."""
        with self._world.lock:
            self.subscriptions.lifecycle(subscription, event)

    def remove_subscription(self, subscription: str) -> None:
        """The vendor drops it and says so, if it has a lifecycle URL."""
        self.lifecycle(subscription, "subscriptionRemoved")

    def expire_delta_tokens(self, address: str | None = None) -> None:
        """Delta tokens given out so far are over, in one mailbox or in all."""
        with self._world.lock:
            for name, store in self._stores.items():
                if address is None or name == address.lower():
                    store.delta_epoch += 1

    def throttle_next(self, count: int, retry_after: int = 1) -> None:
        """Refuse the next `count` requests to mailboxes with 429."""
        self.throttle.force(count, retry_after)

    # ---------------------------------------------------------------------------------------------------- the wire
    def handle(self, request: Request) -> Response:
        with self._world.lock:
            login = self.tokens.handle(request)
        if login is not None:
            return login
        stamp = self._stamp(request)
        try:
            response = self._answer(request, stamp)
        except GraphError as error:
            response = Response.of_json(error.status, error.body(stamp), error.headers)
        headers = {name.lower(): value for name, value in response.headers.items()}
        headers |= {name: stamp[name] for name in ("request-id", "client-request-id")}
        return Response(response.status, {**headers, "x-ms-ags-diagnostic": SERVER}, response.body)

    def _stamp(self, request: Request) -> dict[str, str]:
        id = self._world.guid()
        return {
            "date": iso(self._world.now()).removesuffix("Z"),
            "request-id": id,
            "client-request-id": request.headers.get("client-request-id", id),
        }

    def _answer(self, request: Request, stamp: Mapping[str, str]) -> Response:
        parts = request.segments
        if tuple(part.lower() for part in parts[:2]) == Uploads.PREFIX:
            return self._upload(request)
        if not parts or parts[0].lower() != "v1.0":
            raise GraphError(404, "BadRequest", "Invalid version.")
        route, args = self._found(request, self._world.counts)
        if len(request.body) > MAX_REQUEST:
            raise too_large()
        call = self._call(request, route, args, stamp)
        if call.store is None:
            return self._run(route, call)
        if not self.throttle.enter(call.store.guid):
            raise throttled("MailboxConcurrency", 1)
        try:
            return self._run(route, call)
        finally:
            self.throttle.leave(call.store.guid, 1)

    def _upload(self, request: Request) -> Response:
        with self._world.lock:
            self._world.counts[f"{request.method} upload"] += 1
            mailbox = self._uploads.mailbox_of(request)
        if mailbox and not self.throttle.enter(mailbox):
            raise throttled("MailboxConcurrency", 1)
        try:
            if mailbox:
                self.throttle.spend(mailbox, len(request.body) if request.method == "PUT" else 0)
            with self._world.lock:
                return self._uploads.handle(request)
        finally:
            if mailbox:
                self.throttle.leave(mailbox, 1)

    def _found(self, request: Request, counts: Counter[str]) -> tuple[Route, dict[str, str]]:
        try:
            route, args = self._routes.find(request.method, request.segments[1:])
        except GraphError:
            counts[f"{request.method} unknown"] += 1
            raise
        with self._world.lock:
            counts[route.name] += 1
        return route, args

    def _call(self, request: Request, route: Route, args: Mapping[str, str], stamp: Mapping[str, str]) -> Call:
        with self._world.lock:
            roles = self.tokens.roles(request)
            store = self._store(args["u"]) if "u" in args else None
            if store is not None and store.address.lower() in self.app.scope:
                roles |= self.app.scoped
        if route.roles and not route.roles & roles:
            raise denied()
        return Call(self._world, request, route.name, args, roles, store, _Gate(self, stamp))

    def _store(self, user: str) -> Store:
        store = self._stores.get(user.lower())
        if store is None:
            raise GraphError(404, "ErrorInvalidUser", f"The requested user '{user}' is invalid.")
        if not store.enabled:
            raise GraphError(
                404,
                "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            )
        if store.denied:
            raise denied()
        return store

    def _run(self, route: Route, call: Call) -> Response:
        if call.store is not None:
            self.throttle.spend(call.store.guid, len(call.request.body) if call.request.method in _WRITES else 0)
        if self.hold is not None:
            self.hold(call.request)
        if not route.locks:
            return route.handler(call)
        with self._world.lock:
            return route.handler(call)


class _Gate:
    """What a batch needs of the service."""

    def __init__(self, vendor: Microsoft365, stamp: Mapping[str, str]) -> None:
        self._vendor = vendor
        self._stamp = stamp
        self.throttle = vendor.throttle

    def mailbox_of(self, request: Request) -> str:
        """A name for the mailbox that the request is about; "" when it is about none."""
        parts: Any = request.segments
        store = self._vendor._stores.get(parts[2].lower()) if len(parts) > 2 else None
        return "" if store is None else store.guid

    def dispatch(self, request: Request) -> Response:
        """Answer a part of a batch, whose place in its mailbox is already held."""
        try:
            route, args = self._vendor._found(request, self._vendor.part_counts)
            return self._vendor._run(route, self._vendor._call(request, route, args, self._stamp))
        except GraphError as error:
            return self.refusal(error)

    def refusal(self, error: GraphError) -> Response:
        return Response.of_json(error.status, error.body(self._stamp), error.headers)
