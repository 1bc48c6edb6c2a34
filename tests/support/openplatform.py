"""A simulated open platform of DingTalk with two people, all in process and on a clock that stands still."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from sandbox.dingtalk.openapi import DingTalkOpen
from sandbox.dingtalk.openapi_switches import OpenSwitches
from sandbox.web import Request, Vendor
from shared.dingtalk.openapi_tokens import AppTokens
from shared.ports.world import HttpRequest, HttpResponse, TransportError
from tests.support.secret import known

NOW = 1_795_532_400.0
CORP, APP, SECRET = "ding-corp", "dingabc", "app-secret"
TOKEN, AES_KEY = "callbacktoken", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij"
URL = "https://tandem.test/api/dingtalk/callback"


class Clock:
    """Time for both sides: called by the simulator, asked by the product."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> float:
        return self.time

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Platform:
    """`vendor` with Anna (u-1, union-1) and Ben (u-2, union-2)."""

    def __init__(self, **switches: Any) -> None:
        self.clock = Clock()
        self.vendor = DingTalkOpen(
            clock=self.clock,
            random=random.Random(7),
            corp_id=CORP,
            app_key=APP,
            app_secret=SECRET,
            switches=OpenSwitches(**switches),
        )
        self.vendor.hire("u-1", "union-1", "Anna")
        self.vendor.hire("u-2", "union-2", "Ben")

    # ---- calls as somebody makes them
    def api(
        self, method: str, target: str, body: Any = None, *, token: str = "", headers: Mapping[str, str] = {}
    ) -> tuple[int, Any]:
        """On the new host -> status and JSON."""
        given = {"x-acs-dingtalk-access-token": token} if token else {}
        answer = self.vendor.api.handle(Request(method, target, {**given, **headers}, _bytes(body)))
        return answer.status, json.loads(answer.body)

    def oapi(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """On the old host -> JSON; it answers 200 whatever happened."""
        target = f"{path}?{urlencode(query)}"
        answer = self.vendor.oapi.handle(Request(method, target, {"content-type": "application/json"}, _bytes(body)))
        assert answer.status == 200
        return json.loads(answer.body)

    def token(self) -> str:
        return str(self.api("POST", "/v1.0/oauth2/accessToken", {"appKey": APP, "appSecret": SECRET})[1]["accessToken"])

    def old_token(self) -> str:
        return str(self.oapi("GET", "/gettoken", appkey=APP, appsecret=SECRET)["access_token"])

    # ---- the product's side
    def send(self, request: HttpRequest) -> HttpResponse:
        """The product's transport."""
        parts = urlsplit(request.url)
        hosts: dict[str, Vendor] = {"api.test": self.vendor.api, "oapi.test": self.vendor.oapi}
        vendor = hosts.get(parts.netloc)
        if vendor is None:
            raise TransportError("there is no such host")
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = vendor.handle(Request(request.method, f"{parts.path}?{parts.query}", headers, request.body))
        return HttpResponse(answer.status, answer.headers, answer.body)

    def tokens(self, secret: str = SECRET) -> AppTokens:
        urls = "https://api.test", "https://oapi.test"
        return AppTokens(self, self.clock, *urls, APP, known(secret), threading.Lock())


Take = Callable[[Mapping[str, str], bytes], Mapping[str, str]]


def poster(take: Take) -> Callable[[str, bytes, float], tuple[int, bytes]]:
    """How the console reaches whoever answers callbacks."""

    def post(url: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        query = dict(parse_qsl(urlsplit(url).query))
        return 200, json.dumps(take(query, body)).encode()

    return post


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
