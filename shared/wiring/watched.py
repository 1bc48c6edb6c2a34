"""The parts, watched: each request to a vendor is a span, each request to the store is counted, and each message to a
queue carries its trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from shared.model.metrics import STORAGE
from shared.ports.state import Blobs, Entity, Op, ReceivingQueue, Table
from shared.ports.telemetry import SILENCE, Telemetry
from shared.ports.world import HttpRequest, HttpResponse, Transport
from shared.wiring.parts import Parts
from shared.wiring.settings import Settings

TRACE = "trace"
"""The field of a queue message that names the span which put it there."""
WORDS = frozenset(
    (
        *("v1.0", "v2.0", "v2", "topapi", "oauth2", "token", "accessToken", "gettoken", "user", "users", "get", "tags"),
        *(
            "getbyunionid",
            "$batch",
            "$value",
            "delta",
            "subscriptions",
            "outlook",
            "masterCategories",
            "mailboxSettings",
        ),
        *("mailFolders", "childFolders", "folders", "messages", "attachments", "move", "copy", "createUploadSession"),
        "permanentDelete",
        *("query", "batchDelete", "batchUpdate"),
    )
)
"""Parts of a path that are the vendor's words. Whatever else stands there is an id, an address or a name, and becomes
`*`."""


def watched(parts: Parts, settings: Settings) -> Parts:
    """The same parts, watched by their telemetry; as they are where nobody watches."""
    seen_by = parts.telemetry
    if seen_by is SILENCE:
        return parts
    return replace(
        parts,
        table=WatchedTable(parts.table, seen_by),
        queue=WatchedQueue(parts.queue, seen_by),
        blobs=WatchedBlobs(parts.blobs, seen_by),
        transport=WatchedTransport(parts.transport, seen_by, vendors(settings)),
    )


def vendors(settings: Settings) -> dict[str, str]:
    """The names of those that are called, by the beginning of their addresses."""
    return {
        settings.graph_url: "graph",
        settings.login_url: "entra",
        settings.alimail_url: "alimail",
        settings.dingtalk_url: "dingtalk",
        settings.dingtalk_oapi_url: "dingtalk-oapi",
    }


def route(path: str) -> str:
    """`path` without its query, and with nothing in it but words of the vendor."""
    return "/".join(part if part in WORDS or not part else "*" for part in path.partition("?")[0].split("/"))


class WatchedTransport:
    def __init__(self, inner: Transport, telemetry: Telemetry, vendors: Mapping[str, str]) -> None:
        self._inner, self._telemetry, self._vendors = inner, telemetry, vendors

    def send(self, request: HttpRequest) -> HttpResponse:
        """The attributes are OpenTelemetry's for HTTP. Azure Monitor's exporter makes the span's name anew, of the
        method and the path of `url.full`: so that is there, as route and not as the address that it was."""
        vendor, path = self._place(request.url)
        about = {"peer.service": vendor, "http.request.method": request.method, "url.full": f"{vendor}:{path}"}
        with self._telemetry.span(f"{request.method} {path}", out=True, **about) as span:
            if request.effect:
                self._telemetry.keep()
            response = self._inner.send(request)
            span.set("http.response.status_code", response.status)
            if response.status >= 400:
                span.fail(str(response.status))
            return response

    def _place(self, url: str) -> tuple[str, str]:
        for base, vendor in self._vendors.items():
            if url.startswith(base + "/"):
                return vendor, route(url[len(base) :])
        return "other", route(urlsplit(url).path)


class WatchedTable:
    """Counts as docs/storage-operations.md does."""

    def __init__(self, inner: Table, telemetry: Telemetry) -> None:
        self._inner, self._telemetry = inner, telemetry

    def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        self._count("table read", len(set(keys)))
        return self._inner.get(partition, keys)

    def scan(self, partition: str, start: str, end: str, limit: int | None = None) -> Iterator[Entity]:
        self._count("table read")
        return self._inner.scan(partition, start, end, limit)

    def partitions(self, prefix: str) -> list[str]:
        self._count("table read")
        return self._inner.partitions(prefix)

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        self._count("table write")
        return self._inner.transact(partition, ops)

    def now(self) -> float:
        return self._inner.now()

    def _count(self, kind: str, amount: int = 1) -> None:
        self._telemetry.count(STORAGE, amount, kind=kind)


class WatchedQueue:
    """What is taken from queues is taken by the Functions host, which counts for itself."""

    def __init__(self, inner: ReceivingQueue, telemetry: Telemetry) -> None:
        self._inner, self._telemetry = inner, telemetry
        self.receive, self.delete, self.release, self.poison = inner.receive, inner.delete, inner.release, inner.poison
        self.depth, self.poisoned, self.replay = inner.depth, inner.poisoned, inner.replay

    def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        self._telemetry.count(STORAGE, kind="queue")
        trace = self._telemetry.carrier()
        self._inner.send(queue, {**message, TRACE: trace} if trace else message, delay)


class WatchedBlobs:
    def __init__(self, inner: Blobs, telemetry: Telemetry) -> None:
        self._inner, self._telemetry = inner, telemetry

    def get(self, name: str) -> bytes | None:
        self._telemetry.count(STORAGE, kind="blob")
        return self._inner.get(name)

    def put(self, name: str, content: bytes) -> None:
        self._telemetry.count(STORAGE, kind="blob")
        self._inner.put(name, content)

    def delete(self, name: str) -> None:
        self._telemetry.count(STORAGE, kind="blob")
        self._inner.delete(name)
