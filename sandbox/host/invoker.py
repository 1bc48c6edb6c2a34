"""Calls functions through an engine, counts what is running, and waits for it at the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from azure.functions.meta import Datum

from sandbox.host.app import Function
from sandbox.host.engine import Engine, Outcome

logger = logging.getLogger(__name__)


class Invoker:
    """Safe for threads. After `close` every call fails without reaching the app."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running = 0
        self._open = True
        self._changed = threading.Condition()

    def invoke(self, function: Function, value: Datum, metadata: Mapping[str, Datum]) -> Outcome:
        with self._changed:
            if not self._open:
                return Outcome(False, error="the host is stopping")
            self._running += 1
        try:
            outcome = self._engine.invoke(function, value, metadata)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
        if not outcome.ok:
            logger.warning("%s failed: %s", function.name, outcome.error.partition("(")[0])
        return outcome

    def close(self) -> None:
        """Takes no more calls, waits for those that run, and closes the engine."""
        with self._changed:
            self._open = False
            self._changed.wait_for(lambda: self._running == 0)
        self._engine.close()
