"""NCRONTAB, the schedule of Azure Functions timers: second minute hour day month day-of-week, in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of week", 0, 6, DAYS),
)
HORIZON = timedelta(days=366 * 8)
"""A schedule that is not due in this time never is: 29 February comes at least once in eight years."""


@dataclass(frozen=True, slots=True)
class Cron:
    """The values that each field allows, in the order of FIELDS. A time is due when every field allows it."""

    fields: tuple[frozenset[int], ...]

    @classmethod
    def parse(cls, text: str) -> Cron:
        """ValueError, naming the field, when `text` is no NCRONTAB expression."""
        parts = text.split()
        if len(parts) != len(FIELDS):
            raise ValueError(f"{text!r} has {len(parts)} fields; NCRONTAB has 6, the first for seconds")
        return cls(tuple(_field(part, *spec) for part, spec in zip(parts, FIELDS, strict=True)))

    def next(self, after: datetime) -> datetime:
        """The first time that is due later than `after`, to the second. ValueError when there is none."""
        seconds, minutes, hours, days, months, weekdays = self.fields
        time = after.replace(microsecond=0) + timedelta(seconds=1)
        end = time + HORIZON
        while time < end:
            if time.month not in months or time.day not in days or time.isoweekday() % 7 not in weekdays:
                time = time.replace(hour=0, minute=0, second=0) + timedelta(days=1)
            elif time.hour not in hours:
                time = time.replace(minute=0, second=0) + timedelta(hours=1)
            elif time.minute not in minutes:
                time = time.replace(second=0) + timedelta(minutes=1)
            elif time.second not in seconds:
                time += timedelta(seconds=1)
            else:
                return time
        raise ValueError("the schedule names a date that never comes")


def _field(text: str, name: str, low: int, high: int, names: tuple[str, ...]) -> frozenset[int]:
    allowed: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        try:
            start = low if span == "*" else _number(first, low, names)
            stop = high if span == "*" or (slash and not dash) else _number(last if dash else first, low, names)
            values = range(start, stop + 1, int(step) if slash else 1)
        except ValueError:
            raise ValueError(f"{part!r} is no {name}") from None
        if not low <= start <= stop <= high or values.step < 1:
            raise ValueError(f"{part!r} is no {name}: it must lie in {low}-{high}")
        allowed.update(values)
    return frozenset(allowed)


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    return low + names.index(text.upper()) if text.upper() in names else int(text)
