"""Signing in with a secret that somebody may have replaced."""

from __future__ import annotations

from collections.abc import Callable

from shared.model.errors import NotPermitted
from shared.ports.state import Secret


def sign_in(secret: Secret, ask: Callable[[str], None]) -> None:
    """`ask` with the secret. One that is refused is read anew: another may have taken its place. NotPermitted as `ask`
    raises it."""
    held = secret()
    try:
        ask(held)
    except NotPermitted:
        newer = secret(fresh=True)
        if newer == held:
            raise
        ask(newer)
