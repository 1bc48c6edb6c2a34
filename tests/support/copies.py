"""What a copy keeps of each kind of message, found out on the corpus between two simulated mailboxes."""

from __future__ import annotations

import email
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message as Part

from sandbox.dingtalk.person import AliMailbox
from sandbox.truth import Stored
from shared.model.words import SIDES, Side, other
from tests.support.corpus import corpus
from tests.support.scene import ADDRESS, Scene

LOST_TRACE = "trace headers lost"


@dataclass(frozen=True, slots=True)
class Copy:
    """An original's bytes, its copy as the mailbox shows it, and the copy's bytes (None: it has none of its own)."""

    original: bytes
    source: Stored
    shown: Stored
    mime: bytes | None


def copies() -> Mapping[Side, Mapping[str, Copy]]:
    """By the side of the original and the name in the corpus."""
    return {side: _copied(side) for side in SIDES}


def _copied(side: Side) -> Mapping[str, Copy]:
    scene = Scene()
    letters = corpus(ADDRESS[side], scene.world.now - 60)
    for mime in letters.values():
        scene.box(side).deliver(mime)
    scene.run(900)
    return {name: _one(scene, side, mime) for name, mime in letters.items()}


def _one(scene: Scene, side: Side, original: bytes) -> Copy:
    head = email.message_from_bytes(original)
    id, subject = str(head["message-id"] or "").strip("<>"), str(head["subject"] or "")
    (source,), (shown,) = (
        [m for m in scene.box(s).messages() if (m.message_id == id if id else m.subject == subject)]
        for s in (side, other(side))
    )
    box = scene.box("dingtalk")
    assert isinstance(box, AliMailbox)
    message = box.store.items.get(shown.id)
    return Copy(original, source, shown, message.mime if message else None)


# ---- what became of it
def findings(copy: Copy) -> list[str]:
    """What the copy keeps of the bytes, and what it lacks."""
    if copy.mime is not None and copy.mime.partition(b"\r\n")[2] == copy.original:
        return ["every byte"]
    found = [] if _has_trace(copy) else [LOST_TRACE]
    head = email.message_from_bytes(copy.original)
    parts = list(_leaves(head))
    kinds = [part.get_content_type() for part in parts]
    if {"text/plain", "text/html"} <= set(kinds) and copy.shown.html and not copy.shown.text:
        found.append("text beside the HTML lost")
    if head.get_content_type() in ("multipart/signed",) and copy.mime is None:
        found.append("signature kept as a file, no longer valid")
    if head.get_content_type() == "application/pkcs7-mime" and copy.mime is None:
        found.append("encrypted content kept as a file")
    if "text/calendar" in kinds:
        found.append("invitation as `invite.ics` without METHOD")
    if "message/rfc822" in kinds and copy.mime is None:
        found.append("attached message as an `.eml` file")
    if head["disposition-notification-to"]:
        found.append("request for a receipt renamed" if copy.mime else "request for a receipt left out")
    if not head["message-id"]:
        found.append("Message-ID made up by the mailbox" if copy.shown.message_id else "still without a Message-ID")
    return [*found, *_changed(copy), *_missing(copy, parts)]


SAME = ("subject", "sender", "to", "cc", "sent_at", "in_reply_to", "read", "flag", "important", "html")


def _changed(copy: Copy) -> list[str]:
    names = [name for name in SAME if getattr(copy.shown, name) != getattr(copy.source, name)]
    late = abs(copy.shown.received_at - copy.source.received_at) > 1
    text = copy.shown.text and copy.shown.text.strip() != copy.source.text.strip()
    return [f"{name} changed" for name in [*names, *["date"] * late, *["text"] * bool(text)]]


def _has_trace(copy: Copy) -> bool:
    return copy.mime is not None and b"\r\nDKIM-Signature: " in copy.mime


def _missing(copy: Copy, parts: list[Part]) -> list[str]:
    """Files whose bytes the copy has not. Calendars change, and are told apart by their name."""
    there = Counter(one.sha256 for one in copy.shown.attachments)
    missing = [kind for kind, sha in _files(copy.original, parts) if not there[sha]]
    return [f"`{kind}` lost" for kind in missing]


def _files(original: bytes, parts: list[Part]) -> Iterator[tuple[str, str]]:
    texts = set[str]()
    for part in parts:
        kind = part.get_content_type()
        attached = part.get_content_disposition() == "attachment" or part.get_filename() is not None
        if kind in ("text/plain", "text/html") and kind not in texts and not attached:
            texts.add(kind)
        elif kind != "text/calendar":
            yield kind, hashlib.sha256(_content(original, part)).hexdigest()


def _content(original: bytes, part: Part) -> bytes:
    """Of a `message/...` part, which stands there as it is, what is between its header and the next boundary."""
    if part.get_content_maintype() == "message":
        head = original.index(f"Content-Type: {part.get_content_type()}\r\n".encode())
        start = original.index(b"\r\n\r\n", head) + 4
        return original[start : original.index(b"\r\n--b0undary", start)]
    value = part.get_payload(decode=True)
    return value if isinstance(value, bytes) else b""


def _leaves(part: Part) -> Iterator[Part]:
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        for child in part.get_payload():
            yield from _leaves(child)  # type: ignore[arg-type]
    else:
        yield part


def table(made: Mapping[Side, Mapping[str, Copy]]) -> str:
    """For people: a row for each kind of message."""
    return "".join(
        f"| {name} | {_cell(made['outlook'][name])} | {_cell(made['dingtalk'][name])} |\n" for name in made["outlook"]
    )


def _cell(copy: Copy) -> str:
    return "; ".join(findings(copy)) or "everything"
