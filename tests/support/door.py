"""A vendor that refuses some messages: what the product's replicas of one side are told of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from shared.dingtalk.replica import DingTalkMail
from shared.model.errors import Refused, TandemError
from shared.model.mail import Created, Item, Message
from shared.model.words import Side
from shared.outlook.replica import OutlookMail
from shared.ports.replica import Copy

REPLICAS = {"dingtalk": DingTalkMail, "outlook": OutlookMail}


class Door:
    """While `shut`, copies and changes of messages with the subject "strange" are refused with `error` on this side;
    `tries` counts them."""

    def __init__(self, patch: pytest.MonkeyPatch, side: Side, error: TandemError | None = None) -> None:
        self.tries, self.shut, self.error = 0, True, error or Refused("no", code="ErrorStrange")
        kind: Any = REPLICAS[side]
        create, create_many, write = kind.create, kind.create_many, kind.write

        def creating(replica: Any, message: Message, **more: Any) -> Any:
            self._pass(message.subject)
            return create(replica, message, **more)

        def creating_many(replica: Any, copies: Sequence[Copy]) -> list[Created | TandemError]:
            refused = {n: error for n, copy in enumerate(copies) if (error := self._refusal(copy)) is not None}
            rest = iter(create_many(replica, [copy for n, copy in enumerate(copies) if n not in refused]))
            return [refused[n] if n in refused else next(rest) for n in range(len(copies))]

        def writing(replica: Any, item: Item, *more: Any) -> Any:
            self._pass(item.subject)
            return write(replica, item, *more)

        patch.setattr(kind, "create", creating)
        patch.setattr(kind, "create_many", creating_many)
        patch.setattr(kind, "write", writing)

    def _refusal(self, copy: Copy) -> TandemError | None:
        try:
            self._pass(copy.message.subject)
        except TandemError as error:
            return error
        return None

    def _pass(self, subject: str) -> None:
        if self.shut and subject == "strange":
            self.tries += 1
            raise self.error
