"""The replicas of each pair, kept as long as what they were made from stays the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TypeVar, cast

from shared.dingtalk.alimail import Alimail
from shared.dingtalk.bucket import LOOKERS, PATIENCE, Bucket, Line
from shared.dingtalk.imap import ImapDoor
from shared.dingtalk.line import LowLine, SharedLine
from shared.dingtalk.logins import Alone, Gate, Logins
from shared.dingtalk.owner import owner as dingtalk_owner
from shared.dingtalk.replica import DingTalkMail
from shared.dingtalk.tokens import ClientCredentials
from shared.model.errors import WrongSettings
from shared.model.owners import Owner
from shared.model.pairs import Pair, mail_domain
from shared.model.words import OUTLOOK, Side
from shared.outlook.owner import owner as outlook_owner
from shared.outlook.replica import OutlookMail
from shared.outlook.subscriptions import GraphSubscriptions
from shared.outlook.tokens import AppTokens
from shared.outlook.transport import Graph
from shared.ports.replica import Looker, Replica, Subscriptions
from shared.ports.state import Secrets
from shared.sync.calls import partition
from shared.sync.identity import Identity
from shared.wiring.credential import graph_credential
from shared.wiring.parts import Parts
from shared.wiring.secrets import app_secret
from shared.wiring.settings import Settings

R = TypeVar("R", bound=Replica)

PASSWORD = "imap-"
BULK = 0.6
"""The part of a mail domain's rate that old mail may take."""

CONNECTIONS = 50
"""Mailboxes to which a process keeps its IMAP connections at most: more than it has runs at a time, and few enough for
its memory and for the server when there are thousands of mailboxes."""


SPARE, SOON = 6.0, 0.5
"""Pages a second that the sweeps of a mail domain may read beyond one for each look, and the seconds that one waits. A
look takes 5 requests of the 20 that looks may take (schedule.py), so that sweeps take 4 + 6 of 40 at most."""


def password_name(pair_id: str) -> str:
    """The secret that holds the client password of the pair's DingTalk mailbox."""
    return PASSWORD + pair_id


def kept_password(secrets: Secrets, pair_id: str, fresh: bool = False) -> str:
    """The pair's client password, "" where there is none, or where somebody has disabled it in the vault."""
    try:
        return secrets.get(password_name(pair_id), fresh) or ""
    except WrongSettings:
        return ""


class Replicas:
    """One client for each vendor, and a replica for each (pair, side) on it. Safe among threads.

    `key`: the deployment's. `_doors`: by pair; `_left`: those that were given up and are to be closed; `_latest`: the
    pairs whose doors may be open, the one asked for last at the end."""

    def __init__(self, settings: Settings, parts: Parts, key: bytes) -> None:
        self._settings, self._parts, self._key = settings, parts, key
        self._graph = _graph(settings, parts)
        self._tokens = _alimail_tokens(settings, parts)
        self._lock = threading.Lock()
        self._domains: dict[tuple[str, float, bool], Alimail] = {}
        self._lookers: dict[str, tuple[str, Looker]] = {}
        self._spares: dict[str, Bucket] = {}
        self._every: dict[str, float] = {}
        self._doors: dict[str, ImapDoor] = {}
        self._left: list[ImapDoor] = []
        self._latest: dict[str, None] = {}
        self._kept: dict[tuple[str, str], tuple[tuple[str, ...], Replica]] = {}

    def replica(self, pair: Pair, side: Side, bulk: bool = False) -> Replica:
        """The same object each time, until an address or the client password changes: a connection that works is kept.
        `bulk`: for old mail, which takes no more than BULK of a mail domain's rate."""
        if side == OUTLOOK:
            return self._kept_while((pair.outlook,), pair, side, lambda: OutlookMail(self._graph, pair.outlook))
        password = kept_password(self._parts.secrets, pair.id)
        alimail = self._alimail(pair.mail_domain)
        self._make_room(pair)
        stamp = (pair.dingtalk, password)
        live = self._kept_while(stamp, pair, side, lambda: self._dingtalk(alimail, pair, password))
        while self._left:
            self._left.pop().close()
        slow = self._alimail(pair.mail_domain, bulk=True)
        return self._kept_while(stamp, pair, "bulk", lambda: live.by_way_of(slow)) if bulk else live

    def _make_room(self, pair: Pair) -> None:
        """Hang up where nobody has been for the longest time; whoever comes there again connects anew."""
        with self._lock:
            self._latest.pop(pair.id, None)
            self._latest[pair.id] = None
            if len(self._latest) <= CONNECTIONS:
                return
            oldest = next(iter(self._latest))
            del self._latest[oldest]
            door = self._doors.get(oldest)
        if door is not None:
            door.close()

    def looker(self, pair: Pair, every: float) -> Looker:
        """The DingTalk side for those who only look, as often as that (seconds): without a password, so that no vault
        is asked at each look, and with a place of its own in the domain's line."""
        alimail = self._alimail(pair.mail_domain, LOOKERS)
        with self._lock:
            self._every[pair.id] = every
            held = self._lookers.get(pair.id)
            if held is None or held[0] != pair.dingtalk:
                turn, spare = partial(self._look, pair.id), self._spare(pair.mail_domain)
                made = DingTalkMail(alimail, None, pair.dingtalk, self._parts.executor, turn, spare=spare)
                held = self._lookers[pair.id] = pair.dingtalk, made
            return held[1]

    def _spare(self, domain: str) -> Callable[[], None]:
        """A turn for one more page of the sweep, in a line of its own that all processes share: SPARE in any second,
        and only if it comes soon. Call it with the lock held."""
        if domain not in self._spares:
            line = SharedLine(self._parts.table, f"{domain}/sweep")
            bucket = Bucket(self._parts.clock, threading.Lock(), line, patience=SOON, rate=SPARE, block=1)
            self._spares[domain] = bucket
        return self._spares[domain].take

    def _look(self, pair_id: str) -> int:
        """The number of this look, one more at the next."""
        return round(self._parts.table.now() / self._every[pair_id])

    @contextmanager
    def beside(self, pair: Pair, side: Side) -> Iterator[Replica]:
        """As `replica`, with an IMAP connection of its own, which is ended with it: nobody waits for what goes over
        it."""
        if side == OUTLOOK:
            yield OutlookMail(self._graph, pair.outlook)
            return
        password = kept_password(self._parts.secrets, pair.id)
        door = self._door(pair, password, self._logins(pair, password)) if password else None
        try:
            yield DingTalkMail(self._alimail(pair.mail_domain), door, pair.dingtalk, self._parts.executor, self._turn)
        finally:
            if door is not None:
                door.close()

    def is_crowded(self, pair: Pair) -> bool:
        """Whether the rate of the pair's mail domain is used up for now."""
        return SharedLine(self._parts.table, pair.mail_domain).is_crowded()

    def subscriptions(self, pair: Pair) -> Subscriptions:
        return GraphSubscriptions(self._graph, pair.outlook)

    def owner(self, side: Side, address: str) -> Owner:
        """Whose mailbox it is. NotPermitted when it can't be opened."""
        if side == OUTLOOK:
            return outlook_owner(self._graph, address)
        return dingtalk_owner(self._alimail(mail_domain(address)), address)

    def try_password(self, pair: Pair, password: str, again: bool = False) -> None:
        """Sign in to the DingTalk mailbox once. NoClientPassword when it is refused, or was before: with `again` even
        such a one is tried."""
        gate = self._logins(pair, password, person=True, again=again)
        with closing(self._door(pair, password, gate)) as door:
            door.mailboxes()

    def try_new(self, pair: Pair, password: str) -> None:
        """The same for a pair that isn't kept yet: nothing is remembered of it."""
        with closing(self._door(pair, password, Alone())) as door:
            door.mailboxes()

    def close(self) -> None:
        """End the connections that are kept."""
        with self._lock:
            doors, self._doors = self._doors, {}
        for door in doors.values():
            door.close()

    def _kept_while(self, stamp: tuple[str, ...], pair: Pair, name: str, make: Callable[[], R]) -> R:
        with self._lock:
            held = self._kept.get((pair.id, name))
            if held is None or held[0] != stamp:
                held = self._kept[pair.id, name] = stamp, make()
            return cast(R, held[1])

    def _alimail(self, domain: str, patience: float = PATIENCE, bulk: bool = False) -> Alimail:
        """The client of a mail domain: its rate is the domain's, shared with all processes."""
        settings, parts = self._settings, self._parts
        with self._lock:
            if (name := (domain, patience, bulk)) not in self._domains:
                line: Line = SharedLine(parts.table, domain)
                if bulk:
                    line = LowLine(parts.clock, line, SharedLine(parts.table, f"bulk {domain}"), BULK)
                bucket = Bucket(parts.clock, threading.Lock(), line, patience=patience)
                self._domains[name] = Alimail(
                    parts.transport, self._tokens, bucket, settings.alimail_url, settings.request_timeout
                )
            return self._domains[name]

    def _dingtalk(self, alimail: Alimail, pair: Pair, password: str) -> DingTalkMail:
        if (old := self._doors.pop(pair.id, None)) is not None:
            self._left.append(old)
        door = self._door(pair, password, self._logins(pair, password)) if password else None
        if door is not None:
            for _ in range(1, self._settings.imap_connections):
                door.widen(threading.Lock())
            self._doors[pair.id] = door
        return DingTalkMail(alimail, door, pair.dingtalk, self._parts.executor, self._turn)

    def _door(self, pair: Pair, password: str, gate: Gate) -> ImapDoor:
        settings, parts = self._settings, self._parts
        return ImapDoor(
            parts.streams,
            parts.clock,
            settings.imap_host,
            settings.imap_port,
            settings.imap_tls,
            pair.dingtalk,
            password,
            threading.Lock(),
            settings.request_timeout,
            parts.telemetry,
            gate,
        )

    def _logins(self, pair: Pair, password: str, person: bool = False, again: bool = False) -> Logins:
        """The gate of this mailbox for this password, of which no more than a keyed hash is written."""

        def hashed(text: str) -> str:
            return Identity(self._key, pair).hash("client-password", pair.dingtalk.lower(), text)

        def kept() -> str:
            text = kept_password(self._parts.secrets, pair.id, fresh=True)
            return hashed(text) if text else ""

        ledger, timeout = partition(pair.id), self._settings.request_timeout
        return Logins(
            self._parts.table, ledger, hashed(password), kept, threading.Lock(), timeout, person=person, again=again
        )

    def _turn(self) -> int:
        """The number of the present poll, the same for all workers."""
        return self._settings.rhythm.turn(self._parts.table.now())


def _graph(settings: Settings, parts: Parts) -> Graph:
    tokens = parts.tokens or AppTokens(
        parts.transport,
        parts.clock,
        settings.login_url,
        settings.graph_tenant_id,
        settings.graph_client_id,
        graph_credential(settings, parts),
        threading.Lock(),
    )
    return Graph(parts.transport, parts.clock, parts.random, parts.executor, tokens, settings.graph_url)


def _alimail_tokens(settings: Settings, parts: Parts) -> ClientCredentials:
    return ClientCredentials(
        parts.transport,
        parts.clock,
        settings.alimail_url,
        settings.alimail_client_id,
        app_secret("alimail_client_secret", settings, parts),
        threading.Lock(),
    )
