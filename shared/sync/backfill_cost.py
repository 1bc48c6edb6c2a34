"""What bringing old mail over asks of the vendors, reckoned before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.model.words import DINGTALK, OUTLOOK, Side

SHARE = 0.6
"""The part of each limit that old mail may use up; the rest is for live mail."""
GRAPH_RATE = 10_000 / 600
"""Requests a second, for one mailbox and app; each part of a batch counts (Graph: limits of Outlook services)."""
GRAPH_UPLOAD = 150 * 1024 * 1024 / 300
"""Bytes a second into one mailbox (the same)."""
ALIMAIL_RATE = 40.0
"""Requests a second for the whole mail domain (Alimail: rate)."""
PAGE, PASSES = 100, 2
"""Messages of a page of a listing; how often everything is listed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests to Graph, where each part of a batch is one, to Alimail, and commands of IMAP."""

    graph: float
    alimail: float
    imap: float

    def times(self, count: float) -> Asked:
        return Asked(self.graph * count, self.alimail * count, self.imap * count)

    def __add__(self, other: Asked) -> Asked:
        return Asked(self.graph + other.graph, self.alimail + other.alimail, self.imap + other.imap)


NOTHING = Asked(0.0, 0.0, 0.0)
COPIED: Mapping[Side, Asked] = {OUTLOOK: Asked(2.0, 0.2, 1.9), DINGTALK: Asked(1.1, 1.2, 0.0)}
"""For a small message, by the side that it comes from, as measured against the simulated vendors."""
LINKED = Asked(1.1, 1.1, 0.0)
"""For a message that both sides have."""


def asked(copied: Mapping[Side, int], linked: int, total: int) -> Asked:
    """For so many copies by side, messages that are linked, and messages that are listed."""
    pages = Asked(1.0, 1.0, 0.0).times(PASSES * total / PAGE / 2)
    return (
        pages + COPIED[OUTLOOK].times(copied[OUTLOOK]) + COPIED[DINGTALK].times(copied[DINGTALK]) + LINKED.times(linked)
    )


def seconds(wanted: Asked, upload: int) -> float:
    """How long it takes at least within its share of the vendors' limits. `upload`: bytes that go into Outlook."""
    slowest = max(wanted.graph / GRAPH_RATE, wanted.alimail / ALIMAIL_RATE, upload / GRAPH_UPLOAD)
    return slowest / SHARE
