"""Small scenes on the stage of the simulation: two mailboxes, the whole product, no faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.dingtalk import Switches as DingTalkSwitches
from sandbox.microsoft import Switches as MicrosoftSwitches
from sandbox.simulation.letters import letter
from sandbox.simulation.stage import Stage
from sandbox.simulation.world import EPOCH, World
from sandbox.truth import Mailbox, Stored
from shared.model.pairs import Pair
from shared.sync.desk import Status

OUTLOOK, DINGTALK = "outlook", "dingtalk"
OUTSIDE = "li.na@supplier.example"


class Scene:
    """`run` lets time pass; `shown` is what a mailbox holds, as people see it."""

    def __init__(self, seed: int = 1, microsoft: MicrosoftSwitches | None = None) -> None:
        self.world = World(seed)
        self.stage = Stage(self.world, microsoft=microsoft or MicrosoftSwitches(), dingtalk=DingTalkSwitches())
        self.boxes: dict[str, Mailbox] = self.stage.mailboxes
        self._serial = 0
        self.run(60.0)

    def run(self, seconds: float) -> None:
        self.stage.push()
        self.world.run_until(self.world.now + seconds)

    def write(self, sender: str, to: Sequence[str], attachment: bytes | None = None) -> tuple[str, bytes]:
        self._serial += 1
        return letter(sender, to, self._serial, self.world.now, attachment)

    def arrive(
        self, side: str, folder: str | None = None, *, mime: bytes | None = None, to: Sequence[str] = (), **more: Any
    ) -> str:
        """A mail from outside arrives -> its id."""
        box = self.boxes[side]
        letter = mime or self.write(OUTSIDE, to or [box.address])[1]
        return box.deliver(letter, folder, **more)

    def shown(self, side: str) -> list[tuple[str, str, bool, str]]:
        """Message-ID, folder by role or name, read, flag; in order."""
        box = self.boxes[side]
        places = {f.id: f.role or f.name for f in box.folders()}
        return sorted((m.message_id, places[m.folder], m.read, m.flag) for m in box.messages())

    def one(self, side: str) -> Stored:
        (message,) = self.boxes[side].messages()
        return message

    def twin(self, side: str, message_id: str) -> Stored:
        (message,) = [m for m in self.boxes[side].messages() if m.message_id == message_id]
        return message

    def equal(self) -> bool:
        return self.shown(OUTLOOK) == self.shown(DINGTALK)

    def status(self) -> Status:
        pair = Pair("pair-1", "", self.boxes[OUTLOOK].address, self.boxes[DINGTALK].address, since=EPOCH)
        return self.stage.office.product().desk.status(pair)

    def waiting(self) -> dict[str, str]:
        """Reason by id, of what has no copy and waits."""
        return {row.id: row.reason for row in self.status().waiting}

    def rows(self, prefix: str) -> list[Any]:
        return [value for key, value in self.stage.office.rows().items() if key.startswith(prefix)]

    def subscription(self) -> str:
        """The id of the pair's subscription."""
        (id,) = (row["id"] for row in self.stage.office.rows("subscriptions").values() if "id" in row)
        return str(id)

    def journal(self) -> list[str]:
        return [row["what"] for row in self.rows("j:")]

    def harmless(self) -> bool:
        """Nothing was sent to anyone and the vendors ignored nothing."""
        vendors = (self.stage.microsoft, self.stage.dingtalk)
        return not any(v.sent_mail or v.receipts or v.ignored for v in vendors)
