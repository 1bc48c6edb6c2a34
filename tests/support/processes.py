"""`tandem` as users start it: processes that say in a file when they are up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "sandbox.main"]
UP = 60.0


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings and no others of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
    return {**kept, **settings, "PYTHONUNBUFFERED": "1"}


def tandem(*arguments: str, settings: Mapping[str, str], input: str = "") -> subprocess.CompletedProcess[str]:
    """Run it to its end; `input` is what is typed."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        input=input,
        capture_output=True,
        text=True,
        timeout=UP,
        env=environment(settings),
    )


class Served:
    """A program that writes the file `ready` once it is up, from the making to `end` or `close`. What it prints goes
    into a log beside that file."""

    def __init__(self, ready: Path, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._ready = ready
        self._log = ready.with_suffix(".log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(command, cwd=cwd, stdout=self._log, stderr=subprocess.STDOUT, env=environment)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self, within: float = UP) -> dict[str, Any]:
        """What it says once it is up."""
        end = time.monotonic() + within
        while not self._ready.exists():
            assert self._process.poll() is None, self.output()
            assert time.monotonic() < end, self.output()
            time.sleep(0.05)
        facts: dict[str, Any] = json.loads(self._ready.read_text("utf-8"))
        return facts

    def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """-> exit status."""
        self._process.send_signal(by)
        return self._process.wait(90)

    def output(self) -> str:
        return Path(self._log.name).read_text("utf-8")

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()


class Process(Served):
    """`tandem <arguments> --ready FILE`."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        ready = folder / f"ready-{time.monotonic_ns()}.json"
        super().__init__(ready, [*COMMAND, *arguments, "--ready", str(ready)], ROOT, environment(settings))


@contextmanager
def process(folder: Path, *arguments: str, **settings: str) -> Iterator[Process]:
    running = Process(folder, *arguments, **settings)
    try:
        yield running
    finally:
        running.close()


def until(is_so: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Wait; AssertionError with what `otherwise` says when it isn't so in time."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.2)
