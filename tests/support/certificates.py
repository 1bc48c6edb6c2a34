"""Certificates made on the fly, as an administrator would make them."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    """The same for the same number."""
    return _rsa_key(number)


@functools.cache
def _rsa_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def key_pem(key: Key, password: str = "") -> str:
    lock = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


def certificate(key: Key, *, days: float = 365, until: datetime | None = None) -> str:
    """A self-signed certificate of the key in PEM, good for `days` before `until` (by default: from now on)."""
    end = until or datetime.now(UTC) + timedelta(days=days)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tandem")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=days) - timedelta(hours=1))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()


def thumbprint(pem: str, kind: hashes.HashAlgorithm) -> str:
    return _encoded(x509.load_pem_x509_certificate(pem.encode()).fingerprint(kind))


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: rsa.RSAPrivateKey) -> str:
    """A JSON Web Token, signed as its header says (RS256 or PS256)."""
    text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
    way = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if header.get("alg") == "PS256" else padding.PKCS1v15()
    return f"{text}.{_encoded(key.sign(text.encode(), way, hashes.SHA256()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
