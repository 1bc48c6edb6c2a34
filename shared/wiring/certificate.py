"""The certificate with which the app proves itself to Entra."""

from __future__ import annotations

from pathlib import Path


def read_certificate(value: str) -> str:
    """The key and its certificate as one PEM text, the key first. `value` is such a text (a setting on one line may
    write its line ends as backslash and n) or the path of a file that holds one, with more certificates or without.

    ValueError says what is wrong with it, as the end of a sentence and without a word of the value."""
    from cryptography import x509  # slow to import, and not needed by who has no certificate
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

    pem = _pem(value)
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ValueError("holds no certificate that can be read") from None
    try:
        key = load_pem_private_key(_key_of(pem), None)
    except TypeError:
        raise ValueError("holds a private key that needs a password") from None
    except ValueError:
        raise ValueError("holds no private key that can be read") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("holds a private key that is not RSA, which Entra asks for")
    own = [found for found in certificates if found.public_key() == key.public_key()]
    if not own:
        raise ValueError("holds a private key and a certificate that don't belong together")
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + own[0].public_bytes(Encoding.PEM)
    return text.decode()


def certificate_end(pem: str) -> float:
    """When the certificate of `read_certificate`'s text stops being valid, in epoch seconds."""
    from cryptography import x509

    return x509.load_pem_x509_certificates(pem.encode())[0].not_valid_after_utc.timestamp()


def _pem(value: str) -> bytes:
    if "-----BEGIN" in value:
        return value.replace("\\n", "\n").encode()
    try:
        return Path(value).expanduser().read_bytes()
    except (OSError, ValueError):
        raise ValueError("names a file that can't be read") from None


def _key_of(pem: bytes) -> bytes:
    """The block of the private key alone, which the library wants first."""
    lines, inside = [], False
    for line in pem.splitlines():
        inside = inside or (line.startswith(b"-----BEGIN") and b"PRIVATE KEY" in line)
        if inside:
            lines.append(line)
        if line.startswith(b"-----END"):
            inside = False
    return b"\n".join(lines)
