"""Vendors that speak HTTP badly, slowly or without end, over real sockets: a clear error, soon, and nothing told."""

from __future__ import annotations

import gzip
import itertools
import logging
import resource
import socket
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest
from urllib3.util import parse_url

from shared.dingtalk.alimail import Alimail
from shared.dingtalk.bucket import Bucket
from shared.model.errors import OutcomeUnknown, TandemError, Unavailable
from shared.outlook.replica import OutlookMail
from shared.outlook.transport import Graph
from shared.ports.world import HttpRequest, HttpResponse
from shared.wiring.world import SystemClock, hush
from tests.support.dingtalk import Answer, OneToken, Wire, ok
from tests.support.dingtalk import alimail as scripted
from tests.support.graph import CountedRandom, CountedTokens, NoExecutor
from tests.support.rawserver import Hasty, Script, http, request_of, reset, serving

MOST, MAX_BODY = 0.5, 200_000
SECRET = "li.na-subject-token"
PATH = f"/v2/users/{SECRET}@factory.example/mailFolders"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = gzip.compress(b'{"value": []}' * 50)
BOMB = gzip.compress(b"\0" * 300_000_000, 9)
EACH = 0.05
"""Seconds between two bytes of a slow answer."""


@pytest.fixture(autouse=True, scope="module")
def hushed() -> None:
    """As the product does before it speaks to anybody."""
    hush()


def said(*pieces: bytes) -> Script:
    return http(lambda: pieces)


def packed(body: bytes, coding: bytes = b"gzip") -> Script:
    return said(OK + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding, len(body)) + body)


def slowly(head: bytes, rest: bytes) -> Script:
    """`rest`, again and again, a byte at a time."""
    return http(lambda: itertools.chain([head], (bytes([b]) for b in itertools.cycle(rest))), EACH)


def forever(head: bytes, piece: bytes) -> Script:
    return http(lambda: itertools.chain([head], itertools.repeat(piece)))


BROKEN: dict[str, Script] = {
    "closed": said(),
    "reset": reset,
    "another protocol": said(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "HTTP 0.9": said(b"<html>Sign in</html>"),
    "no status": said(b"HTTP/1.1 OK\r\n\r\n"),
    "less than announced": said(OK + b"Content-Length: 100\r\n\r\n" + SECRET.encode()),
    "a length below zero": said(OK + b"Content-Length: -5\r\n\r\n{"),
    "a length that is none": said(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{"),
    "two lengths": said(OK + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}"),
    "a broken chunk": said(CHUNKED + b"zz\r\n" + SECRET.encode()),
    "a chunk below zero": said(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk cut short": said(CHUNKED + b"20\r\n" + SECRET.encode()),
    "chunks without an end": said(CHUNKED + b"2\r\n{}\r\n"),
    "no packing": packed(SECRET.encode()),
    "a packing cut short": packed(PACKED[:-12]),
    "a packing cut at its head": packed(PACKED[:12]),
    "more than was packed": packed(PACKED + b"and more" * 20_000),
    "a bomb": packed(BOMB),
    "a bomb in a bomb": packed(gzip.compress(BOMB), b"gzip, gzip"),
    "another packing": packed(zlib.compress(b"{}"), b"br"),
    "a body without an end": forever(OK + b"\r\n", b" " * 4096),
    "a length of terabytes": forever(OK + b"Content-Length: 99999999999999\r\n\r\n", b" " * 4096),
    "chunks forever": forever(CHUNKED, b"1000\r\n" + b" " * 4096 + b"\r\n"),
    "trailers forever": forever(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "headers forever": forever(OK, b"X: y\r\n"),
    "a header forever": forever(OK + b"X: ", b"y" * 4096),
    "never more than: go on": forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a slow status": slowly(b"", b"HTTP/1.1 200 OK"),
    "a slow header": slowly(OK, b"X-Slow: header\r\n"),
    "a slow body": slowly(OK + b"Content-Length: 100000\r\n\r\n", b" "),
    "slow chunks": slowly(CHUNKED, b"1\r\n \r\n"),
    "a slow chunk size": slowly(CHUNKED, b"0"),
    "slow trailers": slowly(CHUNKED + b"0\r\n", b"X: y\r\n"),
    "silence": http(lambda: [b""], MOST + 0.3),
}


@pytest.fixture
def transport() -> Iterator[Hasty]:
    transport = Hasty(MOST, MAX_BODY)
    yield transport
    transport.close()


def graph(transport: Hasty, base: str) -> Graph:
    return Graph(transport, SystemClock(), CountedRandom(), NoExecutor(), CountedTokens(), f"{base}/v1.0")


def alimail(transport: Hasty, base: str) -> Alimail:
    return Alimail(transport, OneToken(), Bucket(SystemClock(), nullcontext()), base)


def calls(transport: Hasty, base: str) -> dict[str, tuple[Callable[[], object], type[TandemError]]]:
    """A read and an effect at each vendor, and what their failure is."""
    outlook, dingtalk = graph(transport, base), alimail(transport, base)
    body = {"subject": SECRET}
    return {
        "Graph's read": (lambda: outlook.get(PATH, "a read"), Unavailable),
        "Graph's content": (lambda: outlook.get_bytes(PATH, "a read"), Unavailable),
        "Graph's effect": (lambda: outlook.send("POST", PATH, body, "a write"), OutcomeUnknown),
        "Alimail's read": (lambda: dingtalk.get("a read", PATH), Unavailable),
        "Alimail's effect": (lambda: dingtalk.post("a write", PATH, body, lambda: None), OutcomeUnknown),
    }


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_no_whole_answer_is_an_error_soon_and_tells_nothing(
    how: str, transport: Hasty, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(BROKEN[how]) as port:
        for call, kind in calls(transport, f"http://127.0.0.1:{port}").values():
            began = time.monotonic()
            with pytest.raises(TandemError) as caught:
                call()
            assert type(caught.value) is kind
            assert time.monotonic() - began < MOST + 1.5
            assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in caplog.text


def test_a_bomb_takes_no_memory(transport: Hasty) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for how in ("a bomb", "a bomb in a bomb"):
        with serving(BROKEN[how]) as port, pytest.raises(Unavailable):
            graph(transport, f"http://127.0.0.1:{port}").get(PATH, "a read")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kilobytes"


@pytest.mark.parametrize("base", ["http://127.0.0.1:{port}", "http://tandem.invalid", "https://127.0.0.1:{port}"])
def test_a_vendor_that_is_not_there_is_down(base: str, transport: Hasty, caplog: pytest.LogCaptureFixture) -> None:
    """Refused, without a name in DNS, and (last) where something else listens."""
    caplog.set_level(logging.DEBUG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        for call, kind in calls(transport, base.format(port=free.getsockname()[1])).values():
            with pytest.raises(kind) as caught:
                call()
            assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in caplog.text


def test_a_header_that_is_none_is_not_logged(transport: Hasty, caplog: pytest.LogCaptureFixture) -> None:
    """http.client goes on without it, and urllib3 would log the URL and what stood there."""
    caplog.set_level(logging.DEBUG)
    with serving(said(OK + b"no colon " + SECRET.encode() + b"\r\nContent-Length: 2\r\n\r\n{}")) as port:
        assert graph(transport, f"http://127.0.0.1:{port}").get(PATH, "a read") == {}
    assert SECRET not in caplog.text


def test_an_answer_that_comes_slowly_but_in_time_is_taken(transport: Hasty) -> None:
    whole = OK + b"Content-Length: 2\r\n\r\n{}"
    with serving(http(lambda: (whole[at : at + 20] for at in range(0, len(whole), 20)), 0.02)) as port:
        assert graph(transport, f"http://127.0.0.1:{port}").get(PATH, "a read") == {}


def test_a_token_that_no_header_can_hold_never_leaves(transport: Hasty) -> None:
    class Odd(CountedTokens):
        def token(self) -> str:
            return "令牌\r\nX: y"

    with serving(said()) as port:
        door = Graph(transport, SystemClock(), CountedRandom(), NoExecutor(), Odd(), f"http://127.0.0.1:{port}/v1.0")
        with pytest.raises(Unavailable):
            door.get(PATH, "a read")


# ------------------------------------------------------------------------------------------------- to foreign places


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:{evil}/v1.0/x",
        "http://127.0.0.1:{port}@127.0.0.1:{evil}/v1.0/x",
        "http://127.0.0.1:{port}\\@127.0.0.1:{evil}/v1.0/x",
        "http://127.0.0.1:{evil}\\@127.0.0.1:{port}/v1.0/x",
        "http://user@127.0.0.1:{port}/v1.0/x",
        "https://127.0.0.1:{port}/v1.0/x",
        "http://localhost:{port}/v1.0/x",
        "http://127.0.0.1:{port}.evil.example/v1.0/x",
        "http://127.0.0.1:{port}/v1.0evil",
        "http://１27.0.0.1:{port}/v1.0/x",
        "//127.0.0.1:{evil}/v1.0/x",
        "/v1.0/x",
        "file:///etc/passwd",
        " http://127.0.0.1:{port}/v1.0/x",
        "",
    ],
)
@pytest.mark.parametrize("name", ["@odata.nextLink", "@odata.deltaLink", "Location"])
def test_no_answer_leads_to_another_place(link: str, name: str, transport: Hasty) -> None:
    """Neither by a link (an empty one leads nowhere) nor by a redirect, and our token goes nowhere else."""
    came: list[bytes] = []

    def evil(wire: socket.socket) -> None:
        came.append(request_of(wire))

    asked: list[bytes] = []

    to = ""

    def vendor(wire: socket.socket) -> None:
        asked.append(request_of(wire))
        body = b'{"value": [], "%b": "%b"}' % (name.encode(), to.replace("\\", "\\\\").encode())
        if name == "Location":
            wire.sendall(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % to.encode())
        else:
            wire.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    with serving(evil) as evil_port, serving(vendor) as port:
        to = link.format(port=port, evil=evil_port)
        replica = OutlookMail(graph(transport, f"http://127.0.0.1:{port}"), "ann@contoso.example")
        with pytest.raises(Unavailable):
            replica.observe((), {"F": "/users/x/mailFolders/F/messages/delta?$deltatoken=1"}, ("F",))
    assert came == []
    assert len(asked) == 1


LOOKALIKES = [
    "https://evil.example/x",
    "http://alimail-cn.aliyuncs.com/x",
    "https://alimail-cn.aliyuncs.com:8443/x",
    "https://alimail-cn.aliyuncs.com@evil.example/x",
    "https://user:pw@alimail-cn.aliyuncs.com/x",
    "https://evil.example\\@alimail-cn.aliyuncs.com/x",
    "https://evil.example\\.aliyuncs.com/x",
    "https://evil.example#.aliyuncs.com/x",
    "https://evil.example?.aliyuncs.com",
    "https://alimail-cn.aliyuncs.com.evil.example/x",
    "https://evilaliyuncs.com/x",
    "https://aliyuncs.com/x",
    "https://evil.example。aliyuncs.com/x",
    "https://evil.аliyuncs.com/x",
    "https://xn--evil-.aliyuncs.com:99999/x",
    "https://[::1].aliyuncs.com/x",
    "https://[bad/x",
    "//evil.example/x",
    "\\\\evil.example/x",
    "/\\evil.example/x",
    "/\t/evil.example/x",
    "ftp://alimail-cn.aliyuncs.com/x",
    "javascript:alert(1)",
    "https://alimail-cn.aliyuncs.com/\r\nX: y",
    "",
]


@pytest.mark.parametrize("location", LOOKALIKES)
@pytest.mark.parametrize("by", ["header", "body"])
def test_an_attachment_comes_from_the_providers_own_hosts_alone(location: str, by: str) -> None:
    def answer(request: HttpRequest) -> Answer:
        return HttpResponse(302, {"location": location}, b"") if by == "header" else ok({"location": location})

    wire = Wire(answer)
    with pytest.raises(Unavailable):
        scripted(wire).download("an attachment", PATH, 0)
    for request in wire.requests:  # as the client reads it that would go there
        went = parse_url(request.url)
        assert (went.scheme, went.auth, went.host, went.port) == ("https", None, "alimail-cn.aliyuncs.com", None)


@pytest.mark.parametrize(
    "location", ["https://stream-cn.aliyuncs.com/x", "https://ALIMAIL-cn.aliyuncs.com:443/x", "/v2/s"]
)
def test_an_attachment_of_the_providers_own_hosts_is_fetched_without_our_token(location: str) -> None:
    def answer(request: HttpRequest) -> Answer:
        is_stream = request.url.endswith(("/x", "/v2/s"))
        return HttpResponse(200, {}, b"content") if is_stream else ok({"location": location})

    wire = Wire(answer)
    assert scripted(wire).download("an attachment", PATH, 0) == b"content"
    assert ["authorization" in request.headers for request in wire.requests] == [True, False]
