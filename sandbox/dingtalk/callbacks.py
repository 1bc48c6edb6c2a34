"""Event callbacks on their way: sealed, signed, posted by the driver, tried again twice, then kept as failed
(DingTalk: configure-synchttp-push, event-subscription-and-data-push)."""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from sandbox.dingtalk.callbacks_crypto import Sealer
from sandbox.dingtalk.openapi_switches import OpenSwitches

BATCH = 200
"""Failed callbacks in one answer."""
Post = Callable[[str, bytes, float], tuple[int, bytes]]
"""POST url, body, seconds -> status, body; OSError without a whole answer in that time."""


class CallbackUrlRefused(Exception):
    """The console's answer when the handshake fails; the text says how."""


@dataclass(frozen=True, slots=True)
class Callback:
    """One event. `since`: when it happened; `due`: when it is posted next, for the `attempt`-th time."""

    tag: str
    fields: Mapping[str, Any]
    since: float
    due: float
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST to make, within `timeout` seconds."""

    url: str
    body: bytes
    timeout: float
    callback: Callback
    sealer: Sealer


@dataclass(slots=True)
class Subscription:
    """What the console holds: one URL for an app, the events it asked for, and the keys."""

    url: str
    sealer: Sealer
    tags: frozenset[str]


@dataclass(slots=True)
class Kept:
    """Failed callbacks; what one answer gave is deleted by the next question."""

    waiting: list[tuple[float, Callback]] = field(default_factory=list)
    given: list[tuple[float, Callback]] = field(default_factory=list)

    def take(self, now: float, wanted: Callable[[Callback], bool]) -> tuple[list[Callback], bool]:
        """At most BATCH that can be seen by now and are wanted, and whether there are more."""
        self.waiting = [item for item in self.waiting if item not in self.given]
        ready = [item for item in self.waiting if item[0] <= now and wanted(item[1])]
        self.given = ready[:BATCH]
        return [callback for _, callback in self.given], len(ready) > BATCH


class Callbacks:
    """Of one app in one organisation. Not safe for threads by itself: the platform holds its lock around each call."""

    def __init__(
        self, clock: Callable[[], float], chance: random.Random, switches: OpenSwitches, app_key: str, corp_id: str
    ) -> None:
        self._clock, self._random, self.switches = clock, chance, switches
        self._app_key, self._corp_id = app_key, corp_id
        self._subscription: Subscription | None = None
        self._queue: list[tuple[float, int, Callback]] = []
        self._serial = 0
        self.failed = Kept()
        self.answers: list[str] = []
        """What became of each POST: "ok", or why it counts as failed."""
        self.on_queued: Callable[[], None] = lambda: None

    # ---- the console
    def configure(self, url: str, token: str, aes_key: str, tags: Sequence[str], post: Post) -> None:
        """Save the callback once its URL has passed the handshake; CallbackUrlRefused otherwise, ValueError for a token
        or key that the console doesn't take."""
        subscription = Subscription(url, Sealer(token, aes_key, self._random), frozenset(tags))
        delivery = self._posted(subscription, Callback("check_url", {"EventType": "check_url"}, 0.0, 0.0))
        try:
            answer: tuple[int, bytes] | None = post(delivery.url, delivery.body, self.switches.handshake_timeout)
        except OSError:
            answer = None
        said = self._judged(subscription.sealer, answer)
        if said != "ok":
            raise CallbackUrlRefused(said)
        self._subscription = subscription

    # ---- events
    def happen(self, tag: str, payload: Mapping[str, Any]) -> None:
        """Push an event, if there is a callback that asked for it."""
        if self._subscription is None or tag not in self._subscription.tags:
            return
        now = self._clock()
        ids = {"BizId": f"{self._random.getrandbits(40):010x}", "eventId": f"{self._random.getrandbits(128):032x}"}
        envelope = {"EventType": tag, "EventTime": int(now * 1000), "CorpId": self._corp_id, **ids}
        fields = {self._spelled(name): value for name, value in {**envelope, **payload}.items()}
        for _ in range(1 + (self._random.random() < self.switches.duplicates)):
            lag = self._random.random() * self.switches.reordering
            self._put(Callback(tag, fields, now, now + lag))

    def due(self) -> float | None:
        """When the next POST is due; None when nothing is under way."""
        return self._queue[0][0] if self._queue else None

    def take(self) -> list[Delivery]:
        """What is due by now."""
        taken = []
        while self._queue and self._queue[0][0] <= self._clock() and self._subscription is not None:
            taken.append(self._posted(self._subscription, heapq.heappop(self._queue)[2]))
        return taken

    def done(self, delivery: Delivery, answer: tuple[int, bytes] | None) -> None:
        """What the app answered, None for nothing whole in time. Anything but an encrypted "success" failed."""
        said = self._judged(delivery.sealer, answer)
        self.answers.append(said)
        if said == "ok":
            return
        callback = delivery.callback
        if callback.attempt <= len(self.switches.retries):
            wait = self.switches.retries[callback.attempt - 1]
            self._put(replace(callback, due=self._clock() + wait, attempt=callback.attempt + 1))
        else:
            self.failed.waiting.append((self._clock() + self.switches.failed_lag, callback))

    def _put(self, callback: Callback) -> None:
        self._serial += 1
        heapq.heappush(self._queue, (callback.due, self._serial, callback))
        self.on_queued()

    def _spelled(self, name: str) -> str:
        if self.switches.casing == "documented":
            return name
        first = name[0].upper() if self.switches.casing == "pascal" else name[0].lower()
        return first + name[1:]

    # ---- sealed and judged
    @property
    def _owner(self) -> str:
        return self._app_key if self.switches.owner == "app" else self._corp_id

    def _posted(self, subscription: Subscription, callback: Callback) -> Delivery:
        sealed = subscription.sealer.seal(json.dumps(callback.fields, ensure_ascii=False), self._owner)
        at = self._clock() + self.switches.clock_off
        timestamp = str(int(at * 1000) if self.switches.stamps == "milliseconds" else int(at))
        nonce = f"{self._random.getrandbits(40):08x}"
        signature = subscription.sealer.signature(timestamp, nonce, sealed)
        query = {"signature": signature, "timestamp": timestamp, "nonce": nonce}
        if self.switches.msg_signature:
            query = {"msg_signature": signature, **query}
        joint = "&" if "?" in subscription.url else "?"
        body = json.dumps({"encrypt": sealed}).encode()
        url = f"{subscription.url}{joint}{urlencode(query)}"
        return Delivery(url, body, self.switches.event_timeout, callback, subscription.sealer)

    def _judged(self, sealer: Sealer, answer: tuple[int, bytes] | None) -> str:
        if answer is None:
            return "no answer in time"
        status, body = answer
        if status != 200:
            return f"status {status}"
        try:
            value = json.loads(body)
            parts = [value[name] for name in ("timeStamp", "nonce", "encrypt")]
            if value["msg_signature"] != sealer.signature(*map(str, parts)):
                return "the signature of the answer is wrong"
            text, owner = sealer.open(parts[2])
        except (ValueError, KeyError, TypeError):
            return "the answer is not sealed"
        if owner != self._owner:
            return "the answer is sealed for somebody else"
        return "ok" if text == "success" else "the answer is not success"
