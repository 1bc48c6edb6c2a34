"""The product, built from its settings."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from shared.ops.removal import Removal
from shared.ports.state import Blobs, Secrets, Table, WorkQueue
from shared.sync.desk import Desk
from shared.sync.run import Policy
from shared.sync.service import Service
from shared.wiring.key import deployment_key
from shared.wiring.pairs import Pairs
from shared.wiring.parts import Parts
from shared.wiring.people import People
from shared.wiring.replicas import Replicas, password_name
from shared.wiring.settings import Settings, load_settings

NOTIFICATIONS = "/api/graph/notifications"
"""Where the app listens to Graph (host.json: routePrefix; functions/graph.py: route)."""


@dataclass(frozen=True, slots=True)
class Product:
    settings: Settings
    service: Service
    desk: Desk
    people: People
    pairs: Pairs
    table: Table
    queue: WorkQueue
    blobs: Blobs
    secrets: Secrets
    connections: Callable[[], None]

    def close(self) -> None:
        """End the connections that are kept; nobody is to use it after that."""
        self.connections()


def build(settings: Settings, parts: Parts | None = None) -> Product:
    """The product on `parts`, by default on this machine. Calls no vendor. WrongSettings or StoreUnavailable when the
    state can't be used."""
    parts = parts or Parts.embedded(settings)
    pairs, replicas = Pairs(parts.table), Replicas(settings, parts)
    key, policy = deployment_key(parts.secrets, parts.random), _policy(settings)
    desk = Desk(
        table=parts.table,
        queue=parts.queue,
        clock=parts.clock,
        executor=parts.executor,
        replicas=replicas.replica,
        key=key,
        policy=policy,
    )
    service = Service(
        table=parts.table,
        queue=parts.queue,
        clock=parts.clock,
        random=parts.random,
        executor=parts.executor,
        replicas=replicas.replica,
        subscriptions=replicas.subscriptions,
        pairs=pairs.list,
        key=key,
        policy=policy,
        notification_url=settings.public_url + NOTIFICATIONS if settings.public_url else None,
        poll_seconds=settings.poll_seconds,
    )
    removal = Removal(
        parts.table,
        parts.clock,
        parts.random,
        settings.lease_seconds,
        save=pairs.save,
        drop=pairs.remove,
        forget_password=lambda pair: parts.secrets.delete(password_name(pair.id)),
        unsubscribe=service.unsubscribe,
    )

    def close() -> None:
        replicas.close()
        parts.close()

    people = People(pairs, replicas, parts.secrets, parts.random, desk, removal)
    return Product(settings, service, desk, people, pairs, parts.table, parts.queue, parts.blobs, parts.secrets, close)


def _policy(settings: Settings) -> Policy:
    return Policy(
        timeout=settings.request_timeout,
        grace=settings.grace_seconds,
        hold=settings.twin_hold_seconds,
        lease=settings.lease_seconds,
    )


_lock = threading.Lock()
_product: Product | None = None


def get_product() -> Product:
    """The product of this process, built from its environment when it is first asked for."""
    global _product
    with _lock:
        if _product is None:
            _product = build(load_settings(os.environ))
        return _product


def use(product: Product | None) -> None:
    """Make `get_product` give this one; None: build it anew when it is next asked for."""
    global _product
    with _lock:
        _product = product


__all__ = ["Parts", "Product", "build", "get_product", "use"]
