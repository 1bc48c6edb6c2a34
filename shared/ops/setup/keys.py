"""The secrets that setup draws itself, and the form of those that others give it."""

from __future__ import annotations

import re
from base64 import b64encode

from shared.dingtalk.callback import aes_key
from shared.model.errors import WrongSettings
from shared.ports.world import Random

ALIMAIL, DINGTALK, GRAPH = "alimail-client-secret", "dingtalk-app-secret", "graph-client-secret"
TOKEN, AES_KEY = "dingtalk-token", "dingtalk-aes-key"
DEPLOYMENT = "deployment-key"
"""Names in the vault."""

_TOKEN = re.compile(r"[A-Za-z0-9]{3,32}")


def draw_key(random: Random) -> str:
    """The key of a deployment: 256 bits as 64 hex digits."""
    return random.token() + random.token()


def draw_token(random: Random) -> str:
    """A callback's token: 32 letters and digits, the most that DingTalk takes (DingTalk: configure-stream-push)."""
    return random.token()


def draw_aes_key(random: Random) -> str:
    """43 letters and digits that stand for 32 bytes (DingTalk: configure-stream-push). Draws with another sign in
    them, three of four, are thrown away, so that every key that is allowed is as likely as every other."""
    while True:
        text = b64encode(bytes.fromhex(draw_key(random))).decode().rstrip("=")
        if text.isalnum():
            return text


def checked(name: str, text: str) -> str:
    """The secret as it is kept. WrongSettings, which doesn't show it, when it can't be one."""
    if not text:
        raise WrongSettings(f"{name}: nothing was given")
    if text != text.strip() or not text.isprintable() or not text.isascii():
        raise WrongSettings(f"{name}: holds a blank or a sign that no secret has: copy it again, and it alone")
    if name == TOKEN and not _TOKEN.fullmatch(text):
        raise WrongSettings(f"{name}: is not 3 to 32 letters and digits")
    if name == AES_KEY:
        try:
            aes_key(text)
        except ValueError as error:
            raise WrongSettings(f"{name}: {error}") from None
    return text
