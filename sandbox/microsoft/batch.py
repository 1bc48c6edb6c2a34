"""`POST /$batch`: up to 20 requests in one, run four at a time, each answered by itself."""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.microsoft.calls import ANY, Call, Gate, Route
from sandbox.microsoft.errors import GraphError, throttled
from sandbox.web import Request, Response

MAX_PARTS, WIDTH = 20, 4
_WRITES = frozenset({"POST", "PATCH", "PUT"})


@dataclass(frozen=True, slots=True)
class Part:
    id: str
    request: Request
    depends_on: tuple[str, ...]


def _refused(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)


def _parts(call: Call) -> list[Part]:
    requests = call.object().get("requests")
    if not isinstance(requests, list) or not requests:
        raise _refused("Invalid batch payload format.")
    if len(requests) > MAX_PARTS:
        raise _refused(f"Number of batch request steps exceeds the maximum value of {MAX_PARTS}.")
    authorization = call.request.headers.get("authorization", "")
    parts = [_part(item, authorization) for item in requests]
    seen: set[str] = set()
    for part in parts:
        if part.id in seen:
            raise _refused(f"Duplicate request id '{part.id}' in the batch.")
        if set(part.depends_on) - seen:
            raise _refused(f"Request id '{part.id}' depends on a request that does not come before it.")
        seen.add(part.id)
    return parts


def _part(item: Any, authorization: str) -> Part:
    if not isinstance(item, dict):
        raise _refused("Invalid batch payload format.")
    id, method, url = item.get("id"), item.get("method"), item.get("url")
    if not (isinstance(id, str) and id and isinstance(method, str) and isinstance(url, str)):
        raise _refused("Each request of a batch needs an id, a method and a url.")
    if "://" in url.partition("?")[0] or url.strip("/").lower().startswith("$batch"):
        raise _refused(f"The url of request '{id}' must be relative and not a batch.")
    headers = {str(name).lower(): str(value) for name, value in (item.get("headers") or {}).items()}
    if "body" in item and method.upper() in _WRITES and "content-type" not in headers:
        raise _refused(f"Write request id : {id} does not contain Content-Type header or body.")
    depends = item.get("dependsOn") or []
    if not isinstance(depends, list):
        raise _refused(f"dependsOn of request '{id}' must be a list of ids.")
    request = Request(
        method.upper(),
        "/v1.0/" + url.removeprefix("/"),
        {**headers, "authorization": headers.get("authorization", authorization)},
        _content(item.get("body"), headers.get("content-type", "")),
    )
    return Part(id, request, tuple(map(str, depends)))


def _content(body: Any, kind: str) -> bytes:
    """JSON stands as it is; anything else is base64."""
    if body is None:
        return b""
    if kind.lower().startswith("application/json"):
        return json.dumps(body, ensure_ascii=False).encode()
    try:
        return base64.b64decode(str(body), validate=True)
    except binascii.Error as error:
        raise _refused("The body of a request that isn't JSON must be base64.") from error


def _answer(id: str, response: Response) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": id, "status": response.status}
    headers = {name.title() if name.islower() else name: value for name, value in response.headers.items()}
    if headers:
        answer["headers"] = headers
    if response.body:
        json_body = headers.get("Content-Type", "").startswith("application/json")
        answer["body"] = json.loads(response.body) if json_body else base64.b64encode(response.body).decode()
    return answer


def _failed_dependency() -> Response:
    return Response.of_json(
        424, {"error": {"code": "FailedDependency", "message": "A request that this one depends on has failed."}}
    )


def batch(call: Call) -> Response:
    parts = _parts(call)
    with _Places(call.gate, parts) as places:
        answers = [_answer(part.id, response) for part, response in _run(call.gate, parts, places)]
    with call.world.lock:
        call.world.random.shuffle(answers)
    return Response.of_json(200, {"responses": answers})


def _run(gate: Gate, parts: Sequence[Part], places: _Places) -> Iterator[tuple[Part, Response]]:
    statuses: dict[str, int] = {}
    for part in parts:
        if any(statuses[id] >= 400 for id in part.depends_on):
            response = _failed_dependency()
        elif not places.free(part):
            response = gate.refusal(throttled("MailboxConcurrency", 1))
        else:
            response = gate.dispatch(part.request)
        statuses[part.id] = response.status
        yield part, response


class _Places:
    """Four parts run at a time, so a batch holds up to four places of each mailbox while it runs. Where others hold
    some of them, as many parts of each four are refused."""

    def __init__(self, gate: Gate, parts: Sequence[Part]) -> None:
        self._gate = gate
        self._mailboxes = {part.id: gate.mailbox_of(part.request) for part in parts}
        self._held: dict[str, int] = {}
        self._turn: Counter[str] = Counter()

    def __enter__(self) -> _Places:
        for mailbox, count in Counter(self._mailboxes.values()).items():
            if mailbox:
                self._held[mailbox] = self._gate.throttle.enter(mailbox, min(WIDTH, count))
        return self

    def __exit__(self, *error: object) -> None:
        for mailbox, places in self._held.items():
            self._gate.throttle.leave(mailbox, places)

    def free(self, part: Part) -> bool:
        mailbox = self._mailboxes[part.id]
        turn, self._turn[mailbox] = self._turn[mailbox] % WIDTH, self._turn[mailbox] + 1
        return not mailbox or turn < self._held[mailbox]


ROUTES = (Route("POST", "$batch", batch, ANY, locks=False),)
