"""The adapters of time, chance, threads and wires, against servers on this machine."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.model.errors import NoRoom
from shared.model.spooled import Spooled, whole
from shared.ports.world import HttpRequest, Into, TooMuch, TransportError
from shared.wiring import world
from shared.wiring.world import (
    RequestsTransport,
    SocketMailStreams,
    SystemClock,
    SystemRandom,
    ThreadExecutor,
)
from tests.support.files import Folder

# ------------------------------------------------------------------------------------------- time, chance and threads


def test_the_clock_is_this_machines() -> None:
    clock = SystemClock()
    now, monotonic = clock.now(), clock.monotonic()
    clock.sleep(0.01)
    clock.sleep(-1)
    assert abs(now - time.time()) < 60
    assert 0.01 <= clock.monotonic() - monotonic < 10


def test_chance_is_even_and_tokens_are_128_bits() -> None:
    random = SystemRandom()
    drawn = [random.uniform() for _ in range(1000)]
    tokens = {random.token() for _ in range(1000)}
    assert all(0 <= number < 1 for number in drawn)
    assert 0.4 < sum(drawn) / 1000 < 0.6
    assert len(tokens) == 1000
    assert all(len(token) == 32 and int(token, 16) >= 0 for token in tokens)


def test_results_come_in_the_order_of_the_calls_with_errors_in_their_places() -> None:
    def give(number: int) -> int:
        if number % 3 == 1:
            raise ValueError(number)
        return number

    outcomes = ThreadExecutor(4).map([lambda n=n: give(n) for n in range(20)])  # type: ignore[misc]
    assert [str(outcome) for outcome in outcomes] == [str(number) for number in range(20)]
    assert all(isinstance(outcome, ValueError) == (index % 3 == 1) for index, outcome in enumerate(outcomes))
    assert ThreadExecutor(4).map([]) == []
    assert isinstance(ThreadExecutor(4).map([lambda: give(1)])[0], ValueError)


def test_no_more_calls_run_at_once_than_the_width() -> None:
    lock, running, most, full = threading.Lock(), 0, 0, threading.Barrier(3)

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(10)  # passes only when three run at once
        with lock:
            running -= 1

    ThreadExecutor(3).map([call] * 9)
    assert most == 3


def test_calls_may_use_the_executor_themselves() -> None:
    executor = ThreadExecutor(2)

    def nested(depth: int) -> int:
        return 1 if depth == 0 else sum(int(str(x)) for x in executor.map([lambda: nested(depth - 1)] * 3))

    assert executor.map([lambda: nested(3)] * 2) == [27, 27]


class Ending(BaseException):
    pass


@pytest.mark.parametrize("count", [1, 4])
def test_the_end_of_the_process_is_not_a_result(count: int) -> None:
    def end() -> None:
        raise Ending

    with pytest.raises(Ending):
        ThreadExecutor(2).map([end] * count)


# --------------------------------------------------------------------------------------------------------------- HTTP


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers.items()), body))
        self.server.ports.add(self.client_address[1])
        self.server.act(self)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def reply(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """`act` answers; `seen` and `ports` are what came and over which connections."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.ports: set[int] = set()
        self.act: Callable[[Handler], None] = lambda handler: handler.reply()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are part of the tests."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def transport() -> Iterator[RequestsTransport]:
    transport = RequestsTransport(max_body=100_000)
    yield transport
    for session in transport._idle:
        session.close()


def test_a_request_goes_as_it_is_and_its_answer_comes_as_it_is(server: Server, transport: RequestsTransport) -> None:
    server.act = lambda handler: handler.reply(418, b"\0\xff", X_Some="Value", Content_Type="text/plain")
    headers = {"Authorization": "Bearer token", "content-type": "application/json"}
    answer = transport.send(
        HttpRequest("PATCH", f"{server.url}/a%20b?$select=id,x&c=%2B", headers, b'{"\xe5\x85\xb3"}')
    )
    method, path, got, body = server.seen[0]
    assert (method, path, body) == ("PATCH", "/a%20b?$select=id,x&c=%2B", b'{"\xe5\x85\xb3"}')
    assert {name: got[name] for name in ("Authorization", "content-type", "Content-Length")} == {
        **headers,
        "Content-Length": "7",
    }
    assert (answer.status, answer.body) == (418, b"\0\xff")
    assert (answer.headers["x-some"], answer.headers["content-type"]) == ("Value", "text/plain")


def test_an_empty_post_says_that_it_is_empty(server: Server, transport: RequestsTransport) -> None:
    transport.send(HttpRequest("POST", server.url))
    assert server.seen[0][2]["Content-Length"] == "0"


def test_a_large_body_arrives_whole(server: Server, transport: RequestsTransport) -> None:
    body = bytes(range(256)) * 16_000
    transport.send(HttpRequest("POST", server.url, body=body))
    assert server.seen[0][3] == body
    assert server.seen[0][2]["Content-Length"] == str(len(body))


CONTENT = bytes(range(256)) * 300
CHUNKS = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (CONTENT[:70_000], CONTENT[70_000:], b""))
WHOLE: dict[str, Callable[[Handler], None]] = {
    "plain": lambda handler: handler.reply(body=CONTENT),
    "chunked": lambda handler: handler.reply(body=CHUNKS, Content_Length="", Transfer_Encoding="chunked"),
    "packed": lambda handler: handler.reply(body=gzip.compress(CONTENT), Content_Encoding="gzip"),
    "until the end": lambda handler: handler.reply(body=CONTENT, Content_Length="", Connection="close"),
}


@pytest.mark.parametrize("how", WHOLE)
def test_a_body_is_read_whole_however_it_is_sent(
    server: Server, transport: RequestsTransport, tmp_path: Path, how: str
) -> None:
    server.act = WHOLE[how]
    assert transport.send(HttpRequest("GET", server.url)).body == CONTENT
    spool = Folder(tmp_path)
    answer = transport.send(HttpRequest("GET", server.url, into=Into(spool, len(CONTENT))))
    assert answer.body == b""
    assert answer.spooled is not None
    assert whole(answer.spooled) == CONTENT
    with pytest.raises(TooMuch):
        transport.send(HttpRequest("GET", server.url, into=Into(spool, len(CONTENT) - 1)))
    assert spool.files() == [CONTENT]


def test_a_large_answer_is_never_in_memory_as_a_whole(
    server: Server, transport: RequestsTransport, tmp_path: Path
) -> None:
    """Also not when a few packed bytes stand for many."""
    size = 24 << 20
    packed = gzip.compress(bytes(size))
    acts: list[Callable[[Handler], None]] = [
        lambda handler: handler.reply(body=packed, Content_Encoding="gzip"),
        _long(size),
    ]
    spool = Folder(tmp_path)
    for server.act in acts:
        tracemalloc.start()
        try:
            answer = transport.send(HttpRequest("GET", server.url, into=Into(spool, size)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert answer.spooled is not None
        assert answer.spooled.size == size
        assert peak < 4 << 20


@pytest.mark.parametrize("status", [301, 404, 413, 500])
def test_what_a_refusal_says_is_not_put_into_the_spool(
    server: Server, transport: RequestsTransport, tmp_path: Path, status: int
) -> None:
    server.act = lambda handler: handler.reply(status, b"no")
    answer = transport.send(HttpRequest("GET", server.url, into=Into(Folder(tmp_path), 1000)))
    assert (answer.status, answer.body, answer.spooled) == (status, b"no", None)
    assert Folder(tmp_path).files() == []


def test_redirects_and_cookies_are_ignored(server: Server, transport: RequestsTransport) -> None:
    server.act = lambda handler: handler.reply(302, Location="/elsewhere", Set_Cookie="a=b; Path=/")
    assert transport.send(HttpRequest("GET", f"{server.url}/one")).headers["location"] == "/elsewhere"
    transport.send(HttpRequest("GET", f"{server.url}/two"))
    assert [(path, "Cookie" in headers) for _, path, headers, _ in server.seen] == [("/one", False), ("/two", False)]


def test_connections_are_kept_and_threads_do_not_share_one(server: Server, transport: RequestsTransport) -> None:
    for _ in range(5):
        transport.send(HttpRequest("GET", server.url))
    assert len(server.ports) == 1
    together = threading.Barrier(4)

    def act(handler: Handler) -> None:
        together.wait(10)
        handler.reply(body=handler.path.encode())

    server.act = act
    calls = [lambda n=n: transport.send(HttpRequest("GET", f"{server.url}/{n}")).body for n in range(8)]
    assert ThreadExecutor(4).map(calls) == [f"/{number}".encode() for number in range(8)]
    assert 4 <= len(server.ports) <= 8


def test_the_environments_proxies_and_passwords_stay_out(
    server: Server, transport: RequestsTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password other\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    transport.send(HttpRequest("GET", server.url))
    transport.send(HttpRequest("GET", server.url, {"Authorization": "Bearer token"}))
    assert [headers.get("Authorization") for _, _, headers, _ in server.seen] == [None, "Bearer token"]


def test_a_proxy_serves_other_machines_with_our_token(
    server: Server, transport: RequestsTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password other\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    transport.send(HttpRequest("GET", "http://graph.example/v1.0", {"Authorization": "Bearer token"}))
    _, path, headers, _ = server.seen[0]
    assert (path, headers["Authorization"]) == ("http://graph.example/v1.0", "Bearer token")


def test_an_answer_over_the_bound_is_refused_also_when_it_is_packed(
    server: Server, transport: RequestsTransport
) -> None:
    server.act = lambda handler: handler.reply(body=b"x" * 100_000)
    assert len(transport.send(HttpRequest("GET", server.url)).body) == 100_000
    server.act = lambda handler: handler.reply(body=b"x" * 100_001)
    with pytest.raises(TransportError, match="more than 100000 bytes"):
        transport.send(HttpRequest("GET", server.url))
    server.act = lambda handler: handler.reply(body=gzip.compress(b"x" * 50_000_000), Content_Encoding="gzip")
    with pytest.raises(TransportError, match="more than 100000 bytes"):
        transport.send(HttpRequest("GET", server.url))


def _long(size: int) -> Callable[[Handler], None]:
    def act(handler: Handler) -> None:
        handler.reply(Content_Length=str(size))
        for _ in range(size >> 16):
            handler.wfile.write(bytes(1 << 16))

    return act


def test_a_few_packed_bytes_that_stand_for_too_many_leave_nothing_in_the_spool(
    server: Server, transport: RequestsTransport, tmp_path: Path
) -> None:
    server.act = lambda handler: handler.reply(body=gzip.compress(b"x" * 5_000_000), Content_Encoding="gzip")
    spool = Folder(tmp_path)
    with pytest.raises(TooMuch):
        transport.send(HttpRequest("GET", server.url, into=Into(spool, 4_000_000)))
    assert spool.files() == []
    transport.send(HttpRequest("GET", server.url, into=Into(spool, 5_000_000)))
    assert [len(file) for file in spool.files()] == [5_000_000]


class Full:
    """A spool on a full disk."""

    def keep(self, pieces: Iterable[bytes]) -> Spooled:
        next(iter(pieces))
        raise NoRoom("no room")


def test_a_full_disk_says_so_and_what_is_left_of_the_answer_is_not_taken_for_the_next(
    server: Server, transport: RequestsTransport
) -> None:
    server.act = lambda handler: handler.reply(body=CONTENT)
    with pytest.raises(NoRoom):
        transport.send(HttpRequest("GET", server.url, into=Into(Full(), len(CONTENT))))
    server.act = lambda handler: handler.reply(body=b"next")
    assert transport.send(HttpRequest("GET", server.url)).body == b"next"
    assert len(server.ports) == 2


def _silent(handler: Handler) -> None:
    threading.Event().wait(0.5)
    handler.reply()


def _short(handler: Handler) -> None:
    handler.reply(body=b"half", Content_Length="1000", Connection="close")
    handler.close_connection = True


def _reset(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def _short_chunks(handler: Handler) -> None:
    handler.reply(body=b"4\r\nhalf\r\n", Content_Length="", Transfer_Encoding="chunked")
    handler.close_connection = True


def _trickle(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    with suppress(OSError):
        for _ in range(20):
            handler.wfile.write(b"x")
            threading.Event().wait(0.05)
    handler.close_connection = True


def _short_packed(handler: Handler) -> None:
    handler.reply(body=gzip.compress(CONTENT)[:-1], Content_Encoding="gzip")


@pytest.mark.parametrize("act", [_silent, _short, _short_chunks, _short_packed, _reset, _trickle])
def test_an_answer_that_is_not_complete_in_time_leaves_nothing_in_the_spool(
    server: Server, transport: RequestsTransport, tmp_path: Path, act: Callable[[Handler], None]
) -> None:
    server.act = act
    with pytest.raises(TransportError, match="no complete answer"):
        transport.send(HttpRequest("GET", server.url, timeout=0.2, into=Into(Folder(tmp_path), 100_000)))
    assert Folder(tmp_path).files() == []


@pytest.mark.parametrize("act", [_silent, _short, _short_chunks, _short_packed, _reset, _trickle])
def test_an_answer_that_is_not_complete_in_time_is_an_error_without_the_address(
    server: Server, transport: RequestsTransport, act: Callable[[Handler], None]
) -> None:
    server.act = act
    hidden = act.__name__
    with pytest.raises(TransportError, match="no complete answer") as caught:
        transport.send(HttpRequest("GET", f"{server.url}/users/{hidden}", {"Authorization": hidden}, timeout=0.2))
    assert hidden not in "".join(traceback.format_exception(caught.value))
    server.act = lambda handler: handler.reply(body=b"fine")
    assert transport.send(HttpRequest("GET", server.url)).body == b"fine"


def test_a_refused_connection_is_an_error(transport: RequestsTransport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(TransportError):
            transport.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"))


def test_a_body_that_is_late_does_not_leave(
    server: Server, transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 1.0, 31.0])
    monkeypatch.setattr(world, "_check", lambda deadline: real_check(deadline, next(times)))
    with pytest.raises(TransportError, match="in time"):
        transport.send(HttpRequest("POST", server.url, body=b"x" * 1_000_000, timeout=30.0))
    assert all(len(body) < 1_000_000 for _, _, _, body in server.seen)


def real_check(deadline: float, passed: float) -> None:
    if time.monotonic() + passed > deadline:
        raise TransportError("no complete answer in time")


# --------------------------------------------------------------------------------------------------------------- IMAP


@contextmanager
def listening(serve: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server for one connection; -> its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with suppress(OSError):
                connection = listener.accept()[0]
                with connection, context.wrap_socket(connection, server_side=True) if context else connection as wire:
                    serve(wire)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


def talk(wire: socket.socket) -> None:
    """Greet, and answer one line with a literal of five bytes."""
    wire.sendall(b"* OK hi\r\n")
    line = wire.makefile("rb").readline()
    wire.sendall(b"* 1 FETCH {5}\r\n\0\r\n\xff!)\r\n" + b"A1 OK " + line)


def exchange(port: int, tls: bool) -> None:
    stream = SocketMailStreams().connect("127.0.0.1", port, tls=tls, timeout=5)
    try:
        assert stream.readline() == b"* OK hi\r\n"
        stream.write(b"A1 NOOP\r\n")
        assert stream.readline() == b"* 1 FETCH {5}\r\n"
        assert stream.read(5) == b"\0\r\n\xff!"
        assert stream.readline() == b")\r\n"
        assert stream.readline() == b"A1 OK A1 NOOP\r\n"
        assert (stream.readline(), stream.read(3)) == (b"", b"")
    finally:
        stream.close()
    with pytest.raises(TransportError):
        stream.readline()
    with pytest.raises(TransportError):
        stream.write(b"x")
    stream.close()


def test_lines_and_literals_come_over_a_plain_connection() -> None:
    with listening(talk) as port:
        exchange(port, tls=False)


def test_lines_and_literals_come_over_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with listening(talk, context) as port:
        exchange(port, tls=True)


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with listening(talk, context) as port, pytest.raises(TransportError, match="SSLCertVerificationError"):
        SocketMailStreams().connect("127.0.0.1", port, tls=True, timeout=5)


def test_a_server_that_says_nothing_is_given_up() -> None:
    done = threading.Event()

    def wait(wire: socket.socket) -> None:
        done.wait(10)

    with listening(wait) as port:
        stream = SocketMailStreams().connect("127.0.0.1", port, tls=False, timeout=0.05)
        with pytest.raises(TransportError, match="TimeoutError"):
            stream.readline()
        stream.close()
        done.set()


def test_lines_and_literals_have_a_bound() -> None:
    with listening(lambda wire: wire.sendall(b"x" * (world.MAX_LINE + 10))) as port:
        stream = SocketMailStreams().connect("127.0.0.1", port, tls=False, timeout=5)
        with pytest.raises(TransportError, match="line of more than"):
            stream.readline()
        with pytest.raises(TransportError, match="literal of more than"):
            stream.read(world.MAX_BODY + 1)
        stream.close()


def test_a_refused_imap_connection_is_an_error_without_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(TransportError, match="ConnectionRefusedError") as caught:
            SocketMailStreams().connect("127.0.0.1", free.getsockname()[1], tls=False, timeout=5)
    assert "127.0.0.1" not in str(caught.value)
