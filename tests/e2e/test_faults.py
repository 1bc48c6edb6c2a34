"""The sandbox with trouble at the vendors: whatever the plan, both mailboxes end the same and nothing is doubled."""

from __future__ import annotations

import gc
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from sandbox.demo.compare import differences, places
from sandbox.demo.office import Person
from sandbox.faults import ALL, PLANS, Faults
from sandbox.running import Sandbox
from sandbox.truth import Mailbox, Stored
from tests.support.scene import mail

CONVERGED = 240.0
"""Seconds in which everything has to be across, on a machine with other things to do."""
QUIET = 2.0


@pytest.fixture(scope="module")
def running() -> Iterator[list[Sandbox]]:
    """The sandbox, one person's; what the engine waits for is a matter of seconds."""
    with Sandbox(pairs=1, poll=1.0, faults=Faults()) as sandbox:
        service = sandbox._product.service
        service._policy = replace(
            service._policy, timeout=4.0, grace=2.0, hold=0.5, reread=1.0, retry=0.5, busy=0.5, unborn=10.0, waits=3.0
        )
        held = [sandbox]
        yield held
    held.clear()
    del sandbox, service
    with warnings.catch_warnings():  # the app keeps its connections until its process ends
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(5):
            gc.collect()


class Play:
    """Mail and changes on both sides of the one person."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox, self.name = sandbox, name
        (person,) = sandbox.people
        self.person: Person = person
        self.boxes = tuple(person.boxes.values())

    def deliver(self, box: Mailbox, number: int) -> None:
        content = mail(f"{self.name}-{number}", to=(box.address,), at=time.time(), attachments={"B.pdf": b"%PDF" * 99})
        box.deliver(content, self.folder(box, "inbox"))

    def folder(self, box: Mailbox, role: str) -> str:
        return next(folder.id for folder in box.folders() if folder.role == role)

    def found(self, box: Mailbox, number: int) -> list[Stored]:
        return [m for m in box.messages() if m.message_id == f"{self.name}-{number}@mail.example"]

    def across(self) -> bool:
        return not differences(*self.boxes)

    def until(self, what: Callable[[], bool], seconds: float = CONVERGED) -> None:
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                pytest.fail(f"not the same after {seconds:g} s: {differences(*self.boxes)}")
            time.sleep(0.1)

    def settles(self) -> None:
        """The same on both sides, and still so a while later."""
        while True:
            self.until(self.across)
            time.sleep(QUIET)
            if self.across():
                return


@pytest.mark.slow
@pytest.mark.parametrize("plan", [*PLANS, ALL])
def test_both_mailboxes_end_the_same_whatever_goes_wrong(
    running: list[Sandbox], plan: str, caplog: pytest.LogCaptureFixture
) -> None:
    (sandbox,) = running
    caplog.set_level(logging.INFO)
    play, faults = Play(sandbox, plan), sandbox.faults
    outlook, dingtalk = play.boxes
    sent = sandbox.meter.sent()
    faults.use(plan)
    for number in range(4):
        play.deliver(play.boxes[number % 2], number)
    play.until(lambda: all(play.found(box, number) for box in play.boxes for number in range(4)))
    outlook.set_read(play.found(outlook, 0)[0].id, True)
    dingtalk.set_flag(play.found(dingtalk, 1)[0].id, "flagged")
    dingtalk.set_read(play.found(dingtalk, 2)[0].id, True)
    outlook.move(play.found(outlook, 3)[0].id, play.folder(outlook, "trash"))
    play.settles()
    for number in range(10, 60):
        if faults.met >= 3:
            break
        play.deliver(play.boxes[number % 2], number)
        time.sleep(1.0)
    assert faults.met >= 3, "hardly anything went wrong"
    faults.use("")
    play.settles()
    for box in play.boxes:
        here = [play.found(box, number) for number in range(4)]
        assert [len(one) for one in here] == [1, 1, 1, 1]
        (one,), (two,), (three,), (four,) = here
        assert (one.read, two.flag, three.read) == (True, "flagged", True)
        assert places(box)[four.folder] == "trash"
    assert sandbox.meter.sent() == sent
    words = ("mail.example", "office.example", "factory.example", "提单", "您好", "sandbox-graph", "client-password")
    assert not [record.getMessage() for record in caplog.records if any(w in record.getMessage() for w in words)]
