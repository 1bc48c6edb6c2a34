"""Two mailboxes with much old mail that is the same on both sides, without having the product copy it."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.simulation.adapters import SimTable
from sandbox.simulation.letters import letter
from sandbox.simulation.world import World
from sandbox.truth import Mailbox
from shared.model.links import End, Link
from shared.model.plans import State
from shared.sync.calls import partition
from shared.sync.identity import Identity
from shared.sync.lease import Leases
from shared.sync.ledger import Session
from shared.sync.service import Service
from tests.support.quiet_scene import DINGTALK, OUTLOOK, OUTSIDE, Scene

ACTS: dict[str, Callable[[Mailbox, str], object]] = {
    "read": lambda box, id: box.set_read(id, True),
    "flagged": lambda box, id: box.set_flag(id, "flagged"),
    "moved": lambda box, id: box.move(id, box.folders()[-1].id),
    "trashed": lambda box, id: box.move(id, box.role("trash")),
}

BASE: State = {"read": False, "flag": "none", "folder": "inbox", "categories": ""}


class EqualMail(Scene):
    """`old`: the ids in DingTalk's inbox, oldest first, a minute apart. All are linked, unread, and stand in Outlook's
    inbox too."""

    def __init__(self, count: int, settle: float = 700.0) -> None:
        super().__init__()
        pair = self.service._pair("pair-1")
        assert pair is not None
        identity, name = Identity(self.service._key, pair), partition(pair.id)
        apart = World(0)  # so that nothing else happens meanwhile
        apart.now = self.world.now
        leases = Leases(SimTable(apart, self.stage.office._stored), name, 1e9)
        lease = leases.take("test")
        assert lease is not None
        session, self.old = Session(leases._table, name, leases, lease), list[str]()
        for serial in range(count):
            self.world.now += 60.0
            message_id, mime = letter(OUTSIDE, [self.boxes[DINGTALK].address], serial, self.world.now)
            id, twin = (self.boxes[side].deliver(mime) for side in (DINGTALK, OUTLOOK))
            self.old.append(id)
            mid = identity.hash("message-id", message_id)
            session.put_link(Link(identity.key("dingtalk", id), mid, False, End(id), End(twin), BASE))
        self.stage.microsoft.take_notifications()  # lost, since there is nothing to do about them
        session.commit()
        leases.release(session.lease, "")
        self.run(settle)
        assert self.status().links == count
        assert self.equal()

    @property
    def service(self) -> Service:
        return self.stage.workers[0].service


def until_equal(scene: Scene, step: float, longest: float) -> float:
    """-> seconds."""
    began = scene.world.now
    while not scene.equal() and scene.world.now < began + longest:
        scene.run(step)
    assert scene.equal()
    return scene.world.now - began
