"""Which item is which, without keeping anything that could be read: keys and keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass

from shared.model.mail import Folder, Item
from shared.model.pairs import Pair
from shared.model.words import Kind, Side

NAMESPACE = uuid.UUID("6c1f6a0e-3b57-5b0e-9c07-7b7a2f5d1a10")


@dataclass(frozen=True, slots=True)
class Identity:
    """Hashes are HMAC-SHA256 with the deployment's key, cut to 128 bits, in hex."""

    secret: bytes
    pair: Pair
    kind: Kind = "mail"

    def key(self, source: Side, id: str) -> str:
        """The mark of the copy that is made of an item: the same in every process and after every restart."""
        boxes = "\n".join((self.pair.outlook.lower(), self.pair.dingtalk.lower(), self.kind, source, id))
        return str(uuid.uuid5(NAMESPACE, boxes))

    def hash(self, *parts: str) -> str:
        return hmac.new(self.secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()[:32]

    def mid(self, item: Item) -> str:
        """By Message-ID; without one by sender, date and subject."""
        if item.message_id:
            return self.hash("message-id", item.message_id)
        return self.hash("no-message-id", item.sender, str(int(item.received)), item.subject)

    def path(self, folder: Folder) -> str:
        return self.hash("path", *folder.path)

    def client_state(self) -> str:
        """What the vendor's notifications for this pair must carry."""
        return self.hash("client-state", self.pair.id, self.kind)
