"""A company that is being set up: its vendors, its vault, and the administrator's tools on a PATH of their own."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from sandbox.dingtalk import DingTalkMail
from sandbox.dingtalk.openapi import DingTalkOpen
from sandbox.dingtalk.openapi_server import OpenServer
from sandbox.main import app
from sandbox.microsoft import Microsoft365
from sandbox.microsoft.credentials import Federated
from sandbox.microsoft.server import MicrosoftServer
from sandbox.web import Request, Response, Server
from shared.ops.setup.rights import ROLE_IDS
from tests.support import admin_tools
from tests.support.azure_services import AzureServices

TENANT, CLIENT = "6f1d6a0c-0f5e-4f0e-9a53-0d6a5d1c2b3e", "0b7c9e52-7d57-4a40-b9f5-6b2a4f1e8d11"
PRINCIPAL = "23657296-5cd5-45b0-a809-d972a7f4dfe1"
SECRETS = {"graph": "graph-secret", "alimail": "alimail-secret", "dingtalk": "dingtalk-secret"}
ALIMAIL, CORP, APP_KEY = "ali-client", "ding0corp", "dingapp01"
INSIDE, OUTSIDE, GROUP = "anna@office.example", "boss@office.example", "tandem@office.example"
HOUR = 3600.0
LOOKS = re.compile(r"account (show|get)|app list|sp show|credential list|get-values|^rest|Get-Module")
"""Calls that change nothing."""


class Entra:
    """The vendor as the administrator's tools have set it up so far."""

    def __init__(self, vendor: Microsoft365, tools: Path) -> None:
        self._vendor, self._tools = vendor, tools

    def handle(self, request: Request) -> Response:
        if "oauth2" in request.path:
            state, app = admin_tools.load(self._tools), self._vendor.app
            for id, held in state["apps"].items():
                app.client_id, app.client_secret = id, held.get("secret", "")
                app.roles = {ROLE_IDS[role] for role in held["granted"]}
                app.federated = [Federated(one["issuer"], one["subject"]) for one in held["federated"]]
            app.scope = {INSIDE} if state["exchange"] else set()
        return self._vendor.handle(request)


@dataclass
class Company:
    """`env` is the administrator's environment, `tools` the folder of their tools, `progress` the notes of setup."""

    microsoft: Microsoft365
    dingtalk: DingTalkMail
    open_platform: DingTalkOpen
    open_server: OpenServer
    azure: AzureServices
    env: dict[str, str]
    tools: Path
    progress: Path

    def run(self, *words: str, typed: str = "", status: int = 0) -> Result:
        """`tandem setup` with these words, and with what is typed."""
        command = ["setup", *words, "--progress", str(self.progress)]
        cleared = {"TANDEM_VAULT_URL": None, "IDENTITY_ENDPOINT": None}
        env: dict[str, str | None] = {**cleared, **self.env, "COLUMNS": "240"}
        result = CliRunner().invoke(app, command, input=typed, env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == status, result.output
        return result

    def states(self, *, status: int, more: tuple[str, ...] = ()) -> dict[str, str]:
        """What `--check` says of each step, by its name."""
        lines = self.run(*more, "--check", status=status).output.splitlines()[1:]
        rows = [line.split() for line in lines if line.strip()]
        return {row[0]: " ".join(row[1:3]) if row[1] == "left" else row[1] for row in rows}

    def changes(self, tool: str) -> list[str]:
        """What was done with a tool beside looking: the beginnings of its calls."""
        found = [call[1:] for call in self.state()["calls"] if call[0] == tool]
        return [" ".join(call)[:60] for call in found if not LOOKS.search(" ".join(call))]

    def state(self) -> dict[str, Any]:
        return admin_tools.load(self.tools)

    def change(self, **state: Any) -> None:
        admin_tools.save(self.tools, {**self.state(), **state})

    def secret(self, name: str) -> str:
        return self.azure.vault.versions(name)[-1]

    def later(self, seconds: float = 3 * HOUR) -> None:
        """As if the commands had been run that much earlier."""
        held = json.loads(self.progress.read_text())
        held["run"] = {name: at - seconds for name, at in held["run"].items()}
        self.progress.write_text(json.dumps(held))


@contextmanager
def company(azure: AzureServices, folder: Path, *tools: str) -> Iterator[Company]:
    """`azd provision` has been run, and nothing else."""
    with ExitStack() as stack:
        chance = random.Random(5)
        microsoft = Microsoft365(
            clock=time.time, random=chance, tenant_id=TENANT, client_id=CLIENT, client_secret=SECRETS["graph"]
        )
        microsoft.app.scoped = {"Mail.ReadWrite", "MailboxSettings.Read"}
        for address in (INSIDE, OUTSIDE):
            microsoft.add_mailbox(address)
        dingtalk = DingTalkMail(clock=time.time, random=chance, client_id=ALIMAIL, client_secret=SECRETS["alimail"])
        platform = DingTalkOpen(
            clock=time.time, random=chance, corp_id=CORP, app_key=APP_KEY, app_secret=SECRETS["dingtalk"]
        )
        graph = MicrosoftServer(microsoft, front=Entra(microsoft, folder / "bin"))
        alimail, door = Server(dingtalk), OpenServer(platform)
        for server in (graph, alimail, door):
            stack.callback(server.close)
        azure.vault.empty()
        outputs = {name: text for name, text in azure.environment.items() if name.startswith("TANDEM_")}
        known = {
            "AZURE_TENANT_ID": TENANT,
            "APP_IDENTITY_PRINCIPAL_ID": PRINCIPAL,
            "TANDEM_PUBLIC_URL": "http://127.0.0.1:9",
            "TANDEM_GRAPH_CLIENT_ID": "",
        }
        place = admin_tools.install(folder / "bin", TENANT, *tools, azd=known | outputs)
        admin_tools.save(place, {**admin_tools.load(place), "next_app": CLIENT, "password": SECRETS["graph"]})
        env = {
            "PATH": str(place),
            "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential",
            "REQUESTS_CA_BUNDLE": azure.environment["REQUESTS_CA_BUNDLE"],
            "TANDEM_GRAPH_URL": graph.graph_url,
            "TANDEM_LOGIN_URL": graph.url,
            "TANDEM_ALIMAIL_URL": alimail.url,
            "TANDEM_DINGTALK_URL": door.api_url,
            "TANDEM_DINGTALK_OAPI_URL": door.oapi_url,
        }
        yield Company(microsoft, dingtalk, platform, door, azure, env, place, folder / "progress.json")
