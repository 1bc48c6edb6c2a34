"""Bad calls in thousands, drawn from a seed: each with the statuses it may be answered with, and nothing may change."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from sandbox.dingtalk.callbacks_crypto import Sealer
from sandbox.web import Request

GRAPH, CALLBACK, HEALTH = "/api/graph/notifications", "/api/dingtalk/callback", "/api/health"
ACCEPTED, MALFORMED, FORGED, STALE, TOO_LARGE = {202}, {400}, {401}, {403}, {413}
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Bad:
    what: str
    request: Request
    statuses: set[int]


@dataclass(slots=True)
class Caller:
    """Somebody who knows some of our secrets, for making genuine calls and spoiling them. `now`: epoch seconds."""

    now: Callable[[], float]
    token: str
    aes_key: str
    app_key: str
    corp_id: str
    subscription: str
    client_state: str
    chance: random.Random = field(default_factory=lambda: random.Random(20261124))

    # ---- what is genuine
    def callback(
        self,
        event: Any,
        *,
        later: float = 0.0,
        owner: str | None = None,
        token: str = "",
        aes_key: str = "",
        stamp: str = "",
    ) -> tuple[dict[str, str], dict[str, str]]:
        """(query, body) of a callback stamped `later` seconds from now."""
        sealer = Sealer(token or self.token, aes_key or self.aes_key, self.chance)
        text = event if isinstance(event, str) else json.dumps(event)
        sealed = sealer.seal(text, self.app_key if owner is None else owner)
        timestamp = stamp or str(int((self.now() + later) * 1000))
        nonce = f"{self.chance.getrandbits(40):010x}"
        signature = sealer.signature(timestamp, nonce, sealed)
        return {"signature": signature, "timestamp": timestamp, "nonce": nonce}, {"encrypt": sealed}

    def event(self, id: str = "") -> dict[str, Any]:
        id = id or f"{self.chance.getrandbits(64):016x}"
        return {"EventType": "user_leave_org", "CorpId": self.corp_id, "eventId": id, "userId": ["user-1"]}

    def notification(self, **changes: Any) -> dict[str, Any]:
        item = {
            "subscriptionId": self.subscription,
            "clientState": self.client_state,
            "changeType": "updated",
            "resource": "Users/u/Messages/m",
            "resourceData": {"id": "m"},
        }
        return {**item, **changes}

    # ---- what is bad
    def calls(self, each: int) -> Iterator[Bad]:
        """`each` calls of every sort, and the fixed ones once."""
        yield from self._fixed()
        sorts = (
            self._wrong_state,
            self._unknown_subscription,
            self._broken_notification,
            self._lifecycle,
            self._spoilt_query,
            self._spoilt_body,
            self._other_keys,
            self._old,
            self._nonsense,
            self._odd_path,
            self._odd_headers,
        )
        for _ in range(each):
            for sort in sorts:
                yield sort()

    def _text(self, longest: int = 60) -> str:
        letters = "abcXYZ019-_/+=%&?#<>\"'\\ \t\n\r\0密\u202e{}[]"
        return "".join(self.chance.choice(letters) for _ in range(self.chance.randrange(longest)))

    def _odd(self) -> Any:
        return self.chance.choice([None, True, 7, -1, 1e308, "", self._text(), [], {}, [self._text()], {"a": [1]}])

    def _flipped(self, text: str) -> str:
        """One character changed (in more than its case), dropped or added, or all of them the other way round."""
        at = self.chance.randrange(len(text))
        other = "A" if text[at] not in "aA" else "B"
        ways = (
            text[:at] + other + text[at + 1 :],
            text[:at] + text[at + 1 :],
            text[: at + 1] + other + text[at + 1 :],
            text + other,
            text[::-1] if text != text[::-1] else text + other,
        )
        return self.chance.choice(ways)

    # ---- Graph
    def _graph(self, what: str, body: bytes) -> Bad:
        return Bad(what, Request("POST", GRAPH, {"content-type": "application/json"}, body), ACCEPTED)

    def _items(self, what: str, *items: Any) -> Bad:
        return self._graph(what, json.dumps({"value": list(items)}).encode())

    def _wrong_state(self) -> Bad:
        wrong = self.chance.choice([self._flipped(self.client_state), self._odd(), self._text()])
        return self._items("wrong clientState", *[self.notification(clientState=wrong)] * self.chance.randint(1, 5))

    def _unknown_subscription(self) -> Bad:
        wrong = self.chance.choice([self._flipped(self.subscription), self._odd(), self._text(600), "a" * 5000])
        return self._items("unknown subscription", self.notification(subscriptionId=wrong))

    def _broken_notification(self) -> Bad:
        whole = json.dumps({"value": [self.notification()]}).encode()
        cut = whole[: self.chance.randrange(len(whole))]
        return self._graph("broken notification", self.chance.choice([cut, self.chance.randbytes(200), cut + b"\xff"]))

    def _lifecycle(self) -> Bad:
        """One that would remove or renew a subscription, if it were believed."""
        kind = self.chance.choice(["missed", "subscriptionRemoved", "reauthorizationRequired"])
        state = self.chance.choice([None, "", self._flipped(self.client_state)])
        return self._items("forged lifecycle", self.notification(lifecycleEvent=kind, clientState=state))

    # ---- DingTalk
    def _call(self, what: str, query: Mapping[str, str], body: Any, statuses: set[int]) -> Bad:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        target = f"{CALLBACK}?{urlencode(query)}"
        return Bad(what, Request("POST", target, {"content-type": "application/json"}, content), statuses)

    def _spoilt_query(self) -> Bad:
        query, body = self.callback(self.event())
        name = self.chance.choice(list(query))
        if self.chance.random() < 0.3:
            del query[name]
        else:
            query[name] = self.chance.choice([self._flipped(query[name]), self._text(), "", "0" * 40, "9" * 300])
        return self._call(f"spoilt {name}", query, body, MALFORMED | FORGED)

    def _spoilt_body(self) -> Bad:
        query, body = self.callback(self.event())
        wrong: Any = self.chance.choice(
            [
                {"encrypt": self._flipped(body["encrypt"])},
                {"encrypt": self._odd()},
                {"Encrypt": body["encrypt"], "encrypt": body["encrypt"]},
                {"crypt": body["encrypt"]},
                [body],
                self.chance.randbytes(300),
                json.dumps(body).encode()[:-5],
            ]
        )
        return self._call("spoilt body", query, wrong, MALFORMED | FORGED)

    def _other_keys(self) -> Bad:
        """Made by somebody who lacks one of our secrets, or meant for somebody else."""
        keys: list[dict[str, str]] = [
            {"token": "anothertoken"},
            {"aes_key": "1" * 43},
            {"owner": "dingother"},
            {"owner": ""},
            {"token": self._flipped(self.token)[:32]},
        ]
        event = self.event()
        if self.chance.random() < 0.2:
            return self._call("another corp", *self.callback({**event, "CorpId": "dingother"}), FORGED)
        return self._call("other keys", *self.callback(event, **self.chance.choice(keys)), FORGED)  # type: ignore[arg-type]

    def _old(self) -> Bad:
        """A genuine one of days ago, or of days to come."""
        later = self.chance.choice([-1, 1]) * self.chance.uniform(1.1, 400) * DAY
        seconds = self.chance.random() < 0.5
        stamp = str(int(self.now() + later)) if seconds else ""
        return self._call("old call", *self.callback(self.event(), later=later, stamp=stamp), STALE)

    def _nonsense(self) -> Bad:
        """Sealed and signed as it should be, and no event."""
        text = self.chance.choice(["", "[]", "{}", "null", self._text(), '{"EventType": 7}', '{"EventType":'])
        return self._call("signed nonsense", *self.callback(text), MALFORMED)

    # ---- paths and headers
    def _odd_path(self) -> Bad:
        path = self.chance.choice([GRAPH, CALLBACK, HEALTH])
        ways = (
            path.replace("/api/", "/api/../api/"),
            path.replace("/api/", "/api//"),
            path.replace("/api", "/admin"),
            path + "/" + quote(self._text(), safe=""),
            path + "%00",
            path + "%2e%2e%2f",
            path.replace("/", "%2f"),
            path.replace("/api/", "/api/%2e%2e/"),
            path[:-1],
            path + ";a=b",
            "/" + quote(self._text(), safe=""),
            "/admin/functions/" + quote(self._text(20), safe=""),
            "/runtime/webhooks/" + quote(self._text(20), safe=""),
        )
        method = self.chance.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"])
        target = self.chance.choice(ways) + self.chance.choice(["", "?validationToken=x", "?code=" + "a" * 40])
        return Bad("odd path", Request(method, target, {}, b"{}" if method != "GET" else b""), {404})

    def _odd_headers(self) -> Bad:
        path, right = self.chance.choice([(GRAPH, "POST"), (CALLBACK, "POST"), (HEALTH, "GET")])
        method = self.chance.choice([m for m in ("GET", "POST", "PUT", "DELETE", "PATCH") if m != right])
        headers = self.chance.choice(
            [
                {"x-http-method-override": right},
                {"x-method-override": right, "x-forwarded-host": "evil.example"},
                {"x-original-url": path, "x-rewrite-url": path},
                {"x-functions-key": "a" * 40, "x-ms-client-principal": "eyJ9"},
                {"content-type": "multipart/form-data; boundary=" + "a" * 200, "forwarded": "for=127.0.0.1"},
            ]
        )
        return Bad("odd headers", Request(method, path, headers, b""), {404})

    # ---- each once
    def _fixed(self) -> Iterator[Bad]:
        query, _ = self.callback(self.event())
        for size in (64 * 1024 + 1, 1024 * 1024):
            yield self._call(f"a body of {size} bytes", query, b"x" * size, TOO_LARGE)
        yield self._call("deep nesting", query, b"[" * 60_000, MALFORMED)
        yield self._call("deep nesting of objects", query, b'{"a":' * 10_000, MALFORMED)
        yield self._call("signed deep nesting", *self.callback("[" * 30_000), MALFORMED)
        yield self._call("digits without end", query, b'{"encrypt": ' + b"9" * 60_000 + b"}", MALFORMED)
        yield self._call("a list of types", *self.callback({**self.event(), "EventType": [["x"]]}), MALFORMED)
        yield self._graph("an oversized notification", b"x" * (1024 * 1024 + 1))
        yield self._graph("deeply nested notifications", b"[" * 500_000)
        yield self._graph("endless digits", b'{"value": ' + b"9" * 100_000 + b"}")
        yield self._items("a thousand forgeries", *[self.notification(clientState="x")] * 1000)
