"""The login host: tokens for the app, and the documents that client libraries ask for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from sandbox.microsoft.credentials import App, Credentials
from sandbox.microsoft.errors import GraphError, LoginError
from sandbox.microsoft.times import iso
from sandbox.microsoft.world import World
from sandbox.web import Request, Response


@dataclass(frozen=True, slots=True)
class _Issued:
    expires: float
    roles: frozenset[str]


class Tokens:
    def __init__(self, world: World, app: App, login_url: str) -> None:
        self._world = world
        self._app = app
        self.credentials = Credentials(world, app)
        self.login_url = login_url
        self._issued: dict[str, _Issued] = {}

    def roles(self, request: Request) -> frozenset[str]:
        """Of the bearer token; refused when it isn't one of ours or is over."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token is empty.")
        issued = self._issued.get(token.strip())
        if issued is None:
            raise GraphError(
                401, "InvalidAuthenticationToken", "IDX14100: JWT is not well formed, there are no dots (.)."
            )
        if issued.expires <= self._world.now():
            raise GraphError(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
        return issued.roles

    def revoke(self) -> None:
        """All tokens issued so far stop to be accepted."""
        self._issued.clear()

    def handle(self, request: Request) -> Response | None:
        """None when the path isn't one of the login host's. The caller holds the lock."""
        parts = [part.lower() for part in request.segments]
        if parts[1:] == ["oauth2", "v2.0", "token"]:
            self._world.counts["token"] += 1
            return self._token(request)
        if parts[1:] == ["v2.0", ".well-known", "openid-configuration"]:
            self._world.counts["GET openid-configuration"] += 1
            return Response.of_json(200, self._openid(request.segments[0]))
        if parts == ["common", "discovery", "instance"]:
            self._world.counts["GET discovery"] += 1
            return Response.of_json(200, self._discovery())
        return None

    def _token(self, request: Request) -> Response:
        try:
            if request.method != "POST":
                raise LoginError(400, "invalid_request", 900561, "The endpoint only accepts POST requests.")
            return self._grant(request.segments[0], dict(parse_qsl(request.body.decode("utf-8", "replace"))))
        except LoginError as error:
            return Response.of_json(error.status, self._refusal(error), {"cache-control": "no-store, no-cache"})

    def _grant(self, tenant: str, form: Mapping[str, str]) -> Response:
        if tenant.lower() != self._app.tenant_id.lower():
            raise LoginError(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            raise LoginError(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        if form.get("client_id", "").lower() != self._app.client_id.lower():
            raise LoginError(
                400, "unauthorized_client", 700016, "Application was not found in the directory of the tenant."
            )
        self.credentials.check(form, frozenset({self._openid(tenant)["token_endpoint"]}))
        if not form.get("scope", "").endswith("/.default") or " " in form.get("scope", ""):
            raise LoginError(
                400, "invalid_scope", 1002012, "The provided value for scope is not valid: it must end in /.default."
            )
        life = self._world.switches.token_life
        answer = {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": self._issue(life)}
        return Response.of_json(200, answer, {"cache-control": "no-store, no-cache"})

    def _issue(self, life: int) -> str:
        now = self._world.now()
        self._issued = {token: known for token, known in self._issued.items() if known.expires > now}
        claims = {
            "aud": "https://graph.microsoft.com",
            "iss": f"https://sts.windows.net/{self._app.tenant_id}/",
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now) + life,
            "appid": self._app.client_id,
            "roles": sorted(self._app.roles),
            "tid": self._app.tenant_id,
            "uti": self._world.guid(),
        }
        signed = f"{_encoded({'typ': 'JWT', 'alg': 'none'})}.{_encoded(claims)}"
        token = f"{signed}.{base64.urlsafe_b64encode(hashlib.sha256(signed.encode()).digest()).decode().rstrip('=')}"
        self._issued[token] = _Issued(now + life, frozenset(self._app.roles))
        return token

    def _refusal(self, error: LoginError) -> dict[str, Any]:
        trace, correlation = self._world.guid(), self._world.guid()
        stamp = iso(self._world.now()).replace("T", " ")
        return {
            "error": error.error,
            "error_description": f"AADSTS{error.number}: {error.message} Trace ID: {trace} "
            f"Correlation ID: {correlation} Timestamp: {stamp}",
            "error_codes": [error.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{self.login_url}/error?code={error.number}",
        }

    def _openid(self, tenant: str) -> dict[str, Any]:
        root = f"{self.login_url}/{tenant}"
        return {
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": f"{root}/discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "issuer": f"{self.login_url}/{self._app.tenant_id}/v2.0",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
            "tenant_region_scope": "AS",
            "cloud_instance_name": "microsoftonline.com",
        }

    def _discovery(self) -> dict[str, Any]:
        hosts = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"]
        root = f"{self.login_url}/{self._app.tenant_id}"
        return {
            "tenant_discovery_endpoint": f"{root}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": hosts[0], "preferred_cache": hosts[1], "aliases": hosts}],
        }


def _encoded(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
