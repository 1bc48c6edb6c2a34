"""Both simulated vendors, in a process of their own, with one person whose mailboxes hold mail of years:
python -m tests.support.old_vendors --ready FILE --outlook 200 --dingtalk 200 --both 100

Beside the doors of `tandem sandbox --vendors-only` its ready file names `figures`: what `Figures` answers.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from base64 import encodebytes
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import requests

from sandbox.console import until_ended, write_ready
from sandbox.demo.compare import differences
from sandbox.demo.office import Person
from sandbox.dingtalk import Switches as DingTalkSwitches
from sandbox.faults import Faults
from sandbox.microsoft import Switches as MicrosoftSwitches
from sandbox.truth import Mailbox
from sandbox.vendors import Vendors
from sandbox.web import Request, Response, Server
from tests.support.processes import ROOT, Served, environment

APART = 1800.0
"""Seconds between two old messages."""
TEXT = "提单确认，请查收附件并回复。Please confirm the bill of lading and the packing list.\n" * 12
EVERY = 10
"""One message in so many has an attachment."""
ATTACHED = encodebytes(bytes(20_000)).decode()
HOLDERS = ("outlook", "dingtalk", "both")
PATIENCE = 120.0
FILLED = 0.1
"""Seconds that one more message may take to be put there, on a slow machine."""
FREE = 10**9
"""A limit that nobody meets."""


class Clock:
    """Real time, or while mail comes in, a time of the past."""

    def __init__(self) -> None:
        self.past: float | None = None

    def __call__(self) -> float:
        return time.time() if self.past is None else self.past


class OldVendors(Vendors):
    """`holds`: how many messages only "outlook", only "dingtalk" and "both" have; they came in turn, the last one a
    day ago. `limits`: whether the vendors keep to their request rates."""

    def __init__(self, holds: Mapping[str, int], *, rtt: float = 0.0, limits: bool = True) -> None:
        self._past, self._holds = Clock(), holds
        microsoft = MicrosoftSwitches() if limits else MicrosoftSwitches(requests_per_10_minutes=FREE)
        dingtalk = DingTalkSwitches() if limits else DingTalkSwitches(rate=None)
        faults = Faults(rtt=rtt)
        super().__init__(pairs=1, faults=faults, clock=self._past, microsoft=microsoft, dingtalk=dingtalk)

    def _start(self) -> None:
        super()._start()
        [person] = self.people
        order = in_turn(self._holds)
        for number, holder in enumerate(order):
            self._past.past = time.time() - 86400.0 - APART * (len(order) - number)
            for side, box in person.boxes.items():
                if holder in (side, "both"):
                    box.deliver(letter(number, box.address, self._past.past))
        self._past.past = None
        self._figures = Server(Figures(self, person))
        self._stack.callback(self._figures.close)

    def ready(self) -> dict[str, Any]:
        return {**super().ready(), "figures": self._figures.url}


def in_turn(holds: Mapping[str, int]) -> list[str]:
    """Each name so often, evenly mixed."""
    places = [((number + 0.5) / count, name) for name, count in holds.items() for number in range(count)]
    return [name for _, name in sorted(places)]


def letter(number: int, to: str, at: float) -> bytes:
    """About 2 KB, one in ten with an attachment of 20 KB."""
    content = f"{number}\n{TEXT}"
    head = (
        f"From: li.na@supplier.example\nTo: {to}\nSubject: Order {number}\nMessage-ID: <old-{number}@mail.example>\n"
        f"Date: {format_datetime(datetime.fromtimestamp(int(at), UTC))}\nMIME-Version: 1.0\n"
    )
    plain = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    if number % EVERY:
        whole = f"{head}{plain}{content}"
    else:
        whole = (
            f'{head}Content-Type: multipart/mixed; boundary="part"\n\n--part\n{plain}{content}\n--part\n'
            'Content-Type: application/pdf; name="bill.pdf"\nContent-Disposition: attachment; filename="bill.pdf"\n'
            f"Content-Transfer-Encoding: base64\n\n{ATTACHED}\n--part--\n"
        )
    return whole.replace("\n", "\r\n").encode()


class Figures:
    """`GET /counts`: requests, bytes, writes and mail sent. `GET /compared`: how many messages stand on each side, how
    many differences there are, what is doubled. `POST /change`: a person changes so many messages, half on each side.
    `POST /arrive`: a new letter comes to each side; `GET /both/<Message-ID>`: does it stand on both?"""

    def __init__(self, vendors: OldVendors, person: Person) -> None:
        self._vendors, self._boxes = vendors, person.boxes
        self._serial = 0

    def handle(self, request: Request) -> Response:
        name, *rest = request.segments
        found: Any = getattr(self, name)(*(rest if request.method == "GET" else request.json()))
        return Response.of_json(200, found)

    def counts(self) -> dict[str, Any]:
        meter, faults = self._vendors.meter, self._vendors.faults
        calls = meter.calls()
        asked = {side: _sum(calls, lambda c, side=side: c.startswith(f"{side} ")) for side in self._boxes}  # type: ignore[misc]
        asked["outlook"] -= _sum(calls, lambda c: c.startswith("outlook part "))
        carried = {"outlook": faults.carried["microsoft"], "dingtalk": faults.carried["dingtalk"]}
        carried["dingtalk"] += faults.carried["imap"]
        return {"requests": asked, "bytes": carried, "writes": meter.written(), "sent": meter.sent(), "calls": calls}

    def compared(self) -> dict[str, Any]:
        found = differences(self._boxes["outlook"], self._boxes["dingtalk"])
        return {
            **{side: len(box.messages()) for side, box in self._boxes.items()},
            "differences": len(found),
            "doubled": sum(difference.what == "doubled" for difference in found),
            "examples": [str(difference) for difference in found[:3]],
        }

    def change(self, count: int) -> None:
        """The newest messages: every second one of them on one side."""
        for number, box in enumerate(self._boxes.values()):
            newest = sorted(box.messages(), key=lambda message: (-message.received_at, message.message_id))
            for message in newest[number:count:2]:
                box.set_read(message.id, not message.read)

    def unlike(self) -> int:
        """How many messages are read on one side and not on the other, or stand on one alone."""
        one, two = ({(m.message_id, m.read) for m in box.messages()} for box in self._boxes.values())
        return len({message_id for message_id, _ in one ^ two})

    def arrive(self) -> list[str]:
        ids = []
        for box in self._boxes.values():
            self._serial += 1
            box.deliver(letter(10**6 + self._serial, box.address, time.time()))
            ids.append(f"old-{10**6 + self._serial}@mail.example")
        return ids

    def both(self, message_id: str) -> bool:
        return all(_holds(box, message_id) for box in self._boxes.values())


def _sum(calls: Mapping[str, int], counts: Callable[[str], bool]) -> int:
    return sum(count for call, count in calls.items() if counts(call))


def _holds(box: Mailbox, message_id: str) -> bool:
    return any(message.message_id == message_id for message in box.messages())


class OldProcess(Served):
    """The program, as seen from outside. `folder`: for its ready file and log."""

    def __init__(self, folder: Path, holds: Mapping[str, int], *, rtt: float = 0.0, limits: bool = True) -> None:
        file = folder / "vendors.json"
        command = ["-m", "tests.support.old_vendors", "--ready", str(file), "--rtt", str(rtt)]
        command += [str(word) for name, count in holds.items() for word in (f"--{name}", count)]
        super().__init__(file, [sys.executable, *command, *([] if limits else ["--no-limits"])], ROOT, environment({}))
        self.facts = self.ready(PATIENCE + FILLED * sum(holds.values()))

    def ask(self, name: str, *arguments: Any) -> Any:
        """A figure that changes nothing."""
        path = "/".join(map(str, (self.facts["figures"], name, *arguments)))
        return json.loads(requests.get(path, timeout=PATIENCE).content)

    def act(self, name: str, *arguments: Any) -> Any:
        url = f"{self.facts['figures']}/{name}"
        return json.loads(requests.post(url, json=arguments, timeout=PATIENCE).content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ready", type=Path, required=True)
    for name in HOLDERS:
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--rtt", type=float, default=0.0, help="seconds that each answer takes longer")
    parser.add_argument("--no-limits", action="store_true")
    asked = parser.parse_args()
    holds = {name: getattr(asked, name) for name in HOLDERS}
    with OldVendors(holds, rtt=asked.rtt, limits=not asked.no_limits) as running:
        write_ready(asked.ready, running.ready())
        until_ended()


if __name__ == "__main__":
    main()
