"""Who carries a large message, beside the runs and without the pair's lease.

A run writes the intent, and with it an empty row `carry:<intent>`; then it asks for a carrier, for one intent of a pair
at a time. Whoever takes the row first carries (`Claim`), and renews it while it does. No request of a carrier leaves
after its claim has ended. What came of it is written into the row as well. Links and intents are the runs' alone: they
take in what the row says, and close an intent only together with the row as they read it, so that nobody carries what
is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from shared.model.errors import (
    Conflict,
    LeaseLost,
    MailboxFull,
    NewerState,
    NoClientPassword,
    NoRoom,
    NotFound,
    NotPermitted,
    Refused,
    SignInRefused,
    StoreUnavailable,
    TandemError,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.model.links import Intent
from shared.model.spooled import PIECE, Spooled
from shared.ports.state import Entity, Op, Table, WorkQueue
from shared.ports.world import Spool
from shared.sync.rows import CARRY, after

CAUSE = CARRYING = "large"
"""Of the message that asks for a carrier; and why the source of a large message waits meanwhile."""
SOON = 2.0
"""Seconds until a carrier is wanted: what it is to carry is committed by then."""
RENEW = 30.0
"""Seconds after which a carrier asks whether it may go on."""

ERRORS: Mapping[str, type[TandemError]] = {
    kind.__name__: kind
    for kind in (
        Unavailable,
        Refused,
        Throttled,
        NotFound,
        MailboxFull,
        TooLarge,
        NotPermitted,
        SignInRefused,
        NoClientPassword,
        NoRoom,
    )
}
"""What a carrier may fail on, with nothing done; whatever else it is counts as `Unavailable`, or as `Refused`."""


@dataclass(frozen=True, slots=True)
class Carry:
    """`holder`: who carries, "" when nobody does; no request of it leaves after `until`, and what it sent has had its
    effect, or never has one, by `certain`. `id`: the copy's, once it is known; `listed` as in Created. `error`: why
    nothing was done, with the vendor's `code` and the seconds after which it may be tried again."""

    holder: str = ""
    until: float = 0.0
    certain: float = 0.0
    id: str | None = None
    listed: bool = False
    error: str = ""
    code: str = ""
    retry_after: float | None = None

    @property
    def is_free(self) -> bool:
        """Nobody carries it, and nothing is known of it that a run must take in first."""
        return self == Carry()

    @property
    def refusal(self) -> TandemError:
        return ERRORS[self.error]("a large message could not be carried", code=self.code, retry_after=self.retry_after)

    @classmethod
    def failed(cls, exc: TandemError) -> Carry:
        kind = next((base.__name__ for base in type(exc).__mro__ if base.__name__ in ERRORS), None)
        kind = kind or (Unavailable if exc.retryable else Refused).__name__
        return cls(error=kind, code=exc.code, retry_after=exc.retry_after)

    @classmethod
    def load(cls, value: Mapping[str, Any] | None) -> Carry:
        """A newer version may have written more: nobody who writes it has the lease."""
        return cls(**{name: held for name, held in (value or {}).items() if name in cls.__slots__})


def call(queue: WorkQueue, pair_id: str, intent: Intent, delay: float = SOON) -> None:
    """Ask for a carrier. A message from before is worth nothing then, so that there is never more than one for it."""
    message = {"pair": pair_id, "kind": "mail", "cause": CAUSE, "intent": intent.id, "until": intent.settle_after}
    queue.send("bulk", message, delay)


class Claim:
    """The right to carry what one intent says. `may_go_on` is asked at each renewal; `seconds`: how long a claim holds
    that isn't renewed, and `settle`: how long after its end an effect may still land."""

    def __init__(
        self,
        table: Table,
        partition: str,
        row: Entity,
        holder: str,
        *,
        seconds: float,
        settle: float,
        may_go_on: Callable[[], bool],
    ) -> None:
        self._table, self._partition, self._holder = table, partition, holder
        self._key, self._etag = row.key, row.etag
        self._seconds, self._settle, self._may_go_on = seconds, settle, may_go_on
        self._renewed = self._until = 0.0

    def take(self) -> bool:
        """Whether it is ours."""
        try:
            self._renew(self._table.now())
        except LeaseLost:
            return False
        self._renewed = 0.0  # so that the first check asks: whoever paused the pair may not have seen this claim
        return True

    def check(self) -> None:
        """The permit of every request, asked between its pieces too. LeaseLost: it must not leave (any more)."""
        now = self._table.now()
        if now > self._until:
            raise LeaseLost("the claim on a large message has ended; nothing more is sent")
        if now - self._renewed < RENEW:
            return
        try:
            if not self._may_go_on():
                raise LeaseLost("the pair was paused or removed; nothing more is sent")
            self._renew(now)
        except NewerState as exc:
            raise LeaseLost("a newer version has taken over; nothing more is sent") from exc
        except StoreUnavailable:
            return  # it holds until it ends

    def _renew(self, now: float) -> None:
        until = now + self._seconds
        self._write(Carry(self._holder, until, until + self._settle))
        self._renewed, self._until = now, until

    def end(self, outcome: Carry) -> None:
        """Write what came of it, unless it isn't ours any more: then a run finds out."""
        try:
            self._write(outcome)
        except LeaseLost:
            return

    def _write(self, carry: Carry) -> None:
        try:
            etags = self._table.transact(self._partition, [Op("put", self._key, asdict(carry), self._etag)])
        except Conflict as exc:
            raise LeaseLost("somebody else has the claim on a large message, or it is over") from exc
        self._etag = etags[self._key]


class Checked:
    """A Spool that asks before each piece it takes in, or gives out, whether its user may go on: so a claim is renewed
    in the middle of a long request, and a request that must not go on breaks off."""

    def __init__(self, spool: Spool, check: Callable[[], None]) -> None:
        self._spool, self._check = spool, check

    def keep(self, pieces: Iterable[bytes]) -> Spooled:
        return _CheckedContent(self._spool.keep(self._each(pieces)), self._check)

    def _each(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._check()
            yield piece


class _CheckedContent:
    def __init__(self, content: Spooled, check: Callable[[], None]) -> None:
        self._content, self._check, self.size = content, check, content.size

    def pieces(self, most: int = PIECE) -> Iterator[bytes]:
        for piece in self._content.pieces(most):
            self._check()
            yield piece


def is_under_way(table: Table, partition: str) -> bool:
    """Does anybody carry a large message of this partition now?"""
    now = table.now()
    return any(Carry.load(row.value).until > now for row in table.scan(partition, CARRY, after(CARRY)))
