"""Alimail's access token: OAuth2 client credentials of the mail domain's app (Alimail: token)."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import Any, Protocol
from urllib.parse import urlencode

from shared.dingtalk.errors import retry_after
from shared.dingtalk.sign_in import sign_in
from shared.model.answers import Must, fits, parsed, plain_code
from shared.model.errors import NotPermitted, Unavailable
from shared.ports.state import Secret
from shared.ports.world import Clock, HttpRequest, HttpResponse, Transport, TransportError

TOKEN = {"access_token": Must(str), "expires_in": (int, float, str)}
LIFETIME = re.compile(r"\d{1,9}(\.\d+)?")
MARGIN = 60.0
"""Seconds before its end at which a token is no longer used."""


class Tokens(Protocol):
    def token(self, refused: str = "") -> str:
        """A token that isn't `refused`, the one that the vendor has just answered with 401."""
        ...


class ClientCredentials:
    """`base_url` is Alimail's, without `/v2`. Lifetimes differ between tenants (3600 s, 172799 s): it is always read.

    Raises NotPermitted when the app or its secret is refused, Unavailable when there is no usable answer."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        base_url: str,
        client_id: str,
        client_secret: Secret,
        lock: AbstractContextManager[object],
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._url = base_url.rstrip("/") + "/oauth2/v2.0/token"
        self._client_id, self._secret = client_id, client_secret
        self._lock = lock
        self._token = ""
        self._until = 0.0

    def token(self, refused: str = "") -> str:
        with self._lock:
            if self._token in ("", refused) or self._clock.now() >= self._until:
                sign_in(self._secret, self._ask)
            return self._token

    def _ask(self, secret: str) -> None:
        form = {"grant_type": "client_credentials", "client_id": self._client_id, "client_secret": secret}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        asked = self._clock.now()
        try:
            response = self._transport.send(HttpRequest("POST", self._url, headers, urlencode(form).encode()))
        except TransportError as error:
            raise Unavailable("Alimail gave no answer when asked for a token") from error
        answer = _answer(response)
        self._token = str(answer["access_token"])
        lifetime = str(answer.get("expires_in") or "")
        self._until = asked + (float(lifetime) if LIFETIME.fullmatch(lifetime) else 0.0) - MARGIN


def _answer(response: HttpResponse) -> dict[str, Any]:
    try:
        answer = parsed(response.body)
    except ValueError:
        answer = None
    if response.status == 200 and fits(answer, TOKEN) and answer["access_token"]:
        return dict(answer)
    text = f"Alimail gave no token (status {response.status})"
    said = isinstance(answer, dict) and (answer.get("detailErrorCode") or answer.get("code") or answer.get("error"))
    if response.status == 429 or response.status >= 500 or not said:
        raise Unavailable(text, code=str(response.status), retry_after=retry_after(response.headers))
    code = plain_code(str(said)) or str(response.status)
    raise NotPermitted(f"{text}: check the Alimail app's id, secret and permissions", code=code)
