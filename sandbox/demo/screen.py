"""What the demo shows while it plays, and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sandbox.demo.compare import Difference
from sandbox.demo.report import Figures
from sandbox.demo.watch import Line, Side, Watcher

NAMES: Mapping[Side, str] = {"outlook": "Outlook", "dingtalk": "DingTalk"}
FRAMES_PER_SECOND = 8
MARGIN = 8
"""Lines of the terminal that the table leaves to its frame and the title."""


class Screen:
    """A live table in a terminal; elsewhere a line for each scene."""

    def __init__(self, console: Console, watcher: Watcher) -> None:
        self._console, self._watcher = console, watcher
        self._title = "Starting"
        self._live = console.is_terminal

    def live(self) -> AbstractContextManager[Any]:
        if not self._live:
            return nullcontext()
        return Live(
            console=self._console,
            get_renderable=self._table,
            refresh_per_second=FRAMES_PER_SECOND,
            vertical_overflow="crop",
        )

    def scene(self, title: str) -> None:
        self._title = title
        if not self._live:
            self._console.print(title, highlight=False)

    def _table(self) -> RenderableType:
        lines = list(self._watcher.lines)
        crossed = sum(1 for line in lines if line.done is not None)
        table = Table(title=f"{self._title}  ({crossed} of {len(lines)} crossed)", title_justify="left", expand=True)
        for name in ("who", "did what", "where", "message", "on the other side", "ms"):
            table.add_column(name, no_wrap=True, justify="right" if name == "ms" else "left", ratio=RATIOS.get(name))
        for line in lines[-max(4, self._console.height - MARGIN) :]:
            table.add_row(*_cells(line))
        return table

    def end(
        self, figures: Figures, differences: Mapping[str, list[Difference]], held: Mapping[str, tuple[int, int]]
    ) -> None:
        """`held`: pair -> messages in Outlook, in DingTalk."""
        table = Table(title="Both mailboxes compared", title_justify="left")
        for name in ("pair", "Outlook", "DingTalk", "the same"):
            table.add_column(name, justify="left" if name == "pair" else "right")
        for pair, (outlook, dingtalk) in held.items():
            table.add_row(pair, str(outlook), str(dingtalk), "no" if differences[pair] else "yes")
        self._console.print(Group(table, _unequal(differences), _summary(figures)))


RATIOS = {"message": 3, "on the other side": 2, "did what": 3}


def _cells(line: Line) -> tuple[str, ...]:
    if line.done is None:
        return line.pair, line.what, NAMES[line.side], line.subject, line.now or "…", "…"
    spent = "" if line.kind == "twin" else f"{(line.done - line.at) * 1000:.0f}"
    return line.pair, line.what, NAMES[line.side], line.subject, f"{line.now} ✓", spent


def _unequal(differences: Mapping[str, list[Difference]]) -> Text:
    text = Text()
    for pair, found in differences.items():
        for one in found:
            text.append(f"{pair}: {one.subject!r}: {one.what}: Outlook {one.one}; DingTalk {one.two}\n", "red")
    return text


def _summary(figures: Figures) -> Text:
    ways = f"{figures.mirrored_to_outlook} to Outlook, {figures.mirrored_to_dingtalk} to DingTalk"
    rows = (
        ("mirrored", f"{figures.mirrored} ({ways})"),
        ("named both accounts", str(figures.held_twins)),
        ("changes of state", str(figures.state_changes)),
        ("lost, doubled", f"{figures.lost}, {figures.duplicated}"),
        ("echoes", f"{figures.echo_writes} writes that nobody's act called for"),
        ("sent to anyone", str(figures.sent_to_others)),
        ("from notification or poll", _times(figures.latency_ms)),
        ("from the act itself", _times(figures.end_to_end_ms)),
        ("the same, held for a twin", _times(figures.held_end_to_end_ms)),
        ("vendor requests", str(sum(n for route, n in figures.calls.items() if _is_request(route)))),
    )
    return Text("\n".join(f"{name:<26} {value}" for name, value in rows))


def _times(times: Mapping[str, int]) -> str:
    return f"p50 {times['p50']} ms, p95 {times['p95']} ms"


def _is_request(route: str) -> bool:
    return route != "ignored" and not route.startswith("outlook part ")
