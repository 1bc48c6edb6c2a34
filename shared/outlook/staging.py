"""The hidden folder in which messages are put together that are too large for one request.

What stands in it is nobody's message yet: it is never shown to the engine, and what a crash left there is thrown away.
A message that was moved out of it is whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from shared.model.answers import Must, fits
from shared.model.errors import NotFound, OutcomeUnknown, Refused, Stale, Unavailable
from shared.model.mail import Folder, Item
from shared.outlook import mapping
from shared.outlook.transport import Graph, Part, failure, member
from shared.ports.replica import Permit

NAME = "Tandem: being copied"
"""The folder's, at the top of the mailbox. Hidden folders show in no client."""
LIST = "?includeHiddenFolders=true&$top=200&$select=id,displayName,isHidden"
LONGEST = 86400.0
"""Seconds after which no transfer is still at work."""
EVERY = 21600.0
"""Seconds between two looks for what crashes left behind."""

ABOUT = {"displayName": Must(str), "isHidden": bool}
LEFT = {"createdDateTime": Must(str), "singleValueExtendedProperties": [{"id": Must(str), "value": Must(str)}]}
WHAT, CLEANING = "the folder for messages that are being copied", "what was left of a message that was being copied"


class Staging:
    def __init__(self, graph: Graph, mailbox: str) -> None:
        self._graph, self._mailbox = graph, mailbox
        self._is_staging: dict[str, bool] = {}
        self._looked: float | None = None

    # ---- which messages stand in it
    def saw(self, tree: Iterable[Folder]) -> None:
        """A walk tells which folder it is without a request."""
        self._is_staging |= {folder.id: folder.role == "system" and folder.path == (NAME,) for folder in tree}

    def is_not(self, folder: str) -> None:
        """The engine puts messages there."""
        self._is_staging[folder] = False

    def learn(self, items: Iterable[Item]) -> None:
        """Ask about folders that aren't known yet, as far as messages with a key of ours stand in them."""
        unknown = sorted({item.folder for item in items if item.key} - self._is_staging.keys())
        answers = self._graph.batch([Part(f"{self._of(id)}?$select=id,displayName,isHidden") for id in unknown], WHAT)
        for id, answer in zip(unknown, answers, strict=True):
            if answer.status == 200 and fits(answer.body, ABOUT):
                self._is_staging[id] = _is_it(answer.body)
            elif isinstance(failure(WHAT, answer), NotFound):
                self._is_staging[id] = False

    def holds(self, item: Item) -> bool | None:
        """None when nobody can tell now. Only what has a key of ours can stand there."""
        return self._is_staging.get(item.folder) if item.key else False

    def _of(self, id: str) -> str:
        return f"{self._mailbox}/mailFolders/{quote(id, safe='')}"

    # ---- the folder
    def folder(self, permit: Permit) -> str:
        """Its id; it is made at its first use."""
        if (id := self._find()) is not None:
            return id
        body = {"displayName": NAME, "isHidden": True}
        try:
            id = member(self._graph.send("POST", f"{self._mailbox}/mailFolders", body, WHAT, permit), "id", WHAT)
        except (Stale, OutcomeUnknown) as exc:
            if (found := self._find()) is None and isinstance(exc, Stale):
                raise Refused(f"a folder of a person's has the name {NAME!r}", code="ErrorFolderExists") from exc
            if found is None:
                raise Unavailable(f"{WHAT} could not be made", code=exc.code) from exc
            return found
        self._is_staging[id] = True
        return id

    def _find(self) -> str | None:
        page = self._graph.get(f"{self._mailbox}/mailFolders{LIST}", WHAT)
        for value in self._graph.pages(page, WHAT):
            if fits(value, ABOUT) and _is_it(value):
                self._is_staging[value["id"]] = True
                return str(value["id"])
        return None

    # ---- what was left in it
    def tidy(self, permit: Permit) -> None:
        """Now and then, where the folder is known."""
        now = self._graph.clock.monotonic()
        if self._looked is not None and now - self._looked < EVERY:
            return
        self._looked = now
        for id in [id for id, is_it in self._is_staging.items() if is_it]:
            with suppress(Refused, Unavailable, OutcomeUnknown):  # it can wait
                self.clear(id, "", permit)

    def clear(self, folder: str, key: str, permit: Permit) -> None:
        """Throw away what has this key, which the caller is about to build anew, and what is older than any transfer
        takes."""
        now = self._graph.clock.now()
        for value in list(self._left(folder)):
            mine = mapping.own_key(value)
            if mine and (mine == key or now - mapping.epoch(value["createdDateTime"]) > LONGEST):
                self.discard(folder, value["id"], permit)

    def _left(self, folder: str) -> Iterator[Any]:
        query = f"?$select=id,createdDateTime&$expand={quote(mapping.EXPAND, safe='$()=,')}&$top=50"
        try:
            page = self._graph.get(f"{self._of(folder)}/messages{query}", CLEANING)
        except NotFound:
            return
        yield from (value for value in self._graph.pages(page, CLEANING) if fits(value, LEFT))

    def discard(self, folder: str, id: str, permit: Permit) -> None:
        """For good, so that it doesn't turn up among the deleted items: it never was a message. The URL names the
        folder too, so that one that was moved out isn't found. What can't be thrown away stays, and does no harm."""
        url = f"{self._of(folder)}/messages/{quote(id, safe='')}/permanentDelete"
        try:
            self._graph.send("POST", url, None, CLEANING, permit)
        except (Refused, OutcomeUnknown) as exc:
            if exc.scope != "item":
                raise


def _is_it(value: Any) -> bool:
    return value["displayName"] == NAME and bool(value.get("isHidden"))
