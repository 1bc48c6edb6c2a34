"""How the platform seals what it pushes to an app, and opens the app's answer."""

from __future__ import annotations

import base64
import hashlib
import random

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

LENGTH = 4
PADDED = PKCS7(256)


class Sealer:
    """One app's token and AES key, as typed into the console. ValueError for what the console refuses: the token has 3
    to 32 letters and digits, the key 43."""

    def __init__(self, token: str, aes_key: str, chance: random.Random) -> None:
        if not (token.isascii() and token.isalnum() and 3 <= len(token) <= 32):
            raise ValueError("the token must have 3 to 32 letters and digits")
        if not (aes_key.isascii() and aes_key.isalnum() and len(aes_key) == 43):
            raise ValueError("the aes_key must have 43 letters and digits")
        self._token, self._random = token, chance
        key = base64.b64decode(aes_key + "=")
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))

    def seal(self, text: str, owner: str) -> str:
        content = text.encode()
        plain = self._random.randbytes(16) + len(content).to_bytes(LENGTH, "big") + content + owner.encode()
        padder, encryptor = PADDED.padder(), self._cipher.encryptor()
        return base64.b64encode(encryptor.update(padder.update(plain) + padder.finalize())).decode()

    def open(self, sealed: str) -> tuple[str, str]:
        """(text, owner); ValueError when it is not sealed with this key."""
        decryptor, unpadder = self._cipher.decryptor(), PADDED.unpadder()
        padded = decryptor.update(base64.b64decode(sealed, validate=True)) + decryptor.finalize()
        plain = (unpadder.update(padded) + unpadder.finalize())[16:]
        end = LENGTH + int.from_bytes(plain[:LENGTH], "big")
        if len(plain) < end:
            raise ValueError("the length is wrong")
        return plain[LENGTH:end].decode(), plain[end:].decode()

    def signature(self, timestamp: str, nonce: str, sealed: str) -> str:
        digest = hashlib.sha1(usedforsecurity=False)
        for part in sorted([self._token, timestamp, nonce, sealed]):
            digest.update(part.encode())
        return digest.hexdigest()
