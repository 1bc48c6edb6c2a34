"""App tokens by msal, on our own transport."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import pytest

from shared.model.errors import SignInRefused, Unavailable
from shared.outlook.tokens import AppTokens
from shared.ports.world import HttpRequest, HttpResponse, TransportError
from shared.wiring.world import hush
from tests.support.graph import StillClock, answer

PUBLIC = "https://login.microsoftonline.com"
LOOPBACK = "http://127.0.0.1:7007"


class Login:
    """A sign-in service at `url`. `token` and `openid` replace what it says."""

    def __init__(self, url: str = PUBLIC, token: Any = None, openid: Any = None) -> None:
        self.url, self.token, self.openid = url, token, openid
        self.clock = StillClock()
        self.requests: list[HttpRequest] = []
        self.tokens = AppTokens(self, self.clock, url + "/", "tenant", "client", "the secret", Lock())

    def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        if request.method == "GET":
            return self._say(self.openid, self._configuration())
        return self._say(self.token, {"access_token": f"t{self.asked}", "expires_in": 3600, "token_type": "Bearer"})

    @property
    def asked(self) -> int:
        return sum(request.method == "POST" for request in self.requests)

    def _configuration(self) -> dict[str, str]:
        root = f"{self.url}/tenant"
        return {
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "issuer": f"{root}/v2.0",
        }

    def _say(self, given: Any, usual: Any) -> HttpResponse:
        if isinstance(given, Exception):
            raise given
        return given if isinstance(given, HttpResponse) else answer(200, usual)


@pytest.mark.parametrize("url", [PUBLIC, LOOPBACK])
def test_a_token_is_asked_for_with_the_secret_and_only_at_the_login_url(url: str) -> None:
    login = Login(url)
    assert login.tokens.token() == "t1"
    assert {request.url.partition("/tenant")[0] for request in login.requests} == {url}
    form = login.requests[-1].body.decode()
    assert "client_secret=the+secret" in form
    assert "grant_type=client_credentials" in form
    assert "scope=https%3A%2F%2Fgraph.microsoft.com%2F.default" in form


def test_a_token_is_kept_until_five_minutes_before_its_end() -> None:
    login = Login()
    assert login.tokens.token() == "t1"
    login.clock.at += 3299
    assert login.tokens.token() == "t1"
    login.clock.at += 2
    assert login.tokens.token() == "t2"


def test_a_refused_token_is_replaced_at_once() -> None:
    login = Login()
    assert [login.tokens.token(), login.tokens.renew(), login.tokens.token()] == ["t1", "t2", "t2"]


@pytest.mark.parametrize("life", [0, None])
def test_a_token_without_a_life_is_used_once(life: int | None) -> None:
    login = Login(token=answer(200, {"access_token": "t", "expires_in": life or 0, "token_type": "Bearer"}))
    assert [login.tokens.token(), login.tokens.token()] == ["t", "t"]
    assert login.asked == 2


def refused(error: str, *numbers: int) -> HttpResponse:
    said = {"error": error, "error_description": f"AADSTS{numbers}: secret words", "error_codes": list(numbers)}
    return answer(401, said)


@pytest.mark.parametrize(
    ("given", "code", "what"),
    [
        (refused("invalid_client", 7000215), "AADSTS7000215", "check tenant, client id and secret"),
        (refused("invalid_client", 7000222), "AADSTS7000222", "the client secret has expired: make a new one"),
        (refused("invalid_client", 700027), "AADSTS700027", "has expired: upload the present one"),
        (refused("invalid_client", 700213), "AADSTS700213", "the federated credential"),
        (refused("unauthorized_client", 700016), "AADSTS700016", "check tenant and client id"),
        (refused("invalid_scope", 1002012), "AADSTS1002012", "check tenant, client id and credential"),
        (refused("invalid_client"), "invalid_client", "check tenant, client id and credential"),
        (answer(401, {"error": "invalid_client", "error_codes": "?"}), "invalid_client", "check tenant"),
    ],
)
def test_a_refusal_of_the_app_says_what_to_do(given: HttpResponse, code: str, what: str) -> None:
    with pytest.raises(SignInRefused, match=what) as caught:
        Login(token=given).tokens.token()
    assert (caught.value.code, caught.value.scope, caught.value.retryable) == (code, "app", False)
    assert "secret words" not in str(caught.value)


def test_a_refusal_stands_for_five_minutes_without_asking_again(caplog: pytest.LogCaptureFixture) -> None:
    login = Login(token=refused("invalid_client", 7000222))
    for passed, left in ((0, 300), (100, 200), (199, 1)):
        login.clock.at += passed
        for ask in (login.tokens.token, login.tokens.renew):
            with pytest.raises(SignInRefused, match="has expired") as caught:
                ask()
            assert (caught.value.code, caught.value.retry_after) == ("AADSTS7000222", left)
    assert login.asked == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "the client secret has expired: make a new one" in caplog.text
    login.clock.at += 1
    login.token = None
    assert login.tokens.token() == "t2"


def test_one_thread_fetches_the_token_for_all() -> None:
    login = Login()
    with ThreadPoolExecutor(8) as pool:
        assert {future.result() for future in [pool.submit(login.tokens.token) for _ in range(32)]} == {"t1"}
    login.token = refused("invalid_client", 7000222)
    login.clock.at += 3600
    with ThreadPoolExecutor(8) as pool:
        failed = [pool.submit(login.tokens.token).exception() for _ in range(32)]
    assert {type(error) for error in failed} == {SignInRefused}
    assert login.asked == 2


def test_a_passing_trouble_is_not_remembered() -> None:
    login = Login(token=answer(503, {"error": "x"}))
    with pytest.raises(Unavailable):
        login.tokens.token()
    login.token = None
    assert login.tokens.token() == "t2"


def test_an_assertion_that_is_not_to_be_had_is_asked_for_once() -> None:
    login = Login()
    calls: list[str] = []

    def none_here() -> str:
        calls.append("asked")
        raise SignInRefused("no identity here", code="no_identity")

    tokens = AppTokens(login, login.clock, PUBLIC, "tenant", "client", {"client_assertion": none_here}, Lock())
    for _ in range(3):
        with pytest.raises(SignInRefused, match="no identity here"):
            tokens.token()
    assert (calls, login.asked) == (["asked"], 0)


def test_an_unknown_tenant_is_a_matter_of_settings() -> None:
    login = Login(openid=answer(400, {"error": "invalid_tenant", "error_description": "Tenant not found"}))
    with pytest.raises(SignInRefused, match="tenant") as caught:
        login.tokens.token()
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("where", ["token", "openid"])
@pytest.mark.parametrize(
    "given",
    [
        TransportError("no complete answer"),
        answer(503, {"error": "x"}),
        answer(500, b"oops"),
        answer(429, {"error": "x"}),
        answer(200, b"<html>"),
        answer(302, b""),
    ],
    ids=["lost", "503", "500", "429", "no JSON", "elsewhere"],
)
def test_a_service_that_is_not_well_is_asked_again_later(where: str, given: Any) -> None:
    login = Login(**{where: given})
    with pytest.raises(Unavailable):
        login.tokens.token()


@pytest.mark.parametrize("where", ["token", "openid"])
def test_an_answer_that_cannot_be_read_is_in_no_log(where: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    hush()  # as the product does when it is built
    given: Any = {where: answer(200, b'{"access_token": "a live one')}
    with pytest.raises(Unavailable):
        Login(**given).tokens.token()
    assert "a live one" not in caplog.text


@pytest.mark.parametrize("word", ["temporarily_unavailable", "server_error"])
def test_a_passing_refusal_is_no_matter_of_rights(word: str) -> None:
    with pytest.raises(Unavailable):
        Login(token=answer(400, {"error": word})).tokens.token()


def test_the_secret_goes_to_no_other_host() -> None:
    elsewhere = {"token_endpoint": "https://evil.example/token", "authorization_endpoint": f"{PUBLIC}/a", "issuer": "x"}
    login = Login(openid=answer(200, elsewhere))
    with pytest.raises(Unavailable):
        login.tokens.token()
    assert login.asked == 0


def test_a_configuration_that_lacks_the_endpoint_is_no_usable_answer() -> None:
    login = Login(openid=answer(200, json.dumps({"issuer": "x"}).encode()))
    with pytest.raises(Unavailable):
        login.tokens.token()
