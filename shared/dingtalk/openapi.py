"""DingTalk's open platform, as far as it is used: the organisation's directory.

The directory is read on the old host (`/topapi`), which takes the token in the query and answers HTTP 200 whatever
happened (DingTalk: server-api-error-codes-1). Called by workers only, never by a trigger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from shared.dingtalk.openapi_errors import TOKEN, code_of, failure
from shared.dingtalk.openapi_quota import Counts
from shared.dingtalk.openapi_tokens import AppTokens
from shared.model.errors import NotFound, Unavailable
from shared.ports.world import HttpRequest, Transport, TransportError
from shared.sync.events import User

Json = Mapping[str, Any]
EMPLOYEE = 0


class OpenApi:
    """A `shared.sync.events.Directory`. `old_url`: the old API's address. Raises Unavailable, Throttled, NotPermitted,
    NotFound or Refused."""

    def __init__(self, transport: Transport, tokens: AppTokens, quota: Counts, old_url: str, timeout: float) -> None:
        self._transport, self._tokens, self._quota = transport, tokens, quota
        self._url, self._timeout = old_url, timeout

    def user(self, id: str) -> User:
        """DingTalk: query-user-details; not metered."""
        answer = self._old("a person", "/topapi/v2/user/get", {"userid": id}, metered=False)
        return User(_text(answer, "userid") or id, _text(answer, "unionid"), _text(answer, "name"))

    def user_of_union(self, union_id: str) -> User:
        """DingTalk: user/getbyunionid; not metered. NotFound for external contacts, who have no account here."""
        answer = self._old("a user id", "/topapi/user/getbyunionid", {"unionid": union_id}, metered=False)
        if answer.get("contact_type", EMPLOYEE) != EMPLOYEE or not _text(answer, "userid"):
            raise NotFound("DingTalk knows this person as an external contact only")
        return self.user(_text(answer, "userid"))

    def _old(self, what: str, path: str, body: Json, *, metered: bool) -> Json:
        """`result` of a successful answer. A token that is refused is renewed once."""
        token = self._tokens.token()
        answer = self._once(what, path, body, token, metered)
        if code_of(answer) in TOKEN:
            answer = self._once(what, path, body, self._tokens.token(refused=token), metered)
        if error := failure(what, answer):
            raise error
        result = answer.get("result")
        if not isinstance(result, dict):
            raise Unavailable(f"DingTalk answered {what} without a result", code="no_result")
        return result

    def _once(self, what: str, path: str, body: Json, token: str, metered: bool) -> Json:
        self._quota.count(metered=metered)
        url = f"{self._url}{path}?{urlencode({'access_token': token})}"
        content, headers = json.dumps(body).encode(), {"content-type": "application/json"}
        try:
            response = self._transport.send(HttpRequest("POST", url, headers, content, self._timeout))
        except TransportError as error:
            raise Unavailable(f"DingTalk gave no answer to {what}") from error
        try:
            answer = json.loads(response.body)
        except ValueError:
            answer = None
        if response.status != 200 or not isinstance(answer, dict):
            raise Unavailable(
                f"DingTalk answered {what} with status {response.status} and no result", code=str(response.status)
            )
        return answer


def _text(answer: Json, name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""
