"""Vendors that answer badly, with the whole product and real sockets: nobody's mailbox changes, the ledger stays, the
log says what happened and tells nothing, and when the vendor is well again everything is carried across."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.web import Broken, Request, Response
from tests.support.small_office import MOST, SECRETS, Bad, SmallOffice

Ask = Callable[[], Response]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BOMB = gzip.compress(b" " * 100_000_000)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallOffice]:
    with SmallOffice(tmp_path_factory.mktemp("state")) as office:
        office.arrive("outlook", "o")
        office.arrive("dingtalk", "d")
        office.settle()
        yield office


def json_of(change: Callable[[Any], Any]) -> Bad:
    def bad(request: Request, ask: Ask) -> Response:
        answer = ask()
        try:
            value = json.loads(answer.body)
        except ValueError:
            return Response(200, {}, b"7")
        return Response.of_json(answer.status, change(value))

    return bad


def each(value: Any, change: Callable[[Any], Any]) -> Any:
    """Every value that is no object and no list, changed."""
    if isinstance(value, dict):
        return {name: each(inner, change) for name, inner in value.items()}
    return [each(inner, change) for inner in value] if isinstance(value, list) else change(value)


def without(*names: str) -> Bad:
    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: cut(inner) for name, inner in value.items() if name not in names}
        return [cut(inner) for inner in value] if isinstance(value, list) else value

    return json_of(cut)


def raw(*pieces: bytes) -> Bad:
    def bad(request: Request, ask: Ask) -> Response:
        raise Broken(pieces)

    return bad


def packed(body: bytes) -> Bad:
    return lambda request, ask: Response(200, {"content-encoding": "gzip", "content-type": "application/json"}, body)


def half(request: Request, ask: Ask) -> Response:
    body = ask().body
    raise Broken([HEAD + b"Content-Length: %d\r\n\r\n" % max(len(body), 2), body[: len(body) // 2]])


def endless(request: Request, ask: Ask) -> Response:
    raise Broken(itertools.chain([HEAD + b"\r\n"], itertools.repeat(b" " * 65536)))


def slow(request: Request, ask: Ask) -> Response:
    def drops() -> Iterator[bytes]:
        yield HEAD + b"Content-Length: 100000\r\n\r\n"
        for _ in range(16):
            time.sleep(MOST / 8)
            yield b" "

    raise Broken(drops())


def linked(request: Request, ask: Ask) -> Response:
    """Links that lead elsewhere, in every member that may hold one."""
    places = dict.fromkeys(("@odata.nextLink", "@odata.deltaLink", "location"), "https://graph.evil.example/v1.0/x")
    return json_of(lambda value: {**value, **places} if isinstance(value, dict) else value)(request, ask)


def says(status: int, body: Any, **headers: str) -> Bad:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, bytes):
        return lambda request, ask: Response(status, {"content-type": "text/html", **named}, body)
    return lambda request, ask: Response.of_json(status, body, named)


PAGE = b"<!doctype html><title>Sign in</title>"
BAD: dict[str, Bad] = {
    "a list for an object": says(200, []),
    "a text for an object": says(200, "fine"),
    "an empty object": says(200, {}),
    "nothing": says(200, b""),
    "numbers for texts": json_of(lambda value: each(value, lambda v: 7 if isinstance(v, str) else v)),
    "texts for all": json_of(lambda value: each(value, str)),
    "objects for all": json_of(lambda value: each(value, lambda v: {"v": v})),
    "lists for all": json_of(lambda value: each(value, lambda v: [v])),
    "null for all": json_of(lambda value: each(value, lambda v: None)),
    "no ids": without("id"),
    "no states": without("isRead", "folderId", "parentFolderId", "flag"),
    "no lists": without("value", "messages", "folders", "message", "responses"),
    "deep nesting": says(200, b"[" * 200_000),
    "a page with 200": says(200, PAGE),
    "a page with 404": says(404, PAGE),
    "a page with 502": says(502, PAGE),
    "half an answer": half,
    "a broken chunk": raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
    "a broken packing": packed(b"no gzip"),
    "half a packing": packed(gzip.compress(b'{"value": [], "folders": []}' * 20)[:-9]),
    "a bomb": packed(BOMB),
    "an answer without an end": endless,
    "silence": raw(),
    "slow bytes": slow,
    "a redirect": says(302, {}, location="https://graph.evil.example/v1.0/x"),
    "links elsewhere": linked,
    "throttling": says(429, {"error": {"code": "ApplicationThrottled"}, "detailErrorCode": "system.busy"}),
    "an unheard error": says(418, {"error": {"code": "li.na@supplier.example 提单"}, "detailErrorCode": "提单 您好"}),
    "rights revoked": says(403, {"error": {"code": "Authorization_RequestDenied"}, "detailErrorCode": "forbidden"}),
    "rights gone": says(401, {"error": {"code": "InvalidAuthenticationToken"}, "detailErrorCode": "unauthorized"}),
}


def is_token(request: Request) -> bool:
    return request.path.endswith("/token") or "openid" in request.path


def but_tokens(bad: Bad) -> Bad:
    return lambda request, ask: ask() if is_token(request) else bad(request, ask)


def break_both(office: SmallOffice, bad: Bad | None) -> None:
    for front in office.fronts.values():
        front.bad, front.asked = bad, 0


def nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    told = [record.getMessage() + str(record.exc_info or "") for record in caplog.records]
    hidden = (*SECRETS, "@mail.example", "evil", "Sign in")
    assert not [line for line in told if any(text in line for text in hidden)]


@pytest.mark.parametrize("how", BAD)
def test_a_vendor_that_answers_badly_changes_nothing(
    office: SmallOffice, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    office.settle()
    number = len(office.shown()["outlook"])
    before = office.ledger()
    break_both(office, but_tokens(BAD[how]))
    office.arrive("outlook", f"o{number}")
    office.arrive("dingtalk", f"d{number}")
    read = next(m for m in office.outlook_box.messages() if m.message_id == "o@mail.example")
    office.outlook_box.set_read(read.id, not read.read)
    acted = office.shown()
    office.look_again()
    raised = office.work(1.0)
    assert min(front.asked for front in office.fronts.values()) > 0
    assert office.shown() == acted
    assert office.ledger() == before
    assert raised == [], "a trigger failed: the message would end among the poisoned ones"
    assert any(record.levelno == logging.WARNING for record in caplog.records), "nobody was told"
    nothing_is_told(caplog)
    break_both(office, None)
    office.look_again()
    office.settle()
