"""Attachments over REST: list, and the redirect to a stream that needs no token (Alimail: attachments)."""

from __future__ import annotations

from sandbox.dingtalk.calls import Call, Route, ok
from sandbox.dingtalk.errors import not_found
from sandbox.dingtalk.records import Part
from sandbox.dingtalk.world import World
from sandbox.web import Response


class Streams:
    """What stream ids stand for."""

    def __init__(self, world: World, base: str) -> None:
        self._world, self.base, self._contents = world, base, dict[str, bytes]()

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", ("messages", "*", "attachments"), self.list_attachments),
            Route("GET", ("messages", "*", "attachments", "*", "$value"), self.value),
        )

    def list_attachments(self, call: Call) -> Response:
        call.query()
        return ok({"attachments": [_shown(part) for part in self._parts(call)]})

    def value(self, call: Call) -> Response:
        call.query()
        part = next((p for p in self._parts(call) if p.id == call.params[1]), None)
        if part is None:
            raise not_found("attachment")
        id = f"s{self._world.serial():08d}"
        self._contents[id] = part.content
        how, path = self._world.switches.stream, f"/v2/stream/{id}"
        if how == "json":
            return ok({"location": path})
        return Response(302, {"location": self.base + path if how == "absolute" else path})

    def stream(self, id: str) -> Response:
        if id not in self._contents:
            raise not_found("stream")
        content = self._contents[id]
        if self._world.switches.stream_once:
            del self._contents[id]
        return Response(200, {"content-type": "application/octet-stream"}, content)

    def _parts(self, call: Call) -> list[Part]:
        parts = call.message(call.params[0]).parsed.parts
        return [part for part in parts if part.whole or self._world.switches.shows_rfc822]


def _shown(part: Part) -> dict[str, object]:
    return {
        "id": part.id,
        "name": part.name,
        "size": len(part.content),
        "isInline": part.inline,
        "contentId": part.content_id,
        "extHeaders": {"Content-Type": part.content_type},
    }
