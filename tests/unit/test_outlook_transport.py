"""Requests to Graph: what leaves, in which order, and what every kind of answer means."""

from __future__ import annotations

import json

import pytest

from shared.model.errors import (
    LeaseLost,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.outlook.transport import LARGEST, Answer, Part
from shared.ports.world import HttpRequest, HttpResponse
from tests.support.graph import BASE, Wire, answer, batched, lost, refusal


def test_every_request_asks_for_immutable_ids_and_is_signed() -> None:
    wire = Wire([answer(200, {"a": 1}), batched(lambda url: answer(200, {})), answer(201, {}), answer(200, b"x")])
    wire.graph.get("/users/u", "it", "odata.maxpagesize=500")
    wire.graph.batch([Part("/a"), Part("/b", "odata.maxpagesize=500")], "them")
    wire.graph.send("POST", "/c", {}, "it")
    wire.graph.get_bytes("/d/$value", "it")
    assert [r.url for r in wire.requests] == [f"{BASE}{path}" for path in ("/users/u", "/$batch", "/c", "/d/$value")]
    assert {r.headers["authorization"] for r in wire.requests} == {"Bearer token-0"}
    assert len({r.headers["client-request-id"] for r in wire.requests}) == 4
    assert wire.requests[0].headers["prefer"] == 'IdType="ImmutableId", odata.maxpagesize=500'
    assert all(r.headers["prefer"].startswith('IdType="ImmutableId"') for r in wire.requests)
    assert [part["headers"]["prefer"] for part in wire.sent[0]["requests"]] == [
        'IdType="ImmutableId"',
        'IdType="ImmutableId", odata.maxpagesize=500',
    ]
    assert [r.effect for r in wire.requests] == [False, False, True, False]


# ---- links
@pytest.mark.parametrize(
    "link",
    [
        "https://graph.test.evil.example/v1.0/users",
        "https://evil.example/v1.0/users",
        "http://graph.test/v1.0/users",
        "https://graph.test/beta/users",
        "https://graph.test/v1.0",
        "https://ann@graph.test/v1.0/users",
        "/users",
        "",
    ],
)
def test_a_link_to_another_place_is_not_followed(link: str) -> None:
    with pytest.raises(Unavailable) as caught:
        Wire().graph.relative(link)
    assert caught.value.code == "foreign_link"
    assert "graph.test" not in str(caught.value)


def test_a_link_below_the_base_is_followed_whatever_its_case() -> None:
    assert Wire().graph.relative("HTTPS://Graph.Test/v1.0/users('u')/x?$skiptoken=Ab") == "/users('u')/x?$skiptoken=Ab"


# ---- effects
def test_the_permit_is_the_last_thing_before_an_effect_leaves_and_is_asked_again_on_a_repeat() -> None:
    wire = Wire([refusal(401, "InvalidAuthenticationToken"), answer(201, {"id": "A"})])
    assert wire.graph.send("POST", "/m", {"a": 1}, "it", wire.permit) == {"id": "A"}
    assert wire.log == ["permit", "POST /m", "permit", "POST /m"]
    assert [r.headers["authorization"] for r in wire.requests] == ["Bearer token-0", "Bearer token-1"]
    assert wire.tokens.renewals == 1


def test_a_token_is_replaced_once_and_then_it_is_a_matter_of_rights() -> None:
    wire = Wire([refusal(401, "InvalidAuthenticationToken"), refusal(401, "InvalidAuthenticationToken")])
    with pytest.raises(NotPermitted):
        wire.graph.get("/m", "it")
    assert wire.tokens.renewals == 1


def test_nothing_leaves_without_the_permit() -> None:
    def refuse() -> None:
        raise LeaseLost("no")

    wire = Wire([])
    with pytest.raises(LeaseLost):
        wire.graph.send("POST", "/m", {}, "it", refuse)
    assert wire.requests == []


def test_a_permit_that_is_withdrawn_while_the_token_is_replaced_stops_the_repeat() -> None:
    wire = Wire([refusal(401)])

    def once() -> None:
        wire.permit()
        if wire.log.count("permit") > 1:
            raise LeaseLost("no")

    with pytest.raises(LeaseLost):
        wire.graph.send("POST", "/m", {}, "it", once)
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "given", [lost, answer(503, retry_after="1"), answer(500), answer(201, b"{"), answer(201, []), answer(302, b"x")]
)
def test_an_effect_without_a_usable_answer_has_an_unknown_outcome(given: HttpResponse) -> None:
    with pytest.raises(OutcomeUnknown):
        Wire([given]).graph.send("POST", "/m", {}, "it")


def test_a_throttled_effect_is_not_repeated_here() -> None:
    wire = Wire([refusal(429, "ApplicationThrottled", retry_after="1")])
    with pytest.raises(Throttled) as caught:
        wire.graph.send("POST", "/m", {}, "it", wire.permit)
    assert (caught.value.retry_after, wire.log) == (1.0, ["permit", "POST /m"])


def test_an_effect_over_the_limit_never_leaves() -> None:
    wire = Wire([answer(201, {})])
    with pytest.raises(TooLarge):
        wire.graph.send("POST", "/m", {"a": "x" * LARGEST}, "it", wire.permit)
    assert wire.log == []
    wire.graph.send("POST", "/m", {"a": "x" * (LARGEST - 10)}, "it", wire.permit)
    assert wire.requests[0].timeout == pytest.approx(30 + LARGEST / 100_000, abs=0.01)


def test_half_a_character_does_not_stop_a_message() -> None:
    wire = Wire([answer(204)])
    assert wire.graph.send("POST", "/m", {"subject": "a\ud83d早"}, "it") is None
    assert json.loads(wire.requests[0].body) == {"subject": "a?早"}


# ---- reads
@pytest.mark.parametrize("given", [lost, answer(502), answer(200, b"{"), answer(200, [1]), answer(302, b"x")])
def test_a_read_without_a_usable_answer_says_nothing(given: HttpResponse) -> None:
    with pytest.raises(Unavailable):
        Wire([given]).graph.get("/m", "it")


@pytest.mark.parametrize(("given", "kind"), [(lost, Unavailable), (refusal(404, "ErrorItemNotFound"), NotFound)])
def test_content_that_does_not_come_is_an_error(given: HttpResponse, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Wire([given]).graph.get_bytes("/m/$value", "it")


def test_a_short_wait_is_waited_for_and_a_long_one_ends_the_run() -> None:
    wire = Wire([refusal(429, retry_after="2"), answer(200, {"a": 1})])
    assert wire.graph.get("/m", "it") == {"a": 1}
    assert wire.clock.slept == [2.0]
    wire = Wire([refusal(429, retry_after="3")])
    with pytest.raises(Throttled) as caught:
        wire.graph.get("/m", "it")
    assert (caught.value.retry_after, wire.clock.slept) == (3.0, [])


def test_short_waits_are_not_taken_for_ever() -> None:
    wire = Wire([refusal(429) for _ in range(4)])
    with pytest.raises(Throttled):
        wire.graph.get("/m", "it")
    assert (len(wire.requests), wire.clock.slept) == (4, [1.0] * 3)


# ---- batches
def test_parts_go_twenty_to_a_batch_and_are_answered_in_their_order() -> None:
    echo = batched(lambda url: answer(200, {"url": url}))
    wire = Wire([echo, echo, answer(200, {"url": "/40"})])
    answers = wire.graph.batch([Part(f"/{n}") for n in range(41)], "them")
    assert [a.body["url"] for a in answers] == [f"/{n}" for n in range(41)]
    assert [len(body["requests"]) for body in wire.sent] == [20, 20]
    assert wire.log == ["POST /$batch", "POST /$batch", "GET /40"]


def test_nothing_asked_is_no_request() -> None:
    assert Wire().graph.batch([], "nothing") == []


def test_a_single_part_goes_by_itself_with_its_refusal_as_an_answer() -> None:
    wire = Wire([refusal(410, "SyncStateNotFound", location="x")])
    assert wire.graph.batch([Part("/a")], "it") == [
        Answer(410, {"location": "x"}, {"error": {"code": "SyncStateNotFound", "message": "secret words"}})
    ]


def test_only_throttled_parts_go_again_after_their_own_wait() -> None:
    def first(url: str) -> HttpResponse:
        return refusal(429, "ApplicationThrottled", retry_after="2") if url in ("/1", "/3") else answer(200, {"n": url})

    wire = Wire([batched(first), batched(lambda url: answer(200, {"n": url}))])
    answers = wire.graph.batch([Part(f"/{n}") for n in range(5)], "them")
    assert [a.body["n"] for a in answers] == ["/0", "/1", "/2", "/3", "/4"]
    assert [part["url"] for part in wire.sent[1]["requests"]] == ["/1", "/3"]
    assert wire.clock.slept == [2.0]


def test_the_last_throttled_part_goes_again_alone() -> None:
    def first(url: str) -> HttpResponse:
        return refusal(429, retry_after="1") if url == "/1" else answer(200, {})

    wire = Wire([batched(first), answer(200, {"late": True})])
    assert wire.graph.batch([Part("/0"), Part("/1")], "them")[1].body == {"late": True}
    assert wire.log == ["POST /$batch", "GET /1"]


def test_a_part_that_must_wait_long_ends_the_batch() -> None:
    wire = Wire([batched(lambda url: refusal(429, retry_after="30") if url == "/1" else answer(200, {}))])
    with pytest.raises(Throttled) as caught:
        wire.graph.batch([Part("/0"), Part("/1")], "them")
    assert caught.value.retry_after == 30.0


def test_a_batch_that_is_throttled_as_a_whole_goes_again_as_a_whole() -> None:
    wire = Wire([refusal(429, retry_after="1"), batched(lambda url: answer(200, {}))])
    assert [a.status for a in wire.graph.batch([Part("/0"), Part("/1")], "them")] == [200, 200]
    assert [len(body["requests"]) for body in wire.sent] == [2, 2]


def test_other_refusals_of_parts_are_answers() -> None:
    wire = Wire([batched(lambda url: refusal(404, "ErrorItemNotFound") if url == "/0" else answer(504))])
    assert [a.status for a in wire.graph.batch([Part("/0"), Part("/1")], "them")] == [404, 504]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        {},
        [],
        {"responses": [{"id": "0", "status": 200, "body": {}}]},
        {"responses": [{"id": "x", "status": 200}]},
        {"responses": [{"id": "0"}, {"id": "1"}]},
        {"responses": None},
        {"responses": [{"id": "0", "status": 200, "body": {}}, {"id": "1", "status": 200, "body": "text"}]},
    ],
)
def test_a_batch_that_is_not_answered_wholly_says_nothing(body: object) -> None:
    with pytest.raises(Unavailable):
        Wire([answer(200, body)]).graph.batch([Part("/0"), Part("/1")], "them")


@pytest.mark.parametrize(("status", "kind"), [(400, Unavailable), (500, Unavailable), (401, NotPermitted)])
def test_a_batch_that_is_refused_as_a_whole_raises(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Wire([answer(status), answer(status)]).graph.batch([Part("/0"), Part("/1")], "them")


def test_requests_are_never_in_flight_together() -> None:
    flying = 0

    def one(request: HttpRequest) -> HttpResponse:
        nonlocal flying
        flying += 1
        assert flying == 1
        reply = batched(lambda url: answer(200, {}))(request)
        flying -= 1
        return reply

    Wire([one] * 3).graph.batch([Part(f"/{n}") for n in range(60)], "them")
