"""App Service's endpoint for managed identities, on this machine: what azure-identity asks for tokens when the app runs
on Azure (Microsoft: "Use managed identities for App Service", REST endpoint reference)."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter

from sandbox.web import Request, Response

VERSION = "2019-08-01"
LIFE = 86_400
RESOURCES = {"https://storage.azure.com", "https://vault.azure.net"}


class ManagedIdentity:
    """Gives tokens of one user-assigned identity. Without the header that proves that the caller runs inside the app,
    or for a resource that nobody has registered, there is none. `asked` counts the tokens by resource."""

    def __init__(self, client_id: str, header: str) -> None:
        self._client_id, self._header = client_id, header
        self.asked: Counter[str] = Counter()

    def handle(self, request: Request) -> Response:
        if request.method != "GET" or request.path != "/msi/token":
            return _refused(404, "not found")
        if request.headers.get("x-identity-header") != self._header:
            return _refused(401, "the header X-IDENTITY-HEADER is missing or wrong")
        query = request.query
        if query.get("api-version") != VERSION:
            return _refused(400, f"api-version must be {VERSION}")
        if query.get("client_id") != self._client_id:
            return _refused(400, "no such identity is assigned to this app")
        resource = query.get("resource", "").rstrip("/")
        if resource not in RESOURCES:
            return _refused(400, "the resource is unknown")
        self.asked[resource] += 1
        return Response.of_json(200, self._token(resource))

    def _token(self, resource: str) -> dict[str, str]:
        until = int(time.time()) + LIFE
        return {
            "access_token": token(resource, until),
            "client_id": self._client_id,
            "expires_on": str(until),
            "not_before": str(until - LIFE),
            "resource": resource,
            "token_type": "Bearer",
        }


def token(audience: str, until: int) -> str:
    """An unsigned token of the shape that Entra gives. A stand-in can look into it and can't prove it."""
    claims = {
        "aud": audience,
        "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
        "nbf": until - LIFE,
        "iat": until - LIFE,
        "exp": until,
        "oid": "23657296-5cd5-45b0-a809-d972a7f4dfe1",
        "tid": "ab1f708d-50f6-404c-a006-d71b2ac7a606",
        "ver": "1.0",
    }
    parts = (_coded({"alg": "RS256", "typ": "JWT"}), _coded(claims), "c2lnbmF0dXJl")
    return ".".join(parts)


def claims_of(text: str) -> dict[str, object]:
    """What a token says of itself; ValueError when it is none."""
    _, claims, _ = text.split(".")
    found = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _coded(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _refused(status: int, message: str) -> Response:
    return Response.of_json(status, {"statusCode": status, "message": message})
