"""Whose mailbox it is, as its vendor says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """Addresses are bare and lower case. `name` is "" and `forwards` None where the app may not read them. `shared`: a
    mailbox that several people open."""

    name: str
    address: str
    aliases: frozenset[str] = frozenset()
    forwards: frozenset[str] | None = None
    shared: bool = False
