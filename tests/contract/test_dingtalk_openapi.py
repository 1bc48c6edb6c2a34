"""Our client of DingTalk's open platform and our callback's door, against the simulated platform in every position."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.dingtalk.callbacks import CallbackUrlRefused
from shared.dingtalk.callback import CallbackRefused, Keys, Stale
from shared.dingtalk.callback_door import CallbackDoor
from shared.dingtalk.openapi import OpenApi
from shared.dingtalk.openapi_quota import Quota
from shared.model.errors import NotFound, NotPermitted, Refused, TandemError, Throttled, Unavailable
from shared.model.pairs import Pair
from shared.ports.world import HttpRequest, HttpResponse, TransportError
from shared.sync.events import Events, User
from shared.wiring.pairs import Pairs
from shared.wiring.world import SystemRandom
from tests.support.openplatform import AES_KEY, APP, CORP, SECRET, TOKEN, URL, Platform, poster
from tests.support.table import TimedTable


@dataclass
class Client:
    """`api` against `platform`; `answers` may hold what is answered instead of the platform, in order."""

    platform: Platform
    table: TimedTable
    answers: list[HttpResponse | None]

    def __post_init__(self) -> None:
        self.sent: list[HttpRequest] = []

    def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        if not self.answers or "/topapi/" not in request.url:
            return self.platform.send(request)
        answer = self.answers.pop(0)
        if answer is None:
            raise TransportError("no answer")
        return answer

    def api(self, secret: str = SECRET) -> OpenApi:
        return OpenApi(self, self.platform.tokens(secret), Quota(self.table), "https://oapi.test", 30.0)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(Platform(), TimedTable(tmp_path / "table.db"), [])


@pytest.mark.parametrize("one_token", [True, False])
def test_people_are_read_by_either_id_whichever_token_the_old_host_takes(tmp_path: Path, one_token: bool) -> None:
    client = Client(Platform(one_token=one_token), TimedTable(tmp_path / "table.db"), [])
    api = client.api()
    for _ in range(3):
        assert api.user("u-1") == User("u-1", "union-1", "Anna")
        assert api.user_of_union("union-2") == User("u-2", "union-2", "Ben")
    counts = client.platform.vendor.counts
    assert counts["POST /v1.0/oauth2/accessToken"] == 1
    assert counts["GET /gettoken"] == (0 if one_token else 1)
    assert counts["POST /topapi/v2/user/get"] == 6 + (0 if one_token else 1)


def test_somebody_who_left_is_not_found(client: Client) -> None:
    client.platform.vendor.leave("u-1")
    with pytest.raises(NotFound):
        client.api().user("u-1")
    with pytest.raises(NotFound):
        client.api().user_of_union("union-1")


def test_a_token_that_expired_or_was_revoked_is_renewed_once(client: Client) -> None:
    api = client.api()
    api.user("u-1")
    client.platform.clock.time += 7300
    api.user("u-1")
    client.platform.clock.time += 600
    client.platform.vendor.revoke_tokens()
    assert api.user("u-1").name == "Anna"
    assert client.platform.vendor.counts["POST /v1.0/oauth2/accessToken"] == 3
    assert client.platform.vendor.counts["GET /gettoken"] == 0


def test_a_wrong_secret_stops_and_says_what_to_check(client: Client) -> None:
    with pytest.raises(NotPermitted, match="AppSecret") as caught:
        client.api("wrong-secret").user("u-1")
    assert caught.value.code == "invalidClientIdOrSecret"
    assert "wrong-secret" not in str(caught.value)


def test_the_calls_of_the_directory_are_counted_and_not_as_metered(client: Client) -> None:
    client.api().user_of_union("union-1")
    assert Quota(client.table).used() == 0
    (row,) = client.table.scan("quota", " ", "~")
    assert row.value == {"metered": 0, "free": 2}


def _old(**body: Any) -> HttpResponse:
    return HttpResponse(200, {}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("answer", "kind", "code", "wait"),
    [
        (None, Unavailable, "", None),
        (HttpResponse(502, {}, b"<html>"), Unavailable, "502", None),
        (HttpResponse(200, {}, b"<html>blocked"), Unavailable, "200", None),
        (_old(errcode=0), Unavailable, "no_result", None),
        (_old(errcode=-1), Throttled, "-1", 30.0),
        (_old(errcode=88, sub_code="90018"), Throttled, "90018", 1.0),
        (_old(errcode=90020, errmsg="调用量:10001次"), Throttled, "90020", 3600.0),
        (_old(status=1111, wait=5, source="x5", punish="deny"), Throttled, "1111", 300.0),
        (_old(errcode=88, sub_code="60011"), NotPermitted, "60011", None),
        (_old(errcode=60020), NotPermitted, "60020", None),
        (_old(errcode=50002), NotPermitted, "50002", None),
        (_old(errcode=60121), NotFound, "60121", None),
        (_old(errcode=12345, errmsg="Anna"), Refused, "12345", None),
    ],
)
def test_refusals_become_what_the_caller_has_to_do(
    client: Client, answer: HttpResponse | None, kind: type[TandemError], code: str, wait: float | None
) -> None:
    client.answers = [answer]
    with pytest.raises(kind) as caught:
        client.api().user("u-1")
    assert (type(caught.value), caught.value.code, caught.value.retry_after) == (kind, code, wait)
    assert "Anna" not in str(caught.value)


def test_an_external_contact_is_nobody_of_the_directory(client: Client) -> None:
    client.answers = [_old(errcode=0, result={"contact_type": 1, "userid": "x"})]
    with pytest.raises(NotFound):
        client.api().user_of_union("union-9")


def test_requests_go_to_the_two_hosts_of_the_settings_alone(client: Client) -> None:
    client.api().user_of_union("union-1")
    assert {request.url.split("/")[2] for request in client.sent} == {"oapi.test"}


# ---- the door
class Office:
    """A door, with the pairs of Anna and Ben behind it."""

    def __init__(self, path: Path, **switches: Any) -> None:
        self.platform = Platform(**switches)
        self.table = TimedTable(path / "table.db", self.platform.clock.time)
        self.pairs, self.queue = Pairs(self.table), list[Mapping[str, Any]]()
        for number, name in enumerate(("anna", "ben"), 1):
            self.pairs.add(Pair(f"pair-{number}", name, f"{name}@o.example", f"{name}@f.example", 0, f"union-{number}"))
        api = OpenApi(self.platform, self.platform.tokens(), Quota(self.table), "https://oapi.test", 30.0)
        self.events = Events(self.table, self, self.pairs, api)
        self.keys = Keys(TOKEN, AES_KEY, APP, CORP)
        self.door = CallbackDoor(lambda fresh: self.keys, self.table, SystemRandom(), self.events)
        self.post = poster(self.door.take)
        self.platform.vendor.configure(URL, TOKEN, AES_KEY, self.post)

    def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        self.queue.append(message)

    def run(self, seconds: float) -> None:
        """Deliver and work for so long."""
        for _ in range(int(seconds)):
            self.table.time = self.platform.clock.time
            for delivery in self.platform.vendor.take_callbacks():
                self.platform.vendor.delivered(delivery, self._answer(delivery.url, delivery.body))
            while self.queue:
                self.events.work(self.queue.pop(0))
            self.platform.clock.time += 1

    def _answer(self, url: str, body: bytes) -> tuple[int, bytes] | None:
        try:
            return self.post(url, body, 2.5)
        except CallbackRefused:
            return 403, b""


CASINGS, OWNERS, STAMPS = ("documented", "pascal", "camel"), ("app", "corp"), ("milliseconds", "seconds")


@pytest.mark.parametrize(
    ("casing", "owner", "stamps", "both"), list(itertools.product(CASINGS, OWNERS, STAMPS, (True, False)))
)
def test_a_leaver_is_told_however_the_platform_writes_it(
    tmp_path: Path, casing: str, owner: str, stamps: str, both: bool
) -> None:
    office = Office(tmp_path, casing=casing, owner=owner, stamps=stamps, msg_signature=both, duplicates=0.5)
    office.events.sweep(everybody=False)
    office.run(1)
    office.platform.vendor.rename("u-2", "Ben Wong")
    office.platform.vendor.leave("u-1")
    office.run(2)
    assert set(office.platform.vendor.answers) == {"ok"}
    assert [(pair.name, pair.paused_why) for pair in office.pairs.list()] == [("Anna", "left"), ("Ben Wong", "")]


@pytest.mark.parametrize("retries", [1, 2])
def test_the_vendors_retries_are_taken_and_act_once(tmp_path: Path, retries: int) -> None:
    """The answer got lost on its way, or the app was away."""
    office = Office(tmp_path)
    office.platform.vendor.rename("u-2", "Ben Wong")
    (delivery,) = office.platform.vendor.take_callbacks()
    office.post(delivery.url, delivery.body, 2.5)
    office.platform.vendor.delivered(delivery, None)
    for wait in (10, 30)[: retries - 1]:
        office.platform.clock.time += wait
        office.platform.vendor.delivered(office.platform.vendor.take_callbacks()[0], None)
    office.run(60)
    assert office.platform.vendor.answers == ["no answer in time"] * retries + ["ok"]
    assert office.platform.vendor.counts["POST /topapi/v2/user/get"] == 1


@pytest.mark.parametrize("off", [600.0, -600.0])
def test_with_a_clock_off_by_ten_minutes_the_console_is_refused_and_log_and_status_say_why(
    tmp_path: Path, off: float
) -> None:
    office = Office(tmp_path)
    office.platform.clock.time -= off
    with pytest.raises(Stale, match=f"our time is 600 s {'ahead of' if off > 0 else 'behind'} its stamp"):
        office.platform.vendor.configure(URL, TOKEN, AES_KEY, office.post)
    assert office.events.status().clock_off == off


def test_with_a_slow_answer_the_callback_is_kept_as_failed_and_the_daily_look_finds_who_left(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.events.sweep(everybody=False)
    office.run(1)
    office.platform.vendor.leave("u-1")
    for wait in (10, 30, 0):
        office.platform.vendor.delivered(office.platform.vendor.take_callbacks()[0], None)
        office.platform.clock.time += wait
    office.run(300)
    assert office.pairs.list()[0].paused_why == ""
    office.events.sweep(everybody=True)
    office.run(1)
    assert office.pairs.list()[0].paused_why == "left"


def test_a_console_with_other_keys_is_refused(tmp_path: Path) -> None:
    office = Office(tmp_path)
    for token, key in (("othertoken", AES_KEY), (TOKEN, "1" * 43)):
        with pytest.raises(CallbackRefused):
            office.platform.vendor.configure(URL, token, key, office.post)
    with pytest.raises(CallbackUrlRefused):
        office.platform.vendor.configure(URL, TOKEN, AES_KEY, lambda *_: (404, b"no DingTalk app is set up here"))


def test_no_row_holds_a_name_or_anything_of_the_call(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.platform.vendor.rename("u-2", "Secret Name")
    for delivery in office.platform.vendor.take_callbacks():
        office.post(delivery.url, delivery.body, 2.5)
    assert "Secret" not in str(list(_rows(office.table)))
    assert all(set(message) == {"event", "cause"} for message in office.queue)


def _rows(table: TimedTable) -> Iterator[Any]:
    for partition in table.partitions("callbacks"):
        yield from table.scan(partition, " ", "~")
