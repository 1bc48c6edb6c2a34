"""The certificate that a setting holds or names."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from shared.wiring.certificate import read_certificate
from tests.support.certificates import certificate, key_pem, rsa_key

KEY, CERTIFICATE = key_pem(rsa_key()), certificate(rsa_key())
OTHER = certificate(rsa_key(1))
BROKEN = KEY.replace(KEY.splitlines()[1], "A" * 64)
"""Letters as a key has them, and no key."""
CURVE = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    "pem",
    [KEY + CERTIFICATE, CERTIFICATE + KEY, f"Bag Attributes\n{OTHER}{CERTIFICATE}{KEY}"],
    ids=["key first", "certificate first", "with its issuer's"],
)
def test_the_key_and_its_own_certificate_are_taken(pem: str, tmp_path: Path) -> None:
    assert read_certificate(pem) == KEY + CERTIFICATE
    assert read_certificate(pem.replace("\n", "\\n")) == KEY + CERTIFICATE
    (tmp_path / "app.pem").write_text(pem)
    assert read_certificate(str(tmp_path / "app.pem")) == KEY + CERTIFICATE


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("no/such.pem", "names a file that can't be read"),
        (".", "names a file that can't be read"),
        (KEY, "holds no certificate"),
        (CERTIFICATE, "holds no private key"),
        (key_pem(rsa_key(), "word") + CERTIFICATE, "needs a password"),
        (BROKEN + CERTIFICATE, "holds no private key that can be read"),
        (KEY + OTHER, "don't belong together"),
        (key_pem(CURVE) + certificate(CURVE), "is not RSA"),
    ],
)
def test_what_cannot_work_is_refused_without_being_shown(value: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        read_certificate(value)
    assert "such.pem" not in str(caught.value)
    assert "BEGIN" not in str(caught.value)
