"""The managed identities of an app in Azure, at the endpoint that App Service and Functions give to it.

From Azure: App Service, managed identities, REST endpoint reference (api-version 2019-08-01). A token is one of the
directory's: its issuer is the tenant, its subject the identity's object (principal) ID.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.microsoft.credentials import Credentials
from sandbox.microsoft.world import World
from sandbox.web import Request, Response

KEY_ID = "directory-key"
LIFE = 86400


@dataclass(slots=True)
class Identity:
    """A user-assigned identity; its claims can be bent for tests."""

    client_id: str
    principal_id: str
    claims: dict[str, Any] = field(default_factory=dict)


class Identities:
    """Satisfies `sandbox.web.Vendor`: IDENTITY_ENDPOINT is its address with /msi/token, IDENTITY_HEADER is `header`."""

    def __init__(self, world: World, credentials: Credentials, issuer: str) -> None:
        self._world, self._credentials, self._issuer = world, credentials, issuer
        self.header = "identity-header"
        self.assigned: list[Identity] = []
        self.asked = 0
        self.broken = 0
        """How many of the next requests are answered 500."""

    def handle(self, request: Request) -> Response:
        with self._world.lock:
            return self._answer(request)

    def _answer(self, request: Request) -> Response:
        self.asked += 1
        query = request.query
        if request.segments != ("msi", "token") or request.method != "GET":
            return _refusal(404, "No such endpoint.")
        if request.headers.get("x-identity-header") != self.header:
            return _refusal(401, "The X-IDENTITY-HEADER does not match.")
        if query.get("api-version") != "2019-08-01" or not query.get("resource"):
            return _refusal(400, "api-version 2019-08-01 and resource are needed.")
        if self.broken > 0:
            self.broken -= 1
            return _refusal(500, "An unexpected error occurred.")
        named = query.get("client_id")
        found = [one for one in self.assigned if named in (None, one.client_id)]
        if not found:
            return _refusal(
                400,
                "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
            )
        return Response.of_json(200, self._token(found[0], query["resource"]))

    def _token(self, identity: Identity, resource: str) -> dict[str, Any]:
        now = int(self._world.now())
        claims = {
            "aud": resource,
            "iss": self._issuer,
            "iat": now,
            "nbf": now,
            "exp": now + LIFE,
            "oid": identity.principal_id,
            "sub": identity.principal_id,
            **identity.claims,
        }
        return {
            "access_token": self._signed(claims),
            "expires_on": str(now + LIFE),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": identity.client_id,
        }

    def _signed(self, claims: dict[str, Any]) -> str:
        text = f"{_encoded({'typ': 'JWT', 'alg': 'RS256', 'kid': KEY_ID})}.{_encoded(claims)}"
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        """The directory's own; made when it is first needed, since that takes a moment."""
        key = rsa.generate_private_key(65537, 2048)
        self._credentials.issuers[self._issuer, KEY_ID] = key.public_key()
        return key


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _refusal(status: int, message: str) -> Response:
    return Response.of_json(status, {"statusCode": status, "message": message, "correlationId": "sandbox"})
