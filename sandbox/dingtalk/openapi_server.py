"""The simulated open platform on two loopback ports, with a thread that delivers its callbacks."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import requests

from sandbox.dingtalk.openapi import EVENTS, DingTalkOpen
from sandbox.web import Server

IDLE = 0.5
"""Seconds between looks at the clock when nothing new happened."""


def post(url: str, body: bytes, seconds: float) -> tuple[int, bytes]:
    """Status and body of the answer; OSError when it isn't there, whole, in `seconds`. Redirects are not followed."""
    until = time.monotonic() + seconds
    headers = {"content-type": "application/json;charset=utf-8"}
    with requests.post(
        url, data=body, headers=headers, timeout=seconds, allow_redirects=False, stream=True
    ) as response:
        content = b""
        for piece in response.iter_content(4096):
            content += piece
            if time.monotonic() > until:
                raise OSError("the answer is late")
        return response.status_code, content


class OpenServer:
    """Starts at once. `api_url` and `oapi_url` have no path."""

    def __init__(self, platform: DingTalkOpen) -> None:
        self._platform = platform
        self._api, self._oapi = Server(platform.api), Server(platform.oapi)
        self.api_url, self.oapi_url = self._api.url, self._oapi.url
        self._wake, self._closing = threading.Event(), threading.Event()
        platform.on_queued(self._wake.set)
        self._thread = threading.Thread(target=self._deliver, name="callbacks", daemon=True)
        self._thread.start()

    def configure(self, url: str, token: str, aes_key: str, tags: Sequence[str] = EVENTS) -> None:
        """Save the callback in the console, with its handshake."""
        self._platform.configure(url, token, aes_key, post, tags)

    def close(self) -> None:
        self._closing.set()
        self._wake.set()
        self._thread.join()
        self._api.close()
        self._oapi.close()

    def _deliver(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            for delivery in self._platform.take_callbacks():
                if self._closing.is_set():
                    return
                try:
                    answer: tuple[int, bytes] | None = post(delivery.url, delivery.body, delivery.timeout)
                except OSError:
                    answer = None
                self._platform.delivered(delivery, answer)
            self._wake.wait(IDLE)
