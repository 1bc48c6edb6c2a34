"""One call to the REST door: its mailbox, its parameters, and what the vendor ignores of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.dingtalk.errors import invalid, not_found
from sandbox.dingtalk.records import Message
from sandbox.dingtalk.store import Store
from sandbox.dingtalk.world import World
from sandbox.web import Request, Response


@dataclass(frozen=True, slots=True)
class Call:
    """`params`: the variable parts of the path, in order."""

    world: World
    store: Store
    request: Request
    route: str
    params: tuple[str, ...]

    def query(self, *known: str) -> Mapping[str, str]:
        """The query; names the vendor doesn't know are ignored, and recorded."""
        given = self.request.query
        self._ignore(name for name in given if name not in known)
        return given

    def body(self, *known: str) -> Mapping[str, Any]:
        """The JSON object of the body; members the vendor doesn't know are ignored, and recorded."""
        try:
            value = self.request.json()
        except ValueError as exc:
            raise invalid("the body is no JSON") from exc
        if not isinstance(value, dict):
            raise invalid("the body is no object")
        self._ignore(name for name in value if name not in known)
        return value

    def _ignore(self, names: Any) -> None:
        self.world.ignored.extend(f"{self.route}: {name}" for name in names)

    def folder(self, id: str) -> str:
        if id not in self.store.folders:
            raise not_found("folder")
        return id

    def message(self, id: str) -> Message:
        """The message as the store holds it."""
        if id not in self.store.items:
            raise not_found("message")
        return self.store.items[id]

    def ids(self, body: Mapping[str, Any]) -> list[Message]:
        """The messages of a batch call: 1 to 100 ids."""
        ids = body.get("ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 100 or not all(isinstance(id, str) for id in ids):
            raise invalid("ids must be 1 to 100 ids")
        items = [self.store.items.get(id) for id in dict.fromkeys(ids)]
        if None in items and self.world.switches.batch_partial == "refuse":
            raise not_found("message")
        return [item for item in items if item is not None]


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """`pattern`: parts of the path below /v2/users/{u}; `*` stands for anything."""

    method: str
    pattern: tuple[str, ...]
    handler: Handler

    @property
    def name(self) -> str:
        names = iter(("{id}", "{part}"))
        parts = [next(names) if part == "*" else part for part in self.pattern]
        return "/".join((f"{self.method} /v2/users/{{u}}", *parts))

    def match(self, method: str, parts: Sequence[str]) -> tuple[str, ...] | None:
        if method != self.method or len(parts) != len(self.pattern):
            return None
        pairs = list(zip(self.pattern, parts, strict=True))
        if any(pattern not in ("*", part) for pattern, part in pairs):
            return None
        return tuple(part for pattern, part in pairs if pattern == "*")


def ok(value: Any) -> Response:
    return Response.of_json(200, value)
