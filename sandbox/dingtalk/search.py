"""Search over REST: the part of the query language that a reader of state uses (Alimail: search)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from sandbox.dingtalk import render
from sandbox.dingtalk.calls import Call, Route, ok
from sandbox.dingtalk.errors import invalid
from sandbox.dingtalk.messages import paged, show
from sandbox.dingtalk.records import Message
from sandbox.web import Response

TERM = re.compile(r"(\w+)\s*(:|>=|<=|>|<)\s*(\"(?:[^\"]|\"\")*\"|[^\s()\"]+)")
QUERY = re.compile(rf"\s*{TERM.pattern}(?:\s+AND\s+{TERM.pattern})*\s*")
COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
Test = Callable[[Message], bool]


def query(call: Call) -> Response:
    """Terms joined by AND. `nextCursor` is "$" at the end."""
    call.query("$select")
    body = call.body("query", "cursor", "size", "email")
    tests = _tests(str(body.get("query") or ""))
    rows = [m for m in call.store.searched() if all(test(m) for test in tests)]
    rows.sort(key=lambda m: (-m.received, m.id))
    page, following = paged(rows, str(body.get("cursor") or ""), str(body.get("size", 20)))
    shown = [show(call, m, call.request.query.get("$select"), listing=True) for m in page]
    return ok({"messages": shown, "total": len(rows), "nextCursor": following or "$"})


def _tests(text: str) -> list[Test]:
    if not QUERY.fullmatch(text):
        raise invalid("query")
    return [_test(*match.groups()) for match in TERM.finditer(text)]


def _test(name: str, sign: str, value: str) -> Test:
    if value.startswith('"'):
        value = value[1:-1].replace('""', '"')
    if name == "folderId" and sign == ":":
        return lambda m: m.folder == value
    if name == "isRead" and sign == ":" and value in ("true", "false"):
        return lambda m: m.read == (value == "true")
    if name == "tag" and sign == ":":
        return lambda m: value in m.tags
    if name == "date" and sign != ":":
        at, compare = render.epoch(value), COMPARE[sign]
        return lambda m: compare(int(m.received), at)
    raise invalid("query")


ROUTES = (Route("POST", ("messages", "query"), query),)
