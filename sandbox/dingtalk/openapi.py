"""The simulated open platform of DingTalk, for one internal app of one organisation: its directory, tokens, and event
callbacks. Two hosts, as the vendor has them: `api` (new) and `oapi` (old)."""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.dingtalk.callbacks import Callback, Callbacks, Delivery, Post
from sandbox.dingtalk.openapi_new import NewHost
from sandbox.dingtalk.openapi_old import OldHost
from sandbox.dingtalk.openapi_switches import OpenSwitches

EVENTS = ("user_add_org", "user_modify_org", "user_leave_org")
"""What the app asks for unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Employee:
    user_id: str
    union_id: str
    name: str


class DingTalkOpen:
    """Thread-safe. `clock` gives epoch seconds. `api` and `oapi` each satisfy `sandbox.web.Vendor`."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        random: random.Random,
        corp_id: str,
        app_key: str,
        app_secret: str,
        switches: OpenSwitches | None = None,
    ) -> None:
        self.now, self.random, self.lock = clock, random, threading.RLock()
        self.corp_id, self.app_key, self.app_secret = corp_id, app_key, app_secret
        self.employees: dict[str, Employee] = {}
        self.counts: Counter[str] = Counter()
        """Calls by route, whatever was answered."""
        self._callbacks = Callbacks(clock, random, switches or OpenSwitches(), app_key, corp_id)
        self._tokens: dict[str, tuple[str, float]] = {}
        self._recent: dict[str, deque[float]] = {}
        self.api, self.oapi = NewHost(self), OldHost(self)

    # ---- side doors
    @property
    def switches(self) -> OpenSwitches:
        return self._callbacks.switches

    @switches.setter
    def switches(self, switches: OpenSwitches) -> None:
        self._callbacks.switches = switches

    def hire(self, user_id: str, union_id: str, name: str) -> None:
        with self.lock:
            self.employees[user_id] = Employee(user_id, union_id, name)
            self.happen("user_add_org", {"timeStamp": self._stamp(), "userId": [user_id]})

    def leave(self, user_id: str) -> None:
        """The person leaves the organisation. KeyError when there is none."""
        with self.lock:
            del self.employees[user_id]
            self.happen("user_leave_org", {"timeStamp": self._stamp(), "userId": [user_id]})

    def rename(self, user_id: str, name: str) -> None:
        with self.lock:
            old = self.employees[user_id]
            self.employees[user_id] = replace(old, name=name)
            diff = {"userid": user_id, "prev": {"name": old.name}, "curr": {"name": name}}
            self.happen("user_modify_org", {"timeStamp": self._stamp(), "userId": [user_id], "diffInfo": [diff]})

    def happen(self, tag: str, payload: Mapping[str, Any]) -> None:
        """Push an event of any type."""
        with self.lock:
            self._callbacks.happen(tag, payload)

    def revoke_tokens(self) -> None:
        with self.lock:
            self._tokens.clear()

    def _stamp(self) -> str:
        return str(int(self.now() * 1000))

    # ---- the callback
    def configure(self, url: str, token: str, aes_key: str, post: Post, tags: Sequence[str] = EVENTS) -> None:
        """What the developer console does when the callback is saved: see `Callbacks.configure`."""
        self._callbacks.configure(url, token, aes_key, tags, post)

    def on_queued(self, wake: Callable[[], None]) -> None:
        self._callbacks.on_queued = wake

    def due(self) -> float | None:
        with self.lock:
            return self._callbacks.due()

    def take_callbacks(self) -> list[Delivery]:
        with self.lock:
            return self._callbacks.take()

    def delivered(self, delivery: Delivery, answer: tuple[int, bytes] | None) -> None:
        with self.lock:
            self._callbacks.done(delivery, answer)

    @property
    def answers(self) -> list[str]:
        """What became of each POST of an event: "ok", or why it counts as failed."""
        return self._callbacks.answers

    def failed(self, begin: float = 0.0, end: float = float("inf")) -> tuple[list[Callback], bool]:
        """The next batch of failed callbacks that happened then, and whether there are more. The batch before is
        deleted."""
        return self._callbacks.failed.take(self.now(), lambda callback: begin <= callback.since <= end)

    # ---- for the hosts
    def issue(self, host: str) -> tuple[str, int]:
        """The app's token for a host and its life: while one lives it is given again and prolonged."""
        token, until = self._tokens.get(host, ("", 0.0))
        if until <= self.now():
            token = f"{self.random.getrandbits(128):032x}"
        self._tokens[host] = token, self.now() + self.switches.token_life
        return token, self.switches.token_life

    def is_token(self, host: str, token: str) -> bool:
        hosts = self._tokens if self.switches.one_token else {host}
        lives = [self._tokens[name] for name in hosts if name in self._tokens]
        return any(token == known and until > self.now() for known, until in lives)

    def is_throttled(self, route: str) -> bool:
        """Counts the call, and says whether it is one too many in its second."""
        self.counts[route] += 1
        recent, now, rate = self._recent.setdefault(route, deque()), self.now(), self.switches.rate
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        if rate is not None and len(recent) >= rate:
            return True
        recent.append(now)
        return False
