"""Thousands of messages that stand on both sides and are linked, made without the product having to carry them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.dingtalk.records import INBOX
from sandbox.microsoft.mime import parse
from sandbox.simulation.adapters import SimTable
from shared.model.links import End, Link
from shared.model.plans import State
from shared.model.words import DINGTALK, OUTLOOK
from shared.sync.calls import partition
from shared.sync.identity import Identity
from shared.sync.lease import Leases
from shared.sync.ledger import Session
from tests.support.scene import Scene, mail

AS_DELIVERED: State = {"read": False, "flag": "none", "folder": "inbox", "categories": ""}


def link_many(scene: Scene, count: int) -> dict[str, str]:
    """Unread mail in both inboxes and its links, with ids m0, m1 and so on; -> the id in Outlook of each. The product
    is told of none of it; it sees the rows in its next look at each folder."""
    outlook, dingtalk = _deliver(scene, count)
    identity = Identity(scene.service._key, scene.pair)
    table = SimTable(scene.world, scene.office._stored)
    leases = Leases(table, partition(scene.pair.id), 240.0)
    lease = leases.take("builder")
    assert lease is not None
    session = Session(table, partition(scene.pair.id), leases, lease)
    for number in range(count):
        id = f"m{number}"
        key, mid = identity.key(OUTLOOK, outlook[id]), identity.hash("message-id", f"{id}@mail.example")
        session.put_link(Link(key, mid, False, End(dingtalk[id]), End(outlook[id]), dict(AS_DELIVERED)))
    session.commit()
    leases.release(session.lease)
    scene.office.microsoft.take_notifications()
    return outlook


def _deliver(scene: Scene, count: int) -> tuple[dict[str, str], dict[str, str]]:
    """Each mailbox parses one message, and all others are that one with other Message-IDs."""
    stores: Any = {side: scene.box(side).store for side in (OUTLOOK, DINGTALK)}  # type: ignore[attr-defined]
    now = scene.world.now
    content = mail("m", to=(scene.box(OUTLOOK).address,), at=now)
    fields = {**parse(content, now), "read": False, "by": "person", "draft": False}
    inbox, first = scene.folder(OUTLOOK, "inbox"), stores[DINGTALK].add(INBOX, content, received=now)
    stores[DINGTALK].purge(first)
    outlook, dingtalk = dict[str, str](), dict[str, str]()
    for number in range(count):
        id, received = f"m{number}", now + number / 1000
        named = {"message_id": f"<{id}@mail.example>", "received": received}
        outlook[id] = stores[OUTLOOK].add(inbox, {**fields, **named}).id
        parsed = replace(first.parsed, message_id=f"{id}@mail.example")
        more = {"id": stores[DINGTALK]._new_id(), "uid": stores[DINGTALK].next_uid(INBOX)}
        dingtalk[id] = stores[DINGTALK]._put(replace(first, parsed=parsed, received=received, **more)).id
    return outlook, dingtalk
