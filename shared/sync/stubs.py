"""Stubs: small messages that stand in the place of what is too large to be carried.

A stub has the original's sender, subject, date, thread and Message-ID, and is linked like a copy: what is done to the
one is done to the other."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from shared.model.links import Intent, Link
from shared.model.mail import Address, Message
from shared.model.words import other
from shared.sync.match import plan_create
from shared.sync.quarantine import is_original_wanted
from shared.sync.run import Run
from shared.sync.stub_texts import SIDES, TEXTS

MB = 1 << 20


def stub(run: Run, intent: Intent) -> Message:
    """In the pair's language; with original bytes of its own, for a side that is written so."""
    side = other(intent.side)
    head, item = run.replicas[side].head(intent.source), run.read(side, intent.source)
    size = item.size if item is not None else None
    language = run.pair.language if run.pair.language in TEXTS else "en"
    text = TEXTS[language].format(
        size=f"{size / MB:.0f}" if size else f"> {run.policy.large / MB:.0f}",
        side=SIDES[language][side],
        mailbox=run.pair.address(side),
    )
    message = replace(head, text=text + "\n", html="", attachments=())
    return replace(message, mime=_mime(message))


def retry(run: Run, link: Link) -> bool:
    """Plan the original of a stub if somebody asked for it; its copy then takes the stub's place, and the stub goes
    into the trash. If it is too large still, the stub stays."""
    if link.copy is None or link.gone is not None or not is_original_wanted(run, link):
        return False
    source = run.read(other(link.copy), link.end(other(link.copy)).id)
    if source is not None:
        plan_create(run, other(link.copy), source, link.key)
    return source is not None


def _mime(message: Message) -> bytes:
    mime = EmailMessage(policy=SMTP)
    sent = datetime.fromtimestamp(int(message.sent if message.sent is not None else message.received), UTC)
    own = tuple(one for one in (message.from_,) if one is not None)
    sender = tuple(one for one in (message.sender,) if one is not None and one != message.from_)
    headers = {
        "From": _addresses(own),
        "Sender": _addresses(sender),
        "To": _addresses(message.to),
        "Cc": _addresses(message.cc),
        "Reply-To": _addresses(message.reply_to),
        "Subject": message.subject,
        "Date": format_datetime(sent),
        "Message-ID": f"<{message.message_id}>" if message.message_id else "",
        "In-Reply-To": message.in_reply_to,
        "References": message.references,
    }
    for name, value in headers.items():
        with suppress(ValueError, AttributeError, LookupError, TypeError):  # what the library makes of odd ones
            if line := " ".join(value.split()):
                mime[name] = line
    mime.set_content(message.text)
    return mime.as_bytes()


def _addresses(addresses: Iterable[Address]) -> str:
    return ", ".join(formataddr((one.name, one.address)) for one in addresses)
