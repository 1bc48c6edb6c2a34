"""App Service's endpoint for managed identities, on this machine: what azure-identity asks for tokens when the app runs
on Azure (Microsoft: "Use managed identities for App Service", REST endpoint reference)."""

from __future__ import annotations

import time
from collections import Counter

from sandbox.web import Request, Response
from tests.support.entra_token import LIFE, token

VERSION = "2019-08-01"
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


def _refused(status: int, message: str) -> Response:
    return Response.of_json(status, {"statusCode": status, "message": message})
