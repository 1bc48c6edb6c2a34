"""One Alimail mailbox: the routes that Tandem uses, and no other parameter than the vendor documents.

Nothing here sends: of the vendor's write routes only state, tags and moves are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote

from shared.dingtalk import mapping
from shared.dingtalk.alimail import Alimail
from shared.dingtalk.folders import Counted, walk
from shared.dingtalk.shapes import ATTACHMENT, FOLDER, ROW, TAG, WHOLE
from shared.model.answers import Must, Shape, misfit
from shared.model.errors import NotFound, NotPermitted, OutcomeUnknown, TandemError, Unavailable
from shared.model.spooled import Content, size_of
from shared.ports.replica import Permit
from shared.ports.world import Executor, Into

Json = Any
T = TypeVar("T")
PAGE_SHAPE = {"messages": [ROW], "nextCursor": str, "hasMore": Must(bool)}

ALWAYS = frozenset({"inbox", "sent", "trash"})
"""A list without these was cut short."""
PARENT = "folderId"
TOP = "0"
"""Alimail: parentFolderId of the folders at the top."""

PAGE = 100
"""Messages a page; the vendor takes no more."""


@dataclass(frozen=True, slots=True)
class Window:
    """Received dates, epoch seconds, both ends included."""

    start: float
    end: float


class Mailbox:
    """Raises what Alimail raises; a folder or message that isn't there is NotFound, a mailbox that isn't there
    NotPermitted: with it nothing can be said about any message."""

    def __init__(self, alimail: Alimail, user: str, executor: Executor) -> None:
        self._alimail = alimail
        self._executor = executor
        self._path = f"/v2/users/{quote(user, safe='@')}"
        self.tags: mapping.Tags = mapping.NO_TAGS

    def tree(self) -> tuple[Counted, ...]:
        """All folders with their counters: one request for the top and one for each folder with children. Unavailable
        when the list is not whole."""
        tree = walk(self._children)
        if ALWAYS - {one.folder.role for one in tree}:
            raise Unavailable("Alimail's folder list is not whole; it is read again later", code="cut_short")
        return tree

    def _children(self, parents: Sequence[str | None]) -> list[list[Json]]:
        levels = self._executor.map([partial(self._folders, parent) for parent in parents])
        return [known(level) for level in levels]

    def _folders(self, parent: str | None) -> list[Json]:
        try:
            query = {} if parent is None else {"folderId": parent}
            answer = self._get("the folder list", f"{self._path}/mailFolders", query, {"folders": Must([FOLDER])})
        except NotFound as error:
            if parent is not None:
                return []
            raise NotPermitted("Alimail has no such mailbox", code=error.code) from error
        return list(answer["folders"])

    def learn_tags(self) -> mapping.Tags:
        """The mailbox's own tags, with which rows and items show categories from now on. No public page names the route
        (Alimail: tags); where it isn't there, there are none."""
        try:
            answer = self._get("the tag list", f"{self._path}/tags", {}, {"tags": Must([TAG])})
        except NotFound:
            answer = {"tags": []}
        self.tags = mapping.own_tags(answer["tags"])
        return self.tags

    def is_empty(self, folder: str) -> bool:
        query = {"cursor": "", "size": "1", "isAscending": "false", "$select": "id"}
        answer = self._alimail.get("what is in a folder", f"{self._folder(folder)}/messages", query)
        return not answer.get("messages") and not self._folders(folder)

    def _folder(self, id: str) -> str:
        return f"{self._path}/mailFolders/{quote(id, safe='')}"

    # ---- folders (Alimail: folders)
    def create_folder(self, name: str, parent: str, permit: Permit) -> str:
        """Which name the parent's member has is not certain, and a wrong one is ignored: then it is moved there."""
        what = "a new folder"
        body = {"displayName": name, **({PARENT: parent} if parent else {})}
        made = self._alimail.post(what, f"{self._path}/mailFolders", body, permit).get("folder") or {}
        id = str(made.get("id") or "")
        if not id:
            raise OutcomeUnknown("Alimail answered a new folder without its id", code="no_json")
        if parent and str(made.get("parentFolderId") or parent) != parent:
            try:
                self.move_folder(id, parent, permit)
            except TandemError as error:
                raise OutcomeUnknown("a new folder could not be moved to its place", code=error.code) from error
        return id

    def rename_folder(self, id: str, name: str, permit: Permit) -> None:
        self._alimail.effect("PATCH", "a folder's new name", self._folder(id), {"displayName": name}, permit)

    def move_folder(self, id: str, parent: str, permit: Permit) -> None:
        body = {"destinationFolderId": parent or TOP}
        self._alimail.post("a folder's move", f"{self._folder(id)}/move", body, permit)

    def delete_folder(self, id: str, permit: Permit) -> None:
        self._alimail.effect("DELETE", "a folder's removal", self._folder(id), None, permit)

    def pages(self, folder: str, select: str, window: Window | None = None) -> Iterator[list[Json]]:
        """Pages of a folder, newest first. The cursor is a position, so rows may come twice while mail arrives."""
        cursor = ""
        while True:
            page, cursor = self.page(folder, select, window, cursor)
            yield page
            if not cursor:
                return

    def page(self, folder: str, select: str, window: Window | None, cursor: str) -> tuple[list[Json], str]:
        """One page of a folder, and the cursor of the one after it, "" at the end."""
        path = f"{self._path}/mailFolders/{quote(folder, safe='')}/messages"
        query = {"cursor": cursor, "size": str(PAGE), "isAscending": "false", "$select": select}
        if window is not None:
            query |= {"startTime": mapping.stamp(window.start), "endTime": mapping.stamp(window.end)}
        answer = self._get("a page of a folder", path, query, PAGE_SHAPE)
        following = str(answer.get("nextCursor") or "") if answer.get("hasMore") else ""
        return list(answer.get("messages") or ()), following

    def rows(self, folder: str, select: str, window: Window | None, pages: int) -> list[Json]:
        """The rows of at most so many pages, each id once."""
        rows = (row for page in islice(self.pages(folder, select, window), pages) for row in page)
        return list({str(row["id"]): row for row in rows}.values())

    def message(self, id: str, select: str) -> Json:
        return self._get("a message", self._message(id), {"$select": select}, {"message": Must(WHOLE)})["message"]

    def attachments(self, id: str) -> list[Json]:
        shape = {"attachments": Must([ATTACHMENT])}
        answer = self._get("an attachment list", self._message(id) + "/attachments", {}, shape)
        return list(answer["attachments"])

    def content(self, id: str, attachment: str, size: int, into: Into | None = None) -> Content:
        path = f"{self._message(id)}/attachments/{quote(attachment, safe='')}/$value"
        content = self._alimail.download("an attachment", path, size, into)
        if size_of(content) * 2 < size:  # what `size` counts isn't known: the bytes, or those of their encoding
            raise Unavailable("Alimail gave less than half of an attachment; it is read again later", code="cut_short")
        return content

    def update(self, id: str, action: str, tags: Sequence[str], permit: Permit) -> None:
        """`action`: markRead, markUnread, addTags, removeTags."""
        body: dict[str, Json] = {"ids": [id], "action": action}
        if tags:
            body["tags"] = list(tags)
        self._alimail.post("a change of state", f"{self._path}/messages/batchUpdate", body, permit)

    def move(self, id: str, folder: str, permit: Permit) -> None:
        body = {"ids": [id], "destinationFolderId": folder}
        self._alimail.post("a move", f"{self._path}/messages/move", body, permit)

    def _get(self, what: str, path: str, query: Mapping[str, str], shape: Shape) -> Json:
        answer = self._alimail.get(what, path, query)
        if at := misfit(answer, shape):
            raise Unavailable(f"Alimail answered {what} in another shape than documented, at {at}", code="shape")
        return answer

    def _message(self, id: str) -> str:
        return f"{self._path}/messages/{quote(id, safe='')}"


def known(result: T | Exception) -> T:
    """What a call of Executor.map gave; its exception is raised."""
    if isinstance(result, Exception):
        raise result
    return result
