"""People at simulated mailboxes that run in another process: the side door over loopback HTTP, and both its ends.

`POST /<person>/<side>/<method>` with the arguments as a JSON list calls the mailbox's method (`sandbox.truth`);
`GET /counts` tells what was written, what left the stage, and every request by side and route. Bytes travel as base64.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import requests

from sandbox.demo.meter import Meter
from sandbox.demo.office import Person
from sandbox.truth import Flag, Mailbox, Role, Stored, StoredAttachment, StoredFolder
from sandbox.web import Request, Response

PATIENCE = 10.0
METHODS = frozenset(
    {
        "folders",
        "messages",
        "role",
        "deliver",
        "set_read",
        "set_flag",
        "set_categories",
        "answer",
        "move",
        "copy",
        "purge",
        "make_folder",
        "rename_folder",
        "move_folder",
        "delete_folder",
        "folder_now",
    }
)


class PeopleDoor:
    """Satisfies `sandbox.web.Vendor`. `people` may still grow."""

    def __init__(self, people: Sequence[Person], meter: Meter) -> None:
        self._people, self._meter = people, meter

    def handle(self, request: Request) -> Response:
        parts = request.segments
        if request.method == "GET" and parts == ("counts",):
            meter = self._meter
            return Response.of_json(200, {"writes": meter.writes(), "sent": meter.sent(), "calls": meter.calls()})
        if request.method != "POST" or len(parts) != 3 or parts[2] not in METHODS:
            return Response.of_json(404, {"error": "no such door"})
        try:
            box = next(
                box for p in self._people if p.name == parts[0] for side, box in p.boxes.items() if side == parts[1]
            )
            return Response.of_json(200, _called(box, parts[2], request.json()))
        except Exception as error:  # the caller is told, whatever it was
            return Response.of_json(400, {"error": f"{type(error).__name__}: {error}"})


def _called(box: Mailbox, method: str, arguments: list[Any]) -> Any:
    if method == "deliver":
        mime, folder, read = arguments
        return box.deliver(base64.b64decode(mime), folder, read=read)
    found = getattr(box, method)(*arguments)
    return [asdict(one) for one in found] if method in ("folders", "messages") else found


class RemoteMailbox:
    """Satisfies `sandbox.truth.Mailbox`: a person's mailbox behind the door at `url`."""

    def __init__(self, url: str, person: str, side: str, address: str) -> None:
        self.address = address
        self._url = f"{url}/{quote(person)}/{side}"

    def _call(self, method: str, *arguments: Any) -> Any:
        answer = requests.post(f"{self._url}/{method}", json=arguments, timeout=PATIENCE)
        value = answer.json()
        if answer.status_code != 200:
            raise ValueError(f"{method}: {value['error']}")
        return value

    def folders(self) -> Sequence[StoredFolder]:
        return [StoredFolder(**one) for one in self._call("folders")]

    def messages(self) -> Sequence[Stored]:
        return [_stored(one) for one in self._call("messages")]

    def role(self, role: Role) -> str:
        return str(self._call("role", role))

    def deliver(self, mime: bytes, folder: str | None = None, *, read: bool = False) -> str:
        return str(self._call("deliver", base64.b64encode(mime).decode(), folder, read))

    def set_read(self, id: str, read: bool) -> None:
        self._call("set_read", id, read)

    def set_flag(self, id: str, flag: Flag) -> None:
        self._call("set_flag", id, flag)

    def set_categories(self, id: str, categories: Sequence[str]) -> None:
        self._call("set_categories", id, list(categories))

    def answer(self, id: str) -> None:
        self._call("answer", id)

    def move(self, id: str, folder: str) -> str:
        return str(self._call("move", id, folder))

    def copy(self, id: str, folder: str) -> str:
        return str(self._call("copy", id, folder))

    def purge(self, id: str) -> None:
        self._call("purge", id)

    def rename_folder(self, id: str, name: str) -> None:
        self._call("rename_folder", id, name)

    def move_folder(self, id: str, parent: str | None) -> str:
        return str(self._call("move_folder", id, parent))

    def delete_folder(self, id: str) -> None:
        self._call("delete_folder", id)

    def folder_now(self, id: str) -> str:
        return str(self._call("folder_now", id))

    def make_folder(self, name: str, parent: str | None = None) -> str:
        return str(self._call("make_folder", name, parent))


def _stored(value: Mapping[str, Any]) -> Stored:
    attachments = tuple(StoredAttachment(**one) for one in value["attachments"])
    lists = {name: tuple(value[name]) for name in ("to", "cc", "categories")}
    return Stored(**{**value, **lists, "attachments": attachments})


def meet(ready: Mapping[str, Any]) -> list[Person]:
    """The people of vendors that run elsewhere, as their ready file tells."""
    return [
        Person(
            pair["name"],
            {
                "outlook": RemoteMailbox(ready["people"], pair["name"], "outlook", pair["outlook"]),
                "dingtalk": RemoteMailbox(ready["people"], pair["name"], "dingtalk", pair["dingtalk"]),
            },
        )
        for pair in ready["pairs"]
    ]
