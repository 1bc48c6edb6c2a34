"""The product, built from its settings."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from shared.model.words import OUTLOOK, SIDES
from shared.ports.state import Blobs, Secrets, Table, WorkQueue
from shared.sync.run import Policy
from shared.sync.service import Service
from shared.wiring.key import deployment_key
from shared.wiring.pairs import Pairs
from shared.wiring.parts import Parts
from shared.wiring.replicas import Replicas
from shared.wiring.settings import Settings, load_settings

NOTIFICATIONS = "/api/graph/notifications"
"""Where the app listens to Graph (host.json: routePrefix; functions/graph.py: route)."""


@dataclass(frozen=True, slots=True)
class Product:
    settings: Settings
    service: Service
    pairs: Pairs
    table: Table
    queue: WorkQueue
    blobs: Blobs
    secrets: Secrets


def build(settings: Settings, parts: Parts | None = None) -> Product:
    """The product on `parts`, by default on this machine. Calls no vendor. WrongSettings or StoreUnavailable when the
    state can't be used."""
    parts = parts or Parts.embedded(settings)
    pairs, replicas = Pairs(parts.table), Replicas(settings, parts)
    service = Service(
        table=parts.table,
        queue=parts.queue,
        clock=parts.clock,
        random=parts.random,
        executor=parts.executor,
        replicas=replicas.replica,
        subscriptions=replicas.subscriptions,
        pairs=pairs.list,
        key=deployment_key(parts.secrets, parts.random),
        policy=_policy(settings),
        notification_url=settings.public_url + NOTIFICATIONS if settings.public_url else None,
        poll_seconds=settings.poll_seconds,
    )
    return Product(settings, service, pairs, parts.table, parts.queue, parts.blobs, parts.secrets)


def _policy(settings: Settings) -> Policy:
    return Policy(
        timeout=settings.request_timeout,
        grace=settings.grace_seconds,
        hold=settings.twin_hold_seconds,
        lease=settings.lease_seconds,
        delete_folders=SIDES if settings.alimail_deletes_folders else (OUTLOOK,),
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
