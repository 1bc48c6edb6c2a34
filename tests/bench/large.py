"""What one large message takes on its way across: `python -m tests.bench.large [MB of the attachment]`.

The product's replicas run in a process of their own, against the simulated vendors on real sockets. Its memory is what
the system says of that process: the most it held while the message crossed, less what it held right before, after a
small message had crossed. The copy is compared with the original by its attachment's bytes. Out of DingTalk, content
comes by IMAP, or, without a client password, by the REST door, attachment by attachment."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sandbox.truth import Mailbox
from sandbox.vendors import Vendors
from shared.model.pairs import Pair
from shared.model.words import DINGTALK, OUTLOOK, Side, other
from shared.wiring.parts import Parts
from shared.wiring.replicas import Replicas, password_name
from shared.wiring.settings import load_settings
from shared.wiring.spool import FileSpool

ROOT = Path(__file__).resolve().parents[2]
NORMAL = 100_000_000
ROUTES: dict[str, tuple[Side, bool]] = {
    "from Outlook to DingTalk": (OUTLOOK, True),
    "from DingTalk to Outlook, by IMAP": (DINGTALK, True),
    "from DingTalk to Outlook, by REST": (DINGTALK, False),
}
"""Where the message comes from, and whether there is a client password."""


def letter(to: str, size: int) -> tuple[bytes, str]:
    """-> a message with an attachment of so many bytes, and the attachment's hash."""
    content = random.Random(size).randbytes(size)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Bob <bob@supplier.example>", to, f"{size} bytes"
    message["Message-ID"], message["Date"] = f"<{size}@supplier.example>", "Mon, 21 Sep 2026 10:00:00 +0800"
    message.set_content("Attached")
    message.add_attachment(content, "application", "pdf", filename="plan.pdf")
    return message.as_bytes().replace(b"\n", b"\r\n"), hashlib.sha256(content).hexdigest()


# ---- the product
def held(name: str) -> int:
    """Bytes: VmRSS as it is, VmHWM the most since `clear_refs` was told 5."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) << 10


def cross(facts: dict[str, Any]) -> dict[str, float]:
    """Carry the messages `ids` across, one after the other; what the last one took."""
    settings = load_settings({**facts["settings"], "TANDEM_STATE": facts["folder"]})
    parts, side = Parts.of(settings), facts["from"]
    pair = Pair("p", "p", facts[OUTLOOK], facts[DINGTALK], 0.0)
    if facts["password"]:
        parts.secrets.set(password_name(pair.id), facts["password"])
    replicas = Replicas(settings, parts, bytes(32))
    with replicas.beside(pair, side) as source, replicas.beside(pair, other(side)) as target:
        inbox = next(folder.id for folder in target.tree() if folder.role == "inbox")
        for id in facts["ids"]:
            Path("/proc/self/clear_refs").write_text("5")
            before, began, cpu = held("VmRSS"), time.perf_counter(), time.process_time()
            with FileSpool(Path(facts["folder"])) as spool:
                message = source.fetch(id, spool)
                fetched = time.perf_counter() - began
                target.create(
                    message, folder=inbox, read=False, flag="none", key=f"key-{id}", mark="", permit=lambda: None
                )
            taken = {
                "seconds": time.perf_counter() - began,
                "of these to fetch it": fetched,
                "CPU seconds": time.process_time() - cpu,
                "memory, MB": (held("VmHWM") - before) / 1e6,
            }
    parts.close()
    return taken


# ---- the vendors
def measured(size: int, side: Side, password: bool, folder: str) -> dict[str, float]:
    """In a fresh process, whose last message is one of `size` bytes. AssertionError unless the copy is the same."""
    with Vendors(pairs=1) as vendors:
        vendors.dingtalk.switches = replace(vendors.dingtalk.switches, max_append=1 << 30)
        [pair] = vendors.pairs
        boxes: dict[Side, Mailbox] = {
            OUTLOOK: vendors.microsoft.mailboxes[pair.outlook],
            DINGTALK: vendors.dingtalk.mailboxes[pair.dingtalk],
        }
        mime, digest = letter(pair.dingtalk, size)
        ids = [boxes[side].deliver(letter(pair.dingtalk, 10_000)[0]), boxes[side].deliver(mime)]
        facts = {
            "settings": vendors.settings(),
            "folder": folder,
            "ids": ids,
            "from": side,
            "password": pair.client_password if password else "",
            OUTLOOK: pair.outlook,
            DINGTALK: pair.dingtalk,
        }
        vendors.microsoft.counts.clear()
        vendors.dingtalk.counts.clear()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.large", "--cross"],
            cwd=ROOT,
            input=json.dumps(facts),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        taken: dict[str, float] = json.loads(done.stdout)
        copies = [m for m in boxes[other(side)].messages() if m.tandem_key == f"key-{ids[1]}"]
        assert [a.sha256 for copy in copies for a in copy.attachments] == [digest], "not the same bytes"
        asked = Counter(vendors.microsoft.counts) + Counter(vendors.dingtalk.counts)
        return {
            "message as encoded, MB": len(mime) / 1e6,
            **taken,
            "requests, both messages": asked.total(),
            "of these pieces": asked["PUT upload"],
        }


def main(arguments: list[str]) -> None:
    if arguments == ["--cross"]:
        print(json.dumps(cross(json.load(sys.stdin))))
        return
    size = int(float(arguments[0]) * 1_000_000) if arguments else NORMAL
    for route, (side, password) in ROUTES.items():
        with TemporaryDirectory() as folder:
            taken = measured(size, side, password, folder)
        print(f"{size / 1e6:g} MB {route}")
        for name, value in taken.items():
            print(f"  {name:25} {value:10.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
