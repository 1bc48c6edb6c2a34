"""A company on both simulated vendors over HTTP and IMAP, with an administrator who types commands."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from sandbox.dingtalk import DingTalkMail, ImapServer
from sandbox.main import app
from sandbox.microsoft import Microsoft365
from sandbox.microsoft.server import MicrosoftServer
from sandbox.web import Server
from shared.cli.common import console
from shared.wiring.product import Product, build
from shared.wiring.settings import load_settings
from tests.support.scene import mail

CHAN, WONG = ("chan@office.example", "chan@factory.example"), ("wong@office.example", "wong@factory.example")
PASSWORD = "client-password"


@dataclass
class Company:
    microsoft: Microsoft365
    dingtalk: DingTalkMail
    env: dict[str, str]
    stack: ExitStack

    def run(self, *args: str, input: str = "", ok: bool = True) -> Result:
        console.width = 200  # it may have been made while another test had a narrow terminal
        result = CliRunner().invoke(app, list(args), input=input, env={**self.env, "COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert (result.exit_code == 0) == ok, result.output
        return result

    def add(self, *more: str, name: str = "Chan", boxes: Sequence[str] = CHAN, ok: bool = True) -> str:
        flags = ["--name", name, "--outlook", boxes[0], "--dingtalk", boxes[1], "--yes", "--client-password-stdin"]
        return self.run("pair", "add", *flags, *more, input=PASSWORD + "\n", ok=ok).output

    def product(self) -> Product:
        """A process of the app."""
        product = build(load_settings(self.env))
        self.stack.callback(product.close)
        return product

    def work(self) -> None:
        """Runs of the app, as its triggers would make them."""
        product = self.product()
        for _ in range(3):
            for pair in product.pairs.list():
                product.desk.wake(pair)
                product.service.poll({"subscribe": [pair.id]})
                product.service.work({"pair": pair.id})

    def arrive(self, id: str) -> str:
        content = mail(id, to=(CHAN[0],), subject="Customs notice", at=time.time())
        return self.microsoft.mailboxes[CHAN[0]].deliver(content)


@contextmanager
def a_company(folder: Path) -> Iterator[Company]:
    """Its state is in `folder`."""
    with ExitStack() as stack:
        chance = random.Random(1)
        microsoft = Microsoft365(
            clock=time.time, random=chance, tenant_id="tenant", client_id="client", client_secret="secret"
        )
        dingtalk = DingTalkMail(clock=time.time, random=chance, client_id="ali", client_secret="ali-secret")
        for person in (CHAN, WONG):
            microsoft.add_mailbox(person[0], display_name=f"{person[0].split('@')[0].title()} of the office")
            dingtalk.add_mailbox(person[1], client_password=PASSWORD)
        graph, alimail, imap = MicrosoftServer(microsoft), Server(dingtalk), ImapServer(dingtalk)
        for server in (graph, alimail, imap):
            stack.callback(server.close)
        env = {
            "TANDEM_GRAPH_URL": graph.graph_url,
            "TANDEM_LOGIN_URL": graph.url,
            "TANDEM_ALIMAIL_URL": alimail.url,
            "TANDEM_IMAP_HOST": imap.host,
            "TANDEM_IMAP_PORT": str(imap.port),
            "TANDEM_IMAP_TLS": "false",
            "TANDEM_STATE": str(folder / "state"),
            "TANDEM_GRAPH_TENANT_ID": "tenant",
            "TANDEM_GRAPH_CLIENT_ID": "client",
            "TANDEM_GRAPH_CLIENT_SECRET": "secret",
            "TANDEM_ALIMAIL_CLIENT_ID": "ali",
            "TANDEM_ALIMAIL_CLIENT_SECRET": "ali-secret",
        }
        yield Company(microsoft, dingtalk, env, stack)
