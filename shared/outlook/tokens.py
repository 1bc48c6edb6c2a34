"""App tokens for Graph, by client secret through msal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from shared.model.errors import NotPermitted, Unavailable
from shared.ports.world import Clock, HttpRequest, HttpResponse, Transport, TransportError

SCOPE = "https://graph.microsoft.com/.default"
EARLY = 300.0
"""A token is replaced this many seconds before it expires."""
STAND_IN = "https://login.microsoftonline.com"


class Tokens(Protocol):
    def token(self) -> str:
        """A bearer token that is good for at least some minutes."""
        ...

    def renew(self) -> str:
        """A new token: the vendor refused the last one."""
        ...


class ClientSecretTokens:
    """`login_url` is the authority without the tenant. msal takes https authorities only, so for a loopback one it is
    told the public authority, and our transport goes to the real URL."""

    def __init__(
        self, transport: Transport, clock: Clock, login_url: str, tenant: str, client_id: str, client_secret: str
    ) -> None:
        self._transport, self._clock, self._login_url = transport, clock, login_url.rstrip("/")
        self._tenant, self._client_id, self._client_secret = tenant, client_id, client_secret
        self._token, self._until = "", 0.0

    def token(self) -> str:
        if not self._token or self._clock.now() >= self._until:
            self._fetch()
        return self._token

    def renew(self) -> str:
        self._token = ""
        return self.token()

    def _fetch(self) -> None:
        import msal  # slow to import, and not needed to answer a trigger

        app = msal.ConfidentialClientApplication(
            self._client_id,
            authority=f"{self._authority()}/{self._tenant}",
            client_credential=self._client_secret,
            instance_discovery=False,
            http_client=_HttpClient(self._transport, self._authority(), self._login_url),
        )
        answer = app.acquire_token_for_client(scopes=[SCOPE])
        if "access_token" not in answer:
            code = str(answer.get("error", "unknown"))
            raise NotPermitted("Entra gave no token for the app: check tenant, client id and secret", code=code)
        self._token = answer["access_token"]
        self._until = self._clock.now() + float(answer.get("expires_in", 0)) - EARLY

    def _authority(self) -> str:
        return self._login_url if self._login_url.startswith("https://") else STAND_IN


class _HttpClient:
    """What msal asks of an HTTP client, on our transport."""

    def __init__(self, transport: Transport, authority: str, login_url: str) -> None:
        self._transport, self._authority, self._login_url = transport, authority, login_url

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> _Answer:
        return self._send("GET", f"{url}?{urlencode(params)}" if params else url, headers, b"")

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> _Answer:
        body = urlencode(data).encode() if isinstance(data, Mapping) else (data or b"")
        headers = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        return self._send("POST", f"{url}?{urlencode(params)}" if params else url, headers, body)

    def close(self) -> None:
        """Nothing is held open."""

    def _send(self, method: str, url: str, headers: Any, body: bytes) -> _Answer:
        if urlsplit(url).netloc == urlsplit(self._authority).netloc:
            url = self._login_url + url[len(self._authority) :]
        try:
            answer = _Answer(self._transport.send(HttpRequest(method, url, dict(headers or {}), body)))
        except TransportError as exc:
            raise Unavailable("the sign-in service gave no answer", code="login") from exc
        answer.text = answer.text.replace(self._login_url, self._authority)
        return answer


class _Answer:
    def __init__(self, answer: HttpResponse) -> None:
        self.status_code, self.headers = answer.status, dict(answer.headers)
        self.text = answer.body.decode("utf-8", "replace")

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise Unavailable("the sign-in service refused the request", code=str(self.status_code))
