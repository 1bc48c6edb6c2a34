"""Times as the vendor writes and reads them: epoch seconds here, ISO 8601 in UTC there."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(\.\d+)?(Z|[+-]\d\d:\d\d)?)?")


def iso(seconds: float) -> str:
    """To the second, as Outlook resources carry them; part seconds are cut off."""
    return datetime.fromtimestamp(int(seconds // 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(text: str) -> float:
    """A date or a date and time; without a zone it is UTC. ValueError for anything else."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a date and time")
    day, clock, fraction, zone = match.groups()
    offset = "+00:00" if zone in (None, "Z") else zone
    moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{offset}")
    return moment.timestamp() + float(fraction or 0)
