"""`tandem demo`: start the sandbox, play, compare."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from sandbox.demo.play import BRISK, WATCHABLE, play
from sandbox.faults import Faults
from sandbox.running import Sandbox


def demo(*, once: bool, json_file: Path | None, pairs: int, poll: float, faults: Faults, console: Console) -> int:
    """-> exit status: 0, or 1 when anything was lost, doubled, echoed or sent, or isn't the same on both sides."""
    console.print(f"Starting both vendors and the app for {pairs} people; no cloud account is needed.", highlight=False)
    with Sandbox(pairs=pairs, poll=poll, faults=faults) as sandbox:
        result = play(sandbox, console, BRISK if once else WATCHABLE)
    if json_file is not None:
        json_file.write_text(json.dumps(result.json(), ensure_ascii=False, indent=1) + "\n", "utf-8")
    return 0 if result.good else 1
