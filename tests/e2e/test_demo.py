"""`tandem sandbox` and `tandem demo` as users start them: as processes, over real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.faults import ALL, PLANS

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "sandbox.main"]


def tandem(*arguments: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout)


@pytest.mark.slow
def test_the_demo_loses_doubles_echoes_and_sends_nothing(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    ran = tandem("demo", "--once", "--json", str(file))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures: dict[str, Any] = json.loads(file.read_text("utf-8"))
    assert figures["pairs"] == 2
    assert figures["mirrored_to_outlook"] >= 30
    assert figures["mirrored_to_dingtalk"] >= 30
    assert figures["mirrored"] == figures["mirrored_to_outlook"] + figures["mirrored_to_dingtalk"]
    assert figures["state_changes"] >= 30
    assert figures["held_twins"] >= 1
    assert figures["equal"] is True
    for name in ("lost", "duplicated", "echo_writes", "sent_to_others"):
        assert figures[name] == 0, name
    assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"]
    assert figures["calls"]["ignored"] == 0
    assert "Both mailboxes compared" in ran.stdout


@contextmanager
def running(ready: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--ready", str(ready), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        end = time.monotonic() + 60
        while not ready.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_sandbox_says_where_everything_is_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with running(ready, "--pairs", "3", "--poll", "1") as process:
        facts = json.loads(ready.read_text("utf-8"))
        assert facts["graph"].endswith("/v1.0")
        assert not facts["alimail"].endswith("/v2")
        assert facts["dingtalk"].startswith("http://127.0.0.1:")
        assert set(facts["apps"]["dingtalk"]) == {
            "corp_id", "app_key", "app_secret", "token", "aes_key",
        }  # fmt: skip
        assert [set(pair) for pair in facts["pairs"]] == 3 * [
            {"name", "outlook", "dingtalk", "union_id", "user_id", "client_password"}
        ]
        app = facts["apps"]["graph"]
        assert _folders(facts, app).status_code == 200
        assert requests.post(f"{facts['functions']}/api/graph/notifications", data=b"{}", timeout=5).status_code == 202
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    with pytest.raises(requests.ConnectionError):
        requests.get(facts["functions"], timeout=5)


def _folders(facts: dict[str, Any], app: dict[str, str]) -> requests.Response:
    """What anybody's client gets with the app and a mailbox of the ready file."""
    form = {
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "grant_type": "client_credentials",
        "scope": "https://graph.microsoft.com/.default",
    }
    token = requests.post(f"{facts['login']}/{app['tenant_id']}/oauth2/v2.0/token", data=form, timeout=5).json()
    user = facts["pairs"][0]["outlook"]
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    return requests.get(f"{facts['graph']}/users/{user}/mailFolders", headers=headers, timeout=5)


def test_the_troubles_that_can_be_had_are_listed() -> None:
    ran = tandem("sandbox", "--faults", "list", timeout=30)
    assert ran.returncode == 0
    assert {line.split()[0] for line in ran.stdout.splitlines()} == {*PLANS, ALL}


def test_every_answer_of_the_vendors_comes_later_by_the_time_that_was_asked_for(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with running(ready, "--pairs", "1", "--rtt", "150"):
        facts = json.loads(ready.read_text("utf-8"))
        for url in (facts["graph"], facts["alimail"]):
            began = time.monotonic()
            requests.get(f"{url}/v2/users/x", timeout=5)
            assert time.monotonic() - began >= 0.15
        with socket.create_connection((facts["imap"]["host"], facts["imap"]["port"]), 5) as wire:
            assert wire.recv(100).startswith(b"* OK")
            began = time.monotonic()
            wire.sendall(b"A1 NOOP\r\n")
            assert wire.recv(100).startswith(b"A1 OK")
            assert time.monotonic() - began >= 0.15


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["sandbox", "--pairs", "0"], "--pairs"),
        (["demo", "--poll", "fast"], "--poll"),
        (["demo", "--once", "--json", "no/such/folder/figures.json"], "folder that"),
        (["sandbox", "--ready", "."], "can't be written"),
        (["dance"], "dance"),
        (["sandbox", "--faults", "storm"], "half-answers"),
        (["sandbox", "--rtt", "-1"], "--rtt"),
    ],
)
def test_bad_input_gets_a_clear_message_and_starts_nothing(arguments: list[str], what: str) -> None:
    ran = tandem(*arguments, timeout=30)
    assert ran.returncode == 2
    assert what in ran.stderr
    assert "Traceback" not in ran.stderr
