"""Small scenes on the stage: people act at two mailboxes, time runs, and one looks at what stands where.

A scene is calm (no faults, short ways) and the same every time. A message is called by the local part of its
Message-ID; sides are "outlook" and "dingtalk".
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from sandbox.dingtalk import Switches as DingTalkSwitches
from sandbox.microsoft import Switches as MicrosoftSwitches
from sandbox.simulation.adapters import SimTable
from sandbox.simulation.office import DINGTALK, OUTLOOK
from sandbox.simulation.stage import Stage
from sandbox.simulation.world import EPOCH, Fate, Kind, World, calm
from sandbox.truth import Flag, Mailbox, Stored
from shared.model.pairs import Pair
from shared.model.words import Side, other
from shared.ports.telemetry import SILENCE, Telemetry
from shared.sync.calls import leave_hints, partition
from shared.sync.desk import Desk, Status
from shared.sync.rows import TREE
from shared.sync.service import Service
from shared.wiring.pairs import Pairs
from shared.wiring.replicas import password_name

ADDRESS: dict[Side, str] = {"outlook": OUTLOOK, "dingtalk": DINGTALK}
SUPPLIER = "li.na@supplier.example"
SETTLED = 420.0
"""Long enough for everything that isn't put off: a poll, the hold of a twin, two looks a minute apart, a catch-up."""
PUT_OFF = 1200.0
"""Long enough for what waits long (`Policy.waits`) to be tried again."""


def mail(
    id: str,
    *,
    to: tuple[str, ...],
    sender: str = SUPPLIER,
    at: float = EPOCH,
    subject: str = "提单确认",
    attachments: Mapping[str, bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """An RFC 5322 message with the Message-ID <id@mail.example>. `at`: its Date, epoch seconds."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(to), subject
    message["Message-ID"] = f"<{id}@mail.example>"
    message["Date"] = format_datetime(datetime.fromtimestamp(int(at), UTC))
    for name, value in (headers or {}).items():
        message[name] = value
    message.set_content("您好\n")
    for name, content in (attachments or {}).items():
        message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    if attachments:
        message.set_boundary(f"part-{id}")
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Scene:
    """The stage with one pair on it, after the first looks and the subscription. `before` acts before anything runs."""

    def __init__(self, before: Callable[[Scene], None] | None = None, telemetry: Telemetry = SILENCE) -> None:
        self.calls: Counter[str] = Counter()
        self.world = World(1, self._fate)
        self.stage = Stage(self.world, microsoft=MicrosoftSwitches(), dingtalk=DingTalkSwitches(), telemetry=telemetry)
        self.office = self.stage.office
        if before is not None:
            before(self)
        self.run(60.0)

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        self.calls[kind] += 1
        return calm(world, kind, name)

    # ---- time
    def run(self, seconds: float = SETTLED) -> None:
        self.stage.push()
        self.world.run_until(self.world.now + seconds)

    @contextmanager
    def no_writes(self) -> Iterator[None]:
        """Whatever happens inside is answered without a write at either vendor, and nothing stays overdue, which would
        be looked at again and again."""
        before = self.world.effects
        yield
        assert self.world.effects == before, f"{self.world.effects - before} writes at the vendors"
        due = self.status.next_due
        assert due is None or due > self.world.now - 60.0, f"overdue for {self.world.now - due:.0f} s"

    # ---- what people do
    def box(self, side: Side) -> Mailbox:
        return self.office.mailboxes[side]

    def folder(self, side: Side, name: str) -> str:
        """The id of the folder with this role or name."""
        return next(f.id for f in self.box(side).folders() if name in (f.role, f.name))

    def arrive(self, side: Side, id: str, *, folder: str = "inbox", read: bool = False, **more: Any) -> str:
        """A message comes, to the address of `side` unless `to` says otherwise; -> the vendor's id."""
        content = mail(id, **{"to": (ADDRESS[side],), "at": self.world.now, **more})
        return self.box(side).deliver(content, self.folder(side, folder), read=read)

    def send(self, side: Side, id: str, *, to: tuple[str, ...]) -> str:
        """The owner of `side` writes; -> the id of the sent copy."""
        return self.arrive(side, id, folder="sent", read=True, sender=ADDRESS[side], to=to)

    def linked(self, side: Side, id: str, **more: Any) -> None:
        """A message came to `side` and has its copy on the other."""
        self.arrive(side, id, **more)
        self.run()
        assert len(self.all(other(side), id)) == 1

    def read(self, side: Side, id: str, read: bool = True) -> None:
        self.box(side).set_read(self.one(side, id).id, read)

    def flag(self, side: Side, id: str, flag: Flag) -> None:
        self.box(side).set_flag(self.one(side, id).id, flag)

    def move(self, side: Side, id: str, folder: str) -> None:
        self.box(side).move(self.one(side, id).id, self.folder(side, folder))

    def purge(self, side: Side, id: str) -> None:
        self.box(side).purge(self.one(side, id).id)

    # ---- what one sees
    def all(self, side: Side, id: str) -> list[Stored]:
        return [message for message in self.box(side).messages() if message.message_id == f"{id}@mail.example"]

    def one(self, side: Side, id: str) -> Stored:
        (message,) = self.all(side, id)
        return message

    def place(self, side: Side, message: Stored) -> str:
        """The role of its folder, or the name where it has none."""
        folder = next(f for f in self.box(side).folders() if f.id == message.folder)
        return folder.role or folder.name

    def places(self, id: str) -> dict[str, list[str]]:
        """Where a message stands, by side."""
        return {side: sorted(self.place(side, message) for message in self.all(side, id)) for side in ADDRESS}

    def state(self, side: Side, id: str) -> tuple[str, bool, str]:
        """(place, read, flag) of the one message."""
        message = self.one(side, id)
        return self.place(side, message), message.read, message.flag

    def mail_sent(self) -> int:
        """Mail and receipts that the product made the vendors send."""
        return sum(vendor.sent_mail + vendor.receipts for vendor in (self.office.microsoft, self.office.dingtalk))

    # ---- the product
    @property
    def service(self) -> Service:
        return self.stage.workers[0].service

    @property
    def pair(self) -> Pair:
        pair = self._pairs().get("pair-1")
        assert pair is not None
        return pair

    def change_pair(self, **changes: Any) -> None:
        """And have the folders looked at, which happens by itself only when one of them changes or is due."""
        self._pairs().save(replace(self.pair, **changes))
        leave_hints(SimTable(self.world, self.office._stored), partition(self.pair.id), "outlook", {TREE})

    def _pairs(self) -> Pairs:
        return Pairs(SimTable(World(0), self.office._stored))

    @property
    def status(self) -> Status:
        return self.desk().status(self.pair)

    def waiting(self) -> list[tuple[str, str]]:
        """(side, reason) of each message without a link that waits."""
        return sorted((row.side, row.reason) for row in self.status.waiting)

    def held_back(self) -> list[str]:
        """Why steps of links wait."""
        return sorted(link.waits for link in self.status.held_back)

    def rows(self, prefix: str) -> list[Mapping[str, Any]]:
        return [row for key, row in self.office.rows().items() if key.startswith(prefix)]

    def journal(self) -> list[str]:
        return [str(row["what"]) for row in self.rows("j:")]

    def runs(self) -> int:
        """How often the lease was taken."""
        (lease,) = self.rows("s:lease")
        return int(lease["epoch"])

    def requests(self) -> int:
        """At both vendors so far."""
        return self.office.microsoft.counts.total() + self.office.dingtalk.counts.total()

    def subscription(self) -> str:
        (id,) = (row["id"] for row in self.office.rows("subscriptions").values() if "id" in row)
        return str(id)

    def set_policy(self, **changes: Any) -> None:
        """Other numbers for the workers that are there now."""
        for worker in self.stage.workers:
            worker.service._policy = replace(worker.service._policy, **changes)
            worker.service._looks._policy = worker.service._policy

    def desk(self, **changes: Any) -> Desk:
        """What people ask of the pair, with these numbers."""
        desk = self.office.product().desk
        desk._policy = replace(desk._policy, **changes)
        return desk

    def drop_password(self) -> None:
        self.office._secrets.delete(password_name("pair-1"))

    def give_password(self) -> None:
        self.office._secrets.set(password_name("pair-1"), "client-password")

    def restart_workers(self) -> None:
        """Every process of the product ends, and new ones begin."""
        self.stage.workers[:] = [self.stage._worker() for _ in self.stage.workers]
