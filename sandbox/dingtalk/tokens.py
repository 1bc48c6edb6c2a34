"""App tokens: OAuth2 client credentials, form-encoded (Alimail: token)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from sandbox.dingtalk.errors import Refusal
from sandbox.dingtalk.world import World
from sandbox.web import Request, Response


class Tokens:
    def __init__(self, world: World, client_id: str, client_secret: str) -> None:
        self._world, self._client = world, (client_id, client_secret)
        self._issued: dict[str, float] = {}

    def issue(self, request: Request) -> Response:
        self._world.counts["token"] += 1
        kind = request.headers.get("content-type", "")
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if not kind.startswith("application/x-www-form-urlencoded") or "grant_type" not in form:
            return _refused("1003", "bad parameters")
        if form["grant_type"] != "client_credentials":
            return _refused("unsupported_grant_type", "only client_credentials")
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            return _refused("invalid_client", "the client is unknown or its secret is wrong", 401)
        token, life = f"ali{self._world.serial():08d}", self._world.switches.token_life
        self._issued[token] = self._world.now() + life
        return Response.of_json(200, {"token_type": "bearer", "access_token": token, "expires_in": life})

    def check(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or self._issued.get(token, 0.0) <= self._world.now():
            raise Refusal(401, "token.invalid", "the access token is missing, unknown or expired")

    def revoke(self) -> None:
        self._issued.clear()


def _refused(error: str, text: str, status: int = 400) -> Response:
    return Response.of_json(status, {"error": error, "error_description": text})
