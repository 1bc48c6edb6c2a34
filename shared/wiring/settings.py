"""The settings: environment variables whose names start with TANDEM_.

TANDEM_TICK_SCHEDULE is not among them: the timer's binding names it, so the Functions host reads and checks it.
Plain pydantic on a mapping, since pydantic-settings takes longer to import than everything else here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo
from pydantic import field_validator as check

from shared.model.errors import WrongSettings
from shared.wiring.world import is_loopback

T = TypeVar("T")

PREFIX = "TANDEM_"
SLOWEST = 40.0
"""Seconds that the largest message we carry may take on its way (3.9 MB at 100 kB/s)."""


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


Address = Annotated[str, BeforeValidator(_address)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]


def _setting(mend: str, default: Any = ..., **limits: Any) -> Any:
    """`mend` completes the sentence that says what is wrong with it: what to do."""
    return Field(default, description=mend, **limits)


class Settings(BaseModel):
    """Checked settings; made by `load_settings`. The description of each says what to put there."""

    model_config = ConfigDict(frozen=True, validate_default=True, alias_generator=lambda name: PREFIX + name.upper())

    graph_tenant_id: str = _setting("set it to the directory (tenant) ID of the app registration in Microsoft Entra")
    graph_client_id: str = _setting("set it to the application (client) ID of the app registration in Microsoft Entra")
    graph_client_secret: SecretStr = _setting("set it to the value of a client secret of that app registration")
    alimail_client_id: str = _setting("set it to the ID of the app made in the Alimail admin console, under open API")
    alimail_client_secret: SecretStr = _setting("set it to the secret of the app made in the Alimail admin console")

    graph_url: Address = _setting(
        "give Graph's address with its version, such as https://graph.microsoft.com/v1.0",
        "https://graph.microsoft.com/v1.0",
    )
    login_url: Address = _setting(
        "give the sign-in address without a tenant, such as https://login.microsoftonline.com",
        "https://login.microsoftonline.com",
    )
    alimail_url: Address = _setting(
        "give Alimail's address without a path, such as https://alimail-cn.aliyuncs.com",
        "https://alimail-cn.aliyuncs.com",
    )
    alimail_deletes_folders: bool = _setting(
        "set it to false if a folder deleted in Alimail leaves its mail in the trash; emptied folders then stay",
        True,
    )
    imap_host: str = _setting(
        "give the name of the IMAP server alone, such as imap.qiye.aliyun.com", "imap.qiye.aliyun.com"
    )
    imap_port: int = _setting("give a port between 1 and 65535, such as 993", 993, ge=1, le=65535)
    imap_tls: bool = _setting("leave it out, or set it to true", True)
    public_url: Address | None = _setting(
        "give the address at which Microsoft reaches this app, without a path, or leave it out to go without push", None
    )

    state: Path = _setting("give a folder that this user may write to", Path(".tandem"))
    poll_seconds: Seconds = _setting(
        "give the seconds between two looks at DingTalk, 0.1 to 3600", 30.0, ge=0.1, le=3600
    )
    twin_hold_seconds: Seconds = _setting(
        "give the seconds that mail to both accounts waits for its twin, 0 to 3600", 120.0, ge=0, le=3600
    )
    request_timeout: Seconds = _setting("give the seconds that a request may take, 30 to 300", 30.0, ge=30, le=300)
    grace_seconds: Seconds = _setting(
        "give the seconds after its timeout in which a request may still take effect, 0 to 600", 75.0, ge=0, le=600
    )
    lease_seconds: Seconds = _setting(
        f"give at least TANDEM_REQUEST_TIMEOUT and TANDEM_GRACE_SECONDS together and {SLOWEST:g} more, at most 3600",
        240.0,
        le=3600,
    )

    @check("graph_url")
    @classmethod
    def _has_version(cls, value: str) -> str:
        return _unless(not urlsplit(value).path, "has no version", value)

    @check("login_url", "alimail_url", "public_url")
    @classmethod
    def _has_no_path(cls, value: str | None) -> str | None:
        return _unless(bool(value and urlsplit(value).path), "has a path", value)

    @check("imap_host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        return _unless(any(c in "/@[]" or c.isspace() for c in value), "is not the name of a server", value)

    @check("imap_tls")
    @classmethod
    def _is_safe(cls, value: bool, info: ValidationInfo) -> bool:
        plain = not value and not is_loopback(info.data.get("imap_host", "localhost"))
        return _unless(plain, "asks for plain IMAP to another machine", value)

    @check("state")
    @classmethod
    def _from_home(cls, value: Path) -> Path:
        return value.expanduser()

    @check("lease_seconds")
    @classmethod
    def _outlives_requests(cls, value: float, info: ValidationInfo) -> float:
        others = [info.data.get(name, 0.0) for name in ("request_timeout", "grace_seconds")]
        return _unless(value < sum(others) + SLOWEST, "is less than a large message needs", value)


def _unless(wrong: bool, what: str, value: T) -> T:
    if wrong:
        raise ValueError(what)
    return value


def load_settings(env: Mapping[str, str]) -> Settings:
    """The settings in `env`; a blank one counts as left out. WrongSettings names every wrong one, a line for each:
    `TANDEM_X: what is wrong; what to do`. No value is shown."""
    given = {name: value.strip() for name, value in env.items() if name.startswith(PREFIX) and value.strip()}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    lines = []
    for one in found:
        field = str(one["loc"][0]).removeprefix(PREFIX).lower()  # a default is named by its field
        lines.append(f"{PREFIX}{field.upper()}: {_wrong(one)}; {Settings.model_fields[field].description}")
    raise WrongSettings("\n".join(lines))


_WRONG: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda ctx: "is missing",
    "bool_parsing": lambda ctx: "is neither true nor false",
    "int_parsing": lambda ctx: "is not a whole number",
    "int_from_float": lambda ctx: "is not a whole number",
    "float_parsing": lambda ctx: "is not a number",
    "finite_number": lambda ctx: "is not a number",
    "greater_than_equal": lambda ctx: f"is less than {ctx['ge']:g}",
    "less_than_equal": lambda ctx: f"is more than {ctx['le']:g}",
    "value_error": lambda ctx: str(ctx["error"]),
}


def _wrong(error: Any) -> str:
    known = _WRONG.get(error["type"])
    return known(error.get("ctx", {})) if known else "can't be used"
