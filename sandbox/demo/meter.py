"""What the simulated vendors counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from sandbox.demo.watch import Side

HARMLESS = ("/query", "/translateExchangeIds", "/$batch")
"""POSTs that change nothing by themselves; the parts of a batch are counted apart."""
IMAP_WRITES = ("APPEND", "STORE", "COPY", "MOVE", "EXPUNGE", "CREATE", "DELETE", "RENAME")


class Counting(Protocol):
    """A simulated vendor: requests by route, mail and read receipts sent to anyone, and what it silently ignored."""

    @property
    def counts(self) -> Counter[str]: ...
    @property
    def sent_mail(self) -> int: ...
    @property
    def receipts(self) -> int: ...
    @property
    def ignored(self) -> list[str]: ...


class Meter:
    """`parts`: counts of the parts of Graph's batches."""

    def __init__(self, outlook: Counting, dingtalk: Counting, parts: Mapping[str, int]) -> None:
        self._vendors: dict[Side, Counting] = {"outlook": outlook, "dingtalk": dingtalk}
        self._parts = parts

    def writes(self) -> dict[Side, int]:
        """Requests that change a mailbox, whatever was answered, by side."""
        return {
            "outlook": _writes(self._vendors["outlook"].counts) + _writes(self._parts),
            "dingtalk": _writes(self._vendors["dingtalk"].counts),
        }

    def written(self) -> int:
        return sum(self.writes().values())

    def sent(self) -> int:
        """Mail and read receipts that went to anyone."""
        return sum(vendor.sent_mail + vendor.receipts for vendor in self._vendors.values())

    def ignored(self) -> Sequence[str]:
        """What the product asked for and a vendor silently left out."""
        return [text for vendor in self._vendors.values() for text in vendor.ignored]

    def calls(self) -> dict[str, int]:
        """Requests as "side route"; the parts of batches as "outlook part route"; how many were partly ignored."""
        found = {f"{side} {route}": n for side, vendor in self._vendors.items() for route, n in _copied(vendor.counts)}
        found |= {f"outlook part {route}": n for route, n in _copied(self._parts)}
        return {**dict(sorted(found.items())), "ignored": len(self.ignored())}


def _writes(counts: Mapping[str, int]) -> int:
    return sum(count for route, count in _copied(counts) if changes_a_mailbox(route))


def changes_a_mailbox(route: str) -> bool:
    method, _, rest = route.partition(" ")
    if method == "IMAP":
        return rest.split(" ")[-1] in IMAP_WRITES
    return method in ("POST", "PATCH", "PUT", "DELETE") and _is_mail(rest) and not rest.endswith(HARMLESS)


def _is_mail(path: str) -> bool:
    return "/users/" in path or path.startswith(("/v2/stream", "upload"))


def _copied(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The counters grow in other threads while they are read."""
    return list(counts.copy().items()) if isinstance(counts, Counter) else list(counts.items())
