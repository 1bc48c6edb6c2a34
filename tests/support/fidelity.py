"""What a copy keeps of awkward messages, found out between two simulated mailboxes."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.dingtalk.person import AliMailbox
from sandbox.simulation.world import EPOCH
from sandbox.truth import Stored
from shared.model.words import Side, other
from tests.support.awkward import Letter, crlf, singles
from tests.support.scene import ADDRESS, Scene

AT_ONCE = 40
"""Letters in one scene; more make every look at the mailbox longer."""


_ASKS = re.compile(
    rb"(?im)^(disposition-notification-to|return-receipt-to|x-confirm-reading-to|generate-delivery-report)[ \t]*:"
)


@dataclass(frozen=True, slots=True)
class Carried:
    """A letter as its mailbox shows it, and its copy (None: there is none) with its bytes where it has its own."""

    letter: Letter
    source: Stored
    shown: Stored | None
    mime: bytes | None = None


def each_feature(side: Side) -> list[Carried]:
    """A letter for each feature, delivered to this side."""
    return carried(side, singles(ADDRESS[side], EPOCH))


def carried(side: Side, letters: Sequence[Letter]) -> list[Carried]:
    """What has become of letters that were delivered to `side`, after a while. Nothing may be sent for any of them."""
    return [one for start in range(0, len(letters), AT_ONCE) for one in _at_once(side, letters[start:][:AT_ONCE])]


def _at_once(side: Side, letters: Sequence[Letter]) -> list[Carried]:
    scene = Scene()
    ids = [scene.box(side).deliver(letter.mime) for letter in letters]
    scene.run(1500)
    assert scene.mail_sent() == 0
    here, there = ({one.id: one for one in scene.box(s).messages()} for s in (side, other(side)))
    ends = {row[side]["id"]: row[other(side)]["id"] for row in scene.rows("l:")}
    return [
        Carried(letter, here[id], there.get(ends.get(id, "")), _bytes(scene, ends.get(id, "")))
        for id, letter in zip(ids, letters, strict=True)
    ]


def _bytes(scene: Scene, id: str) -> bytes | None:
    box = scene.box("dingtalk")
    assert isinstance(box, AliMailbox)
    message = box.store.items.get(id)
    return message.mime if message else None


# ---- what became of it
WORDS = {
    "line ends": "every line ends with CRLF",
    "headers renamed": "that header is called `X-Tandem-...`",
    "invitation": "the invitation is `invite.ics` without METHOD",
    "receipt": "no receipt is asked for",
    "signature": "the signature is a file and no longer valid",
    "no Date": "the date is that of its arrival",
    "Date before 1970": "the date is the first second of 1970",
    "no address": "what is no address is left out",
    "text beside HTML": "the text beside the HTML is lost",
    "text of no part": "what stands outside any part is the text",
}
"""What may become of a message that is otherwise the same. Anything else is a defect."""


def losses(one: Carried) -> list[str]:
    """Keys of WORDS, or what went wrong."""
    if one.shown is None:
        return ["not copied"]
    if one.mime is not None:
        return _of_bytes(one.letter.mime, one.mime)
    found = [
        *_of_fields(one.source, one.shown),
        *_of_asking(one.letter.mime, one.shown),
        *_of_texts(one),
        *_of_files(one),
    ]
    return sorted(set(found))


def _of_bytes(original: bytes, copy: bytes) -> list[str]:
    line, _, rest = copy.partition(b"\r\n")
    if not line.startswith(b"X-Tandem-Key: "):
        return ["no key on top"]
    whole, found = crlf(original), ["line ends"] * (crlf(original) != original)
    named = re.sub(rb"(?m)^X-Tandem-(?!Former|Key)", b"", rest).replace(b"X-Tandem-Former-Key", b"X-Tandem-Key")
    if named != rest:
        found.append("headers renamed")
    if named.lower() == whole.lower():
        return found
    invites = b"application/ics" in rest
    return [*found, "invitation"] if invites and _outside(named) == _outside(whole) else [*found, "bytes"]


def _outside(mime: bytes) -> list[bytes]:
    """The lines that no calendar part is made of, in lower case."""
    parts = re.split(rb"(?m)^(?=--)", mime.lower())
    return [part.rstrip() for part in parts if b"text/calendar" not in part and b"application/ics" not in part]


def _of_fields(source: Stored, shown: Stored) -> list[str]:
    same = ("subject", "sender", "in_reply_to", "read", "flag", "important")
    found = [word for word in same if getattr(source, word) != getattr(shown, word)]
    if source.message_id and source.message_id != shown.message_id:
        found.append("message_id")
    if int(source.received_at) != int(shown.received_at):
        found.append("received")
    return [*found, *_of_recipients(source, shown), *_of_date(source, shown)]


def _of_recipients(source: Stored, shown: Stored) -> list[str]:
    if (source.to, source.cc) == (shown.to, shown.cc):
        return []
    kept = tuple(tuple(one for one in some if "@" in one) for some in (source.to, source.cc))
    return ["no address" if kept == (shown.to, shown.cc) else "recipients"]


def _of_date(source: Stored, shown: Stored) -> list[str]:
    at, then = source.sent_at, shown.sent_at
    if at is None:
        return ["no Date"] if then == int(source.received_at) else ["date"]
    if at < 0:
        return ["Date before 1970"] if then == 0 else ["date"]
    return ["date"] * (then is None or int(at) != int(then))


def _of_asking(mime: bytes, shown: Stored) -> list[str]:
    found = ["invitation"] * any(each.name == "invite.ics" for each in shown.attachments)
    found += ["signature"] * bool(re.search(rb"(?i)multipart/signed", mime))
    return [*found, *["receipt"] * bool(_ASKS.search(mime))]


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.replace("\r", "\n").split("\n") if line.strip()).strip()


def _of_texts(one: Carried) -> list[str]:
    """What was put in, or what the vendor takes it for."""
    assert one.shown is not None
    text, html = _lines(one.shown.text), _lines(one.shown.html)
    texts = {_lines(said) for said in (one.letter.text, one.source.text) if said is not None}
    htmls = {_lines(said) for said in (one.letter.html, one.source.html) if said is not None}
    found = [] if html in htmls else ["html"]
    if text in texts:
        return found
    if html and not text:
        return [*found, "text beside HTML"]
    partless = "" in texts and any(each.content_type.startswith("multipart/") for each in one.source.attachments)
    return [*found, "text of no part" if partless and text in _lines(one.letter.mime.decode()) else "text"]


def _of_files(one: Carried) -> list[str]:
    assert one.shown is not None
    there = Counter(each.sha256 for each in one.shown.attachments)
    if one.letter.files is None:
        shown = [each.sha256 for each in one.source.attachments if not each.content_type.startswith("multipart/")]
        return ["files"] * bool(Counter(shown) - there)
    names = {each.name for each in one.shown.attachments}
    wanted = Counter(hashlib.sha256(each.content).hexdigest() for each in one.letter.files)
    renamed = any(each.name is not None and each.name not in names for each in one.letter.files)
    return ["files"] * bool(wanted - there) + ["file names"] * renamed
