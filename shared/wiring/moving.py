"""Moving to another place: from one machine or region to another, with what is known of everybody."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.dingtalk.openapi_quota import PARTITION as QUOTA
from shared.model.errors import Conflict, WrongSettings
from shared.ops.moving import copy_rows
from shared.ports.state import Secrets
from shared.sync.calls import partition
from shared.wiring.key import KEY
from shared.wiring.pairs import Pairs
from shared.wiring.parts import Parts
from shared.wiring.product import Product
from shared.wiring.replicas import password_name

MOVING = "moving"
"""`Pair.paused_why`: the pair was moved away from here, or has come and waits for `arrive`."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How much was copied and read back."""

    pairs: int
    rows: int
    passwords: int


def leave(product: Product, there: Parts) -> Moved:
    """Pause everybody here, and copy everything to a place that has no pairs. Here nothing is deleted, and there
    nobody runs before `arrive`. What was cut short is begun again by another call. WrongSettings, with nothing changed,
    when the other place is this one or has pairs."""
    here, pairs = product.table, product.pairs.list()
    others = Pairs(there.table)
    if others.list():
        raise WrongSettings("the other place has pairs already: remove them, or choose a new one")
    for pair in pairs:
        if not pair.paused:
            product.pairs.update(pair.id, paused=True, paused_why=MOVING)
    rows = 0
    for pair in pairs:
        product.standstill.give_back(pair, product.standstill.take(pair))
        rows += copy_rows(here, there.table, partition(pair.id))
    rows += copy_rows(here, there.table, QUOTA)
    passwords = sum(_copy(product.secrets, there.secrets, password_name(pair.id)) for pair in pairs)
    if not _copy(product.secrets, there.secrets, KEY):
        raise Conflict(f"the secret {KEY} is gone from here: restore it from the vault's deleted secrets first")
    for held in product.pairs.list():
        others.add(held)
    return Moved(len(pairs), rows, passwords)


def arrive(product: Product) -> int:
    """Let those run who ran before they were moved here; -> how many."""
    waiting = [pair for pair in product.pairs.list() if pair.paused_why == MOVING]
    for pair in waiting:
        running = replace(pair, paused=False, paused_why="")
        product.pairs.save(running)
        product.desk.wake(running)
    return len(waiting)


def _copy(here: Secrets, there: Secrets, name: str) -> bool:
    value = here.get(name)
    if value is not None:
        there.set(name, value)
    return value is not None
