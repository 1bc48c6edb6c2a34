"""Pushes from Outlook's vendor: the subscriptions that bring them, and what they name."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from shared.model.errors import NotFound
from shared.model.pairs import Pair
from shared.model.words import OUTLOOK
from shared.ports.replica import Subscriptions
from shared.ports.state import Op, Table, WorkQueue
from shared.sync.calls import enqueue, leave_hints, partition
from shared.sync.identity import Identity
from shared.sync.rows import after

log = logging.getLogger("tandem.sync")

SUBSCRIPTIONS, HELD = "subscriptions", "pair:"
RENEW = 86400.0
"""A subscription is renewed when it has less than this left."""
LONGEST_ID = 400


class Pushes:
    """`doors`: where a pair's subscriptions are made; `pair`: the one with this id. `url`: where the vendor reaches us;
    without one there is no push."""

    def __init__(
        self,
        table: Table,
        queue: WorkQueue,
        doors: Callable[[Pair], Subscriptions],
        pair: Callable[[str], Pair | None],
        key: bytes,
        url: str | None,
    ) -> None:
        self._table, self._queue, self._doors, self._pair = table, queue, doors, pair
        self._key, self._url = key, url

    def late(self, pairs: Iterable[Pair], now: float) -> list[str]:
        """Ids of those whose subscription is to be made or renewed; nobody's where there is no push. Read in one
        listing, which costs a request for a thousand pairs and not one for each."""
        if not self._url:
            return []
        expires = {row.key: row.value["expires"] for row in self._table.scan(SUBSCRIPTIONS, HELD, after(HELD))}
        return [pair.id for pair in pairs if expires.get(HELD + pair.id, 0.0) - now < RENEW]

    def subscribe(self, pair: Pair) -> None:
        """Renew the pair's subscription, or make one, and then look at everything once: news may have been missed."""
        door, name = self._doors(pair), HELD + pair.id
        held = self._table.get(SUBSCRIPTIONS, [name]).get(name)
        if held is not None:
            if held.value["expires"] - self._table.now() >= RENEW:
                return
            try:
                expires = door.renew(held.value["id"])
                return self._keep(pair, held.value["id"], expires, None)
            except NotFound:
                log.info("pair %s: its subscription is gone; a new one is made", pair.id)
        id, expires = door.create(str(self._url), Identity(self._key, pair).client_state())
        self._keep(pair, id, expires, held.value["id"] if held else None)
        leave_hints(self._table, partition(pair.id), OUTLOOK, {""})
        enqueue(self._queue, pair.id, "subscribed")

    def _keep(self, pair: Pair, id: str, expires: float, old: str | None) -> None:
        ops = [
            Op("put", HELD + pair.id, {"id": id, "expires": expires}),
            Op("put", f"id:{id}", {"pair": pair.id}),
        ]
        if old is not None and old != id:
            ops.append(Op("delete", f"id:{old}"))
        self._table.transact(SUBSCRIPTIONS, ops)

    def forget(self, pair: Pair, id: str) -> None:
        """The vendor has removed it: the next tick makes a new one."""
        self._table.transact(SUBSCRIPTIONS, [Op("delete", HELD + pair.id), Op("delete", f"id:{id}")])

    def renew_soon(self, pair: Pair, id: str) -> None:
        """The vendor is silent until it is renewed (Graph: lifecycle notifications): the next tick does so."""
        value = {"id": id, "expires": 0.0}
        self._table.transact(SUBSCRIPTIONS, [Op("put", HELD + pair.id, value)])

    def unsubscribe(self, pair: Pair) -> None:
        """End the pair's subscription at its vendor, and forget it here even if that fails."""
        name = HELD + pair.id
        held = self._table.get(SUBSCRIPTIONS, [name]).get(name)
        if held is not None:
            try:
                self._doors(pair).delete(held.value["id"])
            finally:
                self.forget(pair, held.value["id"])

    def pair_of(self, item: Mapping[str, Any]) -> Pair | None:
        """The pair a notification is for, if it carries what only the vendor was told."""
        name = f"id:{_text(item.get('subscriptionId'))}"
        held = self._table.get(SUBSCRIPTIONS, [name]).get(name)
        pair = self._pair(held.value["pair"]) if held else None
        expected = Identity(self._key, pair).client_state() if pair else "-" * 32
        genuine = hmac.compare_digest(expected.encode(), _text(item.get("clientState")).encode())
        return pair if genuine else None


def notifications(body: bytes) -> list[Mapping[str, Any]]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return []
    items = value.get("value") if isinstance(value, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def message_id(item: Mapping[str, Any]) -> str:
    """The id a notification names; "" (look at everything) for lifecycle events and whatever else names none."""
    data = item.get("resourceData")
    id = data.get("id") if isinstance(data, dict) and not item.get("lifecycleEvent") else None
    return _text(id)


def _text(value: Any) -> str:
    """An id or token as the vendor makes them: a short ASCII string; "" for anything else."""
    return value if isinstance(value, str) and value.isascii() and len(value) <= LONGEST_ID else ""
