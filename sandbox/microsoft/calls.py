"""One request on its way to a handler, and the table that finds the handler."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from sandbox.microsoft.errors import GraphError, bad_body
from sandbox.microsoft.store import Store
from sandbox.microsoft.throttle import Throttle
from sandbox.microsoft.world import World
from sandbox.web import Request, Response

READ = frozenset({"Mail.Read", "Mail.ReadWrite"})
WRITE = frozenset({"Mail.ReadWrite"})
SEND = frozenset({"Mail.Send"})
USER = frozenset({"User.Read.All", "Directory.Read.All"})
SETTINGS = frozenset({"MailboxSettings.Read", "MailboxSettings.ReadWrite"})
ANY: frozenset[str] = frozenset()
ADVANCED = "Mail-Advanced.ReadWrite.All"


class Gate(Protocol):
    """The way for parts of a batch."""

    throttle: Throttle

    def mailbox_of(self, request: Request) -> str: ...
    def dispatch(self, request: Request) -> Response: ...
    def refusal(self, error: GraphError) -> Response: ...


@dataclass(frozen=True, slots=True)
class Call:
    """`route` is the template as counted, `args` what its placeholders stood for, `roles` those of the token."""

    world: World
    request: Request
    route: str
    args: Mapping[str, str]
    roles: frozenset[str]
    store: Store | None
    gate: Gate

    @property
    def mailbox(self) -> Store:
        if self.store is None:
            raise LookupError(f"{self.route} names no mailbox")
        return self.store

    @property
    def query(self) -> dict[str, str]:
        """Query options, the system ones in lower case."""
        return {k.lower() if k.startswith("$") else k: v for k, v in self.request.query.items()}

    @property
    def preferences(self) -> dict[str, str]:
        """The header Prefer as name -> value, names in lower case, quotes taken off."""
        pairs = (part.partition("=") for part in re.split(r"[,;]", self.request.headers.get("prefer", "")))
        return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs if name.strip()}

    @property
    def immutable(self) -> bool:
        return self.preferences.get("idtype", "").lower() == "immutableid"

    @property
    def text_bodies(self) -> bool:
        return self.preferences.get("outlook.body-content-type", "").lower() == "text"

    @property
    def url(self) -> str:
        """The absolute URL that was asked, without its query."""
        path = re.sub(r"^/v1\.0", "", self.request.path, flags=re.IGNORECASE)
        return self.world.base_url.rstrip("/") + path

    def link(self, options: Mapping[str, str]) -> str:
        """The URL with these query options, as the vendor writes them."""
        return self.url + "?" + "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in options.items())

    def object(self) -> dict[str, Any]:
        """The body as a JSON object."""
        if not self.request.headers.get("content-type", "").lower().startswith("application/json"):
            raise GraphError(400, "RequestBodyRead", "Unsupported or missing Content-Type; expected application/json.")
        try:
            value = self.request.json()
        except ValueError as error:
            raise GraphError(400, "BadRequest", "Unable to read JSON request payload.") from error
        if not isinstance(value, dict):
            raise bad_body("The request body must be a JSON object.")
        return value

    def argument(self, name: str) -> str:
        """A required text parameter of an action; its name's case doesn't matter."""
        value = {k.lower(): v for k, v in self.object().items()}.get(name.lower())
        if not isinstance(value, str) or not value:
            raise GraphError(400, "ErrorInvalidRequest", f"The parameter {name} is missing or not a string.")
        return value


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """`roles`: one of them must be granted (none needed when empty). `locks`: the handler runs under the lock."""

    method: str
    template: str
    handler: Handler
    roles: frozenset[str] = READ
    locks: bool = True

    @property
    def name(self) -> str:
        return f"{self.method} /{self.template}"


class Routes:
    """Finds routes; a literal segment wins over a placeholder."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_length: dict[int, list[tuple[Sequence[str], Route]]] = {}
        for route in sorted(routes, key=lambda r: r.template.count("{")):
            parts = route.template.split("/")
            self._by_length.setdefault(len(parts), []).append((parts, route))

    def find(self, method: str, segments: Sequence[str]) -> tuple[Route, dict[str, str]]:
        parts = _normal(segments)
        others = False
        for template, route in self._by_length.get(len(parts), ()):
            args = _match(template, parts)
            if args is not None and route.method == method:
                return route, args
            others = others or args is not None
        if others:
            raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
        raise GraphError(404, "BadRequest", f"Resource not found for the segment '{_culprit(parts)}'.")


def _normal(segments: Sequence[str]) -> list[str]:
    """Keys in brackets become segments, qualified and bracketed functions plain ones, and a folder that is reached
    through its parent is as good as one reached directly."""
    parts: list[str] = []
    for segment in segments:
        if match := re.fullmatch(r"(\w+)\('(.*)'\)", segment):
            parts += [match[1], match[2].replace("''", "'")]
        else:
            parts.append(re.sub(r"^microsoft\.graph\.|\(\)$", "", segment))
    while len(parts) > 5 and parts[4].lower() == "childfolders" and parts[2].lower() == "mailfolders":
        del parts[3:5]
    return parts


def _match(template: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    args: dict[str, str] = {}
    for wanted, part in zip(template, parts, strict=True):
        if wanted.startswith("{"):
            args[wanted[1:-1]] = part
        elif wanted.lower() != part.lower():
            return None
    return args


def _culprit(parts: Sequence[str]) -> str:
    known = {"users", "mailfolders", "messages", "subscriptions", "childfolders", "attachments"}
    names = [part for number, part in enumerate(parts) if number % 2 == 0 and part.lower() not in known]
    return (names or list(parts[-1:]) or [""])[0]
