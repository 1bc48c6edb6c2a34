"""The settings in their groups, as docs/settings.md shows them. To add settings, add a field to a group; a new group is
named in `shared.wiring.settings` too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr, ValidationInfo
from pydantic import field_validator as check

from shared.dingtalk.callback import aes_key
from shared.sync.rhythm import Rhythm
from shared.wiring.fields import Address, Certificate, Group, Name, Root, Seconds, setting, unless
from shared.wiring.world import is_loopback

SLOWEST = 40.0
"""Seconds that the largest message we carry may take on its way (3.9 MB at 100 kB/s)."""


class Graph(Group):
    """Microsoft 365

    The app registration in Microsoft Entra and what it proves itself with: a managed identity as federated credential,
    a certificate or a client secret, in this order of preference."""

    graph_tenant_id: Name = setting("set it to the directory (tenant) ID of the app registration in Microsoft Entra")
    graph_client_id: Name = setting("set it to the application (client) ID of the app registration in Microsoft Entra")
    graph_federated: Literal["managed-identity"] | None = setting(
        "set it to managed-identity when the app registration trusts the managed identity of this app"
        " (as federated credential), or leave it out",
        None,
    )
    graph_managed_identity_client_id: Name | None = setting(
        "set it to the client ID of the managed identity when the app has several (with TANDEM_GRAPH_FEDERATED only),"
        " or leave it out",
        None,
    )
    graph_certificate: Certificate | None = setting(
        "set it to the path of a PEM file with an RSA private key and its certificate, which is registered with the"
        " app, or to the PEM itself",
        None,
    )
    graph_client_secret: SecretStr | None = setting(
        "set it to the value of a client secret of that app registration", None
    )
    graph_url: Address = setting(
        "give Graph's address with its version, such as https://graph.microsoft.com/v1.0",
        "https://graph.microsoft.com/v1.0",
    )
    login_url: Root = setting(
        "give the sign-in address without a tenant, such as https://login.microsoftonline.com",
        "https://login.microsoftonline.com",
    )

    @check("graph_url")
    @classmethod
    def _has_version(cls, value: str) -> str:
        return unless(not urlsplit(value).path, "has no version", value)

    @check("graph_managed_identity_client_id")
    @classmethod
    def _has_use(cls, value: str | None, info: ValidationInfo) -> str | None:
        alone = bool(value) and not info.data.get("graph_federated", "wrong, which is said already")
        return unless(alone, "has no use without TANDEM_GRAPH_FEDERATED", value)


class DingTalkMail(Group):
    """DingTalk Mail

    The app made in the Alimail admin console, and the door for new messages (IMAP)."""

    alimail_client_id: str = setting("set it to the ID of the app made in the Alimail admin console, under open API")
    alimail_client_secret: SecretStr | None = setting(
        "set it to the secret of the app made in the Alimail admin console", None
    )
    alimail_url: Root = setting(
        "give Alimail's address without a path, such as https://alimail-cn.aliyuncs.com",
        "https://alimail-cn.aliyuncs.com",
    )
    alimail_deletes_folders: bool = setting(
        "set it to false if a folder deleted in Alimail leaves its mail in the trash; emptied folders then stay", True
    )
    imap_host: str = setting(
        "give the name of the IMAP server alone, such as imap.qiye.aliyun.com", "imap.qiye.aliyun.com"
    )
    imap_port: int = setting("give a port between 1 and 65535, such as 993", 993, ge=1, le=65535)
    imap_tls: bool = setting("leave it out, or set it to true", True)

    @check("imap_host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        return unless(any(c in "/@[]" or c.isspace() for c in value), "is not the name of a server", value)

    @check("imap_tls")
    @classmethod
    def _is_safe(cls, value: bool, info: ValidationInfo) -> bool:
        plain = not value and not is_loopback(info.data.get("imap_host", "localhost"))
        return unless(plain, "asks for plain IMAP to another machine", value)


class DingTalkApp(Group):
    """DingTalk

    The app on DingTalk's open platform and its callback. Without it, nobody's leaving is noticed."""

    dingtalk_corp_id: str | None = setting("set it to the organisation's CorpId, or leave out all of the app", None)
    dingtalk_app_key: str | None = setting("set it to the app's AppKey, or leave out all of the app", None)
    dingtalk_app_secret: SecretStr | None = setting("set it to the app's AppSecret, or leave out all of the app", None)
    dingtalk_token: SecretStr | None = setting("set it to the callback's token, or leave out all of the app", None)
    dingtalk_aes_key: SecretStr | None = setting("set it to the callback's aes_key, or leave out all of the app", None)
    dingtalk_url: Root = setting(
        "give DingTalk's address without a path, such as https://api.dingtalk.com", "https://api.dingtalk.com"
    )
    dingtalk_oapi_url: Root = setting(
        "give the address of DingTalk's old API without a path, such as https://oapi.dingtalk.com",
        "https://oapi.dingtalk.com",
    )

    @check("dingtalk_aes_key")
    @classmethod
    def _is_aes_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            aes_key(value.get_secret_value())
        return value


INSIGHTS = re.compile(r"InstrumentationKey=[0-9A-Fa-f-]{36}")
AAD = re.compile(r"(?:ClientId=([0-9A-Fa-f-]{36});)?Authorization=AAD", re.IGNORECASE)


class Telemetry(Group):
    """Telemetry

    Application Insights, to which metrics, traces and logs go. Without the first of these nothing is sent, and nothing
    of it is loaded."""

    insights: SecretStr | None = setting(
        "set it to the connection string of the Application Insights resource, or leave it out",
        None,
        alias="APPLICATIONINSIGHTS_CONNECTION_STRING",
    )
    insights_identity: str | None = setting(
        "set it to ClientId=<client ID of the managed identity>;Authorization=AAD, or to Authorization=AAD for the"
        " identity that belongs to the app alone, or leave it out where the connection string is enough",
        None,
        alias="APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    )
    insights_by_worker: bool = setting(
        "leave it out: with it the worker sends everything a second time, and addresses with it",
        False,
        alias="PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    )

    @check("insights")
    @classmethod
    def _is_connection_string(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = dict(part.split("=", 1) for part in value.get_secret_value().split(";") if "=" in part)
            unless(not INSIGHTS.match(value.get_secret_value()), "is no connection string", value)
            endpoint = urlsplit(parts.get("IngestionEndpoint", ""))
            plain = endpoint.scheme != "https" and not is_loopback(endpoint.hostname or "")
            unless(plain, "names no IngestionEndpoint that starts with https://", value)
        return value

    @check("insights_identity")
    @classmethod
    def _is_identity(cls, value: str | None) -> str | None:
        return unless(value is not None and not AAD.fullmatch(value), "is not what it should be", value)

    @check("insights_by_worker")
    @classmethod
    def _is_off(cls, value: bool) -> bool:
        return unless(value, "is on", value)

    @property
    def insights_client_id(self) -> str | None:
        """Of the managed identity, None for the one that belongs to the app alone."""
        found = AAD.fullmatch(self.insights_identity or "")
        return found[1] if found else None


TOGETHER = ", or leave out all four of TANDEM_TABLE_URL, TANDEM_QUEUE_URL, TANDEM_BLOB_URL and TANDEM_VAULT_URL"


class App(Group):
    """This app

    Where it is reached and where it keeps its state."""

    public_url: Root | None = setting(
        "give the address at which Microsoft reaches this app, without a path, or leave it out to go without push", None
    )
    state: Path = setting("give a folder that this user may write to", Path(".tandem"))
    spool_folder: Path | None = setting(
        "give a folder on a disk with 1 GB to spare for large messages on their way, or leave it out for the one that"
        " this machine has for temporary files",
        None,
    )
    table_url: Address | None = setting("give the address of the storage account's tables" + TOGETHER, None)
    queue_url: Address | None = setting("give the address of the storage account's queues" + TOGETHER, None)
    blob_url: Address | None = setting("give the address of the storage account's blobs" + TOGETHER, None)
    vault_url: Address | None = setting("give the address of the key vault" + TOGETHER, None)

    @check("table_url", "queue_url", "blob_url", "vault_url")
    @classmethod
    def _is_encrypted(cls, value: str | None) -> str | None:
        plain = bool(value and not value.startswith("https:"))
        return unless(plain, "is plain http, over which Azure's libraries send no token", value)

    @property
    def on_azure(self) -> bool:
        """Whether state is on Azure, and not in the folder `state`."""
        return self.table_url is not None

    @check("state", "spool_folder")
    @classmethod
    def _from_home(cls, value: Path | None) -> Path | None:
        return value and value.expanduser()


LARGEST_MB = 150
"""What fits into the largest message that Exchange takes, as encoded."""


class Mail(Group):
    """Mail

    What crosses beside messages, their folders, and whether they are read and flagged."""

    junk: Literal["watch", "copy"] = setting(
        "set it to copy to have what is first seen in junk copied to junk, or to watch, by which it isn't copied",
        "watch",
    )
    categories: bool = setting(
        "set it to true to have categories cross where DingTalk has a tag of the same name", False
    )
    notes: bool = setting(
        "set it to false if people shall not find notes in their mailboxes about what stands still, or leave it out",
        True,
    )
    largest_mb: int = setting(
        f"give the megabytes of attachments that a message may have to be carried across, 4 to {LARGEST_MB}; in the"
        " place of a larger one stands a stub",
        LARGEST_MB,
        ge=4,
        le=LARGEST_MB,
    )
    receipts: Literal["careful", "on_read", "never_sent"] = setting(
        "set it to never_sent once you have made sure that these Outlook mailboxes never send receipts, to on_read if"
        " only reading sends them, or to careful: then a message that asks for one isn't marked read, and not trashed"
        " unread",
        "careful",
    )


POLL, NIGHT = 30.0, 300.0
HOURS = re.compile(r"([01][0-9]|2[0-4])-([01][0-9]|2[0-4])")


class Times(Group):
    """Times

    All in seconds. The last three hang together: what they stand for is how long a request may still take effect."""

    poll_seconds: Seconds = setting(
        "give the seconds between two looks at DingTalk, 0.1 to 3600; they are more in a mail domain of more than 120"
        " pairs (docs/scale.md)",
        POLL,
        ge=0.1,
        le=3600,
    )
    night_poll_seconds: Seconds | None = setting(
        "give the seconds between two looks at DingTalk at night, 0.1 to 3600, or leave it out for 300, or for"
        " TANDEM_POLL_SECONDS where that is not 30",
        None,
        ge=0.1,
        le=3600,
    )
    day: str = setting(
        "give the hours that are no night as FROM-UNTIL, such as 07-23, or 00-00 for a day without a night", "07-23"
    )
    time_zone: str = setting("give the time zone of these hours, such as Asia/Hong_Kong", "Asia/Shanghai")
    twin_hold_seconds: Seconds = setting(
        "give the seconds that mail to both accounts waits for its twin, 0 to 3600", 120.0, ge=0, le=3600
    )
    request_timeout: Seconds = setting("give the seconds that a request may take, 30 to 300", 30.0, ge=30, le=300)
    grace_seconds: Seconds = setting(
        "give the seconds after its timeout in which a request may still take effect, 0 to 600", 75.0, ge=0, le=600
    )
    lease_seconds: Seconds = setting(
        f"give at least TANDEM_REQUEST_TIMEOUT and TANDEM_GRACE_SECONDS together and {SLOWEST:g} more, at most 3600",
        240.0,
        le=3600,
    )

    @check("day")
    @classmethod
    def _is_hours(cls, value: str) -> str:
        return unless(not HOURS.fullmatch(value), "is not two hours such as 07-23", value)

    @check("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, KeyError):  # their text shows the value
            raise ValueError("is not a time zone that is known here") from None
        return value

    @property
    def rhythm(self) -> Rhythm:
        """How often DingTalk is looked at."""
        since, until = (int(hour) % 24 for hour in self.day.split("-"))
        quiet = NIGHT if self.poll_seconds == POLL else self.poll_seconds
        night = quiet if self.night_poll_seconds is None else self.night_poll_seconds
        return Rhythm(self.poll_seconds, night, since, until, ZoneInfo(self.time_zone))

    @check("lease_seconds")
    @classmethod
    def _outlives_requests(cls, value: float, info: ValidationInfo) -> float:
        others = [info.data.get(name, 0.0) for name in ("request_timeout", "grace_seconds")]
        return unless(value < sum(others) + SLOWEST, "is less than a large message needs", value)
