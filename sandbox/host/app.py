"""What the worker library says about a Functions app, and the mistakes in it that only Azure's host would find."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.host.cron import Cron

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
"""What a route without `methods` serves."""
SERVED = ("httpTrigger", "timerTrigger", "queueTrigger", "http")
"""The bindings that this host knows."""


class AppError(Exception):
    """The app can't be served; `problems` has a line for each mistake. In Azure it would show no functions, or some
    of them would never run."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the Functions app can't be served: " + "; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Function:
    """`bindings` as the worker reports them to the host (function.json keys)."""

    id: str
    name: str
    bindings: tuple[Mapping[str, Any], ...]

    @property
    def trigger(self) -> Mapping[str, Any]:
        return next(b for b in self.bindings if b["type"].endswith("Trigger"))

    @property
    def methods(self) -> tuple[str, ...]:
        """Of an HTTP trigger, in capitals."""
        return tuple(method.upper() for method in self.trigger.get("methods") or METHODS)

    def route(self, prefix: str) -> str:
        """Of an HTTP trigger: the path template without slashes at its ends."""
        parts = (prefix.strip("/"), (self.trigger.get("route") or self.name).strip("/"))
        return "/".join(part for part in parts if part)


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """`text` with each %NAME% replaced by that setting; KeyError with the first name that isn't set."""
    return re.sub(r"%([^%]+)%", lambda match: settings[match[1]], text)


def problems(functions: Iterable[Function], settings: Mapping[str, str], prefix: str) -> list[str]:
    """Unknown bindings, settings that aren't there, bad schedules and routes that two functions claim."""
    functions = list(functions)
    found = [problem for function in functions for problem in _own_problems(function, settings)]
    claims = Counter(
        (method, re.sub(r"\{[^}]*\}", "{}", function.route(prefix)).lower())
        for function in functions
        if function.trigger["type"] == "httpTrigger"
        for method in function.methods
    )
    twice = [f"{method} {route}" for (method, route), count in claims.items() if count > 1]
    return found + [f"{route}: more than one function claims this route" for route in twice]


def _own_problems(function: Function, settings: Mapping[str, str]) -> Iterator[str]:
    for binding in function.bindings:
        if binding["type"] not in SERVED:
            yield f"{function.name}: this host doesn't serve the binding {binding['type']}"
        for key in ("schedule", "queueName"):
            try:
                value = resolve(binding.get(key, ""), settings)
            except KeyError as error:
                yield f"{function.name}: {key} needs the setting {error.args[0]}, which isn't set"
                continue
            if key == "schedule" and key in binding:
                yield from (f"{function.name}: schedule: {problem}" for problem in _cron_problems(value))


def _cron_problems(schedule: str) -> Iterator[str]:
    try:
        Cron.parse(schedule)
    except ValueError as error:
        yield str(error)
