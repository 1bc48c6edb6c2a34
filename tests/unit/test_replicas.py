"""What the wiring keeps of many mailboxes: a bounded number of IMAP connections, and one gate for their logins."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from sandbox.dingtalk import DingTalkMail, ImapServer
from sandbox.web import Server
from shared.model.errors import NoClientPassword, TandemError, Unavailable
from shared.model.mail import Trace
from shared.model.pairs import Pair
from shared.model.shut import MISSING, REFUSED
from shared.model.words import DINGTALK
from shared.ports.replica import Replica
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
        self.settings, self.parts, self._stack = settings, parts, stack
        self.replicas = self.process()
        self.vendor, self._imap = vendor, imap
        self.pairs = [Pair(f"pair-{n}", "", f"{n}@a.example", f"{n}@b.example", 0.0) for n in range(mailboxes)]
        for pair in self.pairs:
            vendor.add_mailbox(pair.dingtalk, client_password=PASSWORD)
            parts.secrets.set(password_name(pair.id), PASSWORD)

    def process(self) -> Replicas:
        replicas = Replicas(self.settings, self.parts, bytes(32))
        self._stack.callback(replicas.close)
        return replicas

    def use(self, pair: Pair) -> None:
        assert self.replicas.replica(pair, DINGTALK).mark("2")

    def keep(self, pair: Pair, password: str) -> None:
        self.parts.secrets.set(password_name(pair.id), password)

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


def test_one_pairs_refused_password_is_no_other_pairs_affair(office: Office) -> None:
    bad, good = office.pairs[:2]
    office.keep(bad, "wrong")
    for _ in range(3):
        with pytest.raises(NoClientPassword):
            office.use(bad)
        office.use(good)
    assert office.vendor.logins == [(bad.dingtalk, "wrong"), (good.dingtalk, PASSWORD)]


def test_processes_that_sign_in_at_once_make_one_login_with_a_wrong_password(office: Office) -> None:
    pair = office.pairs[0]
    office.keep(pair, "wrong")
    others, begin, said = [office.process() for _ in range(4)], threading.Barrier(4), list[str]()

    def use(replicas: Replicas) -> None:
        begin.wait()
        try:
            replicas.replica(pair, DINGTALK).mark("2")
        except (NoClientPassword, Unavailable) as error:
            said.append(error.code)

    threads = [threading.Thread(target=use, args=(process,)) for process in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 4
    assert set(said) <= {REFUSED, "imap_busy"}
    assert office.logins() == 1


def test_with_a_refused_password_every_way_to_the_imap_door_stays_shut(office: Office) -> None:
    pair = office.pairs[0]
    office.keep(pair, "wrong")
    box = office.vendor.mailboxes[pair.dingtalk]
    inner = EmailMessage()
    inner["From"], inner["Subject"] = "a@x.cn", "inner"
    inner.set_content("hello")
    outer = EmailMessage()
    outer["From"], outer["Message-ID"] = "a@x.cn", "<m@x.cn>"
    outer.set_content("hi")
    outer.add_attachment(inner)
    id = box.deliver(outer.as_bytes(policy=SMTP))
    ways: list[Callable[[Replica], object]] = [
        lambda replica: replica.mark("2"),
        lambda replica: replica.fetch(id),
        lambda replica: replica.find(Trace("key", "nobody@x.cn", 0.0, "2", "2:1")),
    ]
    for way in ways * 2:
        with suppress(TandemError):
            way(office.process().replica(pair, DINGTALK))
    assert office.vendor.logins == [(pair.dingtalk, "wrong")]


def test_a_password_that_changes_ends_the_connection_of_the_old_one(office: Office) -> None:
    pair = office.pairs[0]
    office.use(pair)
    office.parts.secrets.delete(password_name(pair.id))
    with pytest.raises(NoClientPassword) as caught:
        office.use(pair)
    assert caught.value.code == MISSING
    end = time.monotonic() + 5.0
    while office.connections() and time.monotonic() < end:
        time.sleep(0.01)
    assert office.connections() == 0


def test_what_is_written_of_a_password_is_a_keyed_hash(office: Office) -> None:
    pair = office.pairs[0]
    office.use(pair)
    rows = [row.value for row in office.parts.table.scan(f"{pair.id}:mail", "", "~")]
    assert rows
    assert PASSWORD not in str(rows)
    assert hashlib.sha256(PASSWORD.encode()).hexdigest()[:16] not in str(rows)
