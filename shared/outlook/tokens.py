"""App tokens for Graph, by whichever credential the app has, through msal."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol
from urllib.parse import urlencode

from shared.model.answers import Must, fits, plain_code
from shared.model.errors import SignInRefused, Unavailable
from shared.ports.state import Secret
from shared.ports.world import Clock, HttpRequest, HttpResponse, Transport, TransportError

log = logging.getLogger("tandem.outlook")

SCOPE = "https://graph.microsoft.com/.default"
EARLY = 300.0
"""A token is replaced this many seconds before it expires."""
STAND_IN = "https://login.microsoftonline.com"
PASSING = frozenset({"temporarily_unavailable", "server_error"})
"""OAuth's words for a sign-in service that is not well; every other one means that the app was refused."""
AGAIN = 300.0
"""Seconds for which a refusal stands: nothing that people do mends it sooner, and asking on would be a hot loop."""

Credential = str | Mapping[str, Any] | Secret
"""A client secret, or who knows it; else as msal takes it: "private_key" and "public_certificate" in PEM; or
"client_assertion", a function that gives an assertion of somebody whom the app trusts, and raises SignInRefused or
Unavailable when it can't."""

_FEDERATED = (
    "the federated credential of the app registration does not match the managed identity: its subject is the"
    " identity's object (principal) ID, its issuer and tenant this tenant, its audience api://AzureADTokenExchange"
)
ADVICE = {
    "AADSTS90002": "Entra does not know the tenant: check the tenant id",
    "AADSTS700016": "Entra does not know the app in this tenant: check tenant and client id",
    "AADSTS7000215": "the client secret is wrong: check tenant, client id and secret (its value, not its ID)",
    "AADSTS7000222": "the client secret has expired: make a new one in the app registration and set it",
    "AADSTS700027": "the certificate is not registered with the app, or has expired: upload the present one",
    "AADSTS700024": "the assertion is not valid now: set this machine's clock",
    **dict.fromkeys(("AADSTS70021", "AADSTS700211", "AADSTS700212", "AADSTS700213", "AADSTS7002138"), _FEDERATED),
}
"""What to do about Entra's refusals (Entra: authentication error codes); the numbers may change, so that they only
choose words."""


UNREADABLE = (LookupError, RuntimeError, TypeError, AttributeError, ArithmeticError)
"""What msal raises, beside its own errors and ValueError, for answers that are no OAuth."""


class Tokens(Protocol):
    def token(self) -> str:
        """A bearer token that is good for at least some minutes. SignInRefused when the app gets none, Unavailable
        when there was no usable answer."""
        ...

    def renew(self) -> str:
        """A new token: the vendor refused the last one."""
        ...


class AppTokens:
    """`login_url` is the authority without the tenant. msal takes https authorities only, so for a loopback one it is
    told the public authority, and our transport goes to the real URL. Safe among threads: by the lock one of them
    fetches the token for all."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        login_url: str,
        tenant: str,
        client_id: str,
        credential: Credential,
        lock: AbstractContextManager[object],
    ) -> None:
        self._transport, self._clock, self._login_url = transport, clock, login_url.rstrip("/")
        self._tenant, self._client_id, self._credential = tenant, client_id, credential
        self._lock = lock
        self._held = ("", 0.0)
        self._refused: tuple[SignInRefused | None, float] = (None, 0.0)

    def token(self) -> str:
        held = self._held
        return held[0] if self._clock.now() < held[1] else self._replaced(held)

    def renew(self) -> str:
        return self._replaced(self._held)

    def _replaced(self, old: tuple[str, float]) -> str:
        with self._lock:
            return self._fetch() if self._held is old else self._held[0]

    def _fetch(self) -> str:
        asked = self._clock.now()
        refusal, until = self._refused
        if refusal is not None and asked < until:
            raise SignInRefused(str(refusal), code=refusal.code, retry_after=until - asked)
        try:
            answer = self._ask()
        except SignInRefused as refusal:
            log.error("no pair is served: %s (%s)", refusal, refusal.code)
            self._refused = refusal, asked + AGAIN
            raise SignInRefused(str(refusal), code=refusal.code, retry_after=AGAIN) from None
        token = str(answer["access_token"])
        self._held = token, asked + float(answer.get("expires_in") or 0) - EARLY
        return token

    def _ask(self) -> Mapping[str, Any]:
        """An answer with a token. msal's errors hold URLs and whole answers, so they are not passed on."""
        import msal  # slow to import, and not needed to answer a trigger

        authority = self._login_url if self._login_url.startswith("https://") else STAND_IN
        wire = _HttpClient(self._transport, authority, self._login_url)
        credential = self._credential(fresh=True) if callable(self._credential) else self._credential
        try:
            app = msal.ConfidentialClientApplication(
                self._client_id,
                authority=f"{authority}/{self._tenant}",
                client_credential=credential,
                instance_discovery=False,
                http_client=wire,
            )
            answer: Mapping[str, Any] = app.acquire_token_for_client(scopes=[SCOPE])
        except (msal.exceptions.MsalError, ValueError, *UNREADABLE):
            if 400 <= wire.status < 500:
                raise SignInRefused(ADVICE["AADSTS90002"], code=str(wire.status)) from None
            raise Unavailable("the sign-in service gave no usable answer", code=str(wire.status)) from None
        if not fits(answer, {"access_token": Must(str)}) or not answer["access_token"]:
            raise _refusal(answer)
        return answer


def _refusal(answer: Mapping[str, Any]) -> SignInRefused | Unavailable:
    """The error for an answer without a token; its code is Entra's own, else OAuth's word."""
    word = plain_code(answer.get("error")) or "unknown"
    if word in PASSING or not answer.get("error"):
        return Unavailable("Entra gave no token just now; it is asked again later", code=word)
    numbers = answer["error_codes"] if fits(answer, {"error_codes": Must([int])}) else []
    code = f"AADSTS{numbers[0]}" if numbers else word
    what = ADVICE.get(code, "check tenant, client id and credential")
    return SignInRefused(f"Entra gave no token for the app: {what}", code=code)


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
