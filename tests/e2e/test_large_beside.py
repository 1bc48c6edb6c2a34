"""Large mail crosses beside small mail over HTTP and IMAP, with files, threads and the queue as they are in the app."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from sandbox.truth import Mailbox, Stored
from shared.model.words import SIDES, Side, other
from shared.wiring.product import Product
from tests.support.company import CHAN, Company, a_company
from tests.support.scene import mail

SIZE = 6_000_000


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with a_company(tmp_path) as company:
        company.env["TANDEM_SPOOL_FOLDER"] = str(tmp_path / "spool")
        company.add()
        company.work()
        yield company


def box(company: Company, side: Side) -> Mailbox:
    return company.microsoft.mailboxes[CHAN[0]] if side == "outlook" else company.dingtalk.mailboxes[CHAN[1]]


def arrive(company: Company, side: Side, id: str, size: int) -> None:
    drawing = {"plan.pdf": os.urandom(size)} if size else {}
    to = CHAN[0] if side == "outlook" else CHAN[1]
    box(company, side).deliver(mail(id, to=(to,), at=time.time(), attachments=drawing))


def shown(company: Company, side: Side, id: str) -> Stored | None:
    found = [message for message in box(company, side).messages() if message.message_id == f"{id}@mail.example"]
    assert len(found) <= 1
    return found[0] if found else None


def carry(product: Product) -> None:
    """As the queue's trigger, once the message is visible."""
    end = time.monotonic() + 20.0
    while not (received := product.queue.receive("bulk", 1, 600.0)):
        assert time.monotonic() < end, "nobody asked for a carrier"
        time.sleep(0.1)
    product.bulk(json.loads(received[0].body))
    product.queue.delete("bulk", received[0])


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
def test_a_large_message_crosses_whole_while_small_ones_do(company: Company, side: Side, tmp_path: Path) -> None:
    arrive(company, side, "large", SIZE)
    company.work()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(carry, company.product())
        arrive(company, side, "small", 0)
        while shown(company, other(side), "small") is None:
            company.work()
        done.result()
    company.work()
    copy, original = shown(company, other(side), "large"), shown(company, side, "large")
    assert copy is not None
    assert original is not None
    assert [one.sha256 for one in copy.attachments] == [one.sha256 for one in original.attachments]
    assert (copy.subject, copy.sent_at, copy.read) == (original.subject, original.sent_at, original.read)
    (pair,) = json.loads(company.run("status", "--json").output)["pairs"]
    assert (pair["links"], pair["waiting"], pair["open_intents"], pair["quarantined"]) == (2, {}, 0, 0)
    assert list((tmp_path / "spool").iterdir()) == []
    assert not [file for file in opened() if str(tmp_path / "spool") in file]


def opened() -> Iterator[str]:
    """The files that this process has open, also those without a name."""
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            yield os.readlink(f"/proc/self/fd/{number}")
