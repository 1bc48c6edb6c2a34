"""What tells whoever watches Tandem how it does: spans, counts, gauges and histograms.

Names and values are ids of pairs, kinds, sides, numbers and words of ours. Nothing of a message, no address, no id of a
vendor and no URL goes in here."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from shared.model.metrics import Metric

Value = str | int | float | bool


class Span(Protocol):
    """A piece of work that is being done."""

    def set(self, name: str, value: Value) -> None: ...
    def fail(self, why: str) -> None:
        """It went wrong; `why` is the kind of an error, or a status."""
        ...


class Telemetry(Protocol):
    """Never raises, and never waits for anybody."""

    def span(
        self, name: str, *, parent: str = "", linked: str = "", out: bool = False, **about: Value
    ) -> AbstractContextManager[Span]:
        """Lasts as long as the `with`. It is a part of `parent` (`carrier` of a span elsewhere), else of the span that
        it is inside of. `linked`: a span elsewhere that has to do with it. `out`: a request to somebody else. An
        exception that leaves it fails it, by the name of its type alone."""
        ...

    def keep(self) -> None:
        """What is going on, from its trigger on, is worth looking at. What is not kept, and did not fail, is dropped at
        its end, so that looks that find nothing cost nothing."""
        ...

    def count(self, metric: Metric, amount: int = 1, **dimensions: str) -> None: ...
    def gauge(self, metric: Metric, value: float, **dimensions: str) -> None: ...
    def record(self, metric: Metric, value: float, **dimensions: str) -> None: ...
    def carrier(self) -> str:
        """The current span, for one that goes on elsewhere (W3C: traceparent); "" without one."""
        ...


class _NoSpan:
    def set(self, name: str, value: Value) -> None: ...
    def fail(self, why: str) -> None: ...


_NO_SPAN = nullcontext(_NoSpan())


class Silence:
    """Tells nobody anything."""

    def span(
        self, name: str, *, parent: str = "", linked: str = "", out: bool = False, **about: Value
    ) -> AbstractContextManager[Span]:
        return _NO_SPAN

    def keep(self) -> None: ...
    def count(self, metric: Metric, amount: int = 1, **dimensions: str) -> None: ...
    def gauge(self, metric: Metric, value: float, **dimensions: str) -> None: ...
    def record(self, metric: Metric, value: float, **dimensions: str) -> None: ...
    def carrier(self) -> str:
        return ""


SILENCE = Silence()
