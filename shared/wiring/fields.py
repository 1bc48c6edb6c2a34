"""What settings are made of: kinds of values, and how each says what is wrong with it and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from shared.wiring.certificate import read_certificate
from shared.wiring.world import is_loopback

T = TypeVar("T")

PREFIX = "TANDEM_"


def _address(value: object) -> str:
    """A URL without its last slash. Plain HTTP only to this machine; nothing that isn't part of an address."""
    try:
        parts = urlsplit(str(value).rstrip("/"))
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text shows the value
        whole = False
    if not whole:
        raise ValueError("is not an address that starts with https://")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("holds more than an address (a user, a query or a fragment)")
    if parts.scheme == "http" and not is_loopback(str(parts.hostname)):
        raise ValueError("is plain http to another machine")
    return parts.geturl()


def _bare(value: str) -> str:
    return unless(bool(urlsplit(value).path), "has a path", value)


def _certificate(value: SecretStr) -> SecretStr:
    return SecretStr(read_certificate(value.get_secret_value()))


Address = Annotated[str, BeforeValidator(_address)]
Root = Annotated[Address, AfterValidator(_bare)]
"""An address without a path."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
"""A part of an address, such as an ID."""
Seconds = Annotated[float, Field(allow_inf_nan=False)]
Certificate = Annotated[SecretStr, AfterValidator(_certificate)]
"""`read_certificate`'s text."""


class Group(BaseModel):
    """Settings that belong together. The docstring of each group heads its part of docs/settings.md."""

    model_config = ConfigDict(frozen=True, validate_default=True, alias_generator=lambda name: PREFIX + name.upper())


def setting(mend: str, default: Any = ..., **limits: Any) -> Any:
    """`mend` says what to put there. It completes the sentence that says what is wrong, and it is what
    docs/settings.md says. `alias`: the variable's name where it isn't ours to choose."""
    return Field(default, description=mend, **limits)


def unless(wrong: bool, what: str, value: T) -> T:
    """`value`, or a complaint: `what` says what is wrong with it, without showing it."""
    if wrong:
        raise ValueError(what)
    return value


_WRONG: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda ctx: "is missing",
    "bool_parsing": lambda ctx: "is neither true nor false",
    "int_parsing": lambda ctx: "is not a whole number",
    "int_from_float": lambda ctx: "is not a whole number",
    "float_parsing": lambda ctx: "is not a number",
    "finite_number": lambda ctx: "is not a number",
    "greater_than_equal": lambda ctx: f"is less than {ctx['ge']:g}",
    "less_than_equal": lambda ctx: f"is more than {ctx['le']:g}",
    "string_pattern_mismatch": lambda ctx: "holds a character that can't be there",
    "literal_error": lambda ctx: "is not a word that is known here",
    "value_error": lambda ctx: str(ctx["error"]),
}


def wrong(error: Mapping[str, Any]) -> str:
    """What is wrong, of one of pydantic's errors; without the value."""
    known = _WRONG.get(error["type"])
    return known(error.get("ctx", {})) if known else "can't be used"
