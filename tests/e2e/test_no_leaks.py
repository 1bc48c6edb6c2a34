"""A marker is planted in whatever is secret or private, and looked for wherever something is written down.

The whole sandbox runs over real sockets while both vendors fail in every way, and people write, read, move, rename and
leave. Allowed to hold names and addresses: the pairs' own rows. Allowed to hold secrets: the owner's file of them.
"""

from __future__ import annotations

import gc
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import pytest
import requests

import sandbox.vendors as vendors
from sandbox.demo.office import Person
from sandbox.dingtalk import DingTalkMail
from sandbox.dingtalk.openapi_old import OldHost
from sandbox.microsoft import Microsoft365
from sandbox.running import Sandbox
from sandbox.vendors import SandboxPair
from sandbox.web import Request, Response
from shared.ports.state import Op
from shared.state.queue import SqliteQueue
from shared.state.sqlite import SqliteTable
from shared.sync.identity import Identity
from shared.wiring.key import deployment_key
from shared.wiring.world import SystemRandom
from tests.support.watching import Watching

MARKER = "zqxplanted"
"""In every secret, name, address, subject and body, whatever its case."""
FAULTS = 0.12
PLAYED = 25.0
PAIR = SandboxPair(
    "Zqxplanted 密",
    "zqxplantedout@office.example",
    "zqxplanteding@factory.example",
    "union-1",
    "user-1",
    "zqxplanted-client-password",
)
SECRETS = {
    "SECRET": "zqxplanted-graph-secret",
    "ALI_SECRET": "zqxplanted-ali-secret",
    "APP_SECRET": "zqxplanted-app-secret",
    "CALLBACK_TOKEN": "zqxplantedcallbacktoken",
    "CALLBACK_KEY": "zqxplanted" + "k" * 33,
}


@dataclass
class Written:
    """All that is written down while it is listened to."""

    rows: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    watching: Watching = field(default_factory=Watching)

    def found(self, words: Sequence[str]) -> list[str]:
        """Where any of these words stands, in lower case."""
        telemetry = self.watching.texts()
        places = {"row": self.rows, "message": self.messages, "log": self.lines, "telemetry": telemetry}
        return [
            f"{place}: {text[:400]}"
            for place, texts in places.items()
            for text in texts
            if any(word in text.lower() for word in words)
        ]


class Listener(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """Every row and message that is ever written, every line of every log from DEBUG on, tracebacks included, and all
    spans, metrics and log records that whoever watches is told."""
    written = Written()
    transact, send = SqliteTable.transact, SqliteQueue.send

    def noted_rows(self: SqliteTable, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        if partition != "pairs":
            written.rows += [json.dumps([partition, op.key, op.value], ensure_ascii=False) for op in ops]
        return transact(self, partition, ops)

    def noted_message(self: SqliteQueue, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        written.messages.append(json.dumps([queue, message], ensure_ascii=False))
        send(self, queue, message, delay)

    monkeypatch.setattr(SqliteTable, "transact", noted_rows)
    monkeypatch.setattr(SqliteQueue, "send", noted_message)
    root, listener = logging.getLogger(), Listener(written.lines)
    level = root.level
    root.addHandler(listener)
    root.addHandler(written.watching.telemetry.handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(level)
    root.removeHandler(written.watching.telemetry.handler)
    root.removeHandler(listener)


class Lost(OSError):
    """The connection breaks."""


TEXT = "zqxplanted body of the vendor's error about zqxplantedout@office.example"
GRAPH_ERROR = {"error": {"code": "ErrorInternalServerTransientError", "message": TEXT}}
ALI_ERROR = {"detailErrorCode": "Unheard.Of", "message": TEXT, "developerMessage": TEXT}


def _broken() -> Response:
    raise Lost("zqxplanted")


FAULTY: dict[str, Callable[[], Response]] = {
    "500": lambda: Response.of_json(500, {**GRAPH_ERROR, **ALI_ERROR, "errcode": -1, "errmsg": TEXT}),
    "503": lambda: Response(503, {"retry-after": "1"}, TEXT.encode()),
    "429": lambda: Response.of_json(429, {**GRAPH_ERROR, **ALI_ERROR}, {"retry-after": "1"}),
    "no JSON": lambda: Response(200, {"content-type": "application/json"}, b'{"zqxplanted": '),
    "a list": lambda: Response.of_json(200, [TEXT]),
    "elsewhere": lambda: Response(
        302, {"location": "http://zqxplanted.example/zqxplantedout@office.example?token=zqxplanted"}
    ),
    "broken": _broken,
}


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Both vendors fail now and then, as soon as the counter is given a "go"."""
    chance, happened = random.Random(20261124), Counter[str]()

    def failing(handle: Callable[[Any, Request], Response]) -> Callable[[Any, Request], Response]:
        def handled(self: Any, request: Request) -> Response:
            if happened["go"] and chance.random() < FAULTS:
                what = chance.choice(list(FAULTY))
                happened[what] += 1
                return FAULTY[what]()
            return handle(self, request)

        return handled

    for vendor in (Microsoft365, DingTalkMail, OldHost):
        monkeypatch.setattr(vendor, "handle", failing(vendor.handle))
    return happened


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the connections that the product keeps open
def test_nothing_secret_or_private_is_written_down_whatever_fails(
    written: Written,
    faults: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setattr(vendors, name, value)
    tokens, hidden, holding = _play(faults, written.watching)
    gc.collect()
    shown = capfd.readouterr()
    written.lines += [shown.out, shown.err]
    print(
        f"{len(written.rows)} rows, {len(written.messages)} messages, {len(written.lines)} lines of log,"
        f" {len(written.watching.spans())} spans, {len(written.watching.logs())} log records,"
        f" {len(tokens)} tokens, {faults.total() - 1} faults: {dict(faults)}"
    )
    assert written.found(hidden) == []
    assert not [content for content in holding if any(word.encode() in content.lower() for word in hidden)]
    assert min(faults[what] for what in FAULTY) > 0
    assert len(written.rows) > 100
    assert any("tandem.sync" in line for line in written.lines)
    assert {"run", "mirrored", "graph_notifications", "dingtalk_callback"} <= {s.name for s in written.watching.spans()}
    assert any(span.status.description for span in written.watching.spans())
    assert len(written.watching.logs()) > 10


def _play(faults: Counter[str], watching: Watching) -> tuple[set[str], list[str], list[bytes]]:
    """-> the tokens that were given out, all words to look for, and what is left in files."""
    sandbox, tokens = Sandbox(pairs=1, poll=1.0, telemetry=watching.telemetry), set[str]()
    sandbox.pairs = [PAIR]
    with sandbox:
        faults["go"] += 1
        _live(sandbox, tokens)
        hidden = [MARKER, *(token.lower() for token in tokens if len(token) > 6), _client_state(sandbox)]
        return tokens, hidden, [path.read_bytes() for path in _files(sandbox)]


def _live(sandbox: Sandbox, tokens: set[str]) -> None:
    (person,) = sandbox.people
    end, count = time.monotonic() + PLAYED, 0
    while time.monotonic() < end:
        count += 1
        _act(person, count)
        _knock(sandbox, count)
        if count % 10 == 0:
            sandbox.open_platform.rename("user-1", f"Zqxplantedrenamed {count}")
        if count % 15 == 0:
            sandbox.microsoft.tokens.revoke()
            sandbox.dingtalk.revoke_tokens()
            sandbox.open_platform.revoke_tokens()
        tokens.update(sandbox.microsoft.tokens._issued, sandbox.dingtalk._tokens._issued)
        tokens.update(token for token, _ in sandbox.open_platform._tokens.values())
        time.sleep(0.4)
    sandbox.open_platform.leave("user-1")
    end = time.monotonic() + 20
    while not sandbox._product.pairs.list()[0].paused:
        assert time.monotonic() < end, "the leaver's pair is not paused"
        time.sleep(0.1)


def _act(person: Person, count: int) -> None:
    """Mail comes, and something is done to what is there."""
    box = person.boxes["outlook" if count % 2 else "dingtalk"]
    letter = EmailMessage()
    letter["From"], letter["To"] = f"Zqxplantedsender <zqxplanted{count}@supplier.example>", box.address
    letter["Subject"], letter["Message-ID"] = f"zqxplantedsubject {count} 密", f"<zqxplanted.{count}@supplier.example>"
    letter.set_content(f"zqxplantedbody {count}\n")
    letter.add_attachment(b"zqxplantedattachment", maintype="application", subtype="pdf", filename="zqxplanted.pdf")
    box.deliver(letter.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    held = box.messages()[0].id
    acts: tuple[Callable[[], object], ...] = (
        lambda: box.set_read(held, True),
        lambda: box.set_flag(held, "flagged"),
        lambda: box.move(held, box.role("trash")),
        lambda: box.make_folder(f"zqxplantedfolder {count}"),
    )
    acts[count % len(acts)]()


def _knock(sandbox: Sandbox, count: int) -> None:
    """Somebody tries the doors, with markers in everything."""
    url = sandbox.ready()["functions"]
    path = ("graph/notifications", "dingtalk/callback", "health", "zqxplanted")[count % 4]
    body = json.dumps(
        {"encrypt": "zqxplanted", "value": [{"subscriptionId": "zqxplanted", "clientState": "zqxplanted"}]}
    )
    for method in ("POST", "GET"):
        requests.request(
            method,
            f"{url}/api/{path}?signature=zqxplanted&timestamp=1795532400&nonce=zqxplanted&code=zqxplanted",
            data=body,
            headers={"authorization": "Bearer zqxplanted", "x-functions-key": "zqxplanted"},
            timeout=10,
        )


def _client_state(sandbox: Sandbox) -> str:
    product = sandbox._product
    return Identity(deployment_key(product.secrets, SystemRandom()), product.pairs.list()[0]).client_state()


def _files(sandbox: Sandbox) -> list[Any]:
    """What is left in the state's folder beside the table, whose rows were looked at, and the secrets."""
    state = sandbox._product.settings.state
    return [p for p in state.rglob("*") if p.is_file() and not p.name.startswith(("table.db", "secrets.json"))]
