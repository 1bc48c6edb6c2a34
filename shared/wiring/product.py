"""The product, built from its settings."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from shared.dingtalk.callback_door import CallbackDoor
from shared.dingtalk.openapi_quota import Quota
from shared.model.errors import SignInRefused, WrongSettings
from shared.model.spooled import LARGEST_ENCODED
from shared.model.words import OUTLOOK, SIDES
from shared.ops.gauges import Gauges
from shared.ops.quarantine import Quarantine
from shared.ops.removal import Removal
from shared.ops.standstill import Standstill
from shared.ports.state import Blobs, ReceivingQueue, Secret, Secrets, Table
from shared.ports.telemetry import SILENCE, Telemetry
from shared.sync.carrier import Carrier
from shared.sync.desk import Desk
from shared.sync.run import Policy
from shared.sync.schema import SCHEMA, Schema
from shared.sync.service import Service
from shared.wiring.certificate import certificate_end
from shared.wiring.groups import LARGEST_MB
from shared.wiring.insights import insights
from shared.wiring.key import deployment_key
from shared.wiring.openplatform import open_platform
from shared.wiring.pairs import Pairs
from shared.wiring.parts import Parts
from shared.wiring.people import People
from shared.wiring.replicas import PASSWORD, Replicas, password_name
from shared.wiring.secrets import needed_secrets
from shared.wiring.settings import Settings, load_settings
from shared.wiring.spool import OneSpool
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
    carrier: Carrier
    desk: Desk
    people: People
    pairs: Pairs
    table: Table
    queue: ReceivingQueue
    blobs: Blobs
    secrets: Secrets
    standstill: Standstill
    quarantine: Quarantine
    connections: Callable[[], None]
    callback: CallbackDoor | None = None
    quota: Quota | None = None
    """Both None where the settings name no app of DingTalk's open platform."""
    needed: tuple[Secret, ...] = ()
    """What the app signs in with, and is called with."""
    telemetry: Telemetry = SILENCE

    def check(self) -> None:
        """StoreUnavailable when the state can't be read; WrongSettings, naming them, when secrets are missing."""
        self.pairs.check()
        refusals = [refusal for secret in self.needed if (refusal := _refusal(secret)) is not None]
        if refusals:
            raise WrongSettings("\n".join(map(str, refusals)), names=tuple(refusal.code for refusal in refusals))

    def bulk(self, message: Mapping[str, Any]) -> None:
        """Do what a message of the queue `bulk` asks: carry a large message, or take a short turn that yields to live
        work."""
        if "intent" in message:
            self.carrier.work(message)
        else:
            self.service.work(message, bulk=True)

    def close(self) -> None:
        """End the connections that are kept; nobody is to use it after that."""
        self.connections()


def _refusal(secret: Secret) -> SignInRefused | None:
    try:
        secret()
    except SignInRefused as refusal:
        return refusal
    return None


def build(settings: Settings, parts: Parts | None = None, schema: Schema = SCHEMA) -> Product:
    """The product on `parts`, by default on those that the settings ask for. Calls no vendor. WrongSettings or
    StoreUnavailable when the state can't be used. `schema`: the shape of rows that it knows."""
    hush()
    bare = parts or Parts.of(settings)
    parts = watched(bare, settings)
    pairs, replicas = Pairs(parts.table, schema), Replicas(settings, parts)
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
        schema=schema,
    )
    service = Service(
        table=parts.table,
        queue=parts.queue,
        clock=parts.clock,
        random=parts.random,
        executor=parts.executor,
        replicas=replicas.replica,
        looker=replicas.looker,
        is_crowded=replicas.is_crowded,
        subscriptions=replicas.subscriptions,
        pairs=pairs.served,
        pair=pairs.get,
        migrated=lambda pair, version: pairs.update(pair.id, schema=version),
        key=key,
        policy=policy,
        notification_url=settings.public_url + NOTIFICATIONS if settings.public_url else None,
        rhythm=settings.rhythm,
        events=platform.events if platform else None,
        poisoned=lambda queue: bare.queue.depth(f"{queue}-poison"),
        schema=schema,
        telemetry=parts.telemetry,
        gauges=_gauges(settings, parts, platform.quota if platform else None),
    )

    carrier = Carrier(
        table=parts.table,
        queue=parts.queue,
        random=parts.random,
        beside=replicas.beside,
        spool=OneSpool(settings.spool_folder).open,
        is_crowded=replicas.is_crowded,
        pair=pairs.get,
        key=key,
        policy=policy,
        schema=schema,
        telemetry=parts.telemetry,
    )
    standstill = Standstill(parts.table, parts.clock, parts.random, settings.lease_seconds, schema)

    def close() -> None:
        replicas.close()
        parts.close()

    return Product(
        settings,
        service,
        carrier,
        desk,
        People(pairs, replicas, parts.secrets, parts.random, desk, _removal(parts, standstill, pairs, service)),
        pairs,
        bare.table,
        bare.queue,
        bare.blobs,
        bare.secrets,
        standstill,
        Quarantine(parts.table, parts.queue, replicas.replica),
        close,
        platform.door if platform else None,
        platform.quota if platform else None,
        needed_secrets(settings, parts),
        parts.telemetry,
    )


def _removal(parts: Parts, standstill: Standstill, pairs: Pairs, service: Service) -> Removal:
    return Removal(
        parts.table,
        standstill,
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


def _policy(settings: Settings) -> Policy:
    return Policy(
        timeout=settings.request_timeout,
        grace=settings.grace_seconds,
        hold=settings.twin_hold_seconds,
        lease=settings.lease_seconds,
        junk=settings.junk,
        categories=settings.categories,
        receipts=settings.receipts,
        notes=settings.notes,
        largest=settings.largest_mb * LARGEST_ENCODED // LARGEST_MB,
        zone=settings.rhythm.zone,
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
