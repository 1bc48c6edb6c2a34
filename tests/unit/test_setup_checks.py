"""What setup finds when it looks: at Microsoft 365, Alimail and DingTalk over HTTP, and at a store of secrets."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sandbox.dingtalk import DingTalkMail
from sandbox.dingtalk.openapi import DingTalkOpen
from sandbox.dingtalk.openapi_switches import OpenSwitches
from sandbox.microsoft import Microsoft365
from sandbox.microsoft.credentials import Federated
from sandbox.microsoft.identities import Identity
from sandbox.web import Request, Response, Server, Vendor
from shared.model.errors import NotPermitted, WrongSettings
from shared.ops.setup.checks import Checks
from shared.ops.setup.facts import Facts
from shared.ops.setup.model import Verdict
from shared.ops.setup.progress import Progress
from shared.state.files import FileSecrets
from shared.wiring.setup import world
from shared.wiring.tools import PathTools

TENANT, CLIENT = "6f1d6a0c-0f5e-4f0e-9a53-0d6a5d1c2b3e", "0b7c9e52-7d57-4a40-b9f5-6b2a4f1e8d11"
PRINCIPAL, IDENTITY = "23657296-5cd5-45b0-a809-d972a7f4dfe1", "77777777-5cd5-45b0-a809-d972a7f4dfe1"
INSIDE, OUTSIDE = "anna@office.example", "boss@office.example"
NOTED = {
    "tenant": TENANT,
    "client": CLIENT,
    "identity": PRINCIPAL,
    "vault": "https://vault.example",
    "inside": INSIDE,
    "outside": OUTSIDE,
    "proof": "client-secret",
    "alimail": "ali",
    "corp": "ding0corp",
    "app-key": "dingapp",
}
AES_KEY = "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij"


@dataclass
class Office:
    microsoft: Microsoft365
    platform: DingTalkOpen
    secrets: FileSecrets
    progress: Progress
    env: dict[str, str]
    noted: dict[str, str] = field(default_factory=lambda: dict(NOTED))

    def look(self, step: str, **noted: str) -> Verdict:
        """As a new run of setup finds the step."""
        with world(self.env) as real:
            here = replace(real, vault=lambda url: self.secrets)
            checks = Checks(here, Facts(self.env, self.noted | noted), self.progress, PathTools(), self.env)
            verdict: Verdict = getattr(checks, step)()
            return verdict

    def keep(self, name: str, value: str) -> None:
        with world(self.env) as real:
            here = replace(real, vault=lambda url: self.secrets)
            Checks(here, Facts(self.env, self.noted), self.progress, PathTools(), self.env).try_secret(name, value)

    def probes(self) -> int:
        return sum(count for route, count in self.microsoft.counts.items() if "mailFolders" in route)


class Front:
    """Whichever vendor the present test has."""

    vendor: Vendor

    def handle(self, request: Request) -> Response:
        return self.vendor.handle(request)


@pytest.fixture(scope="module")
def doors() -> Iterator[list[tuple[Front, str]]]:
    with ExitStack() as stack:
        made = []
        for front in (Front() for _ in range(5)):
            server = Server(front)
            stack.callback(server.close)
            made.append((front, server.url))
        yield made


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doors: list[tuple[Front, str]]) -> Office:
    monkeypatch.setenv("PATH", str(tmp_path))  # no az, azd or PowerShell
    chance = random.Random(3)
    microsoft = Microsoft365(
        clock=time.time, random=chance, tenant_id=TENANT, client_id=CLIENT, client_secret="graph-secret"
    )
    microsoft.app.roles = {"User.Read.All"}
    microsoft.app.scoped, microsoft.app.scope = {"Mail.ReadWrite", "MailboxSettings.Read"}, {INSIDE}
    for address in (INSIDE, OUTSIDE):
        microsoft.add_mailbox(address)
    dingtalk = DingTalkMail(clock=time.time, random=chance, client_id="ali", client_secret="ali-secret")
    platform = DingTalkOpen(
        clock=time.time, random=chance, corp_id="ding0corp", app_key="dingapp", app_secret="ding-secret"
    )
    vendors: tuple[Vendor, ...] = (microsoft, dingtalk, platform.api, platform.oapi, microsoft.identities)
    for (front, _), vendor in zip(doors, vendors, strict=True):
        front.vendor = vendor
    graph, alimail, api, oapi, identities = (url for _, url in doors)
    secrets = FileSecrets(tmp_path / "secrets.json")
    secrets.set("graph-client-secret", "graph-secret")
    env = {
        "TANDEM_GRAPH_URL": f"{graph}/v1.0",
        "TANDEM_LOGIN_URL": graph,
        "TANDEM_ALIMAIL_URL": alimail,
        "TANDEM_DINGTALK_URL": api,
        "TANDEM_DINGTALK_OAPI_URL": oapi,
    }
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identities}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", microsoft.identities.header)
    return Office(microsoft, platform, secrets, Progress(tmp_path / "progress.json"), env)


# ---- rights to mailboxes
def test_a_mailbox_in_the_group_opens_and_one_outside_does_not(office: Office) -> None:
    verdict = office.look("rights")
    assert (verdict.kind, verdict.text) == ("done", "a mailbox opens, and one outside does not; nothing may be sent")
    office.microsoft.app.scope.add(OUTSIDE)
    assert "outside the group opens too" in office.look("rights").text


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ("Mail.Send", "may send mail (Mail.Send), which Tandem never does"),
        ("Mail.ReadWrite", "for the whole organisation, what Tandem must not have there"),
        ("Calendars.ReadWrite", "Calendars.ReadWrite"),
    ],
)
def test_more_rights_than_are_used_are_refused_before_a_mailbox_is_tried(office: Office, role: str, told: str) -> None:
    office.microsoft.app.roles.add(role)
    verdict = office.look("rights")
    assert verdict.kind == "wrong"
    assert told in verdict.text
    assert office.probes() == 0


def test_rights_to_the_whole_organisation_may_be_chosen_and_are_no_more_than_are_used(office: Office) -> None:
    verdict = office.look("rights", rights="tenant-wide")
    assert verdict.text == "not granted in Entra: Mail.ReadWrite, MailboxSettings.Read"
    office.microsoft.app.roles |= {"Mail.ReadWrite", "MailboxSettings.Read"}
    assert office.look("rights", rights="tenant-wide").kind == "done"
    office.microsoft.app.roles.add("Mail.Send")
    assert office.look("rights", rights="tenant-wide").kind == "wrong"


def test_rights_that_were_just_given_are_left_alone_until_they_can_be_heard_of(office: Office) -> None:
    office.microsoft.app.scope.clear()
    office.progress.begin("rights", time.time() - 60)
    assert office.look("rights").kind == "waiting"
    assert office.probes() == 0
    office.progress.begin("rights", time.time() - 45 * 60)
    assert "until two hours are over" in office.look("rights").text
    office.progress.begin("rights", time.time() - 3 * 3600)
    assert office.look("rights").kind == "missing"


def test_a_mailbox_that_does_not_exist_proves_nothing(office: Office) -> None:
    assert "name another" in office.look("rights", outside="nobody@office.example").text
    assert "name another" in office.look("rights", inside="nobody@office.example").text


# ---- signing in
def test_an_expired_or_wrong_secret_is_told_in_the_words_of_the_product(office: Office) -> None:
    assert office.look("sign_in").kind == "done"
    office.microsoft.app.secret_expires = time.time() - 1
    assert "has expired" in office.look("sign_in").text
    office.secrets.set("graph-client-secret", "another")
    assert "secret is wrong" in office.look("sign_in").text
    office.secrets.delete("graph-client-secret")
    assert office.look("sign_in").text == "the vault holds no graph-client-secret"


def test_another_tenant_is_told(office: Office) -> None:
    assert "tenant" in office.look("sign_in", tenant=CLIENT).text


def test_where_the_managed_identity_is_it_signs_in(office: Office) -> None:
    office.env["IDENTITY_ENDPOINT"] = "said to be there"
    office.microsoft.identities.assigned.append(Identity(IDENTITY, PRINCIPAL))
    assert "does not match the managed identity" in office.look("sign_in", proof="managed-identity").text
    issuer = f"https://login.microsoftonline.com/{TENANT}/v2.0"
    office.microsoft.app.federated.append(Federated(issuer, PRINCIPAL))
    assert office.look("sign_in", proof="managed-identity").kind == "done"
    assert office.look("rights", proof="managed-identity").kind == "done"


def test_where_it_is_not_and_az_is_not_either_only_the_administrator_knows(office: Office) -> None:
    assert office.look("sign_in", proof="managed-identity").kind == "unseen"
    office.progress.say("sign-in", 0.0)
    verdict = office.look("sign_in", proof="managed-identity")
    assert (verdict.kind, verdict.fine) == ("told", True)


def test_a_secret_in_the_vault_serves_to_try_mailboxes_where_the_identity_is_not(office: Office) -> None:
    assert office.look("from_here", proof="managed-identity").kind == "done"
    assert office.look("rights", proof="managed-identity").kind == "done"
    office.secrets.delete("graph-client-secret")
    assert office.look("from_here", proof="managed-identity").kind == "missing"
    assert office.look("rights", proof="managed-identity").kind == "unseen"


# ---- DingTalk
def test_alimails_secret_is_tried(office: Office) -> None:
    assert office.look("alimail").text == "the vault holds no alimail-client-secret"
    with pytest.raises(NotPermitted):
        office.keep("alimail-client-secret", "another")
    office.secrets.set("alimail-client-secret", "ali-secret")
    assert office.look("alimail").kind == "done"
    assert office.look("alimail", alimail="another").kind == "wrong"


def test_dingtalks_app_is_tried_with_its_organisation_and_its_right_to_read_people(office: Office) -> None:
    for name, value in (("app-secret", "ding-secret"), ("token", "callbacktoken"), ("aes-key", AES_KEY)):
        assert office.look("dingtalk").kind == "missing"
        office.secrets.set(f"dingtalk-{name}", value)
    assert office.look("dingtalk").kind == "done"
    assert "compare the CorpId" in office.look("dingtalk", corp="another").text
    assert "AppKey and AppSecret" in office.look("dingtalk", **{"app-key": "another"}).text
    office.platform.switches = OpenSwitches(directory=False)
    assert "60011" in office.look("dingtalk").text
    office.platform.switches = OpenSwitches()
    office.secrets.set("dingtalk-aes-key", AES_KEY[:-1])
    assert "is not an AES key of 43 letters and digits" in office.look("dingtalk").text


def test_going_without_leavers_is_no_failure(office: Office) -> None:
    for step in ("dingtalk", "callback"):
        assert office.look(step, leavers="no").kind == "left out"


# ---- the app
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(200, {"ok": True}, "done"), (200, {"ok": False}, "missing"), (503, {"ok": False}, "wrong"), (404, {}, "missing")],
)
def test_the_app_is_asked_whether_it_is_well(office: Office, status: int, body: object, kind: str) -> None:
    class App:
        def handle(self, request: Request) -> Response:
            assert (request.method, request.path) == ("GET", "/api/health")
            return Response.of_json(status, body)

    door = Server(App())
    try:
        assert office.look("deployed", url=door.url).kind == kind
    finally:
        door.close()
    assert "no answer" in office.look("deployed", url=door.url).text


def test_what_the_app_names_as_missing_is_passed_on(office: Office) -> None:
    class App:
        def handle(self, request: Request) -> Response:
            return Response.of_json(503, {"ok": False, "settings": ["TANDEM_GRAPH_CLIENT_ID", "<b>no name</b>", 5]})

    door = Server(App())
    try:
        text = office.look("deployed", url=door.url).text
    finally:
        door.close()
    assert text == "the app answers what it lacks or can't use: TANDEM_GRAPH_CLIENT_ID"


def test_a_vendor_that_does_not_answer_is_not_taken_for_done(office: Office) -> None:
    office.secrets.set("alimail-client-secret", "ali-secret")
    office.env |= {"TANDEM_ALIMAIL_URL": "http://127.0.0.1:9", "TANDEM_LOGIN_URL": "http://127.0.0.1:9"}
    for step in ("alimail", "sign_in", "rights"):
        assert office.look(step).kind == "wrong"


def test_plain_http_to_another_machine_is_refused(office: Office) -> None:
    office.env["TANDEM_ALIMAIL_URL"] = "http://alimail.example"
    with pytest.raises(WrongSettings, match="plain http"):
        office.look("alimail")
