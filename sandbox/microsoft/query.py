"""Query options: $select, $expand, $filter, $orderby, paging; what the vendor refuses is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sandbox.microsoft import properties
from sandbox.microsoft.calls import Call
from sandbox.microsoft.errors import GraphError, bad_url
from sandbox.microsoft.records import Message
from sandbox.microsoft.times import epoch

T = TypeVar("T")
Predicate = Callable[[Message], bool]

MAX_TOP = 1000
DEFAULT_TOP = 10

_CLAUSE = re.compile(r"(\w+)\s+(eq|ge|gt|le|lt)\s+('(?:[^']|'')*'|\S+)", re.IGNORECASE)
_KEY = re.compile(
    r"singleValueExtendedProperties/any\(\s*(\w+)\s*:\s*\1/id\s+eq\s+'((?:[^']|'')*)'"
    r"\s+and\s+\1/value\s+eq\s+'((?:[^']|'')*)'\s*\)",
    re.IGNORECASE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ge": lambda a, b: bool(a >= b),
    "gt": lambda a, b: bool(a > b),
    "le": lambda a, b: bool(a <= b),
    "lt": lambda a, b: bool(a < b),
}


def _date(text: str) -> float:
    if text.startswith("'"):
        raise ValueError("a date is not quoted")
    return epoch(text)


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _string(text: str) -> str:
    if not (text.startswith("'") and text.endswith("'") and len(text) > 1):
        raise ValueError("a string is quoted")
    return text[1:-1].replace("''", "'")


@dataclass(frozen=True, slots=True)
class _Field:
    """What can be filtered by: how its literals are read, how a message shows it, which comparisons it takes."""

    read: Callable[[str], Any]
    of: Callable[[Message], Any]
    operators: frozenset[str] = frozenset({"eq"})


_FIELDS = {
    "receiveddatetime": _Field(_date, lambda m: float(m.received // 1), frozenset(_COMPARE)),
    "internetmessageid": _Field(_string, lambda m: m.message_id),
    "isread": _Field(_boolean, lambda m: m.read),
    "isdraft": _Field(_boolean, lambda m: m.draft),
    "conversationid": _Field(_string, lambda m: m.conversation),
}


def parse_filter(text: str) -> tuple[Predicate, tuple[str, ...]]:
    """-> the test, and the names of the properties in it, lower case, in order. Only `and` joins."""
    tests, names = [], []
    for clause in _clauses(text):
        name, test = _clause(clause)
        names.append(name)
        tests.append(test)
    return (lambda message: all(test(message) for test in tests)), tuple(names)


def _clauses(text: str) -> Iterator[str]:
    """Splits at `and` outside quotes and brackets, and takes off outer brackets."""
    depth, quoted, start = 0, False, 0
    for at, sign in enumerate(text):
        quoted ^= sign == "'"
        depth += 0 if quoted else (sign == "(") - (sign == ")")
        if not quoted and depth == 0 and text[at : at + 5].lower() == " and ":
            yield _unwrapped(text[start:at])
            start = at + 5
    yield _unwrapped(text[start:])


def _unwrapped(clause: str) -> str:
    clause = clause.strip()
    return _unwrapped(clause[1:-1]) if clause.startswith("(") and clause.endswith(")") else clause


def _clause(clause: str) -> tuple[str, Predicate]:
    if match := _KEY.fullmatch(clause):
        id, wanted = properties.canonical(match[2].replace("''", "'")), match[3].replace("''", "'")
        return "singlevalueextendedproperties", lambda message: properties.value_of(message, id) == wanted
    match = _CLAUSE.fullmatch(clause)
    field = _FIELDS.get(match[1].lower()) if match else None
    if match is None or field is None or match[2].lower() not in field.operators:
        raise _invalid_filter()
    try:
        literal = field.read(match[3])
    except (ValueError, KeyError) as error:
        raise _invalid_filter() from error
    compare, of = _COMPARE[match[2].lower()], field.of
    return match[1].lower(), lambda message: compare(of(message), literal)


def _invalid_filter() -> GraphError:
    return GraphError(
        400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes or operators."
    )


def parse_order(text: str | None, filtered: Sequence[str]) -> bool:
    """-> whether the oldest comes first. Only receivedDateTime orders, and a filter must then begin with it."""
    if not text:
        return False
    match = re.fullmatch(r"receivedDateTime(?:\s+(asc|desc))?", text.strip(), re.IGNORECASE)
    if match is None:
        raise GraphError(400, "ErrorInvalidUrlQuery", "Only receivedDateTime is supported in $orderby.")
    if filtered and filtered[0] != "receiveddatetime":
        raise GraphError(400, "InefficientFilter", "The restriction or sort order is too complex for this operation.")
    return (match[1] or "asc").lower() == "asc"


def parse_select(text: str | None, known: Mapping[str, str], type_name: str) -> frozenset[str] | None:
    """`known`: lower-case name -> name. -> the names selected, None for all."""
    if text is None or not text.strip():
        return None
    chosen = [part.strip() for part in text.split(",")]
    for name in chosen:
        if name.lower() not in known:
            raise bad_url(f"Could not find a property named '{name}' on type 'microsoft.graph.{type_name}'.")
    return frozenset(known[name.lower()] for name in chosen)


@dataclass(frozen=True, slots=True)
class Expand:
    """`properties`: canonical ids of the extended properties asked for."""

    attachments: bool = False
    properties: tuple[str, ...] = ()


def parse_expand(text: str | None) -> Expand:
    attachments, wanted = False, []
    for part in _top_level(text or ""):
        name, _, options = part.partition("(")
        if name.lower() == "attachments":
            attachments = True
        elif name.lower() == "singlevalueextendedproperties":
            wanted += _property_ids(options.removesuffix(")"))
        else:
            raise bad_url(f"Could not find a property named '{name}' to expand on type 'microsoft.graph.message'.")
    return Expand(attachments, tuple(wanted))


def _property_ids(options: str) -> list[str]:
    match = re.fullmatch(r"\$filter=(.+)", options.strip(), re.IGNORECASE | re.DOTALL)
    clauses = re.split(r"\s+or\s+(?=(?:[^']*'[^']*')*[^']*$)", match[1], flags=re.IGNORECASE) if match else []
    found = [re.fullmatch(r"\(?\s*id\s+eq\s+'((?:[^']|'')*)'\s*\)?", c.strip(), re.IGNORECASE) for c in clauses]
    if not found or not all(found):
        raise GraphError(
            400, "ErrorInvalidUrlQueryFilter", "Extended properties are expanded with $filter=id eq '...' only."
        )
    return [properties.canonical(hit[1].replace("''", "'")) for hit in found if hit]


def _top_level(text: str) -> Iterator[str]:
    for part in re.findall(r"[^,()]+(?:\([^()]*\))?", text):
        if part.strip():
            yield part.strip()


def number(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or not low <= int(text) <= high:
        raise GraphError(400, "ErrorInvalidUrlQuery", f"The value of {name} must be from {low} to {high}.")
    return int(text)


def check_options(call: Call, allowed: frozenset[str]) -> None:
    """Unknown system options are refused, others are ignored by the vendor and noted here."""
    for name in call.query:
        if name in allowed:
            continue
        if name.startswith("$"):
            raise GraphError(400, "ErrorInvalidUrlQuery", f"The query option {name} is not supported here.")
        call.world.ignore(call.route, f"query {name}")


def page(call: Call, items: Sequence[T], render: Callable[[T], Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """One page by $top and $skip, with $count and the link to the next."""
    query = call.query
    top, skip = number(query, "$top", DEFAULT_TOP, 1, MAX_TOP), number(query, "$skip", 0, 0, 10**9)
    answer: dict[str, Any] = dict(extra)
    if query.get("$count", "").lower() == "true":
        answer["@odata.count"] = len(items)
    answer["value"] = [render(item) for item in items[skip : skip + top]]
    if skip + top < len(items):
        answer["@odata.nextLink"] = call.link({**call.request.query, "$top": str(top), "$skip": str(skip + top)})
    return answer
