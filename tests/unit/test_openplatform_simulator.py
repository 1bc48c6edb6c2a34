"""The simulated open platform refuses what the vendor refuses, in the vendor's shapes, and pushes as it does."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from sandbox.dingtalk.callbacks import CallbackUrlRefused, Delivery
from sandbox.dingtalk.callbacks_crypto import Sealer
from tests.support.openplatform import AES_KEY, APP, CORP, NOW, SECRET, TOKEN, URL, Platform


@pytest.fixture
def platform() -> Platform:
    return Platform()


# ---- tokens
def test_a_token_is_given_again_and_prolonged_while_it_lives(platform: Platform) -> None:
    answer = platform.api("POST", "/v1.0/oauth2/accessToken", {"appKey": APP, "appSecret": SECRET})
    assert answer == (200, {"accessToken": platform.token(), "expireIn": 7200})
    first = platform.token()
    platform.clock.time += 7000
    assert platform.token() == first
    platform.clock.time += 7199
    assert platform.token() == first
    platform.clock.time += 7201
    assert platform.token() != first


def test_a_wrong_app_is_refused_by_each_door_in_its_shape(platform: Platform) -> None:
    status, body = platform.api("POST", "/v1.0/oauth2/accessToken", {"appKey": APP, "appSecret": "x"})
    assert (status, body["code"], sorted(body)) == (400, "invalidClientIdOrSecret", ["code", "message", "requestid"])
    assert platform.oapi("GET", "/gettoken", appkey=APP, appsecret="x")["errcode"] == 40096
    form = {"client_id": APP, "client_secret": SECRET, "grant_type": "client_credentials"}
    path = f"/v1.0/oauth2/{CORP}/token"
    assert platform.api("POST", path, form)[1] == {"access_token": platform.token(), "expires_in": 7200}
    refusals = [
        platform.api("POST", path, {**form, "client_secret": "x"}),
        platform.api("POST", path, {**form, "grant_type": "password"}),
        platform.api("POST", "/v1.0/oauth2/bogus/token", form),
    ]
    assert [(status, body["code"]) for status, body in refusals] == [
        (400, "invalid.client"),
        (400, "unsupported.grant.type"),
        (500, "unknownError"),
    ]


def test_the_new_host_takes_its_token_in_its_header_only(platform: Platform) -> None:
    target, token = "/v1.0/event/callbacks/failedResults?beginTime=0&endTime=1", platform.token()
    assert platform.api("GET", target, token=token) == (200, {"failedList": [], "hasMore": False})
    bearer = platform.api("GET", target, headers={"authorization": f"Bearer {token}"})
    query = platform.api("GET", f"{target}&access_token={token}")
    for status, body in (bearer, query):
        assert (status, body["code"]) == (400, "AuthenticationFailed.MissingParameter")
    status, body = platform.api("GET", target, token="stale")
    assert (status, body["code"]) == (400, "InvalidAuthentication")


def test_the_old_host_takes_its_token_in_the_query_only_and_wraps_its_refusals(platform: Platform) -> None:
    refused = platform.oapi("POST", "/topapi/v2/user/get", {"userid": "u-1"}, access_token="stale")
    assert (refused["errcode"], refused["sub_code"]) == (88, "40014")
    assert refused["errmsg"].startswith("ding talk error[subcode=40014,submsg=")
    bare = platform.oapi("GET", "/call_back/get_call_back_failed_result", access_token="stale")
    assert bare["errcode"] == 40014


@pytest.mark.parametrize("one_token", [True, False])
def test_the_token_of_the_other_host_is_taken_where_the_switch_says_so(one_token: bool) -> None:
    platform = Platform(one_token=one_token)
    answer = platform.oapi("POST", "/topapi/v2/user/get", {"userid": "u-1"}, access_token=platform.token())
    assert (answer["errcode"] == 0) == one_token
    own = platform.oapi("POST", "/topapi/v2/user/get", {"userid": "u-1"}, access_token=platform.old_token())
    assert own["errcode"] == 0


def test_more_than_twenty_calls_a_second_are_refused(platform: Platform) -> None:
    token = platform.old_token()
    answers = [
        platform.oapi("POST", "/topapi/v2/user/get", {"userid": "u-1"}, access_token=token).get("sub_code")
        for _ in range(21)
    ]
    assert answers == [None] * 20 + ["90018"]
    platform.clock.time += 1
    assert platform.oapi("POST", "/topapi/v2/user/get", {"userid": "u-1"}, access_token=token)["errcode"] == 0
    statuses = [platform.api("POST", "/v1.0/oauth2/accessToken", {})[1]["code"] for _ in range(21)]
    assert statuses[-1] == "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"


# ---- the directory
def test_a_person_is_found_by_either_id_until_they_leave(platform: Platform) -> None:
    token = platform.old_token()
    found = platform.oapi("POST", "/topapi/user/getbyunionid", {"unionid": "union-1"}, access_token=token)["result"]
    assert found == {"contact_type": 0, "userid": "u-1"}
    person = platform.oapi("POST", "/topapi/v2/user/get", {"userid": "u-1"}, access_token=token)["result"]
    assert (person["userid"], person["unionid"], person["name"]) == ("u-1", "union-1", "Anna")
    assert not {"mobile", "email", "org_email"} & set(person), "these need scopes of their own"
    platform.vendor.leave("u-1")
    for path, body in (
        ("/topapi/v2/user/get", {"userid": "u-1"}),
        ("/topapi/user/getbyunionid", {"unionid": "union-1"}),
    ):
        assert platform.oapi("POST", path, body, access_token=token)["errcode"] == 60121
    assert platform.oapi("POST", "/topapi/v2/user/get", {}, access_token=token)["errcode"] == 40035


# ---- callbacks
class App:
    """Somebody who answers callbacks. `events` as they came; `says` is what is sealed as the answer."""

    def __init__(self, says: str = "success", owner: str = APP) -> None:
        self.sealer, self.says, self.owner = Sealer(TOKEN, AES_KEY, random.Random(1)), says, owner
        self.events: list[Mapping[str, Any]] = []
        self.queries: list[Mapping[str, str]] = []

    def __call__(self, url: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        query = dict(parse_qsl(urlsplit(url).query))
        sealed = json.loads(body)["encrypt"]
        assert query["signature"] == self.sealer.signature(query["timestamp"], query["nonce"], sealed)
        self.queries.append(query)
        self.events.append(json.loads(self.sealer.open(sealed)[0]))
        answer = self.sealer.seal(self.says, self.owner)
        signature = self.sealer.signature("1", "n", answer)
        return 200, json.dumps({"msg_signature": signature, "timeStamp": "1", "nonce": "n", "encrypt": answer}).encode()


def saved(platform: Platform, app: App) -> None:
    platform.vendor.configure(URL, TOKEN, AES_KEY, app)


def deliver(platform: Platform, answer: Any) -> list[Delivery]:
    """Post what is due; `answer` is an App, or what comes back."""
    taken = platform.vendor.take_callbacks()
    for delivery in taken:
        got = answer(delivery.url, delivery.body, delivery.timeout) if callable(answer) else answer
        platform.vendor.delivered(delivery, got)
    return taken


def test_a_url_is_saved_once_it_answers_the_handshake(platform: Platform) -> None:
    app = App()
    platform.vendor.leave("u-2")
    saved(platform, app)
    assert app.events == [{"EventType": "check_url"}]
    assert platform.vendor.take_callbacks() == [], "what happened before is not told"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((302, b""), "status 302"),
        ((200, b"success"), "not sealed"),
        ((200, b'{"encrypt": "x"}'), "not sealed"),
        (App(says="ok"), "not success"),
        (App(owner="dingother"), "somebody else"),
    ],
)
def test_a_url_that_does_not_is_refused(platform: Platform, answer: Any, why: str) -> None:
    post = answer if callable(answer) else lambda url, body, seconds: answer
    with pytest.raises(CallbackUrlRefused, match=why):
        platform.vendor.configure(URL, TOKEN, AES_KEY, post)


def test_a_url_that_is_slow_is_refused(platform: Platform) -> None:
    asked: list[float] = []

    def slow(url: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        asked.append(seconds)
        raise TimeoutError

    with pytest.raises(CallbackUrlRefused, match="no answer in time"):
        platform.vendor.configure(URL, TOKEN, AES_KEY, slow)
    assert asked == [1.5]


@pytest.mark.parametrize(
    ("token", "key"), [("ab", AES_KEY), ("a" * 33, AES_KEY), ("a-b-c", AES_KEY), (TOKEN, "a" * 42)]
)
def test_the_console_takes_no_other_token_or_key(platform: Platform, token: str, key: str) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        platform.vendor.configure(URL, token, key, App())


def test_who_leaves_joins_or_changes_is_told(platform: Platform) -> None:
    app = App()
    saved(platform, app)
    platform.vendor.rename("u-1", "Anna Chan")
    platform.vendor.leave("u-1")
    platform.vendor.hire("u-3", "union-3", "Cai")
    deliver(platform, app)
    changed, left, joined = app.events[1:]
    assert changed["EventType"] == "user_modify_org"
    assert changed["diffInfo"] == [{"userid": "u-1", "prev": {"name": "Anna"}, "curr": {"name": "Anna Chan"}}]
    assert (left["EventType"], left["userId"], left["CorpId"]) == ("user_leave_org", ["u-1"], CORP)
    assert left["EventTime"] == NOW * 1000
    assert (joined["EventType"], joined["userId"]) == ("user_add_org", ["u-3"])
    assert len({event["eventId"] for event in app.events[1:]}) == 3
    assert platform.vendor.answers == ["ok"] * 3


def test_an_event_is_tried_again_after_10_and_30_seconds_and_then_kept_as_failed(platform: Platform) -> None:
    app = App()
    saved(platform, app)
    platform.vendor.leave("u-1")
    times = []
    for _ in range(200):
        times += [platform.clock.time - NOW for _ in deliver(platform, None)]
        platform.clock.time += 1
    assert times == [0, 10, 40]
    assert platform.vendor.answers == ["no answer in time"] * 3
    token = platform.old_token()
    assert platform.oapi("GET", "/call_back/get_call_back_failed_result", access_token=token)["failed_list"] == []
    platform.clock.time = NOW + 300
    first = platform.oapi("GET", "/call_back/get_call_back_failed_result", access_token=token)
    (item,) = first["failed_list"]
    assert (item["call_back_tag"], item["event_time"], first["has_more"]) == ("user_leave_org", NOW * 1000, False)
    assert (item["user_leave_org"]["userId"], item["user_leave_org"]["corpid"]) == (["u-1"], CORP)
    again = platform.oapi("GET", "/call_back/get_call_back_failed_result", access_token=token)
    assert again["failed_list"] == [], "each question deletes what the one before was given"


def test_the_retry_is_signed_anew_and_says_the_same(platform: Platform) -> None:
    app = App()
    saved(platform, app)
    platform.vendor.leave("u-1")
    refused = App(says="no")
    deliver(platform, refused)
    platform.clock.time += 10
    deliver(platform, app)
    assert refused.events[0] == app.events[1]
    assert refused.queries[0] != app.queries[1]
    assert platform.vendor.answers == ["the answer is not success", "ok"]


def test_the_new_host_gives_failed_callbacks_by_time_and_two_hundred_at_once(platform: Platform) -> None:
    saved(platform, App())
    for _ in range(250):
        platform.vendor.happen("user_modify_org", {"userId": ["u-1"]})
    for wait in (0, 10, 30):
        platform.clock.time += wait
        deliver(platform, (500, b""))
    platform.clock.time = NOW + 600
    target = f"/v1.0/event/callbacks/failedResults?beginTime={NOW * 1000:.0f}&endTime={NOW * 1000 + 1:.0f}"
    token = platform.token()
    pages = [platform.api("GET", target, token=token)[1] for _ in range(3)]
    assert [(len(page["failedList"]), page["hasMore"]) for page in pages] == [(200, True), (50, False), (0, False)]
    item = pages[0]["failedList"][0]
    assert sorted(item) == ["callBackData", "callBackTag", "corpId", "eventTime"]
    assert json.loads(item["callBackData"])["userId"] == ["u-1"]
    earlier = platform.api("GET", "/v1.0/event/callbacks/failedResults?beginTime=0&endTime=1", token=token)[1]
    assert earlier["failedList"] == []
    assert platform.api("GET", "/v1.0/event/callbacks/failedResults", token=token)[0] == 400


@pytest.mark.parametrize(("casing", "names"), [("pascal", {"UserId", "EventId"}), ("camel", {"userId", "eventType"})])
def test_names_are_spelled_as_the_switch_says(casing: str, names: set[str]) -> None:
    platform, app = Platform(casing=casing), App()
    saved(platform, app)
    platform.vendor.leave("u-1")
    deliver(platform, app)
    assert names < set(app.events[1])


def test_stamps_owners_and_signatures_are_as_the_switches_say() -> None:
    platform = Platform(stamps="seconds", owner="corp", msg_signature=True, clock_off=600.0, duplicates=1.0)
    app = App(owner=CORP)
    saved(platform, app)
    assert app.queries[0]["timestamp"] == str(int(NOW + 600))
    assert app.queries[0]["msg_signature"] == app.queries[0]["signature"]
    platform.vendor.leave("u-1")
    deliver(platform, app)
    assert len(app.events) == 3
    assert app.events[1] == app.events[2]


def test_what_the_app_did_not_ask_for_is_not_pushed(platform: Platform) -> None:
    platform.vendor.configure(URL, TOKEN, AES_KEY, App(), tags=["user_add_org"])
    platform.vendor.leave("u-1")
    assert platform.vendor.due() is None
