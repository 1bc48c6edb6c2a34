"""A vendor that refuses some messages: what the product's replicas of one side are told of them."""

from __future__ import annotations

from typing import Any

import pytest

from shared.dingtalk.replica import DingTalkMail
from shared.model.errors import Refused, TandemError
from shared.model.mail import Item, Message
from shared.model.words import Side
from shared.outlook.replica import OutlookMail

REPLICAS = {"dingtalk": DingTalkMail, "outlook": OutlookMail}


class Door:
    """While `shut`, copies and changes of messages with the subject "strange" are refused with `error` on this side;
    `tries` counts them."""

    def __init__(self, patch: pytest.MonkeyPatch, side: Side, error: TandemError | None = None) -> None:
        self.tries, self.shut, self.error = 0, True, error or Refused("no", code="ErrorStrange")
        kind: Any = REPLICAS[side]
        create, write = kind.create, kind.write

        def creating(replica: Any, message: Message, **more: Any) -> Any:
            self._pass(message.subject)
            return create(replica, message, **more)

        def writing(replica: Any, item: Item, *more: Any) -> Any:
            self._pass(item.subject)
            return write(replica, item, *more)

        patch.setattr(kind, "create", creating)
        patch.setattr(kind, "write", writing)

    def _pass(self, subject: str) -> None:
        if self.shut and subject == "strange":
            self.tries += 1
            raise self.error
