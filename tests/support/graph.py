"""A scripted Graph: answers in order, everything that was asked kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared.outlook.transport import Graph
from shared.ports.world import HttpRequest, HttpResponse, TransportError

T = TypeVar("T")
BASE = "https://graph.test/v1.0"
NOW = 1_790_000_000.0


class StillClock:
    """Goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.at = NOW
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


class CountedRandom:
    def __init__(self) -> None:
        self.drawn = 0

    def uniform(self) -> float:
        return 0.5

    def token(self) -> str:
        self.drawn += 1
        return f"{self.drawn:032x}"


class NoExecutor:
    def map(self, calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
        raise AssertionError("requests go one after the other")


class CountedTokens:
    """token-1, token-2, …; a new one for each renewal."""

    def __init__(self) -> None:
        self.renewals = 0

    def token(self) -> str:
        return f"token-{self.renewals}"

    def renew(self) -> str:
        self.renewals += 1
        return self.token()


def answer(status: int, body: Any = None, **headers: str) -> HttpResponse:
    """Header names are given with underscores; a body of bytes is sent as it is, anything else as JSON."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return HttpResponse(status, {name.replace("_", "-"): text for name, text in headers.items()}, raw)


def refusal(status: int, code: str = "", **headers: str) -> HttpResponse:
    return answer(status, {"error": {"code": code, "message": "secret words"}}, **headers)


@dataclass
class Wire:
    """A Transport. Each answer is a response, an exception, or a function of the request. `log` tells in order what
    left ("METHOD path") and what else was noted there."""

    answers: list[Any] = field(default_factory=list)
    requests: list[HttpRequest] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock, self.tokens = StillClock(), CountedTokens()
        self.graph = Graph(self, self.clock, CountedRandom(), NoExecutor(), self.tokens, BASE + "/")

    def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        self.log.append(f"{request.method} {request.url.removeprefix(BASE).partition('?')[0]}")
        given = self.answers.pop(0)
        if callable(given):
            given = given(request)
        if isinstance(given, Exception):
            raise given
        assert isinstance(given, HttpResponse)
        return given

    def permit(self) -> None:
        self.log.append("permit")

    @property
    def sent(self) -> list[Any]:
        """The JSON of the requests that had a body."""
        return [json.loads(request.body) for request in self.requests if request.body]


def lost(_: HttpRequest) -> HttpResponse:
    raise TransportError("no complete answer")


def batched(reply: Callable[[str], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answers a $batch part by part, last part first; `reply` gets the part's URL."""

    def act(request: HttpRequest) -> HttpResponse:
        parts = json.loads(request.body)["requests"]
        return answer(200, {"responses": [_part(part["id"], reply(part["url"])) for part in reversed(parts)]})

    return act


def _part(id: str, given: HttpResponse) -> Mapping[str, Any]:
    headers = {name.title(): text for name, text in given.headers.items()}
    return {"id": id, "status": given.status, "headers": headers, "body": json.loads(given.body or b"null")}
