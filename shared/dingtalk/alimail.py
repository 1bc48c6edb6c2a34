"""Alimail's open API v2 as JSON in and out: token, rate, typed errors, redirects. Knows no route.

The order in which one request leaves: token, rate, permit, wire. A 401 renews the token once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit

from shared.dingtalk.bucket import Bucket
from shared.dingtalk.errors import failure
from shared.dingtalk.limits import TIMEOUT, time_for
from shared.dingtalk.tokens import Tokens
from shared.model.answers import parsed
from shared.model.errors import OutcomeUnknown, TandemError, Throttled, TooLarge, Unavailable
from shared.model.spooled import Content
from shared.ports.replica import Permit
from shared.ports.world import HttpRequest, HttpResponse, Into, TooMuch, Transport, TransportError

Json = Any

REDIRECTS = (301, 302, 303, 307, 308)
VENDOR_HOSTS = re.compile(r"[a-z0-9.-]+\.aliyuncs\.com(:443)?")
"""The provider's own hosts, and nothing else of an address: no user, no other port."""
PLAIN = re.compile(r"[!-\[\]-~]+")
"""An address as it stands on a wire. What else may be in one, a backslash above all, isn't read alike by everybody."""


class Alimail:
    """One mail domain. `base_url` is without `/v2` (`https://alimail-cn.aliyuncs.com`); paths start with `/v2`.

    Reads raise Unavailable, Throttled, NotPermitted, NotFound or Refused. Effects raise OutcomeUnknown instead of
    Unavailable once they have left, and whatever `permit` raises."""

    def __init__(
        self, transport: Transport, tokens: Tokens, bucket: Bucket, base_url: str, timeout: float = TIMEOUT
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._bucket = bucket
        self._base = base_url.rstrip("/")
        self._timeout = timeout

    def get(self, what: str, path: str, query: Mapping[str, str] = {}) -> Json:
        """`what` names the request in errors, without ids. Unknown parameters are ignored by the vendor, silently."""
        url = self._base + path + ("?" + urlencode(query, quote_via=quote, safe="$,") if query else "")
        return self._send(what, HttpRequest("GET", url, timeout=self._timeout))[1]

    def post(self, what: str, path: str, body: Json, permit: Permit) -> Json:
        """A request with an effect; {} when the answer is empty."""
        return self.effect("POST", what, path, body, permit)

    def effect(self, method: str, what: str, path: str, body: Json | None, permit: Permit) -> Json:
        headers = {} if body is None else {"content-type": "application/json; charset=utf-8"}
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        request = HttpRequest(method, self._base + path, headers, content, self._timeout, effect=True)
        return self._send(what, request, permit)[1]

    def download(self, what: str, path: str, size: int, into: Into | None = None) -> Content:
        """The bytes of an attachment of about `size` bytes: `$value` names a stream by Location or `{location}`,
        absolute or relative; the stream takes no token (Alimail: attachments). TooLarge when it is over `into`."""
        request = HttpRequest("GET", self._base + path, timeout=self._timeout)
        headers, answer = self._send(what, request, redirects=REDIRECTS)
        url = self._followed(self._base + path, headers.get("location") or str(answer.get("location") or ""))
        if url is None:
            raise Unavailable(f"Alimail answered {what} with an address that is not its own", code="foreign_location")
        return self._stream(what, HttpRequest("GET", url, timeout=time_for(size, self._timeout), into=into))

    def _followed(self, base: str, location: str) -> str | None:
        """The absolute address, None when it isn't one of the provider's own."""
        if not PLAIN.fullmatch(location):
            return None
        try:
            url = urljoin(base, location)
            return url if self._own(urlsplit(url)) else None
        except ValueError:  # a port or an address in brackets that is none
            return None

    def _own(self, url: SplitResult) -> bool:
        """Only the provider's own hosts are followed, and never down to plain HTTP."""
        base = urlsplit(self._base)
        if (url.scheme, url.netloc) == (base.scheme, base.netloc):
            return True
        return url.scheme == "https" and all(VENDOR_HOSTS.fullmatch(one.netloc.lower()) for one in (base, url))

    def _stream(self, what: str, request: HttpRequest) -> Content:
        self._bucket.take()
        response = self._wire(what, request)
        if response.status != 200:
            raise failure(what, response.status, _parsed(response.body), response.headers) or Unavailable(
                f"Alimail answered {what} with status {response.status} instead of the content"
            )
        return response.body if response.spooled is None else response.spooled

    def _send(
        self, what: str, request: HttpRequest, permit: Permit | None = None, redirects: Sequence[int] = ()
    ) -> tuple[Mapping[str, str], Json]:
        """The headers and the JSON object of a successful answer ({} for an empty one). One of `redirects` is a success
        too, without an object."""
        token = self._tokens.token()
        response = self._once(what, request, token, permit)
        if response.status == 401:
            response = self._once(what, request, self._tokens.token(token), permit)
        answer = {} if response.status in redirects else _parsed(response.body)
        if error := failure(what, response.status, answer, response.headers, effect=request.effect):
            if isinstance(error, Throttled):
                self._bucket.hold(error.retry_after)
            raise error
        if not isinstance(answer, dict) or not (response.status < 300 or response.status in redirects):
            text = f"Alimail answered {what} with status {response.status} and without a JSON object"
            raise _unanswered(request.effect)(text, code="no_json")
        return response.headers, answer

    def _once(self, what: str, request: HttpRequest, token: str, permit: Permit | None) -> HttpResponse:
        headers = {**request.headers, "authorization": f"bearer {token}", "accept": "application/json"}
        self._bucket.take()
        if permit is not None:
            permit()
        return self._wire(what, replace(request, headers=headers))

    def _wire(self, what: str, request: HttpRequest) -> HttpResponse:
        try:
            return self._transport.send(request)
        except TransportError as error:
            if request.into and isinstance(error, TooMuch):
                raise TooLarge(f"Alimail's answer to {what} is over what can be carried", code="size") from error
            raise _unanswered(request.effect)(f"Alimail gave no answer to {what}") from error


def _unanswered(effect: bool) -> type[TandemError]:
    return OutcomeUnknown if effect else Unavailable


def _parsed(body: bytes) -> Json:
    try:
        return parsed(body) if body.strip() else {}
    except ValueError:
        return None
