"""What the demo measures: latencies, echoes and the verdict."""

from __future__ import annotations

import ast
import io
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console

import sandbox.demo
from sandbox.demo.compare import Difference
from sandbox.demo.meter import Meter, changes_a_mailbox
from sandbox.demo.report import Counted, Figures, figures, surplus
from sandbox.demo.screen import Screen
from sandbox.demo.watch import Line, Side, Watcher
from sandbox.microsoft import GraphMailbox, Microsoft365
from sandbox.truth import Stored

MIME = b"Message-ID: <1@x>\r\nFrom: a@x\r\nTo: b@x\r\nSubject: S\r\n\r\nT\r\n"


class Scene:
    """A pair of mailboxes, a clock, a count of writes and the beginnings of polls, all set by hand."""

    def __init__(self) -> None:
        self.now, self.count, self.began = 1000.0, 0, list[float]()
        vendor = Microsoft365(
            clock=lambda: self.now, random=random.Random(1), tenant_id="t", client_id="c", client_secret="s"
        )
        self.boxes: dict[Side, GraphMailbox] = {
            "outlook": vendor.add_mailbox("p@office.example"),
            "dingtalk": vendor.add_mailbox("p@factory.example"),
        }
        self.watcher = Watcher({"P": self.boxes}, lambda: self.count, lambda address: self.began, lambda: self.now)

    def expect(self, side: Side, **more: object) -> Line:
        line = Line("P", side, "copy", "receives", "S", ("1@x", False), self.now)
        line = replace(line, **more)  # type: ignore[arg-type]
        self.watcher.expect(line)
        return line

    def write(self, side: Side) -> str:
        self.count += 1
        return self.boxes[side].deliver(MIME)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_copy_is_done_when_it_stands_on_the_other_side(scene: Scene) -> None:
    line = scene.expect("outlook")
    scene.watcher.look()
    assert scene.watcher.pending == [line]
    scene.now = 1000.25
    scene.write("dingtalk")
    scene.watcher.look()
    assert (line.done, line.now, scene.watcher.pending) == (1000.25, "inbox", [])
    assert scene.watcher.latencies() == scene.watcher.end_to_end("copy") == [250]


def test_the_time_of_a_side_without_push_begins_with_the_poll_that_saw_it(scene: Scene) -> None:
    scene.began += [999.0, 1001.5, 1003.5]
    scene.expect("dingtalk")
    scene.now = 1002.0
    scene.write("outlook")
    scene.watcher.look()
    assert scene.watcher.latencies() == [500]
    assert scene.watcher.end_to_end("copy") == [2000]


def test_what_no_later_poll_explains_is_timed_from_the_act(scene: Scene) -> None:
    scene.began += [999.9]
    scene.expect("dingtalk")
    scene.now = 1000.3
    scene.write("outlook")
    scene.watcher.look()
    assert scene.watcher.latencies() == [300]


def test_a_change_is_done_when_all_that_it_wants_shows(scene: Scene) -> None:
    id = scene.write("dingtalk")
    line = scene.expect("outlook", kind="change", want={"flag": "flagged", "place": "trash"})
    scene.boxes["dingtalk"].set_flag(id, "flagged")
    scene.watcher.look()
    assert line.done is None
    scene.boxes["dingtalk"].move(id, scene.boxes["dingtalk"].role("trash"))
    scene.watcher.look()
    assert line.done == 1000.0


def test_a_twin_counts_once_no_more_can_come_and_only_if_it_is_alone(scene: Scene) -> None:
    line = scene.expect("outlook", kind="twin", not_before=1005.0)
    scene.write("dingtalk")
    scene.watcher.look()
    assert line.done is None
    scene.now = 1006.0
    second = scene.write("dingtalk")
    scene.watcher.look()
    assert (line.done, line.now) == (None, "inbox, inbox")
    scene.boxes["dingtalk"].purge(second)
    scene.now = 1007.0
    scene.watcher.look()
    assert line.done == 1007.0
    assert scene.watcher.latencies() == []


def test_the_stores_are_left_alone_while_nothing_is_written(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def messages() -> list[Stored]:
        looks.append(scene.now)
        return []

    scene.watcher.look()
    scene.expect("outlook")
    scene.now = 1000.3
    monkeypatch.setattr(scene.boxes["dingtalk"], "messages", messages)
    scene.watcher.look()
    assert looks == []
    scene.count += 1
    scene.watcher.look()
    assert looks == [1000.3]


@pytest.mark.parametrize(
    ("route", "changes"),
    [
        ("POST /users/{u}/mailFolders/{f}/messages", True),
        ("PATCH /users/{u}/messages/{m}", True),
        ("POST /users/{u}/messages/{m}/move", True),
        ("PUT upload", True),
        ("POST /v2/users/{u}/messages/batchUpdate", True),
        ("POST /v2/users/{u}/messages/move", True),
        ("POST /v2/stream/{id}", True),
        ("IMAP APPEND", True),
        ("IMAP UID STORE", True),
        ("GET /users/{u}/messages/{m}", False),
        ("POST /$batch", False),
        ("POST /subscriptions", False),
        ("PATCH /subscriptions/{s}", False),
        ("POST /v2/users/{u}/messages/query", False),
        ("IMAP UID FETCH", False),
        ("IMAP LOGIN", False),
        ("token", False),
    ],
)
def test_a_route_changes_a_mailbox_or_not(route: str, changes: bool) -> None:
    assert changes_a_mailbox(route) == changes


@dataclass
class Vendor:
    counts: Counter[str] = field(default_factory=Counter)
    sent_mail: int = 0
    receipts: int = 0
    ignored: list[str] = field(default_factory=list)


def test_the_meter_counts_both_vendors_and_the_parts_of_batches() -> None:
    outlook = Vendor(Counter({"token": 1, "POST /$batch": 2, "PATCH /users/{u}/messages/{m}": 3}), receipts=1)
    dingtalk = Vendor(Counter({"token": 4, "IMAP APPEND": 5}), sent_mail=2, ignored=["GET x: size"])
    meter = Meter(outlook, dingtalk, Counter({"PATCH /users/{u}/messages/{m}": 7, "GET /users/{u}/messages/{m}": 6}))
    assert meter.writes() == {"outlook": 10, "dingtalk": 5}
    assert (meter.written(), meter.sent()) == (15, 3)
    assert meter.calls() == {
        "dingtalk IMAP APPEND": 5,
        "dingtalk token": 4,
        "ignored": 1,
        "outlook PATCH /users/{u}/messages/{m}": 3,
        "outlook POST /$batch": 2,
        "outlook part GET /users/{u}/messages/{m}": 6,
        "outlook part PATCH /users/{u}/messages/{m}": 7,
        "outlook token": 1,
    }


def _change(side: Side, **want: object) -> Line:
    return Line("P", side, "change", "", "", ("1@x", False), 0.0, want)


def test_writes_beyond_what_copies_and_changes_need_are_echoes() -> None:
    lines = [_change("outlook", read=True), _change("outlook", flag="complete"), _change("dingtalk", place="trash")]
    mirrored: dict[Side, int] = {"outlook": 2, "dingtalk": 1}
    assert surplus({"outlook": 3, "dingtalk": 4}, mirrored, lines) == 0
    assert surplus({"outlook": 4, "dingtalk": 4}, mirrored, lines) == 1
    assert surplus({"outlook": 3, "dingtalk": 6}, mirrored, lines) == 2


def test_figures_of_a_pair_in_step_are_good(scene: Scene) -> None:
    scene.expect("outlook")
    for side in scene.boxes:
        scene.write(side)
    scene.watcher.look()
    boxes = {"P": scene.boxes}
    made = {"P": Counter({("1@x", False): 1})}
    result = figures(boxes, made, scene.watcher, Counted({"outlook": 0, "dingtalk": 0}, 0, 0, {"ignored": 0}))
    assert result.good
    assert result.json() == {
        "pairs": 1,
        "mirrored": 0,
        "mirrored_to_outlook": 0,
        "mirrored_to_dingtalk": 0,
        "state_changes": 0,
        "held_twins": 0,
        "equal": True,
        "lost": 0,
        "duplicated": 0,
        "echo_writes": 0,
        "sent_to_others": 0,
        "latency_ms": {"p50": 0, "p95": 0},
        "end_to_end_ms": {"p50": 0, "p95": 0},
        "held_end_to_end_ms": {"p50": 0, "p95": 0},
        "calls": {"ignored": 0},
    }


@pytest.mark.parametrize(
    ("counted", "what"),
    [
        (Counted({"outlook": 0, "dingtalk": 0}, 2, 0, {}), "echo_writes"),
        (Counted({"outlook": 0, "dingtalk": 3}, 0, 0, {}), "echo_writes"),
        (Counted({"outlook": 0, "dingtalk": 0}, 0, 1, {}), "sent_to_others"),
    ],
)
def test_one_echo_or_one_mail_sent_spoils_the_verdict(scene: Scene, counted: Counted, what: str) -> None:
    result = figures({"P": scene.boxes}, {"P": Counter()}, scene.watcher, counted)
    assert not result.good
    assert getattr(result, what) > 0


def test_what_is_lost_doubled_and_unequal_spoils_the_verdict(scene: Scene) -> None:
    scene.write("outlook")
    scene.write("outlook")
    made = {"P": Counter({("1@x", False): 1})}
    counted = Counted({"outlook": 0, "dingtalk": 0}, 0, 0, {})
    result = figures({"P": scene.boxes}, made, scene.watcher, counted)
    assert (result.lost, result.duplicated, result.equal, result.good) == (1, 1, False, False)


def test_percentiles_are_by_nearest_rank(scene: Scene) -> None:
    for number in range(1, 101):
        line = scene.expect("outlook")
        line.done = line.at + number / 1000
    result = figures(
        {"P": scene.boxes}, {"P": Counter()}, scene.watcher, Counted({"outlook": 0, "dingtalk": 0}, 0, 0, {})
    )
    assert result.latency_ms == {"p50": 50, "p95": 95}


def _drawn(terminal: bool, result: Figures, scene: Scene) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=160, height=40, color_system=None)
    screen = Screen(console, scene.watcher)
    with screen.live():
        screen.scene("Mail comes in")
    screen.end(result, {"P": [Difference("flag", "S", "none", "flagged")]}, {"P": (3, 4)})
    return out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_the_screen_shows_the_scene_the_comparison_and_the_figures(scene: Scene, terminal: bool) -> None:
    scene.expect("outlook")
    counted = Counted({"outlook": 0, "dingtalk": 0}, 0, 0, {"outlook token": 1, "ignored": 0})
    text = _drawn(terminal, figures({"P": scene.boxes}, {"P": Counter()}, scene.watcher, counted), scene)
    assert "Mail comes in" in text
    assert ("receives" in text) == terminal
    assert "'S': flag: Outlook none; DingTalk flagged" in text
    assert "p50 0 ms, p95 0 ms" in text


def test_what_measures_the_product_does_not_import_it() -> None:
    own = {path.stem for path in Path(sandbox.demo.__path__[0]).glob("*.py")} - {"command"}
    for name in own:
        tree = ast.parse((Path(sandbox.demo.__path__[0]) / f"{name}.py").read_text("utf-8"))
        modules = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        modules |= {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
        assert not [m for m in modules if m.startswith(("shared", "functions", "sandbox.running", "sandbox.host"))]
