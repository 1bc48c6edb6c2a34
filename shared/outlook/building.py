"""Messages too large for one request: put together piece by piece where nobody sees them, then moved into place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from shared.model.errors import NotPermitted, OutcomeUnknown, Refused, SignInRefused, TandemError, TooLarge, Unavailable
from shared.model.mail import Attachment, Message
from shared.model.spooled import size_of
from shared.outlook import mapping
from shared.outlook.patience import TRIES, Patience
from shared.outlook.staging import Staging
from shared.outlook.transport import LARGEST, UTMOST, Graph, encoded, member
from shared.outlook.uploads import Uploads
from shared.ports.replica import Permit

BIGGEST = 150 << 20
"""Bytes of an attachment (Graph: attach large files)."""
LATE = "late_attachments_refused"
"""The code where a tenant lets nobody add attachments to a message that isn't a draft: after 31 December 2026 that may
need the role Mail-Advanced.ReadWrite.All."""
SHORT = "attachments_incomplete"
NOT_FOR_SESSIONS = "ErrorAttachmentSize" + "ShouldNotBeLessThanMinimumSize"  # in one, it looks like a key
LOOKS, BETWEEN = 4, 3.0
"""How often, and seconds apart, the attachments are counted: a read may lag behind the last upload."""
WHAT, ADDING, MOVE = "a new message", "a new attachment", "the move of a new message into its folder"


def is_large(message: Message) -> bool:
    """Certainly too large for one request?"""
    return sum(map(_as_base64, message.attachments)) > LARGEST


def _as_base64(attachment: Attachment) -> int:
    return (size_of(attachment.content) + 2) // 3 * 4


def _weight(attachment: Attachment) -> int:
    """Bytes of it within a request, with what parts it from the next."""
    return len(encoded(mapping.attached(replace(attachment, content=b"")))) + _as_base64(attachment) + 2


class Builder:
    def __init__(self, graph: Graph, mailbox: str, staging: Staging) -> None:
        self._graph, self._mailbox, self._staging = graph, mailbox, staging
        self._patience = Patience(graph.clock)
        self._uploads = Uploads(graph, self._patience)

    def build(self, message: Message, body: Mapping[str, Any], folder: str, key: str, permit: Permit) -> str:
        """`body`: the creating POST's, without attachments; -> the id. Only the last request, the move, has an effect
        that counts: until then any failure means that nothing was done, and only of the move may the outcome be
        unknown."""
        first = _first(body, message.attachments)
        staging = self._patience.with_throttling(lambda: self._staging.folder(permit), permit)
        self._staging.clear(staging, key, permit)
        id = self._begun(staging, {**body, "attachments": [mapping.attached(a) for a in first]}, permit)
        try:
            self._add(id, message.attachments, len(first), permit)
            self._check(id, message.attachments, permit)
        except TandemError as exc:
            if isinstance(exc, Refused):
                with suppress(TandemError):
                    self._staging.discard(staging, id, permit)
            raise
        target = {"destinationId": folder}
        moved = self._patience.with_throttling(
            lambda: self._graph.send("POST", f"{self._message(id)}/move", target, MOVE, permit), permit
        )
        return member(moved, "id", MOVE)

    def _begun(self, staging: str, body: Mapping[str, Any], permit: Permit) -> str:
        url = f"{self._mailbox}/mailFolders/{quote(staging, safe='')}/messages"
        try:
            made = self._patience.with_throttling(lambda: self._graph.send("POST", url, body, WHAT, permit), permit)
            return member(made, "id", WHAT)
        except OutcomeUnknown as exc:
            raise Unavailable(f"{WHAT}: its beginning may be lost; it is begun anew", code=exc.code) from exc

    def _add(self, id: str, attachments: Sequence[Attachment], done: int, permit: Permit) -> None:
        url = f"{self._message(id)}/attachments"
        try:
            for number, attachment in enumerate(attachments[done:], done + 1):
                self._add_one(url, attachment, permit, number)
        except SignInRefused:
            raise
        except NotPermitted as exc:
            text = "this tenant lets nobody add attachments to a message that isn't a draft"
            raise Refused(text, code=LATE) from exc

    def _add_one(self, url: str, attachment: Attachment, permit: Permit, number: int) -> None:
        """In one request where that takes it; there are `number` of them afterwards. Between what a request surely
        takes and what a session is for there may be a gap."""
        if _weight(attachment) > LARGEST:
            try:
                return self._uploads.send(url, attachment, permit, lambda: self._counts(url, number, permit))
            except Refused as exc:
                if exc.code != NOT_FOR_SESSIONS:
                    raise
        value = mapping.attached(attachment)
        for turn in range(TRIES):
            try:
                self._patience.with_throttling(
                    lambda: self._graph.send("POST", url, value, ADDING, permit, most=UTMOST), permit
                )
                return None
            except OutcomeUnknown as exc:
                lost = exc
                self._patience.pause(2.0**turn, permit)
                if self._counts(url, number, permit):
                    return None
        raise Unavailable(f"{ADDING}: Graph doesn't answer; the message is begun anew", code=lost.code)

    def _counts(self, url: str, number: int, permit: Permit) -> bool:
        return len(self._sizes(url, permit)) >= number

    def _check(self, id: str, attachments: Sequence[Attachment], permit: Permit) -> None:
        """As many as there should be, none with fewer bytes than were sent. (Outlook may count some of its own.)"""
        sent = sorted(size_of(a.content) for a in attachments)
        for turn in range(LOOKS):
            if turn:
                self._patience.pause(BETWEEN, permit)
            shown = sorted(self._sizes(f"{self._message(id)}/attachments", permit))
            if len(shown) == len(sent) and all(there >= here for there, here in zip(shown, sent, strict=True)):
                return
        text = f"of {len(sent)} attachments Outlook shows {len(shown)}, or some of them short"
        raise Refused(text, code=SHORT)

    def _sizes(self, url: str, permit: Permit) -> list[int]:
        """Of all attachments of a message, as Outlook counts."""
        for turn in range(TRIES):
            try:
                return self._patience.with_throttling(lambda: self._listed(url), permit)
            except Unavailable as exc:
                lost = exc
                self._patience.pause(2.0**turn, permit)
        raise lost

    def _listed(self, url: str) -> list[int]:
        what = "the attachments of a new message"
        page = self._graph.get(f"{url}?$select=id,size&$top=100", what)
        sizes = [value.get("size") for value in self._graph.pages(page, what)]
        if not all(isinstance(size, int) for size in sizes):
            raise Unavailable(f"{what}: Graph shows one without a size", code="no_json")
        return [int(size) for size in sizes if size is not None]

    def _message(self, id: str) -> str:
        return f"{self._mailbox}/messages/{quote(id, safe='')}"


def _first(body: Mapping[str, Any], attachments: Sequence[Attachment]) -> Sequence[Attachment]:
    """Those that go into the creating request, in their order. TooLarge when the message can't be made at all."""
    if any(size_of(a.content) > BIGGEST for a in attachments):
        raise TooLarge(f"an attachment is over the {BIGGEST} bytes that Outlook takes", code="too_large")
    room = LARGEST - len(encoded({**body, "attachments": []}))
    if room < 0:
        raise TooLarge(f"the text is over the {LARGEST} bytes that one request takes", code="too_large")
    for number, attachment in enumerate(attachments):
        room -= _weight(attachment)
        if room < 0:
            return attachments[:number]
    return attachments
