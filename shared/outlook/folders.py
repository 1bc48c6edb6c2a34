"""The folder tree, with roles by well-known names (Graph: mailFolder)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from shared.model.answers import fits
from shared.model.errors import NotFound, Unavailable
from shared.model.mail import Folder
from shared.model.words import Role
from shared.outlook.shapes import FOLDER
from shared.outlook.transport import Answer, Graph, Part, failure, listed, member
from shared.ports.replica import Permit

WELL_KNOWN: dict[str, Role] = {
    "inbox": "inbox",
    "sentitems": "sent",
    "archive": "archive",
    "junkemail": "junk",
    "deleteditems": "trash",
    "drafts": "drafts",
    "outbox": "system",
    "conversationhistory": "system",
    "syncissues": "system",
    "scheduled": "system",
    "clutter": "system",
}
"""Names that stand for a folder below the mailbox's root. What lies in a system folder is a system folder too."""

ALWAYS: frozenset[Role] = frozenset({"inbox", "sent", "trash"})
"""A list without these was cut short."""

PURGED = "recoverableitemsdeletions"
"""Beside the root: what a person removed for good. A read by id may still find it there."""

FIELDS = "id,displayName,parentFolderId,childFolderCount,isHidden"
LIST = f"?includeHiddenFolders=true&$top=200&$select={FIELDS}"
"""Hidden folders too: a notification may name a message in one, and it must be known that nobody looks there."""
WHAT = "the folder list"


class Folders:
    """A well-known folder's id never changes, so it is asked for until it is known (archive and some others come into
    being at their first use). Which folders had children is remembered from one walk to the next, so that theirs are
    asked for at once; what a walk shows comes from its own answers alone."""

    def __init__(self, graph: Graph, mailbox: str) -> None:
        self._graph, self._url = graph, f"{mailbox}/mailFolders"
        self._roles: Mapping[str, Role] = {}
        self._unknown: tuple[str, ...] = tuple(WELL_KNOWN)
        self._parents: tuple[str, ...] = ()

    def part(self, name: str) -> Part:
        """The read that tells a well-known folder's id."""
        return Part(f"{self._url}/{name}?$select=id")

    def tree(self) -> tuple[Folder, ...]:
        """Every folder, parents first. One request for the top, the roles and what is below known parents, then one
        batch per level for parents that are new. Unavailable when the list is not whole, NotPermitted when there is no
        mailbox."""
        names, known = self._unknown, self._parents
        parts = [Part(self._url + LIST), *map(self.part, names), *map(self._below, known)]
        top, *answers = self._graph.batch(parts, WHAT)
        self._learn(zip(names, answers, strict=False))
        below = dict(zip(known, answers[len(names) :], strict=True))
        tree: dict[str, Folder] = {}
        parents: list[str] = []
        level: Mapping[Folder | None, Answer] = {None: top}
        while level:
            found = [folder for above, answer in level.items() for folder in self._take(above, answer, tree)]
            new = [folder.id for folder in found if folder.id not in below]
            below.update(zip(new, self._graph.batch([*map(self._below, new)], WHAT), strict=True))
            level = {folder: below[folder.id] for folder in found}
            parents += [folder.id for folder in found]
        self._parents = tuple(parents)
        if ALWAYS - {folder.role for folder in tree.values()}:
            raise Unavailable("Graph's folder list is not whole; it is read again later", code="cut_short")
        return tuple(tree.values())

    def _below(self, id: str) -> Part:
        return Part(f"{self._of(id)}/childFolders{LIST}")

    def _take(self, above: Folder | None, answer: Answer, tree: dict[str, Folder]) -> list[Folder]:
        """Put the folders of a list into the tree; -> those that have children."""
        parents = list[Folder]()
        for value in self._listed(answer):
            folder = _folder(value, above, self._roles)
            if folder.id in tree:
                raise Unavailable("Graph's folder list shows a folder twice; it is read again", code="twice")
            tree[folder.id] = folder
            if value.get("childFolderCount"):
                parents.append(folder)
        return parents

    def is_empty(self, id: str) -> bool:
        """A listing, not the counters: they may lag."""
        parts = [Part(f"{self._of(id)}/messages?$select=id&$top=1"), self._below(id)]
        answers = self._graph.batch(parts, "what is in a folder")
        for answer in answers:
            if answer.status != 200:
                raise failure("what is in a folder", answer)
        return not any(listed(answer.body, "what is in a folder") for answer in answers)

    def _of(self, id: str) -> str:
        return f"{self._url}/{quote(id, safe='')}"

    # ---- effects
    def create(self, name: str, parent: str, permit: Permit) -> str:
        what, url = "a new folder", f"{self._of(parent)}/childFolders" if parent else self._url
        return member(self._graph.send("POST", url, {"displayName": name}, what, permit), "id", what)

    def rename(self, id: str, name: str, permit: Permit) -> None:
        self._graph.send("PATCH", self._of(id), {"displayName": name}, "a folder's new name", permit)

    def move(self, id: str, parent: str, permit: Permit) -> None:
        body = {"destinationId": parent or "msgfolderroot"}
        self._graph.send("POST", f"{self._of(id)}/move", body, "a folder's move", permit)

    def delete(self, id: str, permit: Permit) -> None:
        """Softly: it is found below the deleted items afterwards (Graph: delete mailFolder)."""
        self._graph.send("DELETE", self._of(id), None, "a folder's removal", permit)

    # ---- roles
    def _learn(self, answers: Iterable[tuple[str, Answer]]) -> None:
        roles, unknown = dict(self._roles), list[str]()
        for name, answer in answers:
            if answer.status == 200:
                roles[member(answer.body, "id", "a well-known folder", Unavailable)] = WELL_KNOWN[name]
            elif isinstance(error := failure("a well-known folder", answer), NotFound):
                unknown.append(name)
            else:
                raise error
        self._roles, self._unknown = roles, tuple(unknown)

    def _listed(self, answer: Answer) -> Iterator[Mapping[str, Any]]:
        """The folders of a list; none when the parent was deleted meanwhile."""
        if answer.status == 200:
            yield from self._graph.pages(answer.body, WHAT)
        elif not isinstance(error := failure(WHAT, answer), NotFound):
            raise error


def _folder(value: Mapping[str, Any], above: Folder | None, roles: Mapping[str, Role]) -> Folder:
    if not fits(value, FOLDER):
        raise Unavailable("Graph's folder list shows a folder that can't be read", code="no_folder")
    id = str(value["id"])
    role = roles.get(id)
    aside = value.get("isHidden") or "SearchFolder" in str(value.get("@odata.type"))
    if role is None and (aside or (above is not None and above.role == "system")):
        role = "system"
    path = (*(above.path if above else ()), str(value.get("displayName") or ""))
    return Folder(id, path, role, above.id if above else "")
