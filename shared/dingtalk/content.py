"""A whole message on its way out of DingTalk: by the REST door, or by IMAP where that one doesn't give all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from shared.dingtalk import mapping
from shared.dingtalk.large import taken_apart_large
from shared.dingtalk.limits import LARGEST
from shared.dingtalk.mailbox import Mailbox
from shared.dingtalk.mime import CALENDAR_TYPES
from shared.dingtalk.parts import Content, taken_apart
from shared.model.errors import NotFound, Refused, TooLarge, Unavailable
from shared.model.mail import Message
from shared.model.spooled import LARGEST_ENCODED, size_of, whole
from shared.model.spooled import Content as Bytes
from shared.ports.world import Executor, Into, Spool

Json = Any

SPECIAL = (
    "multipart/signed",
    "multipart/encrypted",
    "multipart/report",
    "multipart/mixed",
    "multipart/digest",
    "application/pkcs7-",
    "application/x-pkcs7-",
    "application/pgp-",
    "application/ms-tnef",
    "message/",
    *CALENDAR_TYPES,
)
"""Beginnings of content types whose bytes matter, or which no listing of attachments shows whole."""

IN_MEMORY = 3_000_000
"""Bytes of attachments that are held in memory together."""

TEXTS = ("", "text/plain", "text/html", "multipart/alternative")
"""Content types of messages that hold texts alone, if the vendor counts no attachments."""

ROOM = 4_000_000
"""Characters of texts that are kept until they are fetched."""

Original = Callable[[Json, Into | None], Bytes | None]
"""The bytes of the message that the REST door shows so, None when they can't be had. A large one goes where the second
argument says; TooLarge when it is over that, or there is none."""


class Contents:
    """`largest`: bytes, as encoded, of a message that may be fetched into a spool."""

    def __init__(self, mailbox: Mailbox, executor: Executor, largest: int = LARGEST_ENCODED) -> None:
        self._mailbox, self._executor, self._largest = mailbox, executor, largest
        self._kept: dict[str, Json] = {}
        self._room = ROOM

    def keep(self, id: str, shown: Json | None) -> None:
        """A message as a read of everything has just shown it, for when it is fetched, or None: it was read anew. Where
        there is no room for it, it is read then."""
        self._room += _weight(self._kept.pop(id, None))
        if shown is not None and (weight := _weight(shown)) <= self._room:
            self._kept[id] = shown
            self._room -= weight

    def forget(self) -> None:
        """What was kept and not fetched."""
        self._kept.clear()
        self._room = ROOM

    def _shown(self, id: str) -> Json:
        shown = self._kept.get(id)
        self.keep(id, None)
        return self._mailbox.message(id, mapping.WHOLE) if shown is None else shown

    def whole(self, id: str, original: Original, spool: Spool | None = None) -> Message:
        """Refused when attachments are there that are not to be had: a message never crosses without its attachments.
        TooLarge when it is over what one request of the other side takes and there is no spool, or over `largest`."""
        shown = self._shown(id)
        plain = mapping.message(shown, ())
        listed = self._listed(id, shown, plain)
        into = Into(spool, self._largest) if spool else None
        if _is_special(shown, listed) and (mime := original(shown, into)) is not None:
            content = _taken_apart(mime, into)
            message = replace(plain, text=content.text, html=content.html, attachments=content.attachments)
            bound(id, message, [size_of(one.content) for one in content.attachments], self._most(into))
            return message
        if shown.get("hasAttachments") and not listed:
            raise Refused(f"message {id} has attachments that Alimail doesn't list", code="attachments_hidden")
        return self._downloaded(id, shown, plain, listed, into)

    def _most(self, into: Into | None) -> int:
        return into.most if into else LARGEST

    def _listed(self, id: str, shown: Json, plain: Message) -> list[Json]:
        """Pictures are asked for even where the vendor counts no attachments, in the text or beside it."""
        holds = mapping.content_type(shown) not in TEXTS or "cid:" in plain.html
        if not shown.get("hasAttachments") and not holds:
            return []
        try:
            return self._mailbox.attachments(id)
        except NotFound as error:
            raise Unavailable(f"message {id} isn't there (any more)", code=error.code) from error

    def _downloaded(self, id: str, shown: Json, plain: Message, listed: Sequence[Json], into: Into | None) -> Message:
        """Several at a time as long as they fit into memory together, else one after the other into the spool."""
        sizes = [mapping.size(one.get("size")) or 0 for one in listed]
        bound(id, plain, sizes, self._most(into))
        large = into if sum(sizes) > IN_MEMORY else None
        calls: list[Callable[[], Bytes]] = [
            partial(self._mailbox.content, id, str(one["id"]), size, large)
            for one, size in zip(listed, sizes, strict=True)
        ]
        try:
            contents = self._all(calls, one_by_one=large is not None)
        except NotFound as error:
            raise Unavailable(f"an attachment of message {id} isn't there (any more)", code=error.code) from error
        bound(id, plain, [size_of(content) for content in contents], self._most(into))
        attachments = [mapping.attachment(one, content) for one, content in zip(listed, contents, strict=True)]
        return mapping.message(shown, attachments)

    def _all(self, calls: Sequence[Callable[[], Bytes]], one_by_one: bool) -> list[Bytes]:
        if one_by_one:
            return [call() for call in calls]
        contents = list[Bytes]()
        for content in self._executor.map(calls):
            if isinstance(content, Exception):
                raise content
            contents.append(content)
        return contents


def _taken_apart(mime: Bytes, into: Into | None) -> Content:
    if into is None or isinstance(mime, bytes):
        return taken_apart(whole(mime))
    return taken_apart_large(mime, into.spool)


def _weight(shown: Json | None) -> int:
    body = (shown or {}).get("body") or {}
    return sum(len(str(text)) for text in body.values()) + 1000 if shown else 0


def _is_special(shown: Json, listed: Sequence[Json]) -> bool:
    """May a copy made from what the REST door shows lack something? Of several attachments it may hide some,
    and nothing would tell."""
    kinds = [mapping.content_type(shown), *map(mapping.kind_of, listed)]
    return bool(shown.get("hasAttachments")) or any(kind.startswith(SPECIAL) for kind in kinds)


def bound(id: str, message: Message, sizes: Sequence[int], most: int = LARGEST) -> None:
    encoded = len(message.text.encode()) + len(message.html.encode()) + sum((size + 2) // 3 * 4 for size in sizes)
    if encoded > most:
        raise TooLarge(f"message {id} has {encoded} bytes as encoded, {most} can be carried", code="size")
