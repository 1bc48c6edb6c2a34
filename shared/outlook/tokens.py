"""App tokens for Graph, by client secret through msal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from shared.model.answers import Must, fits, plain_code
from shared.model.errors import NotPermitted, Unavailable
from shared.ports.world import Clock, HttpRequest, HttpResponse, Transport, TransportError

SCOPE = "https://graph.microsoft.com/.default"
EARLY = 300.0
"""A token is replaced this many seconds before it expires."""
STAND_IN = "https://login.microsoftonline.com"
EXPIRED = 7000222
"""AADSTS7000222: the client secret's time is over."""
PASSING = frozenset({"temporarily_unavailable", "server_error"})
"""OAuth's words for a sign-in service that is not well; every other one means that the app was refused."""


UNREADABLE = (LookupError, RuntimeError, TypeError, AttributeError, ArithmeticError)
"""What msal raises, beside its own errors and ValueError, for answers that are no OAuth."""


class Tokens(Protocol):
    def token(self) -> str:
        """A bearer token that is good for at least some minutes. NotPermitted when the app gets none, Unavailable when
        there was no usable answer."""
        ...

    def renew(self) -> str:
        """A new token: the vendor refused the last one."""
        ...


class ClientSecretTokens:
    """`login_url` is the authority without the tenant. msal takes https authorities only, so for a loopback one it is
    told the public authority, and our transport goes to the real URL. Safe among threads: at worst two of them fetch a
    token each."""

    def __init__(
        self, transport: Transport, clock: Clock, login_url: str, tenant: str, client_id: str, client_secret: str
    ) -> None:
        self._transport, self._clock, self._login_url = transport, clock, login_url.rstrip("/")
        self._tenant, self._client_id, self._client_secret = tenant, client_id, client_secret
        self._held = ("", 0.0)

    def token(self) -> str:
        token, until = self._held
        return token if self._clock.now() < until else self.renew()

    def renew(self) -> str:
        asked = self._clock.now()
        answer = self._ask()
        if not fits(answer, {"access_token": Must(str)}) or not answer["access_token"]:
            code = plain_code(answer.get("error")) or "unknown"
            if code in PASSING or not answer.get("error"):
                raise Unavailable("Entra gave no token just now; it is asked again later", code=code)
            if fits(answer, {"error_codes": Must([int])}) and EXPIRED in answer["error_codes"]:
                raise NotPermitted("the client secret has expired: make a new one in Entra", code=f"AADSTS{EXPIRED}")
            raise NotPermitted("Entra gave no token for the app: check tenant, client id and secret", code=code)
        token = str(answer["access_token"])
        self._held = token, asked + float(answer.get("expires_in") or 0) - EARLY
        return token

    def _ask(self) -> Mapping[str, Any]:
        """msal's answer. Its errors hold URLs and whole answers, so they are not passed on."""
        import msal  # slow to import, and not needed to answer a trigger

        authority = self._login_url if self._login_url.startswith("https://") else STAND_IN
        wire = _HttpClient(self._transport, authority, self._login_url)
        try:
            app = msal.ConfidentialClientApplication(
                self._client_id,
                authority=f"{authority}/{self._tenant}",
                client_credential=self._client_secret,
                instance_discovery=False,
                http_client=wire,
            )
            answer: Mapping[str, Any] = app.acquire_token_for_client(scopes=[SCOPE])
        except (msal.exceptions.MsalError, ValueError, *UNREADABLE):
            if 400 <= wire.status < 500:
                said = "Entra does not know the tenant: check the tenant id"
                raise NotPermitted(said, code=str(wire.status)) from None
            raise Unavailable("the sign-in service gave no usable answer", code=str(wire.status)) from None
        return answer


class _HttpClient:
    """What msal asks of an HTTP client, on our transport. `status` is the last answer's."""

    def __init__(self, transport: Transport, authority: str, login_url: str) -> None:
        self._transport, self._authority, self._login_url = transport, authority, login_url
        self.status = 0

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> _Answer:
        return self._send("GET", f"{url}?{urlencode(params)}" if params else url, headers, b"")

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> _Answer:
        body = urlencode(data).encode() if isinstance(data, Mapping) else (data or b"")
        headers = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        return self._send("POST", f"{url}?{urlencode(params)}" if params else url, headers, body)

    def close(self) -> None:
        """Nothing is held open."""

    def _send(self, method: str, url: str, headers: Any, body: bytes) -> _Answer:
        """Only to the authority: where its own documents point is no reason to send the secret anywhere else."""
        if not url.startswith(self._authority + "/"):
            raise Unavailable("the sign-in service pointed to another host; it was not asked", code="link")
        url = self._login_url + url[len(self._authority) :]
        try:
            answer = _Answer(self._transport.send(HttpRequest(method, url, dict(headers or {}), body)))
        except TransportError as exc:
            raise Unavailable("the sign-in service gave no answer", code="no_answer") from exc
        if answer.status_code == 429:
            raise Unavailable("the sign-in service throttles; it is asked again later", code="429")
        self.status = answer.status_code
        answer.text = answer.text.replace(self._login_url, self._authority)
        return answer


class _Answer:
    def __init__(self, answer: HttpResponse) -> None:
        self.status_code, self.headers = answer.status, dict(answer.headers)
        self.text = answer.body.decode("utf-8", "replace")

    def raise_for_status(self) -> None:
        """msal asks for this; it wraps the answer and raises its own error."""
        if self.status_code >= 400:
            raise RuntimeError(self.status_code)
