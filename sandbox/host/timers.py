"""Fires a timer trigger on its schedule. Like in Azure, a timer never overlaps itself."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime

from azure.functions.meta import Datum

from sandbox.host.app import Function
from sandbox.host.cron import Cron
from sandbox.host.invoker import Invoker


class Timer:
    def __init__(self, function: Function, cron: Cron, invoker: Invoker) -> None:
        self._function = function
        self._cron = cron
        self._invoker = invoker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"timer {function.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Fires no more, and waits until a running call is done."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        last = datetime.now(UTC)
        if self._function.trigger.get("runOnStartup"):
            self._fire(last, last)
        while True:
            due = self._cron.next(max(last, datetime.now(UTC)))
            while (left := (due - datetime.now(UTC)).total_seconds()) > 0:
                if self._stop.wait(left):
                    return
            if self._stop.is_set():
                return
            self._fire(last, due)
            last = due

    def _fire(self, last: datetime, due: datetime) -> None:
        status = {
            "Last": last.isoformat(),
            "Next": self._cron.next(due).isoformat(),
            "LastUpdated": datetime.now(UTC).isoformat(),
        }
        info = {"IsPastDue": False, "ScheduleStatus": status, "Schedule": {"AdjustForDST": True}}
        self._invoker.invoke(self._function, Datum(json.dumps(info), "json"), {})
