"""What stands before the instances of an app, as Azure's front ends do: whoever lives is given the request."""

from __future__ import annotations

from contextlib import suppress

import requests

from sandbox.web import Request, Response

PATIENCE = 30.0


class Front:
    """A vendor in the sense of sandbox/web.py. `instances`: base URLs; one that can't be reached is passed over."""

    def __init__(self) -> None:
        self.instances: list[str] = []

    def handle(self, request: Request) -> Response:
        """What the first that is there answers; 503 without any."""
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "connection")}
        for url in tuple(self.instances):
            with suppress(requests.ConnectionError):
                answer = requests.request(
                    request.method, url + request.target, headers=headers, data=request.body, timeout=PATIENCE
                )
                return Response(
                    answer.status_code, {"content-type": answer.headers.get("content-type", "")}, answer.content
                )
        return Response(503)
