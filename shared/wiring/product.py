"""The product, built from its settings."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, cast

from shared.dingtalk.callback_door import CallbackDoor
from shared.dingtalk.openapi_quota import Quota
from shared.model.words import OUTLOOK, SIDES
from shared.ops.gauges import Gauges
from shared.ops.removal import Removal
from shared.ports.state import Blobs, Secrets, Table, WorkQueue
from shared.ports.telemetry import SILENCE, Telemetry
from shared.sync.desk import Desk
from shared.sync.run import Policy
from shared.sync.service import SCHEDULE, Service
from shared.wiring.certificate import certificate_end
from shared.wiring.insights import insights
from shared.wiring.key import deployment_key
from shared.wiring.openplatform import open_platform
from shared.wiring.pairs import Pairs
from shared.wiring.parts import Parts
from shared.wiring.people import People
from shared.wiring.replicas import PASSWORD, Replicas, password_name
from shared.wiring.settings import Settings, load_settings
from shared.wiring.watched import watched
from shared.wiring.world import hush

NOTIFICATIONS = "/api/graph/notifications"
"""Where the app listens to Graph (host.json: routePrefix; functions/graph.py: route)."""

CALLBACK = "/api/dingtalk/callback"
"""Where it listens to DingTalk (functions/dingtalk.py: route); what the console of the app has to be told."""


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
    callback: CallbackDoor | None = None
    quota: Quota | None = None
    """Both None where the settings name no app of DingTalk's open platform."""
    telemetry: Telemetry = SILENCE

    def check(self) -> None:
        """Raises StoreUnavailable when the state can't be read."""
        self.table.get(SCHEDULE, ["poll"])

    def close(self) -> None:
        """End the connections that are kept; nobody is to use it after that."""
        self.connections()


def build(settings: Settings, parts: Parts | None = None) -> Product:
    """The product on `parts`, by default on those that the settings ask for. Calls no vendor. WrongSettings or
    StoreUnavailable when the state can't be used."""
    hush()
    bare = parts or Parts.of(settings)
    parts = watched(bare, settings)
    pairs, replicas = Pairs(parts.table), Replicas(settings, parts)
    platform = open_platform(settings, parts, pairs)
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
        events=platform.events if platform else None,
        poisoned=_poisoned(bare.queue),
        telemetry=parts.telemetry,
        gauges=_gauges(settings, parts, platform.quota if platform else None),
    )

    def close() -> None:
        replicas.close()
        parts.close()

    return Product(
        settings,
        service,
        desk,
        People(pairs, replicas, parts.secrets, parts.random, desk, _removal(settings, parts, pairs, service)),
        pairs,
        bare.table,
        bare.queue,
        bare.blobs,
        bare.secrets,
        close,
        platform.door if platform else None,
        platform.quota if platform else None,
        parts.telemetry,
    )


def _removal(settings: Settings, parts: Parts, pairs: Pairs, service: Service) -> Removal:
    return Removal(
        parts.table,
        parts.clock,
        parts.random,
        settings.lease_seconds,
        save=pairs.save,
        drop=pairs.remove,
        forget_password=lambda pair: parts.secrets.delete(password_name(pair.id)),
        unsubscribe=service.unsubscribe,
    )


def _gauges(settings: Settings, parts: Parts, quota: Quota | None) -> Callable[[], None] | None:
    if parts.telemetry is SILENCE:
        return None
    certificate, secrets = settings.graph_certificate, parts.secrets
    return Gauges(
        parts.telemetry,
        parts.table.now,
        quota.left if quota else None,
        certificate_end(certificate.get_secret_value()) if certificate else None,
        cast(Ending, secrets).expiries if hasattr(secrets, "expiries") else None,
        lambda name: name.removeprefix(PASSWORD) if name.startswith(PASSWORD) else None,
    ).tell


class Ending(Protocol):
    def expiries(self) -> dict[str, float]: ...


class Countable(Protocol):
    def depth(self, queue: str) -> int: ...


def _poisoned(queue: WorkQueue) -> Callable[[str], int] | None:
    """How many messages of a queue ended in its poison queue; None where the queue can't count."""
    if not hasattr(queue, "depth"):
        return None
    countable = cast(Countable, queue)
    return lambda name: countable.depth(f"{name}-poison")


def _policy(settings: Settings) -> Policy:
    return Policy(
        timeout=settings.request_timeout,
        grace=settings.grace_seconds,
        hold=settings.twin_hold_seconds,
        lease=settings.lease_seconds,
        junk=settings.junk,
        categories=settings.categories,
        receipts=settings.receipts,
        delete_folders=SIDES if settings.alimail_deletes_folders else (OUTLOOK,),
    )


_lock = threading.Lock()
_product: Product | None = None


def get_product() -> Product:
    """The product of this process, built from its environment when it is first asked for."""
    global _product
    with _lock:
        if _product is None:
            settings = load_settings(os.environ)
            _product = build(settings, replace(Parts.of(settings), telemetry=insights(settings)))
        return _product


def use(product: Product | None) -> None:
    """Make `get_product` give this one; None: build it anew when it is next asked for."""
    global _product
    with _lock:
        _product = product


__all__ = ["Parts", "Product", "build", "get_product", "use"]
