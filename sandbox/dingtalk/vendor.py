"""The simulated DingTalk mail: the REST door, and sessions for the IMAP door, on one store."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping

from sandbox.dingtalk import folders, messages, search, sending, users
from sandbox.dingtalk.attachments import Streams
from sandbox.dingtalk.calls import Call
from sandbox.dingtalk.errors import Refusal
from sandbox.dingtalk.imap_session import ImapSession
from sandbox.dingtalk.person import AliMailbox
from sandbox.dingtalk.store import Store
from sandbox.dingtalk.switches import Switches
from sandbox.dingtalk.tokens import Tokens
from sandbox.dingtalk.world import World
from sandbox.web import Request, Response


class DingTalkMail:
    """Satisfies `sandbox.web.Vendor`. Serves /oauth2/v2.0/token and /v2/…; thread-safe. `clock` gives epoch seconds."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        random: random.Random,
        switches: Switches | None = None,
        client_id: str,
        client_secret: str,
        stream_base: str = "",
    ) -> None:
        self._world = World(clock, random, switches or Switches())
        self._tokens = Tokens(self._world, client_id, client_secret)
        self._streams = Streams(self._world, stream_base)
        self._stores: dict[str, Store] = {}
        self.mailboxes: dict[str, AliMailbox] = {}
        self._routes = (
            *folders.ROUTES, *messages.ROUTES, *search.ROUTES, *sending.ROUTES, *users.ROUTES,
            *self._streams.routes(),
        )  # fmt: skip
        self._recent: deque[float] = deque()
        self._refuse = 0

    # ---- side doors
    @property
    def switches(self) -> Switches:
        return self._world.switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        self._world.switches = switches

    @property
    def counts(self) -> Counter[str]:
        """Requests by route, whatever was answered; IMAP commands as "IMAP APPEND"; token requests as "token"."""
        return self._world.counts

    @property
    def sent_mail(self) -> int:
        return self._world.sent_mail

    @property
    def receipts(self) -> int:
        return self._world.receipts

    @property
    def ignored(self) -> list[str]:
        """ "route: name" of everything that the vendor silently ignored."""
        return self._world.ignored

    @property
    def failed_logins(self) -> Counter[str]:
        return self._world.failed_logins

    @property
    def logins(self) -> list[tuple[str, str]]:
        """Every login that was tried at the IMAP door: (address, password)."""
        return self._world.logins

    def add_mailbox(
        self, address: str, *, client_password: str | None, language: str = "zh-CN", aliases: Iterable[str] = ()
    ) -> AliMailbox:
        with self._world.lock:
            if address.lower() in self._stores:
                raise ValueError("the mailbox exists already")
            store = Store(self._world, address, client_password, language, aliases)
            self._stores[address.lower()] = store
            self.mailboxes[address] = AliMailbox(store)
            return self.mailboxes[address]

    def imap(self) -> ImapSession:
        """A new connection to the IMAP door, without a socket."""
        return ImapSession(self._world, self._stores)

    def throttle_next(self, requests: int) -> None:
        self._refuse = requests

    def revoke_tokens(self) -> None:
        self._tokens.revoke()

    # ---- the REST door
    def handle(self, request: Request) -> Response:
        with self._world.lock:
            try:
                return self._answer(request)
            except Refusal as refusal:
                return self._refused(refusal)

    def _answer(self, request: Request) -> Response:
        parts = request.segments
        if parts == ("oauth2", "v2.0", "token") and request.method == "POST":
            return self._tokens.issue(request)
        if parts[:2] == ("v2", "stream") and len(parts) == 3 and request.method == "GET":
            self._world.counts["GET /v2/stream/{id}"] += 1
            self._throttle()
            return self._streams.stream(parts[2])
        if parts[:2] != ("v2", "users") or len(parts) < 3:
            raise Refusal(404, "api.notFound", "there is no such API")
        for route in self._routes:
            params = route.match(request.method, parts[3:])
            if params is not None:
                self._world.counts[route.name] += 1
                self._throttle()
                self._tokens.check(request)
                return route.handler(Call(self._world, self._store(parts[2]), request, route.name, params))
        raise Refusal(404, "api.notFound", "there is no such API")

    def _store(self, address: str) -> Store:
        store = self._stores.get(address.lower())
        if store is None:
            raise Refusal(404, "user.notFound", "there is no such mailbox")
        return store

    def _throttle(self) -> None:
        """So many requests in any second, for all apps of the domain together."""
        now, rate = self._world.now(), self._world.switches.rate
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if self._refuse or (rate is not None and len(self._recent) >= rate):
            self._refuse = max(0, self._refuse - 1)
            headers = {"retry-after": "1"} if self._world.switches.retry_after else {}
            raise Refusal(429, "system.busy", "too many requests", headers)
        self._recent.append(now)

    def _refused(self, refusal: Refusal) -> Response:
        body: Mapping[str, str] = {
            "detailErrorCode": refusal.code,
            "message": refusal.message,
            "developerMessage": refusal.message,
        }
        status = 200 if self._world.switches.error_on_200 and refusal.status != 401 else refusal.status
        return Response.of_json(status, body, refusal.headers)
