"""The replicas of each pair, kept as long as what they were made from stays the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar, cast

from shared.dingtalk.alimail import Alimail
from shared.dingtalk.bucket import LOOKERS, PATIENCE, Bucket, Line
from shared.dingtalk.imap import ImapDoor
from shared.dingtalk.line import LowLine, SharedLine
from shared.dingtalk.owner import owner as dingtalk_owner
from shared.dingtalk.replica import DingTalkMail
from shared.dingtalk.tokens import ClientCredentials
from shared.model.owners import Owner
from shared.model.pairs import Pair, mail_domain
from shared.model.words import OUTLOOK, Side
from shared.outlook.owner import owner as outlook_owner
from shared.outlook.replica import OutlookMail
from shared.outlook.subscriptions import GraphSubscriptions
from shared.outlook.tokens import AppTokens
from shared.outlook.transport import Graph
from shared.ports.replica import Replica, Subscriptions
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


def password_name(pair_id: str) -> str:
    """The secret that holds the client password of the pair's DingTalk mailbox."""
    return PASSWORD + pair_id


class Replicas:
    """One client for each vendor, and a replica for each (pair, side) on it. Safe among threads.

    `_doors`: by pair; `_latest`: the pairs whose doors may be open, the one asked for last at the end."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._settings, self._parts = settings, parts
        self._graph = _graph(settings, parts)
        self._tokens = _alimail_tokens(settings, parts)
        self._lock = threading.Lock()
        self._domains: dict[tuple[str, float, bool], Alimail] = {}
        self._lookers: dict[str, tuple[str, Replica]] = {}
        self._every: dict[str, float] = {}
        self._doors: dict[str, ImapDoor] = {}
        self._latest: dict[str, None] = {}
        self._kept: dict[tuple[str, str], tuple[tuple[str, ...], Replica]] = {}

    def replica(self, pair: Pair, side: Side, bulk: bool = False) -> Replica:
        """The same object each time, until an address or the client password changes: a connection that works is kept,
        and a password that was refused is not tried again. `bulk`: for old mail, which takes no more than BULK of a
        mail domain's rate."""
        if side == OUTLOOK:
            return self._kept_while((pair.outlook,), pair, side, lambda: OutlookMail(self._graph, pair.outlook))
        password = self._parts.secrets.get(password_name(pair.id)) or ""
        alimail = self._alimail(pair.mail_domain)
        self._make_room(pair)
        stamp = (pair.dingtalk, password)
        live = self._kept_while(stamp, pair, side, lambda: self._dingtalk(alimail, pair, password))
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

    def looker(self, pair: Pair, every: float) -> Replica:
        """The DingTalk side for those who only look, as often as that (seconds): without a password, so that no vault
        is asked at each look, and with a place of its own in the domain's line."""
        alimail = self._alimail(pair.mail_domain, LOOKERS)
        with self._lock:
            self._every[pair.id] = every
            held = self._lookers.get(pair.id)
            if held is None or held[0] != pair.dingtalk:
                made = DingTalkMail(alimail, None, pair.dingtalk, self._parts.executor, lambda: self._look(pair.id))
                held = self._lookers[pair.id] = pair.dingtalk, made
            return held[1]

    def _look(self, pair_id: str) -> int:
        """The number of this look, one more at the next."""
        return round(self._parts.table.now() / self._every[pair_id])

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

    def try_password(self, address: str, password: str) -> None:
        """Sign in to the DingTalk mailbox once. NoClientPassword when it is refused."""
        with closing(self._door(address, password)) as door:
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
        door = self._door(pair.dingtalk, password) if password else None
        if door is not None:
            for _ in range(1, self._settings.imap_connections):
                door.widen(threading.Lock())
            self._doors[pair.id] = door
        return DingTalkMail(alimail, door, pair.dingtalk, self._parts.executor, self._turn)

    def _door(self, user: str, password: str) -> ImapDoor:
        settings, parts = self._settings, self._parts
        return ImapDoor(
            parts.streams,
            parts.clock,
            settings.imap_host,
            settings.imap_port,
            settings.imap_tls,
            user,
            password,
            threading.Lock(),
            settings.request_timeout,
            parts.telemetry,
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
