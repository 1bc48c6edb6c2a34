"""The key of the deployment, with which names and contents are hashed before they are stored."""

from __future__ import annotations

from shared.model.errors import WrongSettings
from shared.ports.state import Secrets
from shared.ports.world import Random

KEY = "deployment-key"
"""The secret's name; 64 hex digits."""


def new_key(random: Random) -> str:
    return random.token() + random.token()


def deployment_key(secrets: Secrets, random: Random) -> bytes:
    """The key, which is made at the first start. WrongSettings when what is stored can't be one: with another key no
    stored hash would be recognised."""
    if secrets.get(KEY) is None:
        secrets.set(KEY, new_key(random))
    try:
        key = bytes.fromhex(secrets.get(KEY) or "")
    except ValueError:
        key = b""
    if len(key) != 32:
        raise WrongSettings(f"the secret {KEY} is not 64 hex digits: restore it from a backup, don't make a new one")
    return key
