"""A secret that is known from the start."""

from __future__ import annotations

from shared.ports.state import Secret


def known(value: str) -> Secret:
    return lambda fresh=False: value
