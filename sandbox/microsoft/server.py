"""The simulated Microsoft 365 on a loopback port, with a thread that delivers its notifications."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import requests

from sandbox.microsoft.notifications import Delivery
from sandbox.microsoft.vendor import Microsoft365
from sandbox.web import Server, Vendor

PostOffice = Callable[[Sequence[Delivery]], Sequence[Delivery]]
HANDSHAKE_TIMEOUT = 10.0
IDLE = 0.5
"""Seconds between looks at the clock when nothing new was queued."""


def post(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """For the handshakes: POST -> status, body. OSError without an answer."""
    response = requests.post(url, data=body, headers=dict(headers), timeout=HANDSHAKE_TIMEOUT, allow_redirects=False)
    return response.status_code, response.content


class MicrosoftServer:
    """Starts at once. `url` has no version, `graph_url` has; the login host is under the same `url`. `front` answers in
    the vendor's place, and `post_office` says which deliveries are made of those that are due, and in which order."""

    def __init__(
        self,
        vendor: Microsoft365,
        port: int = 0,
        *,
        front: Vendor | None = None,
        post_office: PostOffice = lambda due: due,
    ) -> None:
        self.vendor, self._post_office = vendor, post_office
        self._server = Server(front or vendor, port)
        self.url = self._server.url
        self.graph_url = f"{self.url}/v1.0"
        vendor.base_url = self.graph_url  # the login documents keep https, which client libraries insist on
        if vendor.subscriptions.post is None:
            vendor.subscriptions.post = post
        self._wake, self._closing = threading.Event(), threading.Event()
        vendor.on_notification(self._wake.set)
        self._thread = threading.Thread(target=self._deliver, name="notifications", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._wake.set()
        self._thread.join()
        self._server.close()

    def _deliver(self) -> None:
        session = requests.Session()
        while not self._closing.is_set():
            self._wake.clear()
            for delivery in self._post_office(self.vendor.take_notifications()):
                if self._closing.is_set():
                    break
                self.vendor.notified(delivery, _delivered(session, delivery))
            self._wake.wait(IDLE)
        session.close()


def _delivered(session: requests.Session, delivery: Delivery) -> bool:
    try:
        response = session.post(
            delivery.url,
            data=delivery.body,
            headers=dict(delivery.headers),
            timeout=HANDSHAKE_TIMEOUT,
            allow_redirects=False,
        )
    except requests.RequestException:
        return False
    return 200 <= response.status_code < 300
