"""Requests to Graph: signed in, with immutable ids, typed errors, and never to another host."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from shared.model.answers import Must, fits, parsed
from shared.model.errors import OutcomeUnknown, TandemError, Throttled, TooLarge, Unavailable, tried
from shared.model.spooled import Spooled
from shared.outlook.errors import error, seconds
from shared.outlook.tokens import Tokens
from shared.ports.replica import Permit
from shared.ports.world import (
    Clock,
    Executor,
    HttpRequest,
    HttpResponse,
    Into,
    Random,
    TooMuch,
    Transport,
    TransportError,
)

T = TypeVar("T")
IMMUTABLE = 'IdType="ImmutableId"'
PARTS = 20
"""The most requests one $batch takes."""
LARGEST = 3_900_000
"""Bytes of a request as encoded; Graph refuses one over 4 MB."""
UTMOST = 4 << 20
"""Where that refusal begins, if its MB are the larger ones."""
PATIENCE, TURNS = 2.0, 4
"""A Retry-After up to this many seconds is waited for within the run, so often in a row; a longer one ends it."""
PAGES = 5000
"""Pages after which a list is taken for one without an end."""
UPLOAD_HOSTS = (".office.com", ".office365.com", ".office365.us", ".partner.outlook.cn")
"""How the hosts of upload sessions end, in Microsoft's clouds."""
PACE = 100_000
"""Bytes per second that a request with a large body, or answer, is given time for beyond 30 s."""


@dataclass(frozen=True, slots=True)
class Part:
    """One read. `url` is relative to the base URL and starts with a slash."""

    url: str
    prefer: str = ""

    @property
    def preferences(self) -> str:
        return f"{IMMUTABLE}, {self.prefer}" if self.prefer else IMMUTABLE


@dataclass(frozen=True, slots=True)
class Answer:
    """To one read. Header names are lower case; `body` is an object where the status is 200."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


BATCH = {"responses": Must([{"id": Must(str), "status": Must(int), "headers": {"*": (str, int, bool)}}])}


class Graph:
    """`base_url` holds the version. Links that answers carry are followed only below it.

    A caller's requests go one after the other, since the vendor itself runs the parts of a batch four at a time, which
    is all it allows for a mailbox; but for those of `two_at_a_time`."""

    def __init__(
        self, transport: Transport, clock: Clock, random: Random, executor: Executor, tokens: Tokens, base_url: str
    ) -> None:
        self._transport, self.clock, self._random, self._tokens = transport, clock, random, tokens
        self._base, self._executor = base_url.rstrip("/"), executor

    def relative(self, link: str) -> str:
        """A link of an answer as a path below the base URL; Unavailable when it points elsewhere."""
        if not isinstance(link, str) or not link.lower().startswith(self._base.lower() + "/"):
            raise Unavailable("Graph pointed to another place; the link was not followed", code="foreign_link")
        return link[len(self._base) :]

    # ---- reads
    def get(self, url: str, what: str, prefer: str = "") -> Any:
        """The JSON object of an answer; a refusal is raised as its error."""
        answer = self.batch([Part(url, prefer)], what)[0]
        if answer.status != 200:
            raise failure(what, answer)
        return answer.body

    def pages(self, page: Mapping[str, Any], what: str) -> Iterator[Mapping[str, Any]]:
        """The objects of a page and of those that follow it; Unavailable when they don't come to an end."""
        for _ in range(PAGES):
            yield from listed(page, what)
            if not (link := page.get("@odata.nextLink")):
                return
            page = self.get(self.relative(link), what)
        raise endless(what)

    def get_bytes(self, url: str, what: str) -> bytes:
        request = self._request("GET", url, IMMUTABLE)
        answer = self._exchange(replace(request, timeout=request.timeout + LARGEST / PACE), what)
        if answer.status != 200:
            raise error(what, answer.status, answer.headers, answer.body, effect=False)
        return answer.body

    def get_spooled(self, url: str, what: str, into: Into, expected: int) -> Spooled:
        """Bytes too many for memory. It has time for `expected` of them. TooLarge when more come than `into` takes."""
        request = self._request("GET", url, IMMUTABLE)
        try:
            answer = self._exchange(replace(request, timeout=request.timeout + expected / PACE, into=into), what)
        except Unavailable as exc:
            if isinstance(exc.__cause__, TooMuch):
                raise TooLarge(f"{what}: over the {into.most} bytes that can be carried", code="too_large") from None
            raise
        if answer.status == 413:
            raise TooLarge(f"{what}: Graph doesn't give it, for its size", code="413")
        if answer.status != 200 or answer.spooled is None:
            raise error(what, answer.status, answer.headers, answer.body, effect=False)
        return answer.spooled

    def two_at_a_time(self, calls: Sequence[Callable[[], T]]) -> list[T | TandemError]:
        """What these calls give or raise, in order. Of the four requests that the vendor takes at once for a mailbox,
        two are for mail."""

        def one_by_one(some: Sequence[Callable[[], T]]) -> list[T | TandemError]:
            return [tried(call) for call in some]

        halves = [partial(one_by_one, some) for start in (0, 1) if (some := calls[start::2])]
        results = cast("list[T | TandemError]", [None] * len(calls))
        for start, half in enumerate(self._executor.map(halves)):
            if isinstance(half, Exception):
                raise half
            results[start::2] = half
        return results

    def batch(self, parts: Sequence[Part], what: str) -> list[Answer]:
        """One answer per part, in order, in as few requests as Graph allows; a single part goes by itself. Parts that
        are throttled go again after their own Retry-After when that is short; Throttled when it isn't."""
        answers: dict[int, Answer] = {}
        left, turns = list(range(len(parts))), 0
        while True:
            for start in range(0, len(left), PARTS):
                answers |= self._ask({n: parts[n] for n in left[start : start + PARTS]}, what)
            left = [n for n in left if answers[n].status == 429]
            if not left:
                return [answers[n] for n in range(len(parts))]
            wait, turns = max(seconds(answers[n].headers.get("retry-after")) or 1.0 for n in left), turns + 1
            if wait > PATIENCE or turns == TURNS:
                raise Throttled(f"{what}: Graph throttles this mailbox", code="ApplicationThrottled", retry_after=wait)
            self.clock.sleep(wait)

    def _ask(self, parts: Mapping[int, Part], what: str) -> dict[int, Answer]:
        answers = self._alone(parts, what) if len(parts) == 1 else self._together(parts, what)
        if any(answer.status == 200 and not isinstance(answer.body, dict) for answer in answers.values()):
            raise Unavailable(f"{what}: Graph's answer is no JSON object", code="no_json")
        return answers

    def _alone(self, parts: Mapping[int, Part], what: str) -> dict[int, Answer]:
        [(number, part)] = parts.items()
        answer = self._exchange(self._request("GET", part.url, part.preferences), what)
        return {number: Answer(answer.status, answer.headers, _parsed(answer.body))}

    def _together(self, parts: Mapping[int, Part], what: str) -> dict[int, Answer]:
        requests = [
            {"id": str(n), "method": "GET", "url": part.url, "headers": {"prefer": part.preferences}}
            for n, part in parts.items()
        ]
        request = self._request("POST", "/$batch", IMMUTABLE, encoded({"requests": requests}))
        answer = self._exchange(replace(request, timeout=request.timeout + len(parts)), what)
        if answer.status == 429:
            return {n: Answer(429, answer.headers) for n in parts}
        if answer.status != 200:
            raise error(what, answer.status, answer.headers, answer.body, effect=False)
        found = _taken_apart(_parsed(answer.body))
        if found.keys() != parts.keys():
            raise Unavailable(f"{what}: Graph left out parts of a batch", code="batch")
        return found

    # ---- effects
    def send(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        what: str,
        permit: Permit | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = LARGEST,
    ) -> Any:
        """A request with an effect -> its answer's JSON object, None when it has no body. `permit` is called as the
        last thing before it leaves, also when it leaves again with a new token. OutcomeUnknown when no usable answer
        came; TooLarge before anything leaves."""
        data = b"" if body is None else encoded(body)
        if len(data) > most:
            raise TooLarge(f"{what}: over the {most} bytes that one request takes", code="too_large")
        request = replace(self._request(method, url, IMMUTABLE, data, headers), effect=True)
        answer = self._exchange(request, what, permit)
        if not 200 <= answer.status < 300:
            raise error(what, answer.status, answer.headers, answer.body, effect=True)
        if answer.body and not isinstance(_parsed(answer.body), dict):
            raise OutcomeUnknown(f"{what}: Graph's answer is no JSON object", code="no_json")
        return _parsed(answer.body)

    def upload(
        self,
        method: str,
        url: str,
        what: str,
        permit: Permit | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """One request to an upload session, whatever is answered. Its URL is on a host of Outlook's and carries its own
        right: our token never goes there (Graph: attach large files). OutcomeUnknown when no complete answer came."""
        if not self._takes_uploads(url):
            raise Unavailable(f"{what}: Graph pointed to another place; nothing was sent there", code="foreign_link")
        if permit is not None:
            permit()
        try:
            return self._transport.send(
                HttpRequest(method, url, dict(headers or {}), body, 30.0 + len(body) / PACE, effect=method != "GET")
            )
        except TransportError as exc:
            raise OutcomeUnknown(f"{what}: Outlook gave no complete answer", code="no_answer") from exc

    def _takes_uploads(self, url: str) -> bool:
        """Graph's own host and, over TLS, Outlook's."""
        asked, own = urlsplit(url), urlsplit(self._base)
        if (asked.scheme, asked.netloc) == (own.scheme, own.netloc):
            return True
        return asked.scheme == "https" and asked.netloc.lower().endswith(UPLOAD_HOSTS)

    def post_all(self, posts: Mapping[int, tuple[str, bytes]], what: str, permit: Permit) -> dict[int, Answer]:
        """POSTs of JSON in one batch: by number, where to and what. -> the answers by the same numbers, as far as there
        are any; an error is that of the batch as a whole. `permit` as for `send`."""
        head = {"prefer": IMMUTABLE, "content-type": "application/json"}
        parts = [
            b'%b,"body":%b}' % (encoded({"id": str(n), "method": "POST", "url": url, "headers": head})[:-1], body)
            for n, (url, body) in posts.items()
        ]
        request = self._request("POST", "/$batch", IMMUTABLE, b'{"requests":[' + b",".join(parts) + b"]}")
        request = replace(request, timeout=request.timeout + len(parts), effect=True)
        answer = self._exchange(request, what, permit)
        if answer.status != 200:
            raise error(what, answer.status, answer.headers, answer.body, effect=True)
        return _taken_apart(_parsed(answer.body))

    # ---- one exchange
    def _request(
        self, method: str, url: str, prefer: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> HttpRequest:
        sent = {"prefer": prefer, "accept": "*/*", "client-request-id": self._random.token(), **(headers or {})}
        if body:
            sent["content-type"] = "application/json"
        return HttpRequest(method, self._base + url, sent, body, 30.0 + len(body) / PACE)

    def _exchange(self, request: HttpRequest, what: str, permit: Permit | None = None) -> HttpResponse:
        """The answer, whatever it says. A token that is refused is replaced once."""
        answer = self._once(request, self._tokens.token(), what, permit)
        if answer.status == 401:
            answer = self._once(request, self._tokens.renew(), what, permit)
        return answer

    def _once(self, request: HttpRequest, token: str, what: str, permit: Permit | None) -> HttpResponse:
        signed = replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})
        if permit is not None:
            permit()
        try:
            return self._transport.send(signed)
        except TransportError as exc:
            kind: type[TandemError] = OutcomeUnknown if request.effect else Unavailable
            raise kind(f"{what}: Graph gave no complete answer", code="no_answer") from exc


def failure(what: str, answer: Answer) -> TandemError:
    """The error of a read that was refused."""
    return error(what, answer.status, answer.headers, answer.body, effect=False)


def endless(what: str) -> TandemError:
    return Unavailable(f"{what}: Graph's list has no end after {PAGES} pages", code="endless")


def listed(page: Mapping[str, Any], what: str) -> list[Mapping[str, Any]]:
    """The objects of a page; Unavailable when it is none, or one of them has no id."""
    value = page.get("value")
    if not isinstance(value, list) or not all(isinstance(v, dict) and isinstance(v.get("id"), str) for v in value):
        raise Unavailable(f"{what}: Graph's answer is no list", code="no_json")
    return value


def member(made: Any, name: str, what: str, kind: type[TandemError] = OutcomeUnknown) -> str:
    """A text that an answer must have; without it, after an effect, nobody knows what was made."""
    value = made.get(name) if isinstance(made, dict) else None
    if not isinstance(value, str) or not value:
        raise kind(f"{what}: Graph's answer has no {name}", code="no_json")
    return value


def encoded(body: Mapping[str, Any]) -> bytes:
    """JSON. Halves of characters, which broken mail leaves behind, become question marks."""
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


def _parsed(body: bytes) -> Any:
    try:
        return parsed(body)
    except ValueError:
        return None


def _taken_apart(value: Any) -> dict[int, Answer]:
    """The answers of a batch by their numbers; none when it can't be read."""
    if not fits(value, BATCH):
        return {}
    return {
        int(answer["id"]): Answer(
            answer["status"],
            {name.lower(): str(text) for name, text in (answer.get("headers") or {}).items()},
            answer.get("body"),
        )
        for answer in value["responses"]
        if answer["id"].isascii() and answer["id"].isdigit() and len(answer["id"]) <= 3
    }
