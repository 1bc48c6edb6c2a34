"""A simulated DingTalk mail with one mailbox and a small client, all in process and on a clock that stands still."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from sandbox.dingtalk import AliMailbox, DingTalkMail, Switches
from sandbox.web import Request, Response

ADDRESS = "min@factory.example"
PASSWORD = "Abcd1234Efgh5678"
NOW = 1_790_000_000.0
SENT, INBOX, JUNK, DRAFTS, TRASH = "1", "2", "3", "5", "6"
FORM = {"grant_type": "client_credentials", "client_id": "ali", "client_secret": "s"}
PDF = b"%PDF-1.7 \x00\xff"


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
        """Of the error, whose shape is checked: `{detailErrorCode, message, developerMessage}`."""
        assert set(self.json) == {"detailErrorCode", "message", "developerMessage"}, self.body
        return str(self.json["detailErrorCode"])


class Domain:
    """`mail` calls paths below the mailbox, with a token."""

    def __init__(self, **switches: Any) -> None:
        self.clock = Clock()
        self.vendor = DingTalkMail(
            clock=self.clock,
            random=random.Random(7),
            switches=Switches(**switches),
            client_id="ali",
            client_secret="s",
            stream_base="https://stream.example",
        )
        self.mailbox: AliMailbox = self.vendor.add_mailbox(ADDRESS, client_password=PASSWORD)
        self.token: str = self.login().json["access_token"]

    def switch(self, **switches: Any) -> None:
        self.vendor.switches = replace(self.vendor.switches, **switches)

    def login(self, kind: str = "application/x-www-form-urlencoded", **form: str) -> Answer:
        body = urlencode({name: value for name, value in {**FORM, **form}.items() if value}).encode()
        return answered(self.vendor.handle(Request("POST", "/oauth2/v2.0/token", {"content-type": kind}, body)))

    def call(self, method: str, target: str, body: Any = None, *, raw: bytes = b"", **headers: str) -> Answer:
        """`body` is sent as JSON, `raw` as it is."""
        sent = {"authorization": f"bearer {self.token}", **headers}
        content = raw if body is None else json.dumps(body).encode()
        return answered(self.vendor.handle(Request(method, target, sent, content)))

    def mail(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        """`query`: names as they are, `select` as $select."""
        asked = {("$select" if name == "select" else name): value for name, value in query.items()}
        target = f"/v2/users/{ADDRESS}{quote(path, safe='/$')}" + (f"?{urlencode(asked)}" if asked else "")
        return self.call(method, target, body)

    # ---- what most tests ask for
    def rows(self, folder: str = INBOX, **query: str) -> list[Any]:
        answer = self.mail("GET", f"/mailFolders/{folder}/messages", **query)
        assert answer.status == 200, answer.body
        rows: list[Any] = answer.json["messages"]
        return rows

    def ids(self, folder: str = INBOX, **query: str) -> list[str]:
        return [row["id"] for row in self.rows(folder, **query)]

    def get(self, id: str, select: str) -> Any:
        answer = self.mail("GET", f"/messages/{id}", select=select)
        assert answer.status == 200, answer.body
        return answer.json["message"]

    def update(self, action: str, *ids: str, tags: list[str] | None = None) -> Answer:
        body = {"ids": [*ids], "action": action} | ({"tags": tags} if tags is not None else {})
        return self.mail("POST", "/messages/batchUpdate", body)

    def move(self, folder: str, *ids: str) -> Answer:
        return self.mail("POST", "/messages/move", {"ids": [*ids], "destinationFolderId": folder})

    def delete(self, *ids: str) -> Answer:
        return self.mail("POST", "/messages/batchDelete", {"ids": [*ids], "deleteType": "USER_DELETED"})

    def search(self, text: str) -> list[str]:
        answer = self.mail("POST", "/messages/query", {"query": text, "cursor": "", "size": 100})
        assert answer.status == 200, answer.body
        return [row["id"] for row in answer.json["messages"]]

    def folders(self, parent: str = "") -> dict[str, Any]:
        """By display name."""
        query = {"folderId": parent} if parent else {}
        return {one["displayName"]: one for one in self.mail("GET", "/mailFolders", **query).json["folders"]}


def answered(response: Response) -> Answer:
    return Answer(response.status, response.headers, response.body)


def mime(
    subject: str = "Hello", *, body: str = "Good day", message_id: str = "<one@mail.example>", more: str = ""
) -> bytes:
    """A letter of plain text; `more`: header lines, each with its end."""
    text = (
        f"From: Bob <Bob@office.example>\nTo: {ADDRESS}\nSubject: {subject}\nMessage-ID: {message_id}\n"
        f"Date: Mon, 21 Sep 2026 10:00:00 +0800\n{more}\n{body}\n"
    )
    return text.replace("\n", "\r\n").encode()


def with_parts(*, html: str = '<p>Good day <img src="cid:logo@x"></p>', attached: bool = False) -> bytes:
    """HTML with a picture in it and a PDF; `attached`: also another message."""
    inner = b"--B\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nMessage-ID: <inner@x>\r\n\r\nhi\r\n"
    return (
        mime(more='MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="B"\n', body="").rstrip(b"\r\n")
        + b"\r\n\r\n--B\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        + html.encode()
        + b"\r\n--B\r\nContent-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Disposition: inline\r\n"
        + b"Content-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n"
        + b'--B\r\nContent-Type: application/pdf; name="=?utf-8?b?5oql5YWzLnBkZg==?="\r\n'
        + b"Content-Disposition: attachment; filename*=utf-8''%E6%8A%A5%E5%85%B3.pdf\r\n"
        + b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjcgAP8=\r\n"
        + (inner if attached else b"")
        + b"--B--\r\n"
    )
