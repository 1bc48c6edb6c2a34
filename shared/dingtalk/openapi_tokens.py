"""The access token of an app of DingTalk's open platform.

Facts: `POST /v1.0/oauth2/accessToken {appKey, appSecret}` on the new host gives `{accessToken, expireIn}`; the old host
has `GET /gettoken?appkey=&appsecret=`, `{errcode, access_token, expires_in}`. Neither is metered. Whether the old host
takes the new one's token is likely, not certain: it is tried first, since it keeps the secret out of addresses, and
when the old host refuses one that is fresh, its own is asked for from then on.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlencode

from shared.dingtalk.openapi_errors import code_of, failure
from shared.dingtalk.sign_in import sign_in
from shared.model.errors import NotPermitted, Unavailable
from shared.ports.state import Secret
from shared.ports.world import Clock, HttpRequest, Transport, TransportError

MARGIN = 120.0
"""Seconds before its end at which a token is no longer used."""
FRESH = 60.0
"""A token refused this soon after it was given is not expired: this host doesn't take it."""
WHAT = "a token"
ADVICE = "check the app's AppKey and AppSecret"


class AppTokens:
    """A token for the old host. Raises NotPermitted when the app is refused, Unavailable without a usable answer."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        url: str,
        old_url: str,
        app_key: str,
        app_secret: Secret,
        lock: AbstractContextManager[object],
    ) -> None:
        self._transport, self._clock, self._lock = transport, clock, lock
        self._url, self._old_url, self._app_key, self._secret = url, old_url, app_key, app_secret
        self._token, self._asked, self._until = "", 0.0, 0.0
        self._own = False

    def token(self, refused: str = "") -> str:
        """A token that isn't `refused`, the one that the host has just refused."""
        with self._lock:
            if refused and refused == self._token and self._clock.now() - self._asked < FRESH:
                self._own = True
            if self._token in ("", refused) or self._clock.now() >= self._until:
                sign_in(self._secret, self._ask)
            return self._token

    def _ask(self, secret: str) -> None:
        asked = self._clock.now()
        self._token, life = self._old(secret) if self._own else self._new(secret)
        self._asked, self._until = asked, asked + life - MARGIN

    def _new(self, secret: str) -> tuple[str, float]:
        body = json.dumps({"appKey": self._app_key, "appSecret": secret}).encode()
        request = HttpRequest(
            "POST", f"{self._url}/v1.0/oauth2/accessToken", {"content-type": "application/json"}, body
        )
        status, answer = self._send(request)
        if status == 200 and answer.get("accessToken"):
            return str(answer["accessToken"]), _seconds(answer.get("expireIn"))
        code = str(answer.get("code") or status)
        if status >= 500 or status == 429 or "Limit" in code or not answer:
            raise Unavailable(f"DingTalk gave no token (status {status})", code=code)
        raise NotPermitted(f"DingTalk gave no token (status {status}): {ADVICE}", code=code)

    def _old(self, secret: str) -> tuple[str, float]:
        query = urlencode({"appkey": self._app_key, "appsecret": secret})
        status, answer = self._send(HttpRequest("GET", f"{self._old_url}/gettoken?{query}"))
        if status != 200 or not answer:
            raise Unavailable(f"DingTalk's old host gave no token (status {status})", code=str(status))
        if error := failure(WHAT, answer):
            if error.retryable:
                raise error
            raise NotPermitted(f"DingTalk's old host gave no token: {ADVICE}", code=code_of(answer))
        return str(answer.get("access_token") or ""), _seconds(answer.get("expires_in"))

    def _send(self, request: HttpRequest) -> tuple[int, dict[str, Any]]:
        """Status and JSON object of the answer, {} for anything else."""
        try:
            response = self._transport.send(request)
        except TransportError as error:
            raise Unavailable("DingTalk gave no answer when asked for a token") from error
        try:
            answer = json.loads(response.body)
        except ValueError:
            answer = None
        return response.status, answer if isinstance(answer, dict) else {}


def _seconds(life: object) -> float:
    """0, so that it is asked for again each time, when it can't be read."""
    return float(life) if isinstance(life, int | float) else 0.0
