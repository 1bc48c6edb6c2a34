"""The HTTP routes of an app, as a vendor that `sandbox.web.Server` can serve."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from azure.functions.meta import Datum

from sandbox.host.app import AppError, Function
from sandbox.host.invoker import Invoker
from sandbox.web import Request, Response

CONSTRAINTS = {"int": r"-?\d+", "long": r"-?\d+", "alpha": r"[A-Za-z]+", "guid": r"[0-9A-Fa-f-]{36}"}
"""Of the route constraints of ASP.NET, those that people use; any other is refused."""


@dataclass(frozen=True, slots=True)
class Route:
    function: Function
    methods: frozenset[str]
    pattern: re.Pattern[str]
    parameters: int

    @classmethod
    def of(cls, function: Function, prefix: str) -> Route:
        """AppError for a template that this host can't match."""
        template = function.route(prefix)
        try:
            pattern = "".join(map(_piece, template.split("/")))
        except ValueError as error:
            raise AppError([f"{function.name}: {error}"]) from None
        return cls(function, frozenset(function.methods), re.compile(pattern, re.IGNORECASE), template.count("{"))


class Routes:
    """Sends a request to the function whose route fits best; 404 when there is none, also for another method."""

    def __init__(self, functions: Iterable[Function], prefix: str, invoker: Invoker) -> None:
        routes = [Route.of(function, prefix) for function in functions]
        self._routes = sorted(routes, key=lambda route: route.parameters)
        self._invoker = invoker

    def handle(self, request: Request) -> Response:
        for route in self._routes:
            match = route.pattern.fullmatch(request.path.rstrip("/"))
            if match and request.method in route.methods:
                values = {name: unquote(value) for name, value in match.groupdict().items() if value is not None}
                outcome = self._invoker.invoke(route.function, _datum(request, values), {})
                return _response(outcome.returned) if outcome.ok else Response(500)
        return Response(404)


def _piece(segment: str) -> str:
    """A regular expression for one segment of a template, with the slash before it."""
    parameter = re.fullmatch(r"\{(\*?)(\w+)(?::(\w+))?(\??)\}", segment)
    if parameter is None:
        if "{" in segment:
            raise ValueError(f"this host can't match the route segment {segment!r}")
        return "/" + re.escape(segment)
    rest, name, constraint, optional = parameter.groups()
    if constraint and constraint not in CONSTRAINTS:
        raise ValueError(f"this host doesn't know the route constraint {constraint!r}")
    value = ".*" if rest else CONSTRAINTS.get(constraint, "[^/]+")
    return f"(?:/(?P<{name}>{value}))?" if rest or optional else f"/(?P<{name}>{value})"


def _datum(request: Request, params: Mapping[str, str]) -> Datum:
    value = {
        "method": _text(request.method),
        "url": _text(f"http://{request.headers.get('host', 'localhost')}{request.target}"),
        "headers": _texts(request.headers),
        "query": _texts(request.query),
        "params": _texts(params),
        "body": Datum(request.body, "bytes"),
    }
    return Datum(value, "http")


def _response(returned: Datum | None) -> Response:
    if returned is None:
        return Response(204)
    if returned.type == "string":
        return Response(200, {"content-type": "text/plain; charset=utf-8"}, returned.value.encode())
    answer: Mapping[str, Any] = returned.value
    headers = {name: header.value for name, header in answer["headers"].items()}
    return Response(int(answer["status_code"].value), headers, answer["body"].value)


def _text(value: str) -> Datum:
    return Datum(value, "string")


def _texts(values: Mapping[str, str]) -> dict[str, Datum]:
    return {name: _text(value) for name, value in values.items()}
