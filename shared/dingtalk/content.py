"""A whole message on its way out of DingTalk: by the REST door, or by IMAP where that one doesn't give all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from shared.dingtalk import mapping
from shared.dingtalk.limits import LARGEST
from shared.dingtalk.mailbox import Mailbox, known
from shared.dingtalk.mime import CALENDAR_TYPES
from shared.dingtalk.parts import taken_apart
from shared.model.errors import NotFound, Refused, TooLarge, Unavailable
from shared.model.mail import Message
from shared.ports.world import Executor

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

TEXTS = ("", "text/plain", "text/html", "multipart/alternative")
"""Content types of messages that hold texts alone, if the vendor counts no attachments."""

Original = Callable[[Json], bytes | None]
"""The bytes of the message that the REST door shows so, None when they can't be had."""


class Contents:
    def __init__(self, mailbox: Mailbox, executor: Executor) -> None:
        self._mailbox, self._executor = mailbox, executor

    def whole(self, id: str, original: Original) -> Message:
        """Refused when attachments are there that are not to be had: a message never crosses without its attachments.
        TooLarge when it is over what one request of the other side takes."""
        shown = self._mailbox.message(id, mapping.WHOLE)
        plain = mapping.message(shown, ())
        listed = self._listed(id, shown, plain)
        if _is_special(shown, listed) and (mime := original(shown)) is not None:
            content = taken_apart(mime)
            message = replace(plain, text=content.text, html=content.html, attachments=content.attachments)
            bound(id, message, [len(one.content) for one in content.attachments])
            return message
        if shown.get("hasAttachments") and not listed:
            raise Refused(f"message {id} has attachments that Alimail doesn't list", code="attachments_hidden")
        return self._downloaded(id, shown, plain, listed)

    def _listed(self, id: str, shown: Json, plain: Message) -> list[Json]:
        """Pictures are asked for even where the vendor counts no attachments, in the text or beside it."""
        holds = mapping.content_type(shown) not in TEXTS or "cid:" in plain.html
        if not shown.get("hasAttachments") and not holds:
            return []
        try:
            return self._mailbox.attachments(id)
        except NotFound as error:
            raise Unavailable(f"message {id} isn't there (any more)", code=error.code) from error

    def _downloaded(self, id: str, shown: Json, plain: Message, listed: Sequence[Json]) -> Message:
        sizes = [mapping.size(one.get("size")) or 0 for one in listed]
        bound(id, plain, sizes)
        calls = [
            partial(self._mailbox.content, id, str(one["id"]), size) for one, size in zip(listed, sizes, strict=True)
        ]
        try:
            contents = [known(content) for content in self._executor.map(calls)]
        except NotFound as error:
            raise Unavailable(f"an attachment of message {id} isn't there (any more)", code=error.code) from error
        bound(id, plain, [len(content) for content in contents])
        attachments = [mapping.attachment(one, content) for one, content in zip(listed, contents, strict=True)]
        return mapping.message(shown, attachments)


def _is_special(shown: Json, listed: Sequence[Json]) -> bool:
    """May a copy made from what the REST door shows lack something? Of several attachments it may hide some,
    and nothing would tell."""
    kinds = [mapping.content_type(shown), *map(mapping.kind_of, listed)]
    return bool(shown.get("hasAttachments")) or any(kind.startswith(SPECIAL) for kind in kinds)


def bound(id: str, message: Message, sizes: Sequence[int]) -> None:
    encoded = len(message.text.encode()) + len(message.html.encode()) + sum((size + 2) // 3 * 4 for size in sizes)
    if encoded > LARGEST:
        raise TooLarge(f"message {id} has {encoded} bytes as encoded, {LARGEST} can be carried", code="size")
