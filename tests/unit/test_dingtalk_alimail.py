"""Token, rate, permit, errors and redirects of Alimail's door."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qsl

import pytest

from shared.dingtalk.alimail import Alimail
from shared.dingtalk.bucket import Bucket
from shared.dingtalk.errors import failure
from shared.dingtalk.tokens import ClientCredentials
from shared.model.errors import (
    LeaseLost,
    MailboxFull,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    TandemError,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.ports.world import HttpRequest, HttpResponse, TransportError
from tests.support.dingtalk import BASE, Answer, OneToken, StillClock, Wire, alimail, ok
from tests.support.secret import known

PATH = "/v2/users/a@b.cn/messages/D1"


def nothing() -> None:
    pass


def error_of(answer: Answer, *, effect: bool) -> TandemError:
    door = alimail(Wire(lambda request: answer))
    with pytest.raises(TandemError) as caught:
        door.post("a move", PATH, {}, nothing) if effect else door.get("a message", PATH)
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "read", "effect"),
    [
        (400, "1001", Refused, Refused),
        (400, "", Refused, Refused),
        (401, "", NotPermitted, NotPermitted),
        (403, "forbidden", NotPermitted, NotPermitted),
        (404, "", Unavailable, NotFound),
        (404, "message.notFound", NotFound, NotFound),
        (404, "domain.notFound", NotPermitted, NotPermitted),
        (200, "message.notFound", NotFound, NotFound),
        (200, "404", NotFound, NotFound),
        (200, "1001", Refused, Refused),
        (200, "mystery", Unavailable, OutcomeUnknown),
        (400, "mailbox_quota_exceeded", MailboxFull, MailboxFull),
        (413, "", TooLarge, TooLarge),
        (429, "", Throttled, Throttled),
        (200, "TooManyRequests", Throttled, Throttled),
        (500, "", Unavailable, OutcomeUnknown),
        (500, "message.notFound", Unavailable, OutcomeUnknown),
        (503, "", Unavailable, OutcomeUnknown),
        (504, "", Unavailable, OutcomeUnknown),
        (507, "", MailboxFull, MailboxFull),
    ],
)
def test_what_an_answer_means(status: int, code: str, read: type[TandemError], effect: type[TandemError]) -> None:
    body = {"detailErrorCode": code, "message": "secret subject", "developerMessage": "x"} if code else {}
    assert type(error_of(ok(body, status), effect=False)) is read
    error = error_of(ok(body, status), effect=True)
    assert type(error) is effect
    assert error.code == (code or str(status))
    assert "secret" not in str(error)


@pytest.mark.parametrize("answer", [TransportError("reset"), HttpResponse(200, {}, b"<html>"), ok([])])
def test_no_usable_answer_leaves_an_effect_unknown_and_a_read_unavailable(answer: Answer) -> None:
    assert type(error_of(answer, effect=False)) is Unavailable
    assert type(error_of(answer, effect=True)) is OutcomeUnknown


def test_success_is_no_failure_and_an_empty_answer_is_an_empty_object() -> None:
    assert failure("x", 200, {"detailErrorCode": None}, {}) is None
    assert alimail(Wire(lambda request: HttpResponse(200, {}, b" "))).post("a move", PATH, {}, nothing) == {}


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("", None), ("Wed, 21 Oct 2025 07:28:00 GMT", None), ("-1", None)]
)
def test_retry_after_is_taken_over_when_it_is_a_number(header: str, seconds: float | None) -> None:
    assert error_of(ok({}, 429, retry_after=header), effect=False).retry_after == seconds


def test_a_request_carries_the_token_and_json_and_says_that_it_has_an_effect() -> None:
    wire = Wire(lambda request: ok({}))
    door = alimail(wire)
    door.get("a page", "/v2/x", {"$select": "id,size", "startTime": "2024-10-01T12:00:00Z", "cursor": ""})
    door.post("a move", "/v2/y", {"ids": ["报"]}, nothing)
    get, post = wire.requests
    assert get.url == f"{BASE}/v2/x?$select=id,size&startTime=2024-10-01T12%3A00%3A00Z&cursor="
    assert (get.headers["authorization"], get.effect, get.body) == ("bearer token-1", False, b"")
    assert (post.method, post.effect, json.loads(post.body)) == ("POST", True, {"ids": ["报"]})
    assert post.headers["content-type"] == "application/json; charset=utf-8"


def test_a_401_renews_the_token_once_and_asks_for_permission_again() -> None:
    wire = Wire(lambda request: ok({}, 401) if request.headers["authorization"].endswith("1") else ok({}))
    permits: list[int] = []
    alimail(wire).post("a move", PATH, {}, lambda: permits.append(len(wire.requests)))
    assert permits == [0, 1]
    refusing = Wire(lambda request: ok({}, 401))
    with pytest.raises(NotPermitted):
        alimail(refusing).get("a message", PATH)
    assert len(refusing.requests) == 2


def test_permission_is_the_last_thing_asked_before_an_effect_leaves() -> None:
    order: list[str] = []

    class Noted(OneToken):
        def token(self, refused: str = "") -> str:
            order.append("token")
            return super().token(refused)

    class NotedBucket(Bucket):
        def take(self) -> None:
            order.append("rate")
            super().take()

    def answer(request: HttpRequest) -> Answer:
        order.append("wire")
        return ok({})

    door = Alimail(Wire(answer), Noted(), NotedBucket(StillClock(), nullcontext()), BASE)
    door.post("a move", PATH, {}, lambda: order.append("permit"))
    assert order == ["token", "rate", "permit", "wire"]


def test_without_permission_nothing_leaves() -> None:
    def refuse() -> None:
        raise LeaseLost("lost")

    wire = Wire(lambda request: ok({}))
    with pytest.raises(LeaseLost):
        alimail(wire).post("a move", PATH, {}, refuse)
    assert not wire.requests


# ----------------------------------------------------------------------------------------------------------- redirects


def attachment(base: str, value: HttpResponse, content: Answer) -> tuple[Wire, Alimail]:
    wire = Wire(lambda request: value if request.url.endswith("$value") else content)
    return wire, alimail(wire, base=base)


@pytest.mark.parametrize(
    ("base", "location", "url"),
    [
        (BASE, "/v2/stream/s1", f"{BASE}/v2/stream/s1"),
        (BASE, f"{BASE}/v2/stream/s1", f"{BASE}/v2/stream/s1"),
        (BASE, "https://alimail-oss.aliyuncs.com/s1?sig=x", "https://alimail-oss.aliyuncs.com/s1?sig=x"),
        ("http://127.0.0.1:99", "/v2/stream/s1", "http://127.0.0.1:99/v2/stream/s1"),
    ],
)
@pytest.mark.parametrize("by_header", [True, False])
def test_a_stream_of_the_provider_is_followed_without_the_token(
    base: str, location: str, url: str, by_header: bool
) -> None:
    value = HttpResponse(302, {"location": location}, b"moved") if by_header else ok({"location": location})
    wire, door = attachment(base, value, HttpResponse(200, {}, b'{"an": "attachment"}'))
    assert door.download("an attachment", f"{PATH}/attachments/1/$value", 1_000_000) == b'{"an": "attachment"}'
    stream = wire.requests[1]
    assert (stream.url, "authorization" in stream.headers, stream.timeout) == (url, False, 40.0)


@pytest.mark.parametrize(
    ("base", "location"),
    [
        (BASE, "https://evil.example/s1"),
        (BASE, "//evil.example/s1"),
        (BASE, "https://aliyuncs.com.evil.example/s1"),
        (BASE, "https://evilaliyuncs.com/s1"),
        (BASE, "http://alimail-cn.aliyuncs.com/s1"),
        (BASE, "https://alimail-cn.aliyuncs.com@evil.example/s1"),
        (BASE, "https://x.aliyuncs.com:8443/s1"),
        (BASE, "file:///etc/passwd"),
        (BASE, ""),
        ("https://mail.example", "https://x.aliyuncs.com/s1"),
        ("http://127.0.0.1:99", "http://127.0.0.1:98/s1"),
    ],
)
def test_a_stream_elsewhere_is_refused_before_a_request_leaves(base: str, location: str) -> None:
    wire, door = attachment(base, HttpResponse(302, {"location": location}, b""), HttpResponse(200, {}, b"x"))
    with pytest.raises(Unavailable) as caught:
        door.download("an attachment", f"{PATH}/attachments/1/$value", 0)
    assert len(wire.requests) == 1
    assert caught.value.code == "foreign_location"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (HttpResponse(302, {"location": "/v2/again"}, b""), Unavailable),
        (ok({"detailErrorCode": "stream.notFound"}, 404), NotFound),
        (HttpResponse(404, {}, b""), Unavailable),
        (HttpResponse(500, {}, b""), Unavailable),
        (TransportError("cut short"), Unavailable),
    ],
)
def test_a_stream_that_does_not_give_the_content_is_an_error(content: Answer, error: type[TandemError]) -> None:
    _, door = attachment(BASE, HttpResponse(302, {"location": "/v2/stream/s1"}, b""), content)
    with pytest.raises(error):
        door.download("an attachment", f"{PATH}/attachments/1/$value", 0)


# --------------------------------------------------------------------------------------------------------------- rate


def test_no_second_ever_holds_more_than_forty_requests() -> None:
    clock = StillClock()
    bucket = Bucket(clock, nullcontext())
    left: list[float] = []
    clock.time += 100
    for n in range(400):
        if n == 5:
            clock.time += 50  # what is left of a block is used later
        bucket.take()
        left.append(clock.time)
    assert max(sum(start <= at < start + 1 for at in left) for start in left) <= 40
    assert 10 < left[-1] - left[5] < 14


def test_a_long_wait_is_refused_and_a_short_one_slept() -> None:
    clock = StillClock()
    bucket = Bucket(clock, nullcontext())
    bucket.hold(1.5)
    bucket.take()
    assert clock.slept == [1.5]
    bucket.hold(30.0)
    with pytest.raises(Throttled) as caught:
        bucket.take()
    assert caught.value.retry_after == 30.0
    clock.time += 30
    bucket.take()


def test_a_429_holds_off_what_comes_after_it() -> None:
    wire = Wire(lambda request: ok({}, 429, retry_after="9"))
    door = alimail(wire)
    for _ in range(2):
        with pytest.raises(Throttled):
            door.get("a message", PATH)
    assert len(wire.requests) == 1


# -------------------------------------------------------------------------------------------------------------- tokens


def credentials(answer: Answer, clock: StillClock | None = None) -> tuple[Wire, ClientCredentials]:
    wire = Wire(lambda request: answer)
    return wire, ClientCredentials(wire, clock or StillClock(), BASE + "/", "id", known("s&cret"), nullcontext())


def test_a_token_is_asked_for_by_form_and_kept_until_a_minute_before_its_end() -> None:
    clock = StillClock()
    wire, tokens = credentials(ok({"token_type": "bearer", "access_token": "t", "expires_in": 3600}), clock)
    assert [tokens.token(), tokens.token()] == ["t", "t"]
    clock.time += 3539
    tokens.token()
    assert wire.asked == ["POST /oauth2/v2.0/token"]
    request = wire.requests[0]
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "s&cret"}
    assert dict(parse_qsl(request.body.decode())) == form
    clock.time += 1
    tokens.token()
    assert len(wire.requests) == 2


def test_a_refused_token_is_renewed_and_an_older_one_is_not() -> None:
    wire, tokens = credentials(ok({"access_token": "t", "expires_in": "172799"}))
    tokens.token("older")
    tokens.token("t")
    tokens.token("older")
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (ok({"error": "invalid_client", "error_description": "x"}, 401), NotPermitted, "invalid_client"),
        (ok({"code": 1003}, 400), NotPermitted, "1003"),
        (ok({"detailErrorCode": "no"}, 200), NotPermitted, "no"),
        (ok({}, 503), Unavailable, "503"),
        (ok({}, 429, retry_after="5"), Unavailable, "429"),
        (HttpResponse(200, {}, b"<html>"), Unavailable, "200"),
        (TransportError("refused"), Unavailable, ""),
    ],
)
def test_without_a_token_the_error_says_whose_turn_it_is(answer: Any, error: type[TandemError], code: str) -> None:
    _, tokens = credentials(answer)
    with pytest.raises(error) as caught:
        tokens.token()
    assert caught.value.code == code
    assert "s&cret" not in str(caught.value)
