"""The carrier: one large message at a time in a process, beside the runs and without the pair's lease (carry.py)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

from shared.model.errors import LeaseLost, NewerState, OutcomeUnknown, Refused, StoreUnavailable, TandemError, TooLarge
from shared.model.links import Intent
from shared.model.mail import Created, Message
from shared.model.metrics import CARRIED
from shared.model.pairs import Pair
from shared.model.spooled import size_of
from shared.model.words import SIDES, Side, other
from shared.ports.replica import Replica
from shared.ports.state import Entity, Table, WorkQueue
from shared.ports.telemetry import SILENCE, Telemetry
from shared.ports.world import Random, Spool
from shared.sync.calls import enqueue, partition
from shared.sync.carry import Carry, Checked, Claim
from shared.sync.folders import FolderMap
from shared.sync.identity import Identity
from shared.sync.labels import crossing
from shared.sync.rows import CARRY, INTENT, LEASE, intent_of_json
from shared.sync.run import Policy
from shared.sync.schema import SCHEMA, Schema

Beside = Callable[[Pair, Side], AbstractContextManager[Replica]]
log = logging.getLogger("tandem.sync")

LATER = 60.0
"""Seconds after which a message is looked at again that can't be worked on by this version, or just now."""


class Carrier:
    """`beside`: replicas with connections of their own, so that no run waits for a transfer; `spool`: a fresh one, None
    while another large message is under way in this process. Everything else as for the Service."""

    def __init__(
        self,
        *,
        table: Table,
        queue: WorkQueue,
        random: Random,
        beside: Beside,
        spool: Callable[[], AbstractContextManager[Spool] | None],
        is_crowded: Callable[[Pair], bool],
        pair: Callable[[str], Pair | None],
        key: bytes,
        policy: Policy,
        schema: Schema = SCHEMA,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._table, self._queue, self._random = table, queue, random
        self._beside, self._spool, self._is_crowded, self._pair = beside, spool, is_crowded, pair
        self._key, self._policy, self._schema, self._telemetry = key, policy, schema, telemetry

    def work(self, message: Mapping[str, Any]) -> None:
        """Carry what the message names (`carry.call`), or see to it that it is looked at later. A message that is lost
        is sent again by a run, once the intent is due."""
        try:
            later = self._work(message)
        except NewerState:
            later = LATER
        if later:
            self._queue.send("bulk", message, later)

    def _work(self, message: Mapping[str, Any]) -> float:
        """-> after how many seconds to look again; 0: there is nothing more to do here."""
        pair = self._pair(str(message.get("pair")))
        if pair is None or pair.paused:
            return 0.0
        if self._is_crowded(pair):
            return self._policy.retry * (1.0 + self._random.uniform())
        opened = self._spool()
        if opened is None:
            return self._policy.busy
        with opened as spool:
            found = self._find(pair, str(message.get("intent")), message.get("until"))
            if isinstance(found, float):
                return found
            intent, row = found
            claim = Claim(
                self._table,
                partition(pair.id),
                row,
                self._random.token(),
                seconds=self._policy.lease,
                settle=self._policy.settle(self._policy.large),
                may_go_on=lambda: self._may_go_on(pair.id),
            )
            if claim.take():
                self._carry(pair, intent, claim, Checked(spool, claim.check))
        return 0.0

    def _may_go_on(self, pair_id: str) -> bool:
        pair = self._pair(pair_id)
        return pair is not None and not pair.paused

    def _find(self, pair: Pair, intent_id: str, until: object) -> tuple[Intent, Entity] | float:
        """The intent, if this is the last message for it, and its row that nobody has; or after how many seconds to
        look again, 0: no more."""
        names = (LEASE, INTENT + intent_id, CARRY + intent_id)
        rows = self._table.get(partition(pair.id), names)
        if LEASE not in rows:
            return 0.0
        self._schema.check(rows[LEASE].value.get("schema", 1))
        if rows[LEASE].value.get("migrated", 1) != self._schema.version:
            return LATER
        if any(name not in rows for name in names) or not Carry.load(rows[CARRY + intent_id].value).is_free:
            return 0.0
        intent = intent_of_json(rows[INTENT + intent_id].value)
        return (intent, rows[CARRY + intent_id]) if intent.settle_after == until else 0.0

    def _carry(self, pair: Pair, intent: Intent, claim: Claim, spool: Spool) -> None:
        """To its end, with what came of it in the row, and the pair awake to take it in."""
        with self._telemetry.span("carry", pair=pair.id, kind="mail", side=other(intent.side)) as span:
            self._telemetry.keep()
            outcome = self._outcome(pair, intent, claim, spool)
            if outcome.error:
                span.fail(f"{outcome.error} {outcome.code}".rstrip())
                log.info("pair %s: a large message was not carried: %s (%s)", pair.id, outcome.error, outcome.code)
        claim.end(outcome)
        with suppress(StoreUnavailable):  # the intent is due in any case
            enqueue(self._queue, pair.id, "carried")

    def _outcome(self, pair: Pair, intent: Intent, claim: Claim, spool: Spool) -> Carry:
        try:
            made = self._copy(pair, intent, claim, spool)
        except OutcomeUnknown:
            return self._unsure(self._policy.settle(self._policy.large))
        except LeaseLost:
            return Carry()
        except TandemError as exc:
            return Carry.failed(exc)
        return Carry(id=made.id, listed=made.listed) if made.id is not None else self._unsure(self._policy.busy)

    def _unsure(self, seconds: float) -> Carry:
        now = self._table.now()
        return Carry(UNSURE, now, now + seconds)

    def _copy(self, pair: Pair, intent: Intent, claim: Claim, spool: Spool) -> Created:
        name, state = partition(pair.id), intent.state or {}
        source, target = other(intent.side), intent.side
        folder = FolderMap.of(self._table, name).id(target, str(state["folder"]))
        if folder is None:
            raise Refused(f"the folder has no twin on {target}; the message waits until it has", code="no_twin")
        with self._beside(pair, source) as there, self._beside(pair, target) as here:
            replicas = {source: there, target: here}
            labels = crossing(self._policy.categories, Identity(self._key, pair), [replicas[side] for side in SIDES])
            message = there.fetch(intent.source, spool)
            if (size := _size(message)) > self._policy.largest:
                raise TooLarge(f"the message has {size} bytes, {self._policy.largest} are carried", code="size")
            made = here.create(
                message,
                folder=folder,
                read=bool(state["read"]),
                flag=state["flag"],  # type: ignore[arg-type]
                categories=labels.merged((), str(state["categories"])),
                key=intent.key,
                mark=intent.mark,
                permit=claim.check,
            )
        self._telemetry.record(CARRIED, size, pair=pair.id, kind="mail", side=source)
        return made


UNSURE = "unsure"
"""In the holder's place once nobody carries any more, and only a look says whether the copy is there, and which."""


def _size(message: Message) -> int:
    """As encoded."""
    if message.mime is not None:
        return size_of(message.mime)
    texts = len(message.text.encode()) + len(message.html.encode())
    return texts + sum((size_of(one.content) + 2) // 3 * 4 for one in message.attachments)
