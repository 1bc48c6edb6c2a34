"""Trouble in front of the simulated vendors: named plans of what goes wrong, drawn from a seed.

A plan works on the wire, in front of a vendor that itself stays as it is: the vendor's own refusals are its own
business. Each plan leaves room for everything to be carried across in the end."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sandbox.dingtalk.imap_server import ImapVendor, Session
from sandbox.microsoft.notifications import Delivery
from sandbox.web import Broken, Request, Response, Vendor

SPELL, DOWN = 24.0, 8.0
"""A vendor that is down is so for DOWN of each SPELL seconds."""
LATE = 2.0
"""The most seconds that a slow answer comes later."""
REFUSAL = {
    "error": {"code": "ApplicationThrottled", "message": "Application is over its MailboxConcurrency limit."},
    "detailErrorCode": "system.busy",
    "message": "too many requests",
}
"""In both vendors' shapes at once."""
PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>Sign in to go on.</body></html>"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Ask = Callable[[], Response]
Act = Callable[[random.Random, Ask], Response]


def _as_asked(dice: random.Random, ask: Ask) -> Response:
    return ask()


def _throttled(dice: random.Random, ask: Ask) -> Response:
    return Response.of_json(429, REFUSAL, {"retry-after": "1"})


def _error(dice: random.Random, ask: Ask) -> Response:
    """Of two errors, one comes after the request was carried out."""
    if dice.random() < 0.5:
        ask()
    return Response(dice.choice((500, 502, 503, 504)), {"content-type": "text/html"}, PAGE)


def _late(dice: random.Random, ask: Ask) -> Response:
    response = ask()
    time.sleep(LATE * dice.random())
    return response


def _half(dice: random.Random, ask: Ask) -> Response:
    body = ask().body
    head = HEAD + b"Content-Length: %d\r\n\r\n" % max(2, len(body))
    raise Broken([head, body[: len(body) // 2]])


def _page(dice: random.Random, ask: Ask) -> Response:
    return Response(200, {"content-type": "text/html"}, PAGE)


def _endless(dice: random.Random, ask: Ask) -> Response:
    ask()
    raise Broken(_pour())


def _pour() -> Iterator[bytes]:
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"100000\r\n" + b" " * 0x100000 + b"\r\n"


def _lost(dice: random.Random, ask: Ask) -> Response:
    ask()
    raise Broken


@dataclass(frozen=True, slots=True)
class Plan:
    """`act`: what happens to a `share` of the requests. `imap`: how an IMAP exchange fails: "refused" before the
    command, "cut" in the middle of its answer, "lost" instead of it, "late", or "" when it never does. `down`: the
    doors that are shut for a while, again and again. `tokens`, `cursors`: what expires before a request. `post`:
    whether notifications are lost, doubled and come in another order."""

    help: str
    act: Act | None = None
    share: float = 0.0
    imap: str = ""
    effects: bool = False
    down: str = ""
    tokens: bool = False
    cursors: bool = False
    post: bool = False


PLANS: dict[str, Plan] = {
    "throttle": Plan("one request in five is refused with 429 and Retry-After", _throttled, 0.2),
    "flaky": Plan("one request in six gets a 5xx, before or after it was carried out", _error, 0.16, "refused"),
    "slow": Plan(f"one answer in three comes up to {LATE:g} s late", _late, 0.3, "late"),
    "half-answers": Plan("one answer in eight stops half-way", _half, 0.12, "cut"),
    "html": Plan("one request in eight gets a sign-in page with 200", _page, 0.12),
    "endless": Plan("one answer in twelve never ends", _endless, 0.08),
    "down-microsoft": Plan(f"Microsoft 365 answers nothing for {DOWN:g} s of each {SPELL:g} s", down="microsoft"),
    "down-dingtalk": Plan(f"DingTalk mail answers nothing for {DOWN:g} s of each {SPELL:g} s", down="dingtalk"),
    "lost-answers": Plan("of one write in five the answer is lost after it was done", _lost, 0.2, "lost", effects=True),
    "expired-tokens": Plan("all access tokens expire at one request in ten", share=0.1, tokens=True),
    "expired-cursors": Plan("all delta links expire at one request in ten", share=0.1, cursors=True),
    "notifications": Plan("notifications are lost, doubled and reordered", post=True),
}
ALL = "all"


def catalogue() -> str:
    """A line for each plan."""
    lines = [*((name, plan.help) for name, plan in PLANS.items()), (ALL, "each request meets one of the above")]
    return "\n".join(f"{name:<16} {help}" for name, help in lines)


class Faults:
    """What becomes of the n-th request at each door: the same for the same seed. Nothing fails until `begin`.

    `rtt`: seconds that every answer comes later, of HTTP and of IMAP; `carried`: bytes of requests and answers, without
    headers, by door. KeyError for a plan that isn't there."""

    def __init__(self, plan: str = "", seed: int = 1, rtt: float = 0.0) -> None:
        self._seed, self.rtt = seed, rtt
        self._plans: tuple[Plan, ...] = ()
        self._began: float | None = None
        self._held: list[Delivery] = []
        self._post_dice = random.Random(f"{seed}:post")
        self.met = 0
        self.carried: Counter[str] = Counter()
        self.use(plan)

    def use(self, plan: str) -> None:
        """From now on this plan; "" for none."""
        self._plans = tuple(PLANS.values()) if plan == ALL else (PLANS[plan],) if plan else ()
        self.met = 0
        if self._began is not None:
            self.begin()

    @property
    def troubles(self) -> bool:
        return bool(self._plans)

    def begin(self) -> None:
        self._began = time.monotonic()

    def dice(self, door: str, number: int) -> random.Random:
        return random.Random(f"{self._seed}:{door}:{number}")

    def fate(self, dice: random.Random) -> Plan | None:
        """The plan that this request meets."""
        if self._began is None or not self._plans:
            return None
        plan = dice.choice(self._plans)
        return plan if dice.random() < plan.share else None

    def is_down(self, door: str) -> bool:
        if self._began is None or not any(plan.down == door for plan in self._plans):
            return False
        down = (time.monotonic() - self._began) % SPELL < DOWN
        self.met += down
        return down

    def post_office(self, due: Sequence[Delivery]) -> Sequence[Delivery]:
        """One in four is lost, one comes twice, one with those that come next; the order is any."""
        if self._began is None or not any(plan.post for plan in self._plans):
            return due
        given, self._held = [*self._held], []
        for delivery in due:
            kind = self._post_dice.randrange(4)
            self.met += kind < 3
            if kind == 2:
                self._held.append(delivery)
            else:
                given += [delivery] * (0, 2, 0, 1)[kind]
        self._post_dice.shuffle(given)
        return given


class Door:
    """HTTP to one vendor, with trouble. `tokens` and `cursors` make what the vendor gave out so far expire."""

    def __init__(
        self,
        name: str,
        vendor: Vendor,
        faults: Faults,
        tokens: Callable[[], None],
        cursors: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._vendor, self._faults = name, vendor, faults
        self._tokens, self._cursors = tokens, cursors
        self._numbers = itertools.count()

    def handle(self, request: Request) -> Response:
        response = self._answer(request)
        self._faults.carried[self._name] += len(request.body) + len(response.body)
        return response

    def _answer(self, request: Request) -> Response:
        faults = self._faults
        dice = faults.dice(self._name, next(self._numbers))
        plan = faults.fate(dice)
        if faults.rtt:
            time.sleep(faults.rtt)
        if faults.is_down(self._name):
            raise Broken
        if plan is None or (plan.effects and not _is_effect(request)):
            return self._vendor.handle(request)
        faults.met += 1
        if plan.tokens:
            self._tokens()
        if plan.cursors:
            self._cursors()
        return (plan.act or _as_asked)(dice, lambda: self._vendor.handle(request))


def _is_effect(request: Request) -> bool:
    return request.method != "GET" and not request.path.endswith(("/$batch", "/token"))


class ImapDoor:
    """IMAP to DingTalk mail, with trouble."""

    def __init__(self, vendor: ImapVendor, faults: Faults) -> None:
        self._vendor, self._faults = vendor, faults
        self._numbers = itertools.count()

    def imap(self) -> Session:
        return FaultySession(self._vendor.imap(), self._faults, self._numbers)


class FaultySession:
    def __init__(self, session: Session, faults: Faults, numbers: Iterator[int]) -> None:
        self._session, self._faults, self._numbers = session, faults, numbers
        self._ended = False

    @property
    def closed(self) -> bool:
        return self._ended or self._session.closed

    def greeting(self) -> bytes:
        return self._exchange(self._session.greeting)

    def feed(self, data: bytes) -> bytes:
        self._faults.carried["imap"] += len(data)
        return self._exchange(lambda: self._session.feed(data))

    def _exchange(self, ask: Callable[[], bytes]) -> bytes:
        faults = self._faults
        dice = faults.dice("imap", next(self._numbers))
        plan = faults.fate(dice)
        how = "refused" if faults.is_down("dingtalk") else plan.imap if plan else ""
        faults.met += bool(how)
        self._ended = how in ("refused", "cut", "lost")
        if how == "refused":
            return b""
        said = ask()
        faults.carried["imap"] += len(said)
        if said:
            time.sleep(faults.rtt + (LATE * dice.random() if how == "late" else 0.0))
        return {"cut": said[: len(said) // 2], "lost": b""}.get(how, said)
