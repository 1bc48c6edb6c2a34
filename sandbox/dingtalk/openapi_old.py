"""The old host of the open platform (oapi.dingtalk.com): tokens, the directory, and the list of failed callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sandbox.dingtalk.openapi_errors import OldRefusal, request_id
from sandbox.dingtalk.openapi_new import Platform
from sandbox.web import Request, Response


class OldHost:
    """HTTP 200 whatever happened, refusals by `errcode`; a token comes as `?access_token=` and nowhere else."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._routes: dict[tuple[str, str], Callable[[Request], Mapping[str, Any]]] = {
            ("GET", "/gettoken"): self._token,
            ("POST", "/topapi/v2/user/get"): self._user,
            ("POST", "/topapi/user/getbyunionid"): self._user_of_union,
            ("GET", "/call_back/get_call_back_failed_result"): self._failed,
        }

    def handle(self, request: Request) -> Response:
        with self._platform.lock:
            try:
                return Response.of_json(200, {"errcode": 0, "errmsg": "ok", **self._answer(request)})
            except OldRefusal as refusal:
                return refusal.response(self._platform.random)

    def _answer(self, request: Request) -> Mapping[str, Any]:
        handler = self._routes.get((request.method, request.path))
        wrapped = request.path.startswith("/topapi/")
        if handler is None:
            raise OldRefusal(22, "Invalid method", wrapped=False) if wrapped else OldRefusal(404, "no such API")
        if self._platform.is_throttled(f"{request.method} {request.path}"):
            raise OldRefusal(90018, "too many calls in a second", wrapped)
        if handler != self._token and not self._platform.is_token("old", request.query.get("access_token", "")):
            raise OldRefusal(40014, "不合法的access_token", wrapped)
        return handler(request)

    def _token(self, request: Request) -> Mapping[str, Any]:
        query = request.query
        if (query.get("appkey"), query.get("appsecret")) != (self._platform.app_key, self._platform.app_secret):
            raise OldRefusal(40096, "不合法的appKey或appSecret")
        token, life = self._platform.issue("old")
        return {"access_token": token, "expires_in": life}

    def _user(self, request: Request) -> Mapping[str, Any]:
        if not self._platform.switches.directory:
            raise OldRefusal(60011, "没有调用该接口的权限")
        person = self._platform.employees.get(_parameter(request, "userid"))
        if person is None:
            raise OldRefusal(60121, "找不到该用户")
        result = {
            "userid": person.user_id,
            "unionid": person.union_id,
            "name": person.name,
            "avatar": "",
            "job_number": "",
            "title": "",
            "dept_id_list": [1],
            "active": True,
            "hide_mobile": False,
            "exclusive_account": False,
        }
        return {"result": result, "request_id": request_id(self._platform.random)}

    def _user_of_union(self, request: Request) -> Mapping[str, Any]:
        union = _parameter(request, "unionid")
        person = next((p for p in self._platform.employees.values() if p.union_id == union), None)
        if person is None:
            raise OldRefusal(60121, "找不到该用户")
        result = {"contact_type": 0, "userid": person.user_id}
        return {"result": result, "request_id": request_id(self._platform.random)}

    def _failed(self, request: Request) -> Mapping[str, Any]:
        served = self._platform.switches.failed_on in ("old", "both")
        callbacks, more = self._platform.failed() if served else ([], False)
        items = [
            {
                "call_back_tag": callback.tag,
                "event_time": int(callback.since * 1000),
                callback.tag: {**callback.fields, "corpid": self._platform.corp_id},
            }
            for callback in callbacks
        ]
        return {"failed_list": items, "has_more": more}


def _parameter(request: Request, name: str) -> str:
    """A mandatory text of the body, which is JSON or a form."""
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            value = request.json()
        except ValueError:
            value = None
        fields = value if isinstance(value, dict) else {}
    else:
        fields = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    text = fields.get(name)
    if not isinstance(text, str) or not text:
        raise OldRefusal(40035, f"缺少参数 {name}")
    return text
