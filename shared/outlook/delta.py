"""What changed in folders since their cursors (Graph: message delta, one folder at a time)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.model.errors import NotFound
from shared.model.mail import Row
from shared.outlook import mapping
from shared.outlook.errors import EXPIRED, code_of
from shared.outlook.transport import Answer, Graph, Part, failure

PAGE = "odata.maxpagesize=500"


@dataclass(slots=True)
class Seen:
    """What a round over folders showed. An id that it showed both present and removed stands in both."""

    rows: dict[str, Row] = field(default_factory=dict)
    removed: set[tuple[str, str]] = field(default_factory=set)
    complete: set[str] = field(default_factory=set)
    cursors: dict[str, str] = field(default_factory=dict)


class Delta:
    def __init__(self, graph: Graph, mailbox: str) -> None:
        self._graph, self._mailbox = graph, mailbox

    def part(self, folder: str, cursor: str | None) -> Part:
        """The first request of a round over one folder."""
        if cursor is not None:
            return Part(self._graph.own(cursor)[len(self._graph.base_url) :], PAGE)
        return Part(f"{self._mailbox}/mailFolders/{folder}/messages/delta?$select={mapping.ROW_FIELDS}", PAGE)

    def take(self, cursors: Mapping[str, str], answers: Mapping[str, Answer]) -> Seen:
        """Follow each folder's first answer to its end. A folder without a usable cursor is listed wholly."""
        seen = Seen()
        anew: list[str] = []
        for folder, answer in answers.items():
            if answer.status == 200:
                self._follow(folder, answer.body, seen)
                if folder not in cursors:
                    seen.complete.add(folder)
            elif folder in cursors and is_expired(answer):
                anew.append(folder)
            elif not isinstance(error := failure("changes of a folder", answer), NotFound):
                raise error
        if anew:
            self._again(anew, seen)
        return seen

    def _again(self, folders: Sequence[str], seen: Seen) -> None:
        """These folders' cursors have expired: the whole of them, from the start."""
        answers = self._graph.batch([self.part(folder, None) for folder in folders], "changes of a folder")
        fresh = self.take({}, dict(zip(folders, answers, strict=True)))
        seen.rows |= fresh.rows
        seen.removed |= fresh.removed
        seen.complete |= fresh.complete
        seen.cursors |= fresh.cursors

    def _follow(self, folder: str, page: Any, seen: Seen) -> None:
        while True:
            for value in page.get("value", ()):
                self._take_row(folder, value, seen)
            link = page.get("@odata.nextLink")
            if not link:
                break
            page = self._graph.get(link, "changes of a folder", PAGE)
        if page.get("@odata.deltaLink"):
            seen.cursors[folder] = self._graph.own(page["@odata.deltaLink"])

    @staticmethod
    def _take_row(folder: str, value: Mapping[str, Any], seen: Seen) -> None:
        id = str(value["id"])
        if "@removed" in value:
            seen.removed.add((folder, id))
        elif "isRead" in value and "flag" in value:
            seen.rows[id] = mapping.row({"parentFolderId": folder, **value})
        else:
            seen.removed.add((folder, id))  # fields left out are unknown: the id has to be read


def is_expired(answer: Answer) -> bool:
    return answer.status == 410 or code_of(answer.body).lower() in EXPIRED
