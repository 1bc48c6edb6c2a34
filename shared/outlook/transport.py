"""Requests to Graph: signed in, with immutable ids, typed errors, and never to another host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from shared.model.errors import OutcomeUnknown, TandemError, Throttled, Unavailable
from shared.outlook.errors import code_of, error, seconds
from shared.outlook.tokens import Tokens
from shared.ports.replica import Permit
from shared.ports.world import Clock, Executor, HttpRequest, HttpResponse, Random, Transport, TransportError

IMMUTABLE = 'IdType="ImmutableId"'
PARTS = 20
"""The most requests one $batch takes."""
PATIENCE = 2.0
"""A Retry-After up to this long is waited for within the run; a longer one ends it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a batch. `url` is relative to the base URL and starts with a slash."""

    url: str
    prefer: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


class Graph:
    """`base_url` holds the version. Links that answers carry are followed only below it."""

    def __init__(
        self, transport: Transport, clock: Clock, random: Random, executor: Executor, tokens: Tokens, base_url: str
    ) -> None:
        self._transport, self.clock, self._random, self._tokens = transport, clock, random, tokens
        self.executor, self.base_url = executor, base_url.rstrip("/")

    # ---- single requests
    def get(self, url: str, what: str, prefer: str = "") -> Any:
        """The JSON of an answer; a refusal is raised as its error."""
        return self._json(self._ask(HttpRequest("GET", self.own(url), self._headers(prefer)), what), what)

    def get_bytes(self, url: str, what: str) -> bytes:
        return self._ask(HttpRequest("GET", self.own(url), self._headers("")), what).body

    def send(
        self,
        method: str,
        url: str,
        body: Any,
        what: str,
        permit: Permit | None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """A request with an effect. `permit` is called as the last thing before it leaves, also when it is repeated
        with a new token. OutcomeUnknown when no usable answer came."""
        data = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        sent = {**self._headers(""), "content-type": "application/json", **(headers or {})}
        timeout = 30.0 + len(data) / 100_000
        request = HttpRequest(method, self.own(url), sent, data, timeout, effect=permit is not None)
        answer = self._ask(request, what, permit)
        return self._json(answer, what) if answer.body else None

    def own(self, url: str) -> str:
        """An absolute URL below the base; Unavailable for any other."""
        if url.startswith("/"):
            return self.base_url + url
        base, asked = urlsplit(self.base_url), urlsplit(url)
        if (asked.scheme, asked.netloc) != (base.scheme, base.netloc) or not asked.path.startswith(base.path + "/"):
            raise Unavailable("Graph pointed to another host; the link was not followed", code="foreign_link")
        return url

    def _headers(self, prefer: str) -> dict[str, str]:
        wanted = f"{IMMUTABLE}, {prefer}" if prefer else IMMUTABLE
        return {"prefer": wanted, "accept": "application/json", "client-request-id": self._random.token()}

    def _ask(self, request: HttpRequest, what: str, permit: Permit | None = None) -> HttpResponse:
        token = self._tokens.token()
        answer = self._once(request, token, what, permit)
        if answer.status == 401:
            answer = self._once(request, self._tokens.renew(), what, permit)
        if answer.status >= 400:
            raise error(what, answer.status, answer.headers, answer.body, request.effect)
        return answer

    def _once(self, request: HttpRequest, token: str, what: str, permit: Permit | None) -> HttpResponse:
        headers = {**request.headers, "authorization": f"Bearer {token}"}
        signed = HttpRequest(request.method, request.url, headers, request.body, request.timeout, request.effect)
        if permit is not None:
            permit()
        try:
            return self._transport.send(signed)
        except TransportError as exc:
            kind: type[TandemError] = OutcomeUnknown if request.effect else Unavailable
            raise kind(f"{what}: Graph gave no complete answer", code="no_answer") from exc

    @staticmethod
    def _json(answer: HttpResponse, what: str) -> Any:
        try:
            return json.loads(answer.body)
        except ValueError as exc:
            raise Unavailable(f"{what}: Graph's answer is no JSON", code="no_json") from exc

    # ---- batches (reads only)
    def batch(self, parts: Sequence[Part], what: str) -> list[Answer]:
        """One answer per part, in order. A single part goes by itself. Parts that are throttled go again after their
        own Retry-After when that is short; Throttled when it isn't."""
        if len(parts) == 1:
            return [self._alone(parts[0], what)]
        answers: dict[int, Answer] = {}
        left = list(range(len(parts)))
        for _ in range(4):
            for start in range(0, len(left), PARTS):
                answers |= self._post_batch({n: parts[n] for n in left[start : start + PARTS]}, what)
            left = [n for n in left if answers[n].status == 429]
            if not left:
                return [answers[n] for n in range(len(parts))]
            wait = max(seconds(answers[n].headers.get("retry-after")) or 1.0 for n in left)
            if wait > PATIENCE:
                break
            self.clock.sleep(wait)
        raise Throttled(f"{what}: Graph throttles this mailbox", code="ApplicationThrottled", retry_after=wait)

    def _alone(self, part: Part, what: str) -> Answer:
        try:
            return Answer(200, {}, self.get(part.url, what, part.prefer))
        except TandemError as exc:
            status = {"NotFound": 404}.get(type(exc).__name__)
            if status is None and exc.code.lower() not in EXPIRED_CODES:
                raise
            return Answer(status or 410, {}, {"error": {"code": exc.code}})

    def _post_batch(self, parts: Mapping[int, Part], what: str) -> dict[int, Answer]:
        requests = [{"id": str(n), "method": "GET", "url": p.url, "headers": self._part(p)} for n, p in parts.items()]
        value = self.send("POST", "/$batch", {"requests": requests}, what, None)
        answers: dict[int, Answer] = {}
        for answer in value.get("responses", ()):
            headers = {name.lower(): str(text) for name, text in (answer.get("headers") or {}).items()}
            answers[int(answer["id"])] = Answer(int(answer["status"]), headers, answer.get("body"))
        if answers.keys() != parts.keys():
            raise Unavailable(f"{what}: Graph left out parts of a batch", code="batch")
        return answers

    @staticmethod
    def _part(part: Part) -> dict[str, str]:
        return {"prefer": f"{IMMUTABLE}, {part.prefer}" if part.prefer else IMMUTABLE}


EXPIRED_CODES = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired", "410"})


def failure(what: str, answer: Answer) -> TandemError:
    """The error of a part that was refused."""
    return error(what, answer.status, answer.headers, answer.body, effect=False)


__all__ = ["Answer", "Graph", "Part", "code_of", "failure"]
