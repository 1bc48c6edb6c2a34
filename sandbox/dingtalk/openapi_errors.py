"""The open platform's refusals, in the shape of the host that gives them."""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.web import Response


class NewRefusal(Exception):
    """Of the new host: HTTP 4xx or 5xx."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def response(self, chance: Any) -> Response:
        body = {"code": self.code, "requestid": request_id(chance), "message": self.message}
        return Response.of_json(self.status, body)


class OldRefusal(Exception):
    """Of the old host: HTTP 200 always. `wrapped`: the gateway's own refusals of /topapi come inside errcode 88."""

    def __init__(self, code: int, message: str, wrapped: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.wrapped = code, message, wrapped

    def response(self, chance: Any) -> Response:
        body: dict[str, Any] = {"errcode": self.code, "errmsg": self.message, "request_id": request_id(chance)}
        if self.wrapped:
            body |= {"errcode": 88, "sub_code": str(self.code), "sub_msg": self.message}
            body["errmsg"] = f"ding talk error[subcode={self.code},submsg={self.message}]"
        return Response.of_json(200, body)


def request_id(chance: Any) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128))).upper()
