"""The key of the deployment, with which names and contents are hashed before they are stored."""

from __future__ import annotations

from shared.model.errors import WrongSettings
from shared.ports.state import Secrets
from shared.ports.world import Random

KEY = "deployment-key"
"""The secret's name; 64 hex digits."""


def deployment_key(secrets: Secrets, random: Random) -> bytes:
    """The key, which is made at the first start, once however many processes start. WrongSettings when what is stored
    can't be one: with another key no stored hash would be recognised."""
    text = secrets.get(KEY)
    if text is None:
        text = secrets.add(KEY, random.token() + random.token())
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise WrongSettings(f"the secret {KEY} is not 64 hex digits: restore it from a backup, don't make a new one")
    return key
