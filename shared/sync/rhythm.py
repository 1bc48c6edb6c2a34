"""How often DingTalk is looked at: it has no push for mail, so the answer is what quiet pairs cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds between two looks, by day and by night. The day begins at hour `since` and ends before hour `until`, in
    `zone`; when both are the same, there is no night. A mailbox that has been silent is looked at as often as any."""

    day: float
    night: float
    since: int
    until: int
    zone: tzinfo

    def every(self, now: float) -> float:
        """The seconds at this time (epoch seconds)."""
        return self.day if self._is_day(now) else self.night

    def turn(self, now: float) -> int:
        """The number of the look at this time, the same for all workers and one more at the next look. Timers fire
        at whole multiples of the interval or a little beside them, so a number ends halfway between."""
        return round(now / self.every(now))

    def _is_day(self, now: float) -> bool:
        hour = datetime.fromtimestamp(now, self.zone).hour
        if self.since <= self.until:
            return self.since == self.until or self.since <= hour < self.until
        return hour >= self.since or hour < self.until
