"""What every test gets: Hypothesis without deadlines, and no skip that goes unexplained.

A skipped test looks like a passed one. So every reason for skipping is a line in allowed_skips.txt, and under CI=true
a test that is skipped for any other reason fails the run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import settings

# The product reports every variable TANDEM_* that it doesn't know, so the compiler's goes by another name here.
if bicep := os.environ.pop("TANDEM_BICEP", ""):
    os.environ["BICEP_OF_TANDEM"] = bicep

ALLOWED = Path(__file__).with_name("allowed_skips.txt")


def allowed_reasons() -> tuple[str, ...]:
    """The beginnings of reasons that are accepted."""
    lines = (line.strip() for line in ALLOWED.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


class SkipPolice:
    """Gathers the skips that nobody explained. It works where results are gathered, so also over xdist's workers."""

    def __init__(self, allowed: Iterable[str], strict: bool) -> None:
        self._allowed = tuple(allowed)
        self._strict = strict
        self._unexplained: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            reason = text.removeprefix("Skipped: ")
            if not reason.startswith(self._allowed):
                self._unexplained.append(f"{report.nodeid}: {reason}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._strict and self._unexplained and session.exitstatus in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for skip in self._unexplained:
            terminalreporter.write_line(f"skipped for a reason that isn't in {ALLOWED.name}: {skip}", red=self._strict)


# A deadline measures the machine and not the code; the blob lets anyone replay a failure seen in CI.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipPolice(allowed_reasons(), os.environ.get("CI") == "true"), "skip-police")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take minutes begin first, so that nobody waits for the last of them alone (Makefile: a worker gets one
    test at a time)."""
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)
