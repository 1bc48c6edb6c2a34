"""A simulated Microsoft 365 with one mailbox and a small client, all in process and on a clock that stands still."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from sandbox.microsoft import GraphMailbox, Microsoft365, Switches
from sandbox.web import Request

BASE = "https://graph.microsoft.com/v1.0"
ADDRESS = "ann@contoso.example"
NOW = 1_790_000_000.0
KEY = "String {6f1d3a52-0c1e-4f6e-9a52-8f6f0a6a7b11} Name TandemKey"
IMMUTABLE = 'IdType="ImmutableId"'
BOB = {"emailAddress": {"name": "Bob", "address": "bob@fabrikam.example"}}
PDF = {
    "@odata.type": "#microsoft.graph.fileAttachment",
    "name": "报告.pdf",
    "contentType": "application/pdf",
    "contentBytes": base64.b64encode(b"%PDF").decode(),
}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of the error."""
        code = self.json["error"]["code"]
        assert isinstance(code, str)
        return code


class Tenant:
    """`call` adds the token and, unless told otherwise, asks for immutable ids. Paths begin after /v1.0."""

    def __init__(self, switches: Switches | None = None, *, language: str = "en") -> None:
        self.clock = Clock()
        self.handshakes: list[str] = []
        self.shakes = True
        self.vendor = Microsoft365(
            clock=self.clock,
            random=random.Random(7),
            switches=switches,
            tenant_id="tenant",
            client_id="client",
            client_secret="secret",
            post=self._post,
        )
        self.mailbox: GraphMailbox = self.vendor.add_mailbox(ADDRESS, display_name="Ann", language=language)
        self.token = self.login().json["access_token"]

    def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self.handshakes.append(url)
        token = parse_qs(urlsplit(url).query)["validationToken"][0]
        return 200, token.encode() if self.shakes else b"?"

    def login(self, tenant: str = "tenant", **form: str) -> Answer:
        known = {
            "grant_type": "client_credentials",
            "client_id": "client",
            "client_secret": "secret",
            "scope": "https://graph.microsoft.com/.default",
        }
        body = urlencode({k: v for k, v in {**known, **form}.items() if v}).encode()
        answer = self.vendor.handle(Request("POST", f"/{tenant}/oauth2/v2.0/token", {}, body))
        return Answer(answer.status, answer.headers, answer.body)

    def call(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> Answer:
        """`body` is sent as JSON, `raw` as it is; header names are given with underscores."""
        sent = {"authorization": f"Bearer {self.token}", "prefer": IMMUTABLE}
        if body is not None:
            raw, sent["content-type"] = json.dumps(body).encode(), "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        path = quote(path, safe="/?&=$'(),:;@*%")
        answer = self.vendor.handle(Request(method, path if raw_path(path) else f"/v1.0{path}", sent, raw or b""))
        return Answer(answer.status, answer.headers, answer.body)

    def mail(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> Answer:
        """`call` inside the mailbox."""
        return self.call(method, f"/users/{ADDRESS}{path}", body, raw=raw, **headers)

    def follow(self, link: str, **headers: str) -> Answer:
        assert link.startswith(BASE)
        return self.call("GET", link.removeprefix(BASE), raw=None, **headers)

    def make(
        self, folder: str = "inbox", *, flags: str | None = "0", key: str = "", author: Any = None, **members: Any
    ) -> Any:
        """POST a message -> its JSON. `flags` None makes a draft; `author` is the member `from`."""
        properties = [{"id": "Integer 0x0E07", "value": flags}] if flags is not None else []
        properties += [{"id": KEY, "value": key}] if key else []
        extra = members.pop("properties", [])
        members |= {"from": author} if author else {}
        body = {"subject": "Plan", "singleValueExtendedProperties": [*properties, *extra], **members}
        answer = self.mail("POST", f"/mailFolders/{folder}/messages", body)
        assert answer.status == 201, answer.body
        return answer.json

    def delta(self, folder: str = "inbox", query: str = "", size: int = 50) -> tuple[list[Any], str]:
        """A whole first round -> rows, delta link."""
        return self.drain(f"{BASE}/users/{ADDRESS}/mailFolders/{folder}/messages/delta{query}", size)

    def drain(self, link: str, size: int = 50) -> tuple[list[Any], str]:
        rows: list[Any] = []
        while True:
            answer = self.follow(link, prefer=f"{IMMUTABLE}, odata.maxpagesize={size}")
            assert answer.status == 200, answer.body
            rows += answer.json["value"]
            if "@odata.deltaLink" in answer.json:
                return rows, answer.json["@odata.deltaLink"]
            link = answer.json["@odata.nextLink"]


def raw_path(path: str) -> bool:
    """Whether a path is outside the versioned API."""
    return path.startswith("/api/")


def mime(
    subject: str = "Hello", *, body: str = "Good day", message_id: str = "<one@mail.example>", more: str = ""
) -> bytes:
    text = (
        f"From: Bob <bob@fabrikam.example>\nTo: {ADDRESS}\nSubject: {subject}\nMessage-ID: {message_id}\n"
        f"Date: Mon, 21 Sep 2026 10:00:00 +0800\n{more}\n{body}\n"
    )
    return text.replace("\n", "\r\n").encode()
