"""Every metric that Tandem emits. docs/telemetry.md is made from this (`python -m tests.support.telemetry_page`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """`unit` as in UCUM. A count is added up over an interval, a gauge is its last value, a histogram keeps count, sum,
    least and most. `dimensions`: all it may be split by; a pair is told by its id, never by name or address."""

    name: str
    kind: Literal["count", "gauge", "histogram"]
    unit: str
    dimensions: tuple[str, ...]
    about: str


MIRRORED = Metric(
    "tandem.mirrored",
    "count",
    "{item}",
    ("pair", "kind", "side"),
    "items that were carried across; `side` is where the change was made, so it tells the direction",
)
LAG = Metric(
    "tandem.lag",
    "histogram",
    "s",
    ("pair", "kind", "side"),
    "how long an item took: a new message from its receipt at the source, or, if that is more than an hour before it"
    " was noticed (imported, moved, missed), from then; any other change from the notification or look by which it was"
    " noticed",
)
POLLED = Metric(
    "tandem.polled",
    "count",
    "{pair}",
    (),
    "pairs whose DingTalk side was looked at without an error; 0 is emitted when there is no pair to look at, so that"
    " silence always means trouble",
)
BRAKE = Metric(
    "tandem.brake", "gauge", "1", ("pair",), "1 each time the brake holds removals, every 15 minutes while it is on"
)
SET_ASIDE = Metric(
    "tandem.quarantined",
    "gauge",
    "{item}",
    ("pair",),
    "items that kept being refused and stand aside until somebody asks, told when one is put aside, and when one is"
    " tried again or left alone since somebody asked",
)
POISON = Metric(
    "tandem.poison",
    "gauge",
    "{message}",
    ("queue",),
    "messages that failed for good, counted every 5 minutes; nothing is emitted for a queue that has none",
)
QUOTA_LEFT = Metric(
    "tandem.quota_left",
    "gauge",
    "{call}",
    (),
    "metered calls to DingTalk's open platform that are left this month, of 5,000 (the standard edition's), every hour",
)
EXPIRES = Metric(
    "tandem.expires_days",
    "gauge",
    "d",
    ("kind", "pair"),
    "days until something ends, every hour: the certificate of the Entra app (read from it), and secrets of the vault"
    " that carry an expiry date; `kind` is certificate, client password (with its `pair`) or secret (the one that ends"
    " first)",
)
SUBSCRIPTION_FAILED = Metric(
    "tandem.subscription_failed",
    "count",
    "{attempt}",
    ("pair",),
    "times that a pair's subscription at Microsoft Graph could be neither made nor renewed",
)
LEASE_CONTENTION = Metric(
    "tandem.lease_contention",
    "count",
    "{time}",
    ("pair",),
    "times that a worker found a pair in another worker's hands, or lost it to one",
)
STORAGE = Metric(
    "tandem.storage_operations",
    "count",
    "{operation}",
    ("kind",),
    "requests to the store: table read (a row, or a listing), table write (a transaction), queue (a message put), blob",
)

METRICS = (
    MIRRORED,
    LAG,
    POLLED,
    BRAKE,
    SET_ASIDE,
    POISON,
    QUOTA_LEFT,
    EXPIRES,
    SUBSCRIPTION_FAILED,
    LEASE_CONTENTION,
    STORAGE,
)
