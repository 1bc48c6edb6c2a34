"""What a setup notes down between two runs: what is known, and what was said about steps that can't be looked at.
Nothing in it is secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.model.answers import fits
from shared.model.errors import WrongSettings

SHAPE = {"facts": {"*": str}, "said": {"*": (float, int)}, "run": {"*": (float, int)}}


class Progress:
    """A JSON file: `facts` by key, `said` and `run` by step, with when (epoch seconds)."""

    def __init__(self, path: Path) -> None:
        """WrongSettings when the file holds something else."""
        self.path = path
        held = self._read()
        self.facts: dict[str, str] = {key: str(value) for key, value in (held.get("facts") or {}).items()}
        self._said: dict[str, float] = held.get("said") or {}
        self._run: dict[str, float] = held.get("run") or {}

    def learn(self, facts: Mapping[str, str]) -> None:
        self.facts = dict(facts)
        self._write()

    def said(self, step: str) -> float | None:
        """When somebody said that the step is done."""
        return self._said.get(step)

    def say(self, step: str, now: float) -> None:
        self._said[step] = now
        self._write()

    def unsay(self, step: str) -> None:
        """What was said of the step no longer counts."""
        if self._said.pop(step, None) is not None:
            self._write()

    def begun(self, step: str) -> float | None:
        """When the last command of the step was run."""
        return self._run.get(step)

    def begin(self, step: str, now: float) -> None:
        self._run[step] = now
        self._write()

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            held = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            held = None
        if not fits(held, SHAPE):
            raise WrongSettings(f"{self.path} isn't a file of `tandem setup`: name another, or delete it")
        return dict(held)

    def _write(self) -> None:
        held = {"facts": self.facts, "said": self._said, "run": self._run}
        new = self.path.with_name(self.path.name + ".new")
        try:
            new.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n", "utf-8")
            new.replace(self.path)
        except OSError as error:
            raise WrongSettings(
                f"{self.path} can't be written ({error.strerror}): name another file with --progress"
            ) from error
