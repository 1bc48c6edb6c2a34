"""The gate that every login to a mailbox passes, whoever makes it: one at a time, and none with a password that was
refused. Accounts lock; so what came of a login stands in a row that all processes share.

A login is announced in the row before its command leaves. Whoever dies before its outcome stands there costs one more
login, later each time; so does an answer that never came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, TypeVar

from shared.dingtalk.limits import TIMEOUT
from shared.dingtalk.refusals import no_password
from shared.model.errors import Conflict, NoClientPassword, StoreUnavailable, TandemError, Unavailable
from shared.model.shut import MISSING, OFF, REFUSED, Why, why
from shared.ports.state import Entity, Op, Table
from shared.sync.rows import LOGIN

T = TypeVar("T")

PAUSES = (30.0, 120.0, 300.0, 900.0)
"""Seconds after the first, second ... login in a row of which nobody knows what came of it."""
BUSY = 5.0
"""Seconds after which who found another one signing in is to try again."""
AGAIN = 3600.0
"""Seconds between two looks at a server that said before any login that IMAP is switched off."""
MOST = 16
"""Refused passwords of a mailbox that are remembered, the latest."""
TRIES = 20
REFUSED_BEFORE = (
    "DingTalk has refused this very password before, and it is not tried again, since accounts lock: make a new one in"
    " DingTalk Mail, or say --again if DingTalk would take this one now"
)


class Gate(Protocol):
    def look(self) -> None:
        """Before a connection is made. NoClientPassword when no login may be tried; Unavailable when none may be tried
        yet."""
        ...

    def enter(self, login: Callable[[], T]) -> T:
        """Make the one login of a new connection, if it may be tried, and remember what came of it."""
        ...

    def closed(self, error: TandemError) -> TandemError:
        """-> `error`, which a server gave before any login. If it is NoClientPassword, it is left alone for a while."""
        ...


class Alone:
    """For a password that nobody keeps yet: what was refused once is not tried again by this object."""

    def __init__(self) -> None:
        self._refused: NoClientPassword | None = None

    def look(self) -> None:
        if self._refused is not None:
            raise no_password(why(self._refused.code))

    def enter(self, login: Callable[[], T]) -> T:
        self.look()
        try:
            return login()
        except NoClientPassword as refusal:
            self._refused = refusal
            raise

    def closed(self, error: TandemError) -> TandemError:
        return error


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of logging in to one mailbox. Passwords stand here as keyed hashes, times in epoch seconds.

    `good`: the one that was let in last. `refused`: each that was, and why, the latest last. `trying`: the one that is
    being tried, and `until` when its outcome can be expected. `lost`: logins in a row whose outcome nobody knows, and
    when the `next` may be made. `off`: until when a server that lets nobody try is left alone."""

    good: str = ""
    refused: tuple[tuple[str, Why], ...] = ()
    trying: str = ""
    until: float = 0.0
    lost: int = 0
    next: float = 0.0
    off: float = 0.0

    def said_of(self, password: str) -> Why | None:
        """Why it was refused, None if it wasn't."""
        return dict(self.refused).get(password)

    def others(self, password: str) -> tuple[tuple[str, Why], ...]:
        return tuple(held for held in self.refused if held[0] != password)

    def let_in(self, password: str) -> Known:
        return Known(password, self.others(password))

    def turned_away(self, password: str, said: Why) -> Known:
        return Known(self.good, (*self.others(password)[1 - MOST :], (password, said)))

    def unanswered(self, now: float) -> Known:
        pause = PAUSES[min(self.lost, len(PAUSES) - 1)]
        return replace(self, trying="", until=0.0, lost=self.lost + 1, next=now + pause)

    def at(self, now: float) -> Known:
        """A login that is overdue was lost when it was due."""
        return self.unanswered(self.until) if self.trying and self.until <= now else self


class Logins:
    """Of one mailbox with one password, for all connections of this process. `name`: the pair's partition of the
    ledger; `password`: its keyed hash; `kept`: that of the one that is kept now, "" for none, asked of the store
    afresh; `lock` guards it among threads. `person`: somebody gives this password just now, and it is to be tried if
    only DingTalk hasn't refused it as a wrong one; with `again` even then.

    Where the row can't be written no login is made; what came of one is held here until it can be written."""

    def __init__(
        self,
        table: Table,
        name: str,
        password: str,
        kept: Callable[[], str],
        lock: AbstractContextManager[object],
        timeout: float = TIMEOUT,
        person: bool = False,
        again: bool = False,
    ) -> None:
        self._table, self._name, self._hash, self._kept = table, name, password, kept
        self._lock, self._patience = lock, 2 * timeout + BUSY
        self._person, self._again = person, again
        self._unwritten: Callable[[Known], Known] | None = None

    def look(self) -> None:
        with self._lock:
            self._write_rest()
            self._may(self._read()[0])

    def enter(self, login: Callable[[], T]) -> T:
        with self._lock:
            self._write_rest()
            self._claim()
            try:
                made = login()
            except NoClientPassword as refusal:
                said = why(refusal.code)
                self._settle(lambda known: known.turned_away(self._hash, said))
                raise
            except TandemError:
                self._settle(lambda known: known.unanswered(self._table.now()))
                raise
            self._settle(lambda known: known.let_in(self._hash))
            return made

    def closed(self, error: TandemError) -> TandemError:
        if isinstance(error, NoClientPassword):
            with self._lock:
                self._change(lambda known: replace(known, off=self._table.now() + AGAIN))
        return error

    # ---- the row
    def _read(self) -> tuple[Known, Entity | None]:
        held = self._table.get(self._name, [LOGIN]).get(LOGIN)
        return (known_of(held.value) if held else Known()).at(self._table.now()), held

    def _write(self, known: Known, held: Entity | None) -> None:
        self._table.transact(self._name, [Op("put", LOGIN, asdict(known), held.etag if held else "")])

    def _may(self, known: Known) -> None:
        """Raises unless a login may be tried now."""
        now, said = self._table.now(), known.said_of(self._hash)
        if known.trying:
            raise Unavailable("another process is signing in just now", code="imap_busy", retry_after=BUSY)
        if self._person:
            if said == REFUSED and not self._again:
                raise NoClientPassword(REFUSED_BEFORE, code=said)
            return
        if said is not None:
            self._is_kept(known)
            raise no_password(said)
        if now < known.off:
            raise no_password(OFF)
        if now < known.next:
            text = f"{known.lost} logins to the IMAP server got no answer; the next is made later"
            raise Unavailable(text, code="imap_pause", retry_after=known.next - now)
        self._is_kept(known)

    def _is_kept(self, known: Known) -> None:
        """One that was refused, or never let in, may be an old one that this process still has."""
        if known.good == self._hash and known.said_of(self._hash) is None:
            return
        kept = self._kept()
        if not kept:
            raise no_password(MISSING)
        if kept != self._hash:
            raise Unavailable("another client password is kept by now", code="imap_changed", retry_after=BUSY)

    def _claim(self) -> None:
        for _ in range(TRIES):
            known, held = self._read()
            self._may(known)
            try:
                return self._write(replace(known, trying=self._hash, until=self._table.now() + self._patience), held)
            except Conflict:
                continue
        raise Unavailable("too many processes sign in at once", code="imap_busy", retry_after=BUSY)

    def _settle(self, change: Callable[[Known], Known]) -> None:
        """What came of a login must not be lost, nor hide it from the one who made it."""
        try:
            self._change(change)
        except (StoreUnavailable, Conflict):
            self._unwritten = change

    def _write_rest(self) -> None:
        if self._unwritten is not None:
            self._change(self._unwritten)
            self._unwritten = None

    def _change(self, change: Callable[[Known], Known]) -> None:
        for _ in range(TRIES):
            known, held = self._read()
            try:
                return self._write(change(known), held)
            except Conflict:
                continue
        raise Conflict("too many processes sign in at once")


def known_of(value: Mapping[str, Any]) -> Known:
    return Known(**{**value, "refused": tuple((password, why(said)) for password, said in value["refused"])})
