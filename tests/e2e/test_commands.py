"""The commands for people, against both simulated vendors over HTTP and IMAP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.dingtalk import Switches
from shared.wiring.replicas import password_name
from tests.support.company import CHAN, PASSWORD, WONG, Company, a_company


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with a_company(tmp_path) as company:
        yield company


# ---- adding
def test_adding_shows_both_owners_and_asks(company: Company) -> None:
    flags = ["pair", "add", "--name", "Chan", "--outlook", CHAN[0], "--dingtalk", CHAN[1]]
    refused = company.run(*flags, input="n\n", ok=False)
    assert "Chan of the office, chan@office.example" in refused.output
    assert "chan, chan@factory.example" in refused.output
    assert company.product().pairs.list() == ()
    added = company.run(*flags, input="y\n")
    (pair,) = company.product().pairs.list()
    assert f"Added as {pair.id}" in added.output
    assert f"tandem pair password {pair.id}" in added.output, "without a password it says what is missing"


def test_a_mailbox_has_one_pair_whatever_name_it_goes_by(company: Company) -> None:
    company.microsoft.mailboxes[CHAN[0]].store.aliases = ("sales@office.example",)
    company.add()
    before = company.product().pairs.list()
    told = company.add(name="Again", boxes=(WONG[0], CHAN[1]), ok=False)
    assert "the DingTalk mailbox is in pair" in told
    company.microsoft.mailboxes[WONG[0]].store.aliases = ("sales@office.example",)
    assert "the Outlook mailbox is in pair" in company.add(name="Again", boxes=WONG, ok=False)
    assert company.product().pairs.list() == before


def test_mailboxes_that_forward_to_each_other_are_refused_and_one_way_is_warned_of(company: Company) -> None:
    company.microsoft.mailboxes[CHAN[0]].store.forwards = (CHAN[1],)
    company.dingtalk.mailboxes[CHAN[1]].store.forwards = (CHAN[0].upper(),)
    assert "forward their mail to each other" in company.add(ok=False)
    assert company.product().pairs.list() == ()
    company.dingtalk.mailboxes[CHAN[1]].store.forwards = ()
    assert "Outlook forwards mail to DingTalk" in company.add()


def test_what_cannot_be_told_is_said(company: Company) -> None:
    company.dingtalk.switches = Switches(tells_forwarding=False, user_wrapped=True)
    company.microsoft.app.roles -= {"MailboxSettings.Read", "User.Read.All"}
    told = company.add()
    for name in ("Outlook", "DingTalk"):
        assert f"it can't be told whether {name} forwards mail" in told
    assert "may not read whose Outlook mailbox it is" in told


@pytest.mark.parametrize(
    ("boxes", "text"),
    [
        (("nobody@office.example", CHAN[1]), "the Outlook mailbox can't be opened"),
        ((CHAN[0], "nobody@factory.example"), "the DingTalk mailbox can't be opened"),
        (("no address", CHAN[1]), "Outlook"),
    ],
)
def test_a_mailbox_that_is_not_there_is_named(company: Company, boxes: tuple[str, str], text: str) -> None:
    assert text in company.add(boxes=boxes, ok=False)
    assert company.product().pairs.list() == ()


def test_a_refused_password_adds_nothing_and_is_tried_once(company: Company) -> None:
    flags = ["--name", "Chan", "--outlook", CHAN[0], "--dingtalk", CHAN[1], "--yes", "--client-password-stdin"]
    company.run("pair", "add", *flags, input="wrong\n", ok=False)
    assert company.product().pairs.list() == ()
    assert company.dingtalk.failed_logins == {CHAN[1]: 1}


def test_a_date_that_is_none_is_refused_before_anything_is_asked(company: Company) -> None:
    assert "2026-11-01" in company.add("--since", "yesterday", ok=False)
    company.add("--since", "2026-11-01T09:00+08:00")
    (pair,) = company.product().pairs.list()
    assert pair.since == 1793494800.0


def test_a_folder_is_left_out_by_its_path_and_bound_by_its_id(company: Company) -> None:
    box = company.microsoft.mailboxes[CHAN[0]]
    clients = box.make_folder("Clients")
    chan = box.make_folder("Chan", clients)
    assert "there is no folder Nobody in either mailbox" in company.add("--exclude-folder", "Nobody", ok=False)
    assert company.product().pairs.list() == ()
    company.add("--exclude-folder", "clients/CHAN")
    assert company.product().pairs.list()[0].exclude_folders == (f"outlook/{chan}",)
    company.work()
    names = {folder.name for folder in company.dingtalk.mailboxes[CHAN[1]].folders()}
    assert "Clients" in names
    assert "Chan" not in names


# ---- living with it
def test_status_counts_and_names_nobody(company: Company) -> None:
    company.add()
    company.arrive("m1")
    company.work()
    told = company.run("status", "--json").output
    (facts,) = json.loads(told)["pairs"]
    assert (facts["state"], facts["links"], facts["last_error"], facts["brake"]) == ("running", 1, "", None)
    for name in (*CHAN, "Chan", "Customs"):
        assert name not in told
    assert "1 messages" in company.run("status").output


def test_plan_shows_what_a_run_would_do_and_does_nothing(company: Company) -> None:
    company.add()
    company.work()
    company.arrive("m1")
    assert "Customs notice" in company.run("plan", "chan").output
    assert not [m for m in company.dingtalk.mailboxes[CHAN[1]].messages() if not m.draft]
    company.work()
    assert "nothing to do" in company.run("plan", CHAN[0]).output


def test_the_brake_is_let_go_by_exactly_what_was_shown(company: Company) -> None:
    company.add()
    ids = [company.arrive(f"m{number}") for number in range(3)]
    company.work()
    box = company.microsoft.mailboxes[CHAN[0]]
    for id in ids:
        box.move(id, box.role("trash"))
    product = company.product()
    product.service._policy = replace(product.service._policy, brake_many=2)
    product.desk.wake(product.pairs.list()[0])
    product.service.work({"pair": product.pairs.list()[0].id})
    assert "holds 3 removals" in company.run("status").output
    told = company.run("approve", "Chan", input="y\n").output
    assert told.count("Customs notice") == 3
    company.work()
    other = company.dingtalk.mailboxes[CHAN[1]]
    assert {m.folder for m in other.messages()} == {other.role("trash")}
    assert "holds nothing" in company.run("approve", "Chan").output


def test_a_paused_pair_waits_and_a_resumed_one_catches_up(company: Company) -> None:
    company.add()
    company.run("pair", "pause", "Chan")
    company.arrive("m1")
    company.work()
    assert company.dingtalk.mailboxes[CHAN[1]].messages() == []
    assert "paused" in company.run("pair", "list").output
    company.run("pair", "resume", "Chan")
    company.work()
    assert len(company.dingtalk.mailboxes[CHAN[1]].messages()) == 1


def test_a_password_is_tried_before_it_replaces_the_old_one(company: Company) -> None:
    company.add()
    company.run("pair", "password", "Chan", "--client-password-stdin", input="wrong\n", ok=False)
    company.arrive("m1")
    company.work()
    assert len(company.dingtalk.mailboxes[CHAN[1]].messages()) == 1, "the old one is still there"
    assert "given" in company.run("pair", "show", "Chan").output
    assert PASSWORD not in company.run("pair", "show", "Chan").output


def test_a_removed_pair_leaves_mail_alone_and_nothing_behind(company: Company) -> None:
    company.env["TANDEM_PUBLIC_URL"] = "http://127.0.0.1:9"
    company.add()
    company.arrive("m1")
    company.work()
    (pair,) = company.product().pairs.list()
    company.run("pair", "remove", "Chan", "--yes")
    product = company.product()
    assert product.pairs.list() == ()
    assert list(product.table.scan(f"{pair.id}:mail", "", "\U0010ffff")) == []
    assert list(product.table.scan("subscriptions", "", "\U0010ffff")) == []
    assert product.secrets.get(f"imap-{pair.id}") is None
    assert len(company.dingtalk.mailboxes[CHAN[1]].messages()) == 1
    assert len(company.microsoft.mailboxes[CHAN[0]].messages()) == 1
    company.add()


def test_a_pair_that_is_not_there_is_said_so(company: Company) -> None:
    for command in (["pair", "show"], ["pair", "pause"], ["plan"], ["approve"], ["pair", "remove"]):
        assert "no such pair" in company.run(*command, "nobody", ok=False).output


def test_wrong_settings_are_listed_and_nothing_is_shown(company: Company) -> None:
    company.env |= {"TANDEM_GRAPH_URL": "http://graph.example/v1.0", "TANDEM_POLL_SECONDS": "often"}
    told = company.run("status", ok=False).output
    assert "TANDEM_GRAPH_URL" in told
    assert "TANDEM_POLL_SECONDS" in told
    assert "Traceback" not in told


def test_messages_that_kept_failing_are_listed_and_given_back(company: Company) -> None:
    company.add()
    product = company.product()
    queue = product.queue
    for received in queue.receive("work", 16, 60.0):
        queue.poison("work", received)
    assert "work kept failing" in company.run("status").output
    assert json.loads(company.run("status", "--json").output)["poisoned"]["work"] == 1
    (message,) = queue.poisoned("work")
    told = company.run("poison", "list").output
    assert message.id in told
    assert product.pairs.list()[0].id in told
    assert "no queue of this name" in company.run("poison", "replay", "play", message.id, ok=False).output
    assert "is gone" in company.run("poison", "replay", "work", "nothing", ok=False).output
    assert "1 given back" in company.run("poison", "replay", "work", message.id).output
    assert (queue.depth("work"), queue.depth("work-poison")) == (1, 0)


# ---- old mail
def test_old_mail_is_shown_before_it_is_brought_over_and_comes_when_it_is_agreed_to(company: Company) -> None:
    company.arrive("old")
    company.add("--since", "2100-01-01")
    company.work()
    (pair,) = company.product().pairs.list()
    shown = company.run("backfill", pair.id, "--preview").output
    assert "outlook" in shown
    assert "1 from outlook" in shown
    assert _backfill(company) is None, "a preview begins nothing"
    company.run("backfill", pair.id, input="n\n", ok=False)
    assert _backfill(company) is None
    company.run("backfill", pair.id, "--yes")
    assert (_backfill(company) or {})["state"] == "running"
    assert "is going on" in company.run("backfill", pair.id, "--yes", ok=False).output


def test_a_preview_of_old_mail_for_scripts_says_what_it_takes_and_what_will_not_come(company: Company) -> None:
    company.arrive("old")
    company.add("--since", "2100-01-01")
    company.work()
    (pair,) = company.product().pairs.list()
    facts = json.loads(company.run("backfill", pair.id, "--json").output)
    assert facts["copied"] == {"dingtalk": {}, "outlook": {"Inbox": 1}}
    assert facts["bytes"]["outlook"] > 100
    assert facts["requests"]["graph"] > 0
    assert (facts["hours"], facts["free"], facts["too_large"]) == (0.0, None, 0)
    assert _backfill(company) is None, "a preview begins nothing"


def test_what_keeps_old_mail_waiting_is_said_before_it_begins(company: Company) -> None:
    company.arrive("old")
    company.add("--since", "2100-01-01")
    company.work()
    (pair,) = company.product().pairs.list()
    assert "lies in the future" in company.run("backfill", pair.id, "--since", "2100-01-01", ok=False).output
    company.run("pair", "pause", pair.id)
    company.product().secrets.delete(password_name(pair.id))
    said = " ".join(company.run("backfill", pair.id, "--preview").output.split())
    assert f"nothing comes until `tandem pair resume {pair.id}`" in said
    assert f"the 1 from outlook wait until `tandem pair password {pair.id}`" in said


def _backfill(company: Company) -> dict[str, Any] | None:
    (facts,) = json.loads(company.run("status", "--json").output)["pairs"]
    told: dict[str, Any] | None = facts["backfill"]
    return told
