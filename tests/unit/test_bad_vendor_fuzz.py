"""Genuine answers of both simulated vendors, spoilt in a thousand ways: what comes out of a replica is a record or one
of our errors, and an effect whose answer can't be read has an unknown outcome."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import Any, Protocol

import pytest

from sandbox.dingtalk import DingTalkMail as SimulatedDingTalk
from sandbox.simulation.adapters import SimClock, SimExecutor, SimStreams, SimTransport
from sandbox.simulation.world import EPOCH, World
from shared.dingtalk.alimail import Alimail
from shared.dingtalk.bucket import Bucket
from shared.dingtalk.imap import ImapDoor
from shared.dingtalk.replica import DingTalkMail
from shared.dingtalk.tokens import ClientCredentials
from shared.model.errors import OutcomeUnknown, TandemError
from shared.model.mail import Address, Changes, Item, Message, Observed, Row, Trace
from shared.outlook.replica import OutlookMail
from shared.outlook.tokens import AppTokens
from shared.outlook.transport import Graph
from shared.ports.replica import Copy, Replica
from shared.ports.world import HttpResponse
from tests.support import alimail, microsoft
from tests.support.graph import CountedRandom
from tests.support.mutants import SpoiltStreams, SpoiltTransport, spoil
from tests.support.secret import known

KEY = "5f0c5d0e-0000-5000-8000-000000000001"
MUTATIONS = 1200
SECRETS = ("chan@", "client-password", "Good day", "li.na@supplier.example")


class Desk(Protocol):
    transport: SpoiltTransport

    @property
    def replica(self) -> Replica: ...
    def calm(self) -> None: ...
    def storm(self, share: float) -> None: ...
    @property
    def spoilt(self) -> int: ...
    @property
    def folder(self) -> str: ...
    @property
    def effects(self) -> Sequence[str]:
        """What the effects of this side are called."""
        ...


class OutlookDesk:
    effects = ("create", "several", "read", "flag", "folder")

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.tenant = microsoft.Tenant()
        self.tenant.clock.now = self.world.now
        hosts = ("graph.microsoft.com", "login.microsoftonline.com")
        whole = SimTransport(self.world, dict.fromkeys(hosts, self.tenant.vendor))
        self.transport = SpoiltTransport(whole, random.Random(seed))
        self.clock = SimClock(self.world)
        for number in range(4):
            self.tenant.mailbox.deliver(microsoft.mime(message_id=f"<m{number}@mail.example>"))
        self.restart()

    def restart(self) -> None:
        tokens = AppTokens(
            self.transport,
            self.clock,
            "https://login.microsoftonline.com",
            "tenant",
            "client",
            "secret",
            nullcontext(),
        )
        tokens._held = (self.tenant.token, self.world.now + 3600.0)
        self._tokens = tokens
        graph = Graph(self.transport, self.clock, CountedRandom(), SimExecutor(self.world), tokens, microsoft.BASE)
        self.replica: Replica = OutlookMail(graph, microsoft.ADDRESS)

    def forget_token(self) -> None:
        self._tokens._held = ("", 0.0)

    def calm(self) -> None:
        self.transport.share = 0.0

    def storm(self, share: float) -> None:
        self.transport.share = share

    @property
    def spoilt(self) -> int:
        return self.transport.spoilt

    @property
    def folder(self) -> str:
        return self.tenant.mailbox.role("inbox")


class DingTalkDesk:
    effects = ("read", "flag", "folder")

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.vendor = SimulatedDingTalk(
            clock=lambda: self.world.now,
            random=random.Random(seed),
            client_id="ali",
            client_secret="s",
            stream_base="https://alimail.test",
        )
        self.box = self.vendor.add_mailbox(alimail.ADDRESS, client_password=alimail.PASSWORD)
        chance = random.Random(seed)
        self.transport = SpoiltTransport(SimTransport(self.world, {"alimail.test": self.vendor}), chance)
        self.streams = SpoiltStreams(SimStreams(self.world, self.vendor.imap), chance)
        for number in range(3):
            self.box.deliver(alimail.mime(message_id=f"<m{number}@mail.example>"))
        self.box.deliver(alimail.with_parts())
        self.restart()

    def restart(self) -> None:
        clock, lock = SimClock(self.world), nullcontext()
        tokens = ClientCredentials(self.transport, clock, "https://alimail.test", "ali", known("s"), lock)
        door = Alimail(self.transport, tokens, Bucket(clock, lock), "https://alimail.test")
        imap = ImapDoor(self.streams, clock, "imap.test", 993, True, alimail.ADDRESS, alimail.PASSWORD)
        self.replica: Replica = DingTalkMail(door, imap, alimail.ADDRESS, SimExecutor(self.world), lambda: 0)

    def calm(self) -> None:
        self.transport.share = self.streams.share = 0.0

    def storm(self, share: float) -> None:
        self.transport.share = self.streams.share = share

    @property
    def spoilt(self) -> int:
        return self.transport.spoilt + self.streams.spoilt

    @property
    def folder(self) -> str:
        return alimail.INBOX


BOTH = pytest.mark.parametrize("make", [OutlookDesk, DingTalkDesk])


def letter() -> Message:
    ann = Address("Ann", microsoft.ADDRESS)
    content = alimail.mime(message_id="<new@mail.example>")
    return Message(
        "new@mail.example", "s", None, ann, (ann,), (), (), (), EPOCH, EPOCH, "", "", "t", "", (), mime=content
    )


def acts(desk: Desk, item: Item, seen: Observed) -> dict[str, Callable[[], object]]:
    replica, cursors = desk.replica, seen.changes.cursors or {}

    def create() -> object:
        return replica.create(
            letter(), folder=desk.folder, read=True, flag="flagged", key=KEY, mark="", permit=lambda: None
        )

    def several() -> object:
        one = Copy(letter(), desk.folder, True, "none", (), KEY, "", lambda: None)
        outcomes = replica.create_many([replace(one, key=KEY[:-1] + str(number)) for number in range(3)])
        assert len(outcomes) == 3
        for outcome in outcomes:
            if isinstance(outcome, TandemError):
                raise outcome
        return outcomes

    def whole() -> object:
        items = replica.read_whole((item.id, "no-such-id"))
        (message,) = replica.fetch_many((item.id,))
        assert isinstance(message, Message | TandemError)
        return Observed(items, Changes())

    return {
        "several": several,
        "whole": whole,
        "everything": lambda: replica.observe((item.id, "no-such-id"), {}, None),
        "changes": lambda: replica.observe((item.id,), cursors, None),
        "a folder": lambda: replica.observe((), cursors, (desk.folder,)),
        "fetch": lambda: replica.fetch(item.id),
        "find": lambda: replica.find(Trace(KEY, item.message_id, item.received, desk.folder, "1:1")),
        "find by id": lambda: replica.find(Trace("", item.message_id, item.received, desk.folder)),
        "mark": lambda: replica.mark(desk.folder),
        "create": create,
        "read": lambda: replica.write(item, {"read": not item.read}, lambda: None),
        "flag": lambda: replica.write(item, {"flag": "none" if item.flag == "complete" else "complete"}, lambda: None),
        "folder": lambda: replica.write(item, {"folder": desk.folder}, lambda: None),
    }


def first(desk: Any) -> tuple[Item, Observed]:
    """What a calm look shows, by a process that has just been started."""
    desk.calm()
    desk.world.run_until(desk.world.now + 60.0)
    if isinstance(desk, OutlookDesk):
        desk.tenant.clock.now = desk.world.now
        desk.tenant.token = desk.tenant.login().json["access_token"]
    desk.restart()
    seen = desk.replica.observe((), {}, None)
    id = seen.changes.rows[0].id
    item = desk.replica.observe((id,)).items[id]
    assert item is not None
    return item, seen


def well_made(value: object) -> None:
    """Every record that came out holds what its fields say."""
    if isinstance(value, Observed):
        for row in (*value.changes.rows, *(item for item in value.items.values() if item is not None)):
            assert isinstance(row, Row | Item)
            assert isinstance(row.read, bool)
            assert row.flag in ("none", "flagged", "complete")
            assert isinstance(row.received, float)
            for field in fields(row):
                if field.type == "str":
                    getattr(row, field.name).encode()  # what is stored and hashed


@BOTH
def test_whatever_a_vendor_answers_a_replica_gives_a_record_or_one_of_our_errors(make: Callable[[int], Any]) -> None:
    outcomes: Counter[str] = Counter()
    done = seed = 0
    while done < MUTATIONS:
        seed += 1
        desk = make(seed)
        chance = random.Random(seed)
        for _ in range(8):
            item, seen = first(desk)
            table = acts(desk, item, seen)
            for name in chance.sample(sorted(table), len(table)):
                desk.storm(0.5)
                try:
                    well_made(table[name]())
                    outcomes["fine"] += 1
                except TandemError as error:
                    outcomes[type(error).__name__] += 1
                    said = f"{error} {error.code}"
                    assert not any(secret in said for secret in SECRETS), said
        done += desk.spoilt
    assert outcomes["fine"] > 50, "nothing was tolerated: the mutations hit too hard to tell anything"
    assert outcomes["Unavailable"] > 100


UNREADABLE: dict[str, Callable[[random.Random, HttpResponse], HttpResponse]] = {
    "a page": lambda _, answer: replace(answer, body=b"<html>Sign in</html>"),
    "half": lambda _, answer: replace(answer, body=(answer.body or b'{"id": 1}')[:-1] or b"{"),
    "a list": lambda _, answer: replace(answer, body=b"[]"),
    "a number": lambda _, answer: replace(answer, body=b"7"),
    "nested": lambda _, answer: replace(answer, body=b"[" * 100_000),
    "a redirect": lambda _, answer: replace(answer, status=302, headers={"location": "https://evil.example"}, body=b""),
    "5xx": lambda _, answer: replace(answer, status=502, body=b"<html>"),
}


@BOTH
def test_whatever_a_vendor_says_when_it_is_asked_for_a_token_is_a_token_or_one_of_our_errors(
    make: Callable[[int], Any],
) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(300):
        desk = make(seed)
        desk.restart()
        if isinstance(desk, OutlookDesk):
            desk.forget_token()
        desk.transport.share, desk.transport.only = 1.0, lambda request: "token" in request.url
        try:
            well_made(desk.replica.observe((), {}, (desk.folder,)))
            outcomes["fine"] += 1
        except TandemError as error:
            outcomes[type(error).__name__] += 1
    assert {"fine", "NotPermitted"} < outcomes.keys() | {"Unavailable"}  # a folder that can't be looked at waits


@BOTH
@pytest.mark.parametrize("how", UNREADABLE)
def test_an_effect_whose_answer_can_not_be_read_has_an_unknown_outcome(make: Callable[[int], Any], how: str) -> None:
    desk = make(1)
    for name in desk.effects:
        item, seen = first(desk)
        desk.transport.share, desk.transport.only = 1.0, lambda request: request.effect
        desk.transport.spoil = UNREADABLE[how]
        with pytest.raises(OutcomeUnknown):
            acts(desk, item, seen)[name]()
        desk.transport.only, desk.transport.spoil = lambda request: True, spoil


@BOTH
@pytest.mark.parametrize("how", UNREADABLE)
def test_a_read_whose_answer_can_not_be_read_shows_nothing(make: Callable[[int], Any], how: str) -> None:
    """Half of a message's own bytes is for the transport to notice."""
    desk = make(1)
    for name in ("everything", "a folder", "find", *(("fetch",) if how != "half" else ())):
        item, seen = first(desk)
        desk.transport.share, desk.transport.spoil = 1.0, UNREADABLE[how]
        desk.transport.only = lambda request: "oauth2" not in request.url
        try:
            shown = acts(desk, item, seen)[name]()
        except TandemError as error:
            unknown = error.retryable
        else:
            unknown = True
            assert isinstance(shown, Observed)
            assert (shown.items, shown.changes.rows, shown.changes.removed) == ({}, (), frozenset())
            assert shown.changes.cursors == (seen.changes.cursors if name == "a folder" else {})
        assert unknown, name
        desk.transport.only, desk.transport.spoil = lambda request: True, spoil
