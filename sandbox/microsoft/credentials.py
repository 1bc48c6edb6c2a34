"""What an app proves itself with at the login host: a secret, a certificate, or somebody whom it trusts.

From Entra: OAuth 2.0 client credentials flow; certificate credentials (the claims and headers of the assertion);
workload identity federation; authentication error codes. Matching of federated credentials minds the case.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sandbox.microsoft.errors import LoginError
from sandbox.microsoft.times import iso
from sandbox.microsoft.world import World

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "api://AzureADTokenExchange"


@dataclass(frozen=True, slots=True)
class Federated:
    """A federated credential: whose tokens are as good as the app's own."""

    issuer: str
    subject: str
    audience: str = EXCHANGE


@dataclass(slots=True)
class App:
    """The registered app. `roles` are the application permissions granted to it; a token holds those of its time.
    `secret_expires` is in epoch seconds; `certificates` are in PEM. `scoped` are the roles that Exchange gives it
    for the mailboxes in `scope` alone, in lower case (RBAC for Applications), of which no token tells."""

    tenant_id: str
    client_id: str
    client_secret: str
    roles: set[str] = field(default_factory=lambda: {"Mail.ReadWrite", "MailboxSettings.Read", "User.Read.All"})
    secret_expires: float | None = None
    certificates: list[str] = field(default_factory=list)
    federated: list[Federated] = field(default_factory=list)
    scoped: set[str] = field(default_factory=set)
    scope: set[str] = field(default_factory=set)


class Credentials:
    """`issuers`: the public keys of everybody whose tokens can be checked, by issuer and key id."""

    def __init__(self, world: World, app: App) -> None:
        self._world, self._app = world, app
        self.issuers: dict[tuple[str, str], RSAPublicKey] = {}

    def check(self, form: Mapping[str, str], audiences: frozenset[str]) -> None:
        """LoginError unless the form proves the app. `audiences`: what an assertion of the app's own may be for."""
        if "client_assertion" in form or "client_assertion_type" in form:
            if form.get("client_assertion_type") != ASSERTION:
                raise _refused(900144, f"The request body must contain 'client_assertion_type' with '{ASSERTION}'.")
            self._check_assertion(form.get("client_assertion", ""), audiences)
        elif not form.get("client_secret"):
            raise _refused(
                7000216,
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
            )
        else:
            self._check_secret(form["client_secret"])

    def _check_secret(self, secret: str) -> None:
        app = self._app
        if not app.client_secret or secret != app.client_secret:
            raise _refused(
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{app.client_id}'.",
            )
        if app.secret_expires is not None and app.secret_expires <= self._world.now():
            raise _refused(7000222, f"The provided client secret keys for app '{app.client_id}' are expired.")

    def _check_assertion(self, text: str, audiences: frozenset[str]) -> None:
        token = _Token.parse(text)
        if token.claims.get("iss") == self._app.client_id:
            self._check_own(token, audiences)
        else:
            self._check_federated(token)
        self._check_time(token)

    # ---- signed by the app's certificate
    def _check_own(self, token: _Token, audiences: frozenset[str]) -> None:
        if token.claims.get("sub") != self._app.client_id:
            raise _refused(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
        if token.claims.get("aud") not in audiences:
            raise _refused(700023, "Client assertion audience claim does not match Realm issuer.")
        if not token.claims.get("jti"):
            raise _malformed("it has no jti")
        registered = self._registered(token.header)
        if registered is None:
            raise _bad_key("The key was not found.")
        if not token.is_signed_by(registered.public_key()):
            raise _bad_key("The provided signature value did not match the expected signature value.")
        if registered.not_valid_after_utc.timestamp() <= self._world.now():
            raise _bad_key("The key used is expired.")

    def _registered(self, header: Mapping[str, Any]) -> x509.Certificate | None:
        """The app's certificate whose thumbprint the header shows: SHA-256, or SHA-1 where it has none."""
        name, kind = ("x5t#S256", hashes.SHA256()) if "x5t#S256" in header else ("x5t", hashes.SHA1())
        for pem in self._app.certificates:
            found = x509.load_pem_x509_certificate(pem.encode())
            shown = str(header.get(name, "")).rstrip("=")
            if shown and shown == base64.urlsafe_b64encode(found.fingerprint(kind)).decode().rstrip("="):
                return found
        return None

    # ---- signed by somebody else
    def _check_federated(self, token: _Token) -> None:
        claims = token.claims
        left = self._app.federated
        for claim, name, number in (
            ("iss", "issuer", 700211),
            ("aud", "audience", 700212),
            ("sub", "subject", 700213),
        ):
            said = claims.get(claim)
            left = [one for one in left if getattr(one, name) == said]
            if not left:
                raise _refused(
                    number,
                    f"No matching federated identity record found for presented assertion {name} '{said}'. Check your "
                    "federated identity credential Subject, Audience and Issuer against the presented assertion.",
                )
        key = self.issuers.get((claims["iss"], str(token.header.get("kid"))))
        if key is None or not token.is_signed_by(key):
            raise _bad_key("The provided signature value did not match the expected signature value.")

    def _check_time(self, token: _Token) -> None:
        now, begin, end = self._world.now(), token.claims.get("nbf", 0), token.claims.get("exp")
        if not isinstance(end, int | float) or not isinstance(begin, int | float):
            raise _malformed("exp or nbf is no number")
        if not begin - SKEW <= now < end + SKEW:
            raise _refused(
                700024,
                f"Client assertion is not within its valid time range. Current time: {iso(now)}, assertion valid from "
                f"{iso(begin)}, expiry time of assertion {iso(end)}.",
            )


SKEW = 300.0
"""Seconds by which clocks may differ (Entra: certificate credentials)."""


@dataclass(frozen=True, slots=True)
class _Token:
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @classmethod
    def parse(cls, text: str) -> _Token:
        parts = text.split(".")
        if len(parts) != 3 or not all(parts):
            raise _malformed("it has not three parts")
        try:
            header, claims = (json.loads(_decoded(part)) for part in parts[:2])
            signature = _decoded(parts[2])
        except ValueError:
            raise _malformed("it is not base64url and JSON") from None
        if not isinstance(header, dict) or not isinstance(claims, dict):
            raise _malformed("it holds no objects")
        if header.get("alg") not in _PADDINGS:
            raise _malformed("its algorithm is neither RS256 nor PS256")
        return cls(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)

    def is_signed_by(self, key: Any) -> bool:
        if not isinstance(key, RSAPublicKey):
            return False
        try:
            key.verify(self.signature, self.signed, _PADDINGS[self.header["alg"]], hashes.SHA256())
        except InvalidSignature:
            return False
        return True


_PADDINGS: Mapping[str, padding.AsymmetricPadding] = {
    "RS256": padding.PKCS1v15(),
    "PS256": padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size),
}


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _refused(number: int, message: str) -> LoginError:
    return LoginError(401, "invalid_client", number, message)


def _malformed(why: str) -> LoginError:
    return _refused(50027, f"JWT token is invalid or malformed: {why}.")


def _bad_key(reason: str) -> LoginError:
    return _refused(700027, f"Client assertion contains an invalid signature. [Reason - {reason}]")
