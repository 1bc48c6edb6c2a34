"""A stand-in for Azure Monitor's ingestion, to which the real exporter posts."""

from __future__ import annotations

import gzip
import json
from typing import Any

from sandbox.web import Request, Response, Server

KEY = "00000000-0000-0000-0000-0000000000aa"


class Ingestion:
    """Runs from `with` to its end. `envelopes`: what would have been stored; `size`: bytes of JSON, before packing."""

    def __init__(self) -> None:
        self.envelopes: list[dict[str, Any]] = []
        self.size = 0
        self.authorizations: set[str] = set()

    def __enter__(self) -> Ingestion:
        self._server = Server(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.close()

    @property
    def connection_string(self) -> str:
        return f"InstrumentationKey={KEY};IngestionEndpoint={self._server.url}/"

    def handle(self, request: Request) -> Response:
        body = request.body
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        items = json.loads(body)
        self.size += len(body)
        self.envelopes += items
        self.authorizations.add(request.headers.get("authorization", ""))
        return Response.of_json(200, {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []})

    def rows(self, base_type: str) -> list[dict[str, Any]]:
        """`baseData` of each envelope of this type."""
        data = (envelope["data"] for envelope in self.envelopes)
        return [one["baseData"] for one in data if one["baseType"] == base_type]
