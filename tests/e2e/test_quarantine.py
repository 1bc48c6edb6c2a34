"""What stands aside, as a person asks for it at a terminal, against both simulated vendors over HTTP and IMAP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.company import CHAN, Company, a_company
from tests.support.scene import mail


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    """One too large message of Chan's stands aside, with a stub in DingTalk."""
    with a_company(tmp_path) as company:
        company.env["TANDEM_LARGEST_MB"] = "4"
        company.add()
        drawing = {"plan.pdf": b"x" * 6_000_000}
        content = mail("m1", to=(CHAN[0],), subject="Drawings", at=time.time(), attachments=drawing)
        company.microsoft.mailboxes[CHAN[0]].deliver(content)
        company.arrive("m2")
        company.work()
        yield company


def copies(company: Company) -> int:
    return sum(not message.draft for message in company.dingtalk.mailboxes[CHAN[1]].messages())


def test_it_is_shown_to_people_by_what_they_know_and_to_scripts_by_ids_alone(company: Company) -> None:
    assert copies(company) == 2, "one of them is a stub"
    (pair,) = company.product().pairs.list()
    assert f"tandem quarantine list {pair.id}" in company.run("status").output
    told = company.run("status", "--json").output
    assert json.loads(told)["pairs"][0]["quarantined"] == 1
    shown = company.run("quarantine", "list").output
    for text in ("Drawings", "li.na@supplier.example", "larger than what is carried across; a stub stands for it"):
        assert text in shown
    listed = company.run("quarantine", "list", "Chan", "--json").output
    (facts,) = json.loads(listed)
    assert (facts["pair"], facts["kind"], facts["side"], facts["why"]) == (pair.id, "create", "dingtalk", "too large")
    for text in ("Drawings", "li.na", "Chan", "chan@"):
        assert text not in listed + told


def test_it_can_be_tried_again_and_left_alone_for_good(company: Company) -> None:
    (facts,) = json.loads(company.run("quarantine", "list", "--json").output)
    assert "nothing of pair" in company.run("quarantine", "retry", "Chan", "00000000", ok=False).output
    assert "1 will be tried again" in company.run("quarantine", "retry", "Chan").output
    company.work()
    (again,) = json.loads(company.run("quarantine", "list", "--json").output)
    assert (again["item"], again["at"] > facts["at"]) == (facts["item"], True)
    company.run("quarantine", "drop", "Chan", facts["item"])
    company.work()
    assert "(left alone)" in company.run("quarantine", "list", "Chan").output
    (pair,) = json.loads(company.run("status", "--json").output)["pairs"]
    assert (pair["quarantined"], pair["left_alone"], pair["waiting"]) == (0, 1, {})
    assert copies(company) == 2
    messages = company.microsoft.mailboxes[CHAN[0]].messages()
    assert sorted(m.subject for m in messages if m.by == "person") == ["Customs notice", "Drawings"], "nothing deleted"
    assert not [m for m in messages if m.message_id.endswith("@tandem.invalid")], "the stub tells it, without a note"


def test_where_nothing_stands_aside_it_is_said(tmp_path: Path) -> None:
    with a_company(tmp_path) as company:
        company.add()
        company.work()
        assert "Nothing stands aside." in company.run("quarantine", "list").output
        assert json.loads(company.run("quarantine", "list", "--json").output) == []
