"""The mail system between the simulated vendors: a sent copy to the sender, a delivery to each account it reaches."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses

from sandbox.truth import Mailbox


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that now stands in the mailbox of `address`; `message_id` without brackets."""

    address: str
    id: str
    message_id: str
    sent: bool


class Post:
    """`mailboxes` by address, of both vendors. Whatever goes elsewhere leaves the stage."""

    def __init__(self, mailboxes: Mapping[str, Mailbox]) -> None:
        self._mailboxes = {address.lower(): mailbox for address, mailbox in mailboxes.items()}

    def send(self, mime: bytes, undelivered: Collection[str] = ()) -> list[Delivered]:
        """Deliver RFC 5322 bytes to whoever stands in To, Cc and Bcc, but for the addresses in `undelivered`.

        The sender's own mailbox gets its sent copy first, read, in the folder for sent mail."""
        letter = message_from_bytes(mime)
        sender = _addresses(letter, "from")
        recipients = [a for a in _addresses(letter, "to", "cc", "bcc") if a not in undelivered]
        message_id = str(letter["message-id"]).strip().strip("<>")
        done = []
        for address in sender:
            if mailbox := self._mailboxes.get(address):
                done.append(
                    Delivered(address, mailbox.deliver(mime, mailbox.role("sent"), read=True), message_id, True)
                )
        for address in recipients:
            if mailbox := self._mailboxes.get(address):
                done.append(Delivered(address, mailbox.deliver(mime), message_id, False))
        return done


def _addresses(letter: Message, *names: str) -> list[str]:
    """Bare, in lower case, each once, in order."""
    values = [str(value) for name in names for value in letter.get_all(name, [])]
    return list(dict.fromkeys(address.lower() for _, address in getaddresses(values) if address))
