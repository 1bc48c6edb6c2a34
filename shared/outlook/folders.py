"""The folder tree, with roles by well-known names (Graph: mailFolder)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.model.errors import NotFound
from shared.model.mail import Folder
from shared.model.words import Role
from shared.outlook.transport import Answer, Graph, Part, failure

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
    "searchfolders": "system",
    "recoverableitemsdeletions": "system",
}
"""Names that may be missing from a mailbox are simply not found. Children of a system folder are system folders."""

FIELDS = "id,displayName,parentFolderId,childFolderCount,isHidden"
PAGE = 200


class Folders:
    """The ids of well-known folders never change, so they are asked for once."""

    def __init__(self, graph: Graph, mailbox: str) -> None:
        self._graph, self._mailbox = graph, mailbox
        self._roles: dict[str, Role] | None = None

    def roles(self) -> Mapping[str, Role]:
        """Role by folder id."""
        if self._roles is None:
            parts = [Part(f"{self._mailbox}/mailFolders/{name}?$select=id") for name in WELL_KNOWN]
            answers = self._graph.batch(parts, "the well-known folders")
            roles: dict[str, Role] = {}
            for role, answer in zip(WELL_KNOWN.values(), answers, strict=True):
                if answer.status == 200:
                    roles[str(answer.body["id"])] = role
                elif not isinstance(error := failure("a well-known folder", answer), NotFound):
                    raise error
            self._roles = roles
        return self._roles

    def tree(self) -> tuple[Folder, ...]:
        """Every folder from the top. One request for the top, then one batch per level."""
        roles, folders = self.roles(), list[Folder]()
        level = self._pages([Part(f"{self._mailbox}/mailFolders?$top={PAGE}&$select={FIELDS}")])
        above: dict[str, Folder] = {}
        while level:
            here: dict[str, Folder] = {}
            for value in level:
                here[str(value["id"])] = _folder(value, above.get(str(value.get("parentFolderId"))), roles)
            folders += here.values()
            parents = [str(value["id"]) for value in level if value.get("childFolderCount")]
            url = f"{self._mailbox}/mailFolders/{{}}/childFolders?$top={PAGE}&$select={FIELDS}"
            level = self._pages([Part(url.format(parent)) for parent in parents])
            above = here
        return tuple(folders)

    def _pages(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        values: list[dict[str, Any]] = []
        answers: list[Answer] = self._graph.batch(parts, "the folder list") if parts else []
        for answer in answers:
            if answer.status == 404:
                continue  # deleted between two levels
            if answer.status != 200:
                raise failure("the folder list", answer)
            page = answer.body
            values += page["value"]
            while link := page.get("@odata.nextLink"):
                page = self._graph.get(link, "the folder list")
                values += page["value"]
        return values


def _folder(value: Mapping[str, Any], above: Folder | None, roles: Mapping[str, Role]) -> Folder:
    id = str(value["id"])
    role = roles.get(id)
    if value.get("isHidden") or "SearchFolder" in str(value.get("@odata.type")) or (above and above.role == "system"):
        role = role or "system"
    return Folder(id, (*(above.path if above else ()), str(value.get("displayName") or "")), role)
