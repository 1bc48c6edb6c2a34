"""Sizes and times that both doors keep to."""

from __future__ import annotations

LARGEST = 3_900_000
"""Bytes that a message may have as encoded, attachments in base64: what one request of the other side takes."""

TIMEOUT = 30.0
"""Seconds for a request that carries nothing large."""

SLOWEST = 100_000
"""Bytes a second that a large one is given time for."""


def time_for(size: int, timeout: float) -> float:
    """Seconds that a transfer of `size` bytes may take altogether."""
    return timeout + size / SLOWEST
