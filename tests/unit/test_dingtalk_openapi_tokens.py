"""The open platform's access token: what is kept, and what a refusal means."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from shared.dingtalk.openapi_quota import TRIES, Quota
from shared.dingtalk.openapi_tokens import AppTokens
from shared.model.errors import Conflict, NotPermitted, TandemError, Throttled, Unavailable
from shared.ports.world import HttpRequest, HttpResponse, TransportError
from tests.support.openplatform import Clock
from tests.support.secret import known
from tests.support.table import TimedTable


class Host:
    """Answers in order, the last one again and again; None: not at all."""

    def __init__(self, *answers: HttpResponse | None) -> None:
        self.answers, self.sent = list(answers), list[HttpRequest]()

    def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise TransportError("no answer")
        return answer


def answer(status: int = 200, **body: Any) -> HttpResponse:
    return HttpResponse(status, {}, json.dumps(body).encode())


def tokens(host: Host, clock: Clock | None = None) -> AppTokens:
    urls = "https://api.test", "https://oapi.test"
    return AppTokens(host, clock or Clock(), *urls, "dingabc", known("hush-secret"), threading.Lock())


BUSY, FOREIGN = "Forbidden.AccessDenied.QpsLimitForApi", "Forbidden.AccessDenied.IpNotInWhiteList"
GOOD = answer(accessToken="token-1", expireIn=7200)


@pytest.mark.parametrize(
    ("given", "kind", "code"),
    [
        (None, Unavailable, ""),
        (HttpResponse(200, {}, b"<html>"), Unavailable, "200"),
        (HttpResponse(400, {}, b""), Unavailable, "400"),
        (answer(500, code="unknownError"), Unavailable, "unknownError"),
        (
            answer(403, code="Forbidden.AccessDenied.QpsLimitForApi"),
            Unavailable,
            "Forbidden.AccessDenied.QpsLimitForApi",
        ),
        (
            answer(403, code="Forbidden.AccessDenied.IpNotInWhiteList"),
            NotPermitted,
            "Forbidden.AccessDenied.IpNotInWhiteList",
        ),
        (answer(400, code="invalidClientIdOrSecret"), NotPermitted, "invalidClientIdOrSecret"),
        (answer(200, expireIn=7200), NotPermitted, "200"),
    ],
)
def test_what_the_new_hosts_refusals_mean(given: HttpResponse | None, kind: type[TandemError], code: str) -> None:
    with pytest.raises(kind) as caught:
        tokens(Host(given)).token()
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (None, Unavailable),
        (HttpResponse(502, {}, b""), Unavailable),
        (HttpResponse(200, {}, b"[]"), Unavailable),
        (answer(errcode=-1), Throttled),
        (answer(errcode=40096), NotPermitted),
    ],
)
def test_what_the_old_hosts_refusals_mean(given: HttpResponse | None, kind: type[TandemError]) -> None:
    host = Host(GOOD, given)
    held = tokens(host)
    refused = held.token()
    with pytest.raises(kind) as caught:
        held.token(refused)
    assert host.sent[1].url.startswith("https://oapi.test/gettoken?")
    assert "hush" not in str(caught.value)


def test_the_secret_is_in_no_address_while_the_old_host_takes_the_new_token() -> None:
    host = Host(GOOD)
    tokens(host).token()
    assert [request.url for request in host.sent] == ["https://api.test/v1.0/oauth2/accessToken"]


def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    host, clock = Host(GOOD), Clock()
    held = tokens(host, clock)
    for seconds, asked in ((0, 1), (7000, 1), (79, 1), (1, 2)):
        clock.time += seconds
        held.token()
        assert len(host.sent) == asked, seconds


def test_a_life_that_cannot_be_read_is_none() -> None:
    host = Host(answer(accessToken="token-1", expireIn="two hours"))
    held = tokens(host)
    assert [held.token(), held.token()] == ["token-1"] * 2
    assert len(host.sent) == 2


def test_a_token_refused_when_it_is_old_is_asked_for_at_the_new_host_again() -> None:
    host, clock = Host(GOOD, answer(accessToken="token-2", expireIn=7200)), Clock()
    held = tokens(host, clock)
    clock.time += 600 if held.token() else 0
    assert held.token("token-1") == "token-2"
    assert held.token("token-1") == "token-2", "another worker has renewed it already"
    assert len(host.sent) == 2


def test_a_call_that_cannot_be_counted_is_not_made(tmp_path: Path) -> None:
    class Busy(TimedTable):
        tries = 0

        def transact(self, partition: str, ops: Any) -> dict[str, str]:
            self.tries += 1
            raise Conflict("somebody was quicker")

    table = Busy(tmp_path / "table.db")
    with pytest.raises(Conflict, match="none is made"):
        Quota(table).count(metered=True)
    assert table.tries == TRIES
