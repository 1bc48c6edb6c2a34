"""`tandem serve` in a process of its own, against both vendors in another: the product by its settings alone."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.demo.compare import differences
from sandbox.demo.office import Person
from sandbox.demo.post import Post
from sandbox.demo.watch import SIDES, Side, other
from sandbox.people import meet
from sandbox.truth import Stored
from sandbox.web import Server
from shared.state.queue import SqliteQueue
from tests.support.azure_services import azure_services
from tests.support.front import Front
from tests.support.processes import Process, process, tandem, until

IN_STEP = 120.0
TIMES = {"TANDEM_POLL_SECONDS": "1", "TANDEM_NIGHT_POLL_SECONDS": "1", "TANDEM_TWIN_HOLD_SECONDS": "1"}
SHORTEST_LEASE = {"TANDEM_GRACE_SECONDS": "0", "TANDEM_LEASE_SECONDS": "70"}
"""What a killed process had in hand is free again after this many seconds."""
AFTER_A_KILL = 70.0 + 60.0 + IN_STEP
"""The lease, then a minute between two looks for what was in a request, and the work. Less than until a catch-up."""


def add_pairs(settings: Mapping[str, str], ready: Mapping[str, Any]) -> None:
    """As an administrator would, before the app starts or while it runs."""
    for one in ready["pairs"]:
        facts = ["--name", one["name"], "--outlook", one["outlook"], "--dingtalk", one["dingtalk"]]
        options = ["--union-id", one["union_id"], "--client-password-stdin", "--yes"]
        added = tandem("pair", "add", *facts, *options, input=one["client_password"] + "\n", settings=settings)
        assert added.returncode == 0, added.stdout + added.stderr


class Scene:
    """Two people whose mailboxes are kept in step by `serve` processes. `state`: settings that say where the state is;
    all processes share it. Microsoft reaches one of those that live, as with several instances on Azure."""

    def __init__(self, folder: Path, state: Mapping[str, str], stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        vendors = stack.enter_context(process(folder, "sandbox", "--vendors-only"))
        self.ready = vendors.ready()
        assert self.ready["functions"] is None, "these are the vendors alone"
        self.port = _free_port()
        self._front = Front()
        door = Server(self._front)
        stack.callback(door.close)
        self.settings = {
            **self.ready["settings"],
            **TIMES,
            **state,
            "TANDEM_PUBLIC_URL": door.url,
        }
        self.people = meet(self.ready)
        self._post = Post({box.address: box for person in self.people for box in person.boxes.values()})
        self._serial = 0
        add_pairs(self.settings, self.ready)

    def serve(self, port: int | None = None) -> Process:
        arguments = ("serve", "--port", str(self.port if port is None else port))
        serving = self._stack.enter_context(process(self._folder, *arguments, **self.settings))
        url = serving.ready()["functions"]
        assert url.startswith("http://127.0.0.1:")
        self._front.instances.append(url)
        return serving

    # ---- people
    def mail_arrives(self, times: int = 1) -> None:
        """A letter to each account of each person, and one from each account to a customer: 4 for each person."""
        for _ in range(times):
            for person in self.people:
                for side in SIDES:
                    self._mail("li.na@supplier.example", person.boxes[side].address)
                    self._mail(person.boxes[side].address, "ops@customs.example")

    def _mail(self, sender: str, recipient: str) -> None:
        self._serial += 1
        headers = (
            f"From: {sender}\r\nTo: {recipient}\r\nSubject: 訂單 {self._serial}\r\n"
            f"Message-ID: <letter-{self._serial}@mail.example>\r\n"
            f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime())}\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
        )
        self._post.send(f"{headers}\r\nPlease confirm {self._serial}.\r\n".encode())

    def people_work(self) -> None:
        """On each side everybody reads, flags and files away something that came to the other side."""
        for person in self.people:
            for side in SIDES:
                box = person.boxes[side]
                first, second, third = self._from_the_other_side(person, side)[-3:]
                box.set_read(first.id, not first.read)
                box.set_flag(second.id, "none" if second.flag == "flagged" else "flagged")
                box.move(third.id, box.role("trash"))

    def _from_the_other_side(self, person: Person, side: Side) -> list[Stored]:
        box, there = person.boxes[side], person.boxes[other(side)].address
        inbox = box.role("inbox")
        return sorted((m for m in box.messages() if m.folder == inbox and there in m.to), key=lambda m: m.message_id)

    # ---- what came of it
    def in_step(self, letters: int, within: float = IN_STEP) -> None:
        """Wait until both sides of everybody are the same and hold so many messages."""
        until(lambda: self._is_in_step(letters), within, self._told)

    def quiet(self) -> None:
        """Nothing is written any more, and nothing ever went to anybody."""
        before = self.counts()
        time.sleep(4 * float(TIMES["TANDEM_POLL_SECONDS"]))
        assert self.counts()["writes"] == before["writes"]
        assert before["sent"] == 0

    def counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = requests.get(f"{self.ready['people']}/counts", timeout=10).json()
        return counts

    def _is_in_step(self, letters: int) -> bool:
        return all(
            len(person.boxes[side].messages()) == letters for person in self.people for side in SIDES
        ) and not any(differences(person.boxes["outlook"], person.boxes["dingtalk"]) for person in self.people)

    def _told(self) -> str:
        lines = [f"{p.name} {side}: {len(p.boxes[side].messages())}" for p in self.people for side in SIDES]
        lines += [str(d) for p in self.people for d in differences(p.boxes["outlook"], p.boxes["dingtalk"])]
        logs = [f"--- {file.name}\n{file.read_text('utf-8')}" for file in sorted(self._folder.glob("*.log"))]
        return "\n".join([*lines, *logs])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def embedded(folder: Path) -> dict[str, str]:
    return {"TANDEM_STATE": str(folder / "state")}


def play_with_restarts(scene: Scene) -> None:
    """Letters and changes on both sides, with the app ending and starting again in the middle of them."""
    serving = scene.serve()
    scene.mail_arrives(4)
    scene.in_step(16)
    scene.people_work()
    scene.in_step(16)
    scene.mail_arrives()
    assert serving.end() == 0, serving.output()
    scene.people_work()
    scene.mail_arrives()
    again = scene.serve()
    scene.mail_arrives()
    scene.in_step(28)
    scene.people_work()
    scene.in_step(28)
    scene.quiet()
    assert again.end(signal.SIGINT) == 0, again.output()
    for one in (serving, again):
        assert "Traceback" not in one.output()
        assert "failed" not in one.output()


def play_with_a_kill(scene: Scene, others: int) -> None:
    """One process is killed while mail is under way. `others`: how many more serve the same state; where there are
    none, a new one takes over."""
    killed = scene.serve()
    rest = [scene.serve(0) for _ in range(others)]
    scene.mail_arrives(3)
    scene.in_step(12)
    scene.mail_arrives(2)
    time.sleep(0.7)  # by now they are being carried across
    killed.end(signal.SIGKILL)
    scene.people_work()
    if not rest:
        rest = [scene.serve()]
    scene.mail_arrives()
    scene.in_step(24, AFTER_A_KILL)
    scene.quiet()
    assert [one.end() for one in rest] == [0] * len(rest)


@pytest.fixture
def scene(tmp_path: Path, stack: ExitStack) -> Scene:
    return Scene(tmp_path, embedded(tmp_path), stack)


def test_serve_says_where_it_listens_and_ends_in_order(scene: Scene) -> None:
    serving = scene.serve()
    facts = serving.ready()
    assert facts == {
        "address": f"127.0.0.1:{scene.port}",
        "functions": f"http://127.0.0.1:{scene.port}",
        "pid": serving.pid,
    }
    answer = requests.post(f"{facts['functions']}/api/graph/notifications", data=b"{}", timeout=5)
    assert answer.status_code == 202
    assert serving.end(signal.SIGINT) == 0
    assert f"functions at {facts['functions']}" in serving.output()
    assert serving.output().endswith("Ended.\n")


def test_two_serve_processes_never_share_an_embedded_state(scene: Scene, tmp_path: Path) -> None:
    first = scene.serve()
    second = tandem("serve", settings=scene.settings)
    assert second.returncode == 1
    assert f"another process ({first.pid}) uses the state in {tmp_path / 'state'}" in second.stderr
    assert "set TANDEM_STATE to another folder" in second.stderr
    assert "Traceback" not in second.stderr
    first.end(signal.SIGKILL)
    assert scene.serve().end() == 0


def test_a_port_that_is_taken_is_said_so(scene: Scene) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", scene.port))
        taken.listen()
        ran = tandem("serve", "--port", str(scene.port), settings=scene.settings)
    assert ran.returncode == 1
    assert f"port {scene.port} can't be used" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_wrong_settings_are_one_list_and_start_nothing(tmp_path: Path) -> None:
    settings = {
        "TANDEM_STATE": str(tmp_path / "state"),
        "TANDEM_POLL_SECONDS": "hush",
        "TANDEM_GRAPH_SECRET": "hush",
        "TANDEM_ALIMAIL_URL": "http://alimail.example",
    }
    ran = tandem("serve", settings=settings)
    assert ran.returncode == 2
    heading, *lines = ran.stderr.splitlines()
    assert heading == "These settings can't be used:"
    assert [line.partition(":")[0] for line in lines] == [
        "TANDEM_GRAPH_SECRET",
        "TANDEM_GRAPH_CLIENT_SECRET, TANDEM_GRAPH_CERTIFICATE, TANDEM_GRAPH_FEDERATED",
        "TANDEM_GRAPH_TENANT_ID",
        "TANDEM_GRAPH_CLIENT_ID",
        "TANDEM_ALIMAIL_CLIENT_ID",
        "TANDEM_ALIMAIL_CLIENT_SECRET",
        "TANDEM_ALIMAIL_URL",
        "TANDEM_POLL_SECONDS",
    ]
    assert "hush" not in ran.stderr + ran.stdout
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("broken", ["a file", "a wrong key", "no database"])
def test_a_state_that_cannot_be_used_is_said_so(scene: Scene, tmp_path: Path, broken: str) -> None:
    state = tmp_path / "state"
    if broken == "a file":
        scene.settings["TANDEM_STATE"] = str(tmp_path / "file")
        (tmp_path / "file").write_text("")
    elif broken == "a wrong key":
        secrets = json.loads((state / "secrets.json").read_text())
        (state / "secrets.json").write_text(json.dumps({**secrets, "deployment-key": "short"}))
    else:
        (state / "table.db").write_bytes(b"no database at all" * 100)
    ran = tandem("serve", settings=scene.settings)
    assert ran.returncode in (1, 2)
    assert "state" in ran.stderr or "secret" in ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr


def test_a_refused_app_is_said_once_with_what_to_do_and_asked_for_once(scene: Scene, tmp_path: Path) -> None:
    scene.settings["TANDEM_GRAPH_CLIENT_SECRET"] = "yesterdays"
    before = scene.counts()["calls"]["outlook token"]
    serving = scene.serve()
    scene.mail_arrives()
    until(lambda: "no pair is served" in serving.output(), 20, serving.output)
    queue = SqliteQueue(tmp_path / "state" / "queue.db")
    time.sleep(1)
    waiting = queue.depth("work")
    time.sleep(5)
    assert queue.depth("work") <= waiting + 2, "failed runs leave more and more retries"
    said = " ".join(serving.output().split())
    assert said.count("the client secret is wrong") == 1
    assert said.count("AADSTS7000215") <= 1 + 2 * len(scene.people)
    assert "yesterdays" not in said
    assert scene.counts()["calls"]["outlook token"] == before + 1
    assert serving.end() == 0


@pytest.mark.slow
def test_two_mailboxes_stay_in_step_over_restarts(tmp_path: Path, stack: ExitStack) -> None:
    play_with_restarts(Scene(tmp_path, embedded(tmp_path), stack))


@pytest.mark.slow
@pytest.mark.longest
def test_two_mailboxes_stay_in_step_when_the_app_is_killed(tmp_path: Path, stack: ExitStack) -> None:
    play_with_a_kill(Scene(tmp_path, {**embedded(tmp_path), **SHORTEST_LEASE}, stack), others=0)


@pytest.mark.slow
def test_without_a_public_address_there_is_no_push_but_mail_crosses(tmp_path: Path, stack: ExitStack) -> None:
    scene = Scene(tmp_path, embedded(tmp_path), stack)
    scene.settings["TANDEM_PUBLIC_URL"] = ""
    serving = scene.serve()
    scene.mail_arrives(2)
    scene.in_step(8)
    assert serving.end() == 0, serving.output()


# ---- the same with state on Azure
@pytest.fixture
def azure() -> Iterator[dict[str, str]]:
    with azure_services() as services:
        yield services.environment


@pytest.mark.slow
def test_on_azure_two_mailboxes_stay_in_step_over_restarts(
    tmp_path: Path, stack: ExitStack, azure: dict[str, str]
) -> None:
    play_with_restarts(Scene(tmp_path, azure, stack))


@pytest.mark.slow
@pytest.mark.longest
def test_on_azure_two_processes_share_the_work_and_one_is_killed(
    tmp_path: Path, stack: ExitStack, azure: dict[str, str]
) -> None:
    play_with_a_kill(Scene(tmp_path, {**azure, **SHORTEST_LEASE}, stack), others=1)
