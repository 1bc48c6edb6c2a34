"""What the wiring keeps of many mailboxes: a bounded number of IMAP connections."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox.dingtalk import DingTalkMail, ImapServer
from sandbox.web import Server
from shared.model.pairs import Pair
from shared.model.words import DINGTALK
from shared.wiring import replicas as wiring
from shared.wiring.parts import Parts
from shared.wiring.replicas import Replicas, password_name
from shared.wiring.settings import load_settings

PASSWORD = "client-password"


class Office:
    def __init__(self, folder: Path, mailboxes: int, stack: ExitStack) -> None:
        vendor = DingTalkMail(clock=time.time, random=random.Random(1), client_id="ali", client_secret="s")
        http, imap = Server(vendor), ImapServer(vendor)
        stack.callback(http.close)
        stack.callback(imap.close)
        environment = {
            "TANDEM_GRAPH_TENANT_ID": "tenant",
            "TANDEM_GRAPH_CLIENT_ID": "client",
            "TANDEM_GRAPH_CLIENT_SECRET": "hush",
            "TANDEM_ALIMAIL_CLIENT_ID": "ali",
            "TANDEM_ALIMAIL_CLIENT_SECRET": "s",
            "TANDEM_ALIMAIL_URL": http.url,
            "TANDEM_IMAP_HOST": imap.host,
            "TANDEM_IMAP_PORT": str(imap.port),
            "TANDEM_IMAP_TLS": "false",
            "TANDEM_STATE": str(folder),
        }
        settings = load_settings(environment)
        parts = Parts.embedded(settings)
        stack.callback(parts.close)
        self.replicas = Replicas(settings, parts, bytes(32))
        stack.callback(self.replicas.close)
        self.vendor, self._imap = vendor, imap
        self.pairs = [Pair(f"pair-{n}", "", f"{n}@a.example", f"{n}@b.example", 0.0) for n in range(mailboxes)]
        for pair in self.pairs:
            vendor.add_mailbox(pair.dingtalk, client_password=PASSWORD)
            parts.secrets.set(password_name(pair.id), PASSWORD)

    def use(self, pair: Pair) -> None:
        assert self.replicas.replica(pair, DINGTALK).mark("2")

    def logins(self) -> int:
        return self.vendor.counts["IMAP LOGIN"]

    def connections(self) -> int:
        return len(self._imap._server._open)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(wiring, "CONNECTIONS", 3)
    with ExitStack() as stack:
        yield Office(tmp_path, 6, stack)


def test_a_process_keeps_no_more_connections_than_it_may(office: Office) -> None:
    for pair in office.pairs * 2:
        office.use(pair)
        end = time.monotonic() + 5.0
        while office.connections() > 3 and time.monotonic() < end:
            time.sleep(0.01)
        assert office.connections() <= 3
    assert office.logins() == 12


def test_a_connection_that_is_used_again_and_again_is_kept(office: Office) -> None:
    for pair in office.pairs[1:]:
        office.use(office.pairs[0])
        office.use(pair)
    assert office.logins() == 6


def test_whoever_looks_needs_no_password_and_no_connection(office: Office) -> None:
    pair = office.pairs[0]
    looker = office.replicas.looker(pair, 30.0)
    assert looker.observe((), {}, None).changes.folders
    assert looker is office.replicas.looker(pair, 30.0)
    assert office.connections() == office.logins() == 0
