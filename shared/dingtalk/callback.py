"""DingTalk's event callback: what its calls are made of, how one is proved genuine, and how it is answered. Pure.

Facts (DingTalk: configure-stream-push, callback-event-message-body-encryption-and-decryption; three published vectors
are among the tests): the query carries `signature` or `msg_signature`, `timestamp` (seconds or milliseconds) and
`nonce`, the body `{"encrypt": base64}`. The signature is the SHA-1 of token, timestamp, nonce and encrypt, sorted and
joined. The text is encrypted with AES-256-CBC under the key of 43 characters, IV = its first 16 bytes, padded to blocks
of 32: 16 random bytes, the length in bytes as a big-endian uint32, the message, the owner. The owner is the app's key
where the callback was set up in the console, the corp id where it was registered by the API. Names are spelled in
several ways, so that they are compared without case.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from shared.model.errors import TandemError

WINDOW = 300.0
"""Seconds that a stamp may be from our time, either way. The vendor's own retries come 10 and 30 s later."""
MILLISECONDS = 100_000_000_000
"""A stamp from here on is in milliseconds: as seconds it would be the year 5138."""
BLOCK = 32


class CallbackRefused(TandemError):
    """A call that is not acted upon; the text says why, and holds nothing of the call."""


class Malformed(CallbackRefused):
    """It does not have the form of a callback."""


class Forged(CallbackRefused):
    """It was not made by DingTalk for this app, or with other settings than ours."""


class Stale(CallbackRefused):
    """Genuine, but stamped too far from our time: an old call sent again, or a clock that is wrong. `off`: seconds by
    which our time is ahead of the stamp; `key`: which callback it is, as in `Opened`."""

    def __init__(self, off: float, key: str) -> None:
        way = "ahead of" if off > 0 else "behind"
        super().__init__(
            f"a DingTalk callback was refused: our time is {abs(off):.0f} s {way} its stamp, more than {WINDOW:g} s."
            " Either an old call was sent again, or a clock is wrong: compare this machine's with the true time"
        )
        self.off, self.key = off, key


@dataclass(frozen=True, slots=True)
class Keys:
    """What the callback was set up with: `token`, `aes_key` (43 characters), and who we are."""

    token: str
    aes_key: str
    app_key: str
    corp_id: str

    @property
    def aes(self) -> bytes:
        return aes_key(self.aes_key)

    @property
    def owners(self) -> tuple[str, str]:
        return self.app_key, self.corp_id


@dataclass(frozen=True, slots=True)
class Opened:
    """A genuine callback. `key` tells it from all others, and the same one sent again from none: 32 hex digits made of
    its event id, else of CorpId and BizId, else of the whole call. `fields` has its names in lower case; `owner` is
    whom it was sealed for, and the answer is to be sealed for the same."""

    type: str
    key: str
    fields: Mapping[str, Any]
    owner: str


def aes_key(text: str) -> bytes:
    """The 32 bytes that 43 characters stand for; ValueError for anything else."""
    if not (len(text) == 43 and text.isascii() and text.isalnum()):
        raise ValueError("is not an AES key of 43 letters and digits")
    return b64decode(text + "=")


def sign(token: str, timestamp: str, nonce: str, encrypt: str) -> str:
    joined = "".join(sorted((token, timestamp, nonce, encrypt)))
    return hashlib.sha1(joined.encode()).hexdigest()


# ---- opening
def open_callback(keys: Keys, query: Mapping[str, str], body: bytes, now: float) -> Opened:
    """The callback in a request, once its form, signature, owner, organisation and age are right, looked at in that
    order: Malformed, Forged or Stale. `now` in epoch seconds."""
    timestamp, nonce, encrypt, signature = _parts(query, body)
    stamp = _stamp(timestamp)
    if not hmac.compare_digest(sign(keys.token, timestamp, nonce, encrypt), signature.lower()):
        raise Forged("a DingTalk callback has a wrong signature; if they all do, compare TANDEM_DINGTALK_TOKEN")
    message, owner = _decrypted(keys, encrypt)
    opened = _opened(keys, message, owner, hashlib.sha256(f"{timestamp} {nonce} {encrypt}".encode()).hexdigest())
    if abs(now - stamp) > WINDOW:
        raise Stale(now - stamp, opened.key)
    return opened


def decrypted(keys: Keys, encrypt: str) -> tuple[str, str]:
    """(message, owner) of a sealed text, whoever the owner is. Forged when the key doesn't fit it."""
    try:
        sealed = b64decode(encrypt, validate=True)
        decryptor = Cipher(AES(keys.aes), CBC(keys.aes[:16])).decryptor()
        plain = decryptor.update(sealed) + decryptor.finalize()
        padding = plain[-1]
        (length,) = struct.unpack(">I", plain[16:20])
        end = len(plain) - padding
        whole = 1 <= padding <= BLOCK and plain[end:] == bytes([padding]) * padding and 20 + length <= end
        if whole:
            return plain[20 : 20 + length].decode(), plain[20 + length : end].decode()
    except (ValueError, IndexError, struct.error, binascii.Error):
        pass
    raise Forged("a DingTalk callback can't be decrypted although it is signed: compare TANDEM_DINGTALK_AES_KEY")


def _decrypted(keys: Keys, encrypt: str) -> tuple[str, str]:
    message, owner = decrypted(keys, encrypt)
    if owner not in keys.owners:
        raise Forged("a DingTalk callback is for another app: compare TANDEM_DINGTALK_APP_KEY and _CORP_ID")
    return message, owner


def _opened(keys: Keys, message: str, owner: str, digest: str) -> Opened:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        value = None
    fields = _lowered(value.items()) if isinstance(value, dict) else {}
    kind = fields.get("eventtype")
    if not isinstance(kind, str):
        raise Malformed("a DingTalk callback holds no event")
    corp = fields.get("corpid")
    if corp not in (None, keys.corp_id):
        raise Forged("a DingTalk callback is about another organisation: compare TANDEM_DINGTALK_CORP_ID")
    names: tuple[Any, ...] = (fields.get("eventid"),)
    if not all(names):
        names = corp, fields.get("bizid")
    key = hashlib.sha256(repr(("event", *names)).encode()).hexdigest() if all(names) else digest
    return Opened(kind, key[:32], fields, owner)


def _parts(query: Mapping[str, str], body: bytes) -> tuple[str, str, str, str]:
    """(timestamp, nonce, encrypt, signature) as they came."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Malformed("a DingTalk callback has no JSON object as its body")
    asked, held = _lowered(query.items()), _lowered(value.items())
    signature = asked.get("msg_signature") or asked.get("signature")
    parts = (asked.get("timestamp"), asked.get("nonce"), held.get("encrypt"), signature)
    texts = [part for part in parts if isinstance(part, str) and part and part.isascii()]
    if len(texts) != len(parts):
        raise Malformed("a DingTalk callback lacks its signature, timestamp, nonce or encrypted text")
    return texts[0], texts[1], texts[2], texts[3]


def _lowered(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """By name in lower case; Malformed when two names differ in case only, since it is not known which is meant."""
    lowered: dict[str, Any] = {}
    for name, value in items:
        if name.lower() in lowered:
            raise Malformed("a DingTalk callback names something twice")
        lowered[name.lower()] = value
    return lowered


def _stamp(text: str) -> float:
    """Epoch seconds."""
    if not text.isdigit() or len(text) > 15:
        raise Malformed("a DingTalk callback has no time in its timestamp")
    number = int(text)
    return number / 1000 if number >= MILLISECONDS else float(number)


# ---- answering
def seal(keys: Keys, text: str, owner: str, *, now: float, nonce: str, salt: bytes) -> dict[str, str]:
    """The answer that tells DingTalk `text` ("success"): JSON members as it wants them. `salt`: 16 random bytes."""
    message = text.encode()
    plain = salt + struct.pack(">I", len(message)) + message + owner.encode()
    padding = BLOCK - len(plain) % BLOCK
    encryptor = Cipher(AES(keys.aes), CBC(keys.aes[:16])).encryptor()
    encrypt = b64encode(encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()).decode()
    timestamp = str(int(now * 1000))
    signature = sign(keys.token, timestamp, nonce, encrypt)
    return {"msg_signature": signature, "timeStamp": timestamp, "nonce": nonce, "encrypt": encrypt}
