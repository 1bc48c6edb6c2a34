"""The replicas of each pair, kept as long as what they were made from stays the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

from shared.dingtalk.alimail import Alimail
from shared.dingtalk.bucket import Bucket
from shared.dingtalk.imap import ImapDoor
from shared.dingtalk.owner import owner as dingtalk_owner
from shared.dingtalk.replica import DingTalkMail
from shared.dingtalk.tokens import ClientCredentials
from shared.model.owners import Owner
from shared.model.pairs import Pair
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


def password_name(pair_id: str) -> str:
    """The secret that holds the client password of the pair's DingTalk mailbox."""
    return f"imap-{pair_id}"


class Replicas:
    """One client for each vendor, and a replica for each (pair, side) on it. Safe among threads."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._settings, self._parts = settings, parts
        self._graph = _graph(settings, parts)
        self._alimail = _alimail(settings, parts)
        self._lock = threading.Lock()
        self._doors: list[ImapDoor] = []
        self._kept: dict[tuple[str, Side], tuple[tuple[str, ...], Replica]] = {}

    def replica(self, pair: Pair, side: Side) -> Replica:
        """The same object each time, until an address or the client password changes: a connection that works is kept,
        and a password that was refused is not tried again."""
        if side == OUTLOOK:
            return self._kept_while((pair.outlook,), pair, side, lambda: OutlookMail(self._graph, pair.outlook))
        password = self._parts.secrets.get(password_name(pair.id)) or ""
        return self._kept_while((pair.dingtalk, password), pair, side, lambda: self._dingtalk(pair, password))

    def subscriptions(self, pair: Pair) -> Subscriptions:
        return GraphSubscriptions(self._graph, pair.outlook)

    def owner(self, side: Side, address: str) -> Owner:
        """Whose mailbox it is. NotPermitted when it can't be opened."""
        if side == OUTLOOK:
            return outlook_owner(self._graph, address)
        return dingtalk_owner(self._alimail, address)

    def try_password(self, address: str, password: str) -> None:
        """Sign in to the DingTalk mailbox once. NoClientPassword when it is refused."""
        with closing(self._door(address, password)) as door:
            door.mailboxes()

    def close(self) -> None:
        """End the connections that are kept."""
        with self._lock:
            doors, self._doors = self._doors, []
        for door in doors:
            door.close()

    def _kept_while(self, stamp: tuple[str, ...], pair: Pair, side: Side, make: Callable[[], Replica]) -> Replica:
        with self._lock:
            held = self._kept.get((pair.id, side))
            if held is None or held[0] != stamp:
                held = self._kept[pair.id, side] = stamp, make()
            return held[1]

    def _dingtalk(self, pair: Pair, password: str) -> Replica:
        door = self._door(pair.dingtalk, password) if password else None
        if door is not None:
            self._doors.append(door)
        return DingTalkMail(self._alimail, door, pair.dingtalk, self._parts.executor, self._turn)

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
        )

    def _turn(self) -> int:
        """The number of the present poll, the same for all workers."""
        return int(self._parts.table.now() // self._settings.poll_seconds)


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


def _alimail(settings: Settings, parts: Parts) -> Alimail:
    tokens = ClientCredentials(
        parts.transport,
        parts.clock,
        settings.alimail_url,
        settings.alimail_client_id,
        app_secret("alimail_client_secret", settings, parts),
        threading.Lock(),
    )
    bucket = Bucket(parts.clock, threading.Lock())
    return Alimail(parts.transport, tokens, bucket, settings.alimail_url, settings.request_timeout)
