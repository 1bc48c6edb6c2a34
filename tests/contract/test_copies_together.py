"""Several copies made at once, against the simulated vendors: what each becomes, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from threading import Lock
from typing import Any

import pytest

from sandbox.dingtalk import Switches as DingTalkSwitches
from sandbox.simulation.world import Fate, Kind, World, calm
from shared.model.errors import (
    LeaseLost,
    NoClientPassword,
    NotFound,
    OutcomeUnknown,
    TandemError,
    Throttled,
    TooLarge,
)
from shared.model.mail import Attachment, Created, Message
from shared.outlook.replica import OutlookMail
from shared.outlook.tokens import AppTokens
from shared.outlook.transport import LARGEST, Graph
from shared.ports.replica import Copy
from shared.ports.world import HttpResponse
from tests.contract import test_dingtalk_replica as ding
from tests.contract import test_outlook_replica as outl
from tests.support.alimail import ADDRESS, INBOX, SENT
from tests.support.alimail import mime as letter_to_dingtalk
from tests.support.dingtalk import InTurn
from tests.support.graph import CountedRandom, NoExecutor
from tests.support.microsoft import ADDRESS as PERSON
from tests.support.microsoft import BASE

Outcome = Created | TandemError


def kinds(outcomes: Sequence[Outcome]) -> list[type[Outcome]]:
    return [type(outcome) for outcome in outcomes]


# ---- Outlook
@pytest.fixture
def outlook() -> Iterator[outl.Desk]:
    desk = outl.Desk()
    yield desk
    assert (desk.vendor.sent_mail, desk.vendor.receipts, desk.vendor.ignored) == (0, 0, [])


def outlook_copies(desk: outl.Desk, count: int, **changes: Any) -> list[Copy]:
    return [
        Copy(
            outl.letter(message_id=f"letter{n}@ding.example", subject=f"Letter {n}", **changes),
            folder=desk.inbox,
            read=bool(n % 2),
            flag="flagged" if n % 3 else "none",
            categories=(),
            key=f"key-{n}",
            mark="",
            permit=desk.permit,
        )
        for n in range(count)
    ]


def made(desk: outl.Desk) -> dict[str, str]:
    """Keys of what stands there, by id."""
    found = {message.id: message.tandem_key for message in desk.box.messages()}
    assert len(set(found.values())) == len(found), "one was made twice"
    return found


def test_fifty_copies_are_made_in_three_requests_each_as_it_should_be(outlook: outl.Desk) -> None:
    copies = outlook_copies(outlook, 50)
    with outlook.counted() as asked:
        outcomes = outlook.replica.create_many(copies)
    assert asked == {"POST /$batch": 3}
    assert outlook.permits == 50
    for copy, outcome in zip(copies, outcomes, strict=True):
        assert isinstance(outcome, Created)
        assert outcome.id is not None
        stored = outlook.stored(outcome.id)
        assert (stored.tandem_key, stored.subject, stored.draft) == (copy.key, copy.message.subject, False)
        assert (stored.read, stored.flag, stored.received_at) == (copy.read, copy.flag, outl.PAST)


def test_one_copy_needs_no_batch(outlook: outl.Desk) -> None:
    with outlook.counted() as asked:
        (outcome,) = outlook.replica.create_many(outlook_copies(outlook, 1))
    assert isinstance(outcome, Created)
    assert asked == {"POST /users/{u}/mailFolders/{f}/messages": 1}


def test_no_request_is_over_four_megabytes(outlook: outl.Desk) -> None:
    some = Attachment("some.bin", "application/octet-stream", b"\0" * 700_000)
    outcomes = outlook.replica.create_many(outlook_copies(outlook, 9, attachments=(some,)))
    assert kinds(outcomes) == [Created] * 9
    sizes = [len(request.body) for request in outlook.sent if request.effect]
    assert max(sizes) <= LARGEST + 1000
    assert len(sizes) == 3


def test_of_a_batch_one_that_is_refused_throttled_or_large_stops_no_other(outlook: outl.Desk) -> None:
    copies = outlook_copies(outlook, 6)
    gone = outlook.box.make_folder("项目")
    outlook.box.store.purge_folder(outlook.box.store.folder(gone))
    big = Attachment("big.bin", "application/octet-stream", b"\0" * 3_500_000)
    copies[1] = replace(copies[1], folder=gone)
    copies[4] = replace(copies[4], message=replace(copies[4].message, attachments=(big,)))
    outcomes = outlook.replica.create_many(copies)
    assert kinds(outcomes) == [Created, NotFound, Created, Created, Created, Created]
    assert sorted(made(outlook).values()) == ["key-0", "key-2", "key-3", "key-4", "key-5"]

    spare = outlook_copies(outlook, 5)
    spare = [replace(copy, key=f"spare-{n}") for n, copy in enumerate(spare)]
    part = Part(outlook, lambda answer: answer.update(status=429, headers={"Retry-After": "7"}, body=THROTTLED))
    outcomes = part.replica.create_many(spare)
    (throttled,) = [outcome for outcome in outcomes if not isinstance(outcome, Created)]
    assert isinstance(throttled, Throttled)
    assert throttled.retry_after == 7.0


THROTTLED = {"error": {"code": "ApplicationThrottled", "message": "over its limit"}}


class Part:
    """A process whose batches come back with their first part spoilt, or left out: `spoil` changes that answer."""

    def __init__(self, desk: outl.Desk, spoil: Any) -> None:
        self._desk, self._spoil = desk, spoil
        clock = outl.TenantClock(desk.tenant)
        tokens = AppTokens(desk, clock, outl.LOGIN, "tenant", "client", "secret", Lock())
        self.replica = OutlookMail(Graph(self, clock, CountedRandom(), NoExecutor(), tokens, BASE), PERSON)

    def send(self, request: Any) -> HttpResponse:
        answer = self._desk.send(request)
        if not request.url.endswith("/$batch"):
            return answer
        body = json.loads(answer.body)
        if self._spoil is None:
            body["responses"].pop(0)
        else:
            self._spoil(body["responses"][0])
        return replace(answer, body=json.dumps(body).encode())


@pytest.mark.parametrize(
    "spoil",
    [
        None,
        lambda answer: answer.update(status=503, body={"error": {"code": "serviceNotAvailable"}}),
        lambda answer: answer.update(status=504, body=None),
        lambda answer: answer.update(body={"no": "id"}),
        lambda answer: answer.update(body="?"),
    ],
    ids=["left out", "503", "504", "no id", "no object"],
)
def test_a_part_without_a_usable_answer_is_unknown_and_only_that_one(outlook: outl.Desk, spoil: Any) -> None:
    outcomes = Part(outlook, spoil).replica.create_many(outlook_copies(outlook, 4))
    assert sorted(kind.__name__ for kind in kinds(outcomes)) == ["Created"] * 3 + ["OutcomeUnknown"]
    assert len(made(outlook)) == 4


def test_the_lost_answer_of_a_batch_leaves_all_of_it_unknown(outlook: outl.Desk) -> None:
    outlook.lose = "POST /v1.0/$batch"
    outcomes = outlook.replica.create_many(outlook_copies(outlook, 4))
    assert kinds(outcomes) == [OutcomeUnknown] * 4
    assert len(made(outlook)) == 4


@pytest.mark.parametrize("status", [400, 413])
def test_what_is_refused_as_a_batch_goes_one_by_one(outlook: outl.Desk, status: int) -> None:
    send, refused = outlook.send, list[int]()

    def refusing(request: Any) -> HttpResponse:
        if request.url.endswith("/$batch"):
            refused.append(status)
            return HttpResponse(status, {}, b"")
        return send(request)

    outlook.send = refusing  # type: ignore[method-assign]
    assert kinds(outlook.replica.create_many(outlook_copies(outlook, 4))) == [Created] * 4
    assert refused == [status]
    assert len(made(outlook)) == 4


def test_a_batch_that_is_throttled_as_a_whole_did_nothing(outlook: outl.Desk) -> None:
    outlook.send = lambda request: HttpResponse(429, {"retry-after": "9"}, b"")  # type: ignore[method-assign]
    outlook.graph._tokens = Still()
    outcomes = outlook.replica.create_many(outlook_copies(outlook, 3))
    assert kinds(outcomes) == [Throttled] * 3
    assert {outcome.retry_after for outcome in outcomes if isinstance(outcome, TandemError)} == {9.0}


class Still:
    def token(self) -> str:
        return "token"

    renew = token


def test_without_the_lease_nothing_of_a_batch_leaves(outlook: outl.Desk) -> None:
    copies = outlook_copies(outlook, 3)
    copies[2] = replace(copies[2], permit=lost)
    assert kinds(outlook.replica.create_many(copies)) == [LeaseLost] * 3
    assert made(outlook) == {}


def lost() -> None:
    raise LeaseLost("the lease does not outlive this request")


# ---- DingTalk
def dingtalk_copies(desk: ding.Desk, count: int, **changes: Any) -> list[Copy]:
    return [
        Copy(
            replace(dingtalk_message(n), **changes),
            folder=INBOX,
            read=bool(n % 2),
            flag="none",
            categories=(),
            key=f"{n:08d}-0000-5000-8000-000000000001",
            mark="",
            permit=desk.permit,
        )
        for n in range(count)
    ]


def dingtalk_message(number: int) -> Message:
    id = f"m{number}@mail.example"
    content = letter_to_dingtalk(f"Letter {number}", message_id=f"<{id}>")
    message = ding._message(content)
    return replace(message, message_id=id, received=ding.PAST + 3600.0 * number)


def wide(desk: ding.Desk, beside: int = 2) -> ding.Desk:
    """With so many connections beside the first."""
    for _ in range(beside):
        desk.replica._door().widen(nullcontext())
    return desk


def check(desk: ding.Desk, copies: Sequence[Copy], outcomes: Sequence[Outcome]) -> None:
    """Each stands there once, as it should, and where the outcome says."""
    held = {message.id: message for message in desk.box.messages()}
    assert len(held) == len(copies)
    for copy, outcome in zip(copies, outcomes, strict=True):
        assert isinstance(outcome, Created)
        assert outcome.listed
        message = held[outcome.id or ""]
        assert (message.tandem_key, message.read, message.folder) == (copy.key, copy.read, copy.folder)
        assert message.received_at == copy.message.received


@pytest.mark.parametrize("beside", [0, 1, 2, 4])
def test_many_appends_need_one_listing_however_many_connections(beside: int) -> None:
    desk = wide(ding.Desk(), beside)
    copies = dingtalk_copies(desk, 12)
    with desk.counted() as counts:
        outcomes = desk.replica.create_many(copies)
    check(desk, copies, outcomes)
    assert desk.permits == 12
    assert (counts["IMAP APPEND"], counts[ding.LISTING], counts[ding.READ]) == (12, 1, 0)
    assert counts["IMAP LOGIN"] == beside + 1


@pytest.mark.parametrize(
    ("switches", "listings", "reads"),
    [
        (DingTalkSwitches(appenduid=False), 1, 0),
        (DingTalkSwitches(headers_in_list=False), 1, 5),
        (DingTalkSwitches(honours_internaldate=False), 2, 0),
    ],
    ids=["no APPENDUID", "no headers in listings", "its own date"],
)
def test_the_ids_are_found_on_other_servers_too(switches: DingTalkSwitches, listings: int, reads: int) -> None:
    desk = wide(ding.Desk(switches))
    with desk.counted() as counts:
        outcomes = desk.replica.create_many(dingtalk_copies(desk, 5))
    found = [outcome.id for outcome in outcomes if isinstance(outcome, Created)]
    assert sorted(map(str, found)) == sorted(message.id for message in desk.box.messages())
    assert (counts[ding.LISTING], counts[ding.READ]) == (listings, reads)


def test_copies_for_several_folders_take_a_listing_each() -> None:
    desk = wide(ding.Desk())
    copies = [replace(copy, folder=(INBOX, SENT)[n % 2]) for n, copy in enumerate(dingtalk_copies(desk, 6))]
    with desk.counted() as counts:
        outcomes = desk.replica.create_many(copies)
    check(desk, copies, outcomes)
    assert counts[ding.LISTING] == 2


def test_copies_years_apart_in_a_full_folder_are_found_without_reading_all_of_it() -> None:
    desk = wide(ding.Desk())
    for number in range(450):
        at = ding.PAST - number * 3600.0
        desk.box.store.add(INBOX, letter_to_dingtalk(message_id=f"<old{number}@mail.example>"), received=at, read=True)
    copies = dingtalk_copies(desk, 2)
    first = copies[1].message
    copies[1] = replace(copies[1], message=replace(first, received=ding.PAST - 449 * 3600.0))
    with desk.counted() as counts:
        outcomes = desk.replica.create_many(copies)
    assert kinds(outcomes) == [Created] * 2
    assert all(isinstance(one, Created) and one.id for one in outcomes)
    assert counts[ding.LISTING] <= 4


def test_an_important_copy_is_starred() -> None:
    desk = wide(ding.Desk())
    outcomes = desk.replica.create_many(dingtalk_copies(desk, 2, importance="high"))
    check(desk, dingtalk_copies(desk, 2), outcomes)
    assert desk.permits == 4


def test_of_many_appends_one_that_is_refused_or_lost_stops_no_other() -> None:
    desk = wide(ding.Desk(DingTalkSwitches(max_append=2000)))
    copies = dingtalk_copies(desk, 6)
    long = letter_to_dingtalk("long", message_id="<m1@mail.example>", body="x" * 3000)
    copies[1] = replace(copies[1], message=replace(copies[1].message, mime=long))
    copies[2] = replace(copies[2], message=replace(copies[2].message, mime=b"x" * 4_000_000))
    spoilt: list[str] = []

    def fate(world: World, kind: Kind, name: str) -> Fate:
        fate = calm(world, kind, name)
        if kind == "effect" and "literal" in name and not spoilt:
            spoilt.append(name)
            fate.answer = False
        return fate

    desk.fate = fate
    outcomes = desk.replica.create_many(copies)
    assert kinds(outcomes)[1:3] == [TooLarge, TooLarge]
    rest = [outcome for n, outcome in enumerate(outcomes) if n not in (1, 2)]
    assert sorted(kind.__name__ for kind in kinds(rest)) == ["Created"] * 3 + ["OutcomeUnknown"]
    keys = [message.tandem_key for message in desk.box.messages()]
    assert sorted(keys) == sorted(copy.key for n, copy in enumerate(copies) if n not in (1, 2))


def test_a_listing_that_lags_gives_no_ids_and_asks_twice_at_most() -> None:
    desk = wide(ding.Desk(DingTalkSwitches(list_lag=60.0), chance=ding.Lagging()))
    with desk.counted() as counts:
        outcomes = desk.replica.create_many(dingtalk_copies(desk, 5))
    assert outcomes == [Created(None)] * 5
    assert counts[ding.LISTING] == 2


def test_a_server_that_takes_no_further_login_gets_everything_by_the_first_connection() -> None:
    desk = wide(ding.Desk())
    desk.replica.mark(INBOX)
    desk.box.store.password = "another"
    copies = dingtalk_copies(desk, 5)
    check(desk, copies, desk.replica.create_many(copies))
    assert desk.vendor.failed_logins == {ADDRESS: 1}
    more = [replace(copy, key=f"more-{n}") for n, copy in enumerate(dingtalk_copies(desk, 3))]
    assert kinds(desk.replica.create_many(more)) == [Created] * 3
    assert desk.vendor.failed_logins == {ADDRESS: 1}, "it is not tried again"


def test_a_wrong_password_is_tried_once_for_all_of_them() -> None:
    desk = wide(ding.Desk(password="wrong"))
    assert kinds(desk.replica.create_many(dingtalk_copies(desk, 5))) == [NoClientPassword] * 5
    assert desk.vendor.failed_logins == {ADDRESS: 1}
    assert desk.box.messages() == []


def test_what_was_read_whole_is_not_read_again_when_it_is_fetched() -> None:
    desk = ding.Desk()
    ids = [desk.box.deliver(letter_to_dingtalk(message_id=f"<m{n}@mail.example>")) for n in range(3)]
    with desk.counted() as counts:
        items = desk.replica.read_whole([*ids, "nothing"])
        messages = desk.replica.fetch_many(ids)
    assert counts[ding.READ] == 4
    assert items["nothing"] is None
    assert [one.message_id for one in messages if isinstance(one, Message)] == [f"m{n}@mail.example" for n in range(3)]
    with desk.counted() as counts:
        desk.replica.fetch(ids[0])
    assert counts[ding.READ] == 1, "it is kept for one fetch"
    desk.replica.read_whole(ids)
    desk.replica.observe(ids)
    with desk.counted() as counts:
        desk.replica.fetch_many(ids)
    assert counts[ding.READ] == 3, "it was read anew since"


def test_what_can_not_be_fetched_stands_in_its_place() -> None:
    desk = ding.Desk()
    id = desk.box.deliver(letter_to_dingtalk())
    outcomes = desk.replica.fetch_many(["nothing", id])
    assert isinstance(outcomes[0], NotFound)
    assert isinstance(outcomes[1], Message)


def test_outlook_fetches_several_in_the_order_asked(outlook: outl.Desk) -> None:
    ids = [outlook.arrives(f"Letter {n}", id=f"m{n}@mail.example") for n in range(5)]
    outlook.graph._executor = InTurn()
    outcomes = outlook.replica.fetch_many([*ids, "AAMkgone"])
    assert [one.message_id for one in outcomes[:5] if isinstance(one, Message)] == [
        f"m{n}@mail.example" for n in range(5)
    ]
    assert isinstance(outcomes[5], NotFound)
