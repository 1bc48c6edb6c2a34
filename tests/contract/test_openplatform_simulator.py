"""The simulated open platform against the vendor's own client library, which knows nothing of ours."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from alibabacloud_dingtalk.event_1_0 import models as event_models
from alibabacloud_dingtalk.event_1_0.client import Client as EventClient
from alibabacloud_dingtalk.oauth2_1_0 import models as oauth_models
from alibabacloud_dingtalk.oauth2_1_0.client import Client as OAuthClient
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions
from Tea.exceptions import TeaException

from sandbox.dingtalk import DingTalkOpen, OpenServer, OpenSwitches
from sandbox.web import Request, Response, Server
from tests.support.openplatform import AES_KEY, APP, CORP, SECRET, TOKEN
from tests.unit.test_openplatform_simulator import App


class Clock:
    """This machine's, and whatever was added to it."""

    def __init__(self) -> None:
        self.more = 0.0

    def __call__(self) -> float:
        return time.time() + self.more


class Served:
    def __init__(self) -> None:
        self.clock = Clock()
        self.platform = DingTalkOpen(
            clock=self.clock,
            random=random.Random(1),
            corp_id=CORP,
            app_key=APP,
            app_secret=SECRET,
            switches=OpenSwitches(event_timeout=0.3, handshake_timeout=1.5),
        )
        self.platform.hire("u-1", "union-1", "Anna")
        self.server = OpenServer(self.platform)
        config = Config(protocol="http", endpoint=self.server.api_url.removeprefix("http://"))
        self.oauth, self.event = OAuthClient(config), EventClient(config)

    def token(self, secret: str = SECRET) -> str:
        request = oauth_models.GetAccessTokenRequest(app_key=APP, app_secret=secret)
        return str(self.oauth.get_access_token(request).body.access_token)

    def failed(self, token: str) -> Any:
        headers = event_models.GetCallBackFaileResultHeaders(x_acs_dingtalk_access_token=token)
        request = event_models.GetCallBackFaileResultRequest(begin_time=0, end_time=int(self.clock() * 1000))
        return self.event.get_call_back_faile_result_with_options(request, headers, RuntimeOptions()).body


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.server.close()


def test_it_gets_a_token_and_the_same_again(served: Served) -> None:
    assert served.token() == served.token()
    request = oauth_models.GetTokenRequest(client_id=APP, client_secret=SECRET, grant_type="client_credentials")
    assert served.oauth.get_token(CORP, request).body.access_token == served.token()


def test_it_understands_the_refusals(served: Served) -> None:
    with pytest.raises(TeaException) as wrong:
        served.token("x")
    assert wrong.value.code == "invalidClientIdOrSecret"
    with pytest.raises(TeaException) as stale:
        served.failed("stale")
    assert (stale.value.code, stale.value.statusCode) == ("InvalidAuthentication", 400)


def test_it_reads_the_callbacks_that_failed_once(served: Served) -> None:
    """Over real sockets: the app is too slow for the events, three times each."""
    app, slow = App(), threading.Event()
    ends: list[Any] = []

    class Answering:
        def handle(self, request: Request) -> Response:
            status, body = app(request.target, request.body, 0)
            if slow.is_set():
                ends.append(slow_until.wait(2))
            return Response(status, {}, body)

    slow_until = threading.Event()
    answering = Server(Answering())
    try:
        served.server.configure(f"{answering.url}/callback", TOKEN, AES_KEY)
        served.platform.rename("u-1", "Anna Chan")
        _until(lambda: served.platform.answers == ["ok"])
        slow.set()
        served.platform.leave("u-1")
        for attempts in (2, 3, 4):
            _until(partial(_answered, served, attempts))
            served.clock.more += 31
        served.clock.more += 300
    finally:
        slow_until.set()
        answering.close()
    assert served.platform.answers == ["ok"] + ["no answer in time"] * 3
    token = served.token()
    first = served.failed(token)
    assert [(item.call_back_tag, item.corp_id) for item in first.failed_list] == [("user_leave_org", CORP)]
    assert '"userId": ["u-1"]' in first.failed_list[0].call_back_data
    assert not served.failed(token).failed_list


def _answered(served: Served, times: int) -> bool:
    return len(served.platform.answers) == times


def _until(condition: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
