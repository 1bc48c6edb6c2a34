"""What all commands do alike: print, write files for others, and end in order."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler

WRONG_SETTINGS = 2
"""Exit status, as for wrong options."""
QUIET = 300.0
"""Seconds in which the same thing is said once."""


def write_ready(file: Path | None, facts: Mapping[str, Any]) -> None:
    """Whoever waits for the file finds all of it, and nobody else reads it: it may hold secrets."""
    if file is None:
        return
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.touch(0o600)
    new.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", "utf-8")
    new.replace(file)


def check_writable(option: str, file: Path | None) -> None:
    if file is None:
        return
    if file.is_dir() or not file.parent.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise typer.BadParameter(f"{file} can't be written: name a file in a folder that exists", param_hint=option)


def make_console() -> Console:
    """Warnings of the app go the same way, so that they don't break a live table."""
    console = Console()
    handler = RichHandler(console=console, show_path=False)
    handler.addFilter(Once())
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    return console


class Once(logging.Filter):
    """Keeps back what was said a short while ago: a trouble that lasts is looked into again and again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, text = self._clock(), record.getMessage()
        self._said = {said: at for said, at in self._said.items() if now - at < QUIET}
        return text not in self._said and self._said.setdefault(text, now) == now


def guarded(console: Console, run: Callable[[], int], ended: int = 0) -> int:
    """Run it; Ctrl-C, or a request to end, ends it in order, with the exit status `ended`. Wrong settings are listed,
    with the exit status 2; what can't run says why, with 1."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return run()
    except KeyboardInterrupt:
        console.print("Ended.")
        return ended
    except Exception as error:
        from sandbox.running import SandboxError
        from shared.model.errors import WrongSettings

        if isinstance(error, WrongSettings):
            _complain(f"These settings can't be used:\n{error}")
            return WRONG_SETTINGS
        if isinstance(error, SandboxError):
            _complain(str(error))
            return 1
        raise


def until_ended() -> None:
    """Wait for Ctrl-C or a request to end. In short waits: a signal may reach another thread, which does not wake this
    one, and only this one acts upon it."""
    while True:
        time.sleep(0.2)


def _complain(text: str) -> None:
    Console(stderr=True).print(text, style="red", markup=False, highlight=False, soft_wrap=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
