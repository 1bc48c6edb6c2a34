"""The new host of the open platform (api.dingtalk.com): tokens and the list of failed callbacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sandbox.dingtalk.callbacks import Callback
from sandbox.dingtalk.openapi_errors import NewRefusal
from sandbox.web import Request, Response


class Platform(Protocol):
    corp_id: str
    app_key: str
    app_secret: str
    random: Any
    lock: Any

    @property
    def switches(self) -> Any: ...
    @property
    def employees(self) -> Mapping[str, Any]: ...
    def issue(self, host: str) -> tuple[str, int]: ...
    def is_token(self, host: str, token: str) -> bool: ...
    def is_throttled(self, route: str) -> bool: ...
    def failed(self, begin: float = ..., end: float = ...) -> tuple[list[Callback], bool]: ...


class NewHost:
    """Refusals have a status of 4xx or 5xx and the body {code, requestid, message}; a token comes in the header
    `x-acs-dingtalk-access-token` and nowhere else."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._routes: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("POST", "/v1.0/oauth2/accessToken"): self._access_token,
            ("GET", "/v1.0/event/callbacks/failedResults"): self._failed,
        }

    def handle(self, request: Request) -> Response:
        with self._platform.lock:
            try:
                return self._answer(request)
            except NewRefusal as refusal:
                return refusal.response(self._platform.random)

    def _answer(self, request: Request) -> Response:
        parts = request.segments
        if request.method == "POST" and parts[:2] == ("v1.0", "oauth2") and parts[3:] == ("token",):
            self._count("POST /v1.0/oauth2/{corpId}/token")
            return self._corp_token(request, parts[2])
        handler = self._routes.get((request.method, request.path))
        if handler is None:
            raise NewRefusal(404, "InvalidAction.NotFound", "Specified api is not found, please check your url.")
        self._count(f"{request.method} {request.path}")
        return handler(request)

    def _count(self, route: str) -> None:
        if self._platform.is_throttled(route):
            raise NewRefusal(403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "too many calls in a second")

    def _check_token(self, request: Request) -> None:
        token = request.headers.get("x-acs-dingtalk-access-token")
        if not token:
            raise NewRefusal(400, "AuthenticationFailed.MissingParameter", "x-acs-dingtalk-access-token is missing")
        if not self._platform.is_token("new", token):
            raise NewRefusal(400, "InvalidAuthentication", "the access token is not valid")

    def _access_token(self, request: Request) -> Response:
        body = _object(request)
        if not body.get("appKey") or not body.get("appSecret"):
            raise NewRefusal(400, "MissingParameter", "appKey and appSecret are mandatory")
        if (body["appKey"], body["appSecret"]) != (self._platform.app_key, self._platform.app_secret):
            raise NewRefusal(400, "invalidClientIdOrSecret", "the clientId or clientSecret is not valid")
        token, life = self._platform.issue("new")
        return Response.of_json(200, {"accessToken": token, "expireIn": life})

    def _corp_token(self, request: Request, corp_id: str) -> Response:
        body = _object(request)
        if body.get("grant_type") != "client_credentials":
            raise NewRefusal(400, "unsupported.grant.type", "only client_credentials")
        if corp_id != self._platform.corp_id:
            raise NewRefusal(500, "unknownError", "an unknown error")
        if (body.get("client_id"), body.get("client_secret")) != (self._platform.app_key, self._platform.app_secret):
            raise NewRefusal(400, "invalid.client", "the client is not valid")
        token, life = self._platform.issue("new")
        return Response.of_json(200, {"access_token": token, "expires_in": life})

    def _failed(self, request: Request) -> Response:
        self._check_token(request)
        query = request.query
        try:
            begin, end = (int(query[name]) / 1000 for name in ("beginTime", "endTime"))
        except (KeyError, ValueError):
            raise NewRefusal(400, "invalidParameter", "beginTime and endTime are mandatory") from None
        served = self._platform.switches.failed_on in ("new", "both")
        callbacks, more = self._platform.failed(begin, end) if served else ([], False)
        items = [
            {
                "callBackTag": callback.tag,
                "eventTime": int(callback.since * 1000),
                "corpId": self._platform.corp_id,
                "callBackData": json.dumps(callback.fields, ensure_ascii=False),
            }
            for callback in callbacks
        ]
        return Response.of_json(200, {"failedList": items, "hasMore": more})


def _object(request: Request) -> Mapping[str, Any]:
    try:
        value = request.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NewRefusal(400, "InvalidParameter", "the body is no JSON object")
    return value
