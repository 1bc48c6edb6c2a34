"""Time, chance, threads and wires."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from shared.model.spooled import Spooled

T = TypeVar("T")


class Clock(Protocol):
    def now(self) -> float:
        """This worker's clock, epoch seconds. For display and token lifetimes, never for rows."""
        ...

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class Random(Protocol):
    def uniform(self) -> float:
        """In [0, 1)."""
        ...

    def token(self) -> str:
        """128 bits as 32 hex digits."""
        ...


class Executor(Protocol):
    def map(self, calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
        """Run the calls with bounded concurrency; results in the order given. An Exception is returned in its place; a
        BaseException that isn't one (the process is ending) is raised."""
        ...


class Spool(Protocol):
    """Files of this process for what is too large for its memory. All are gone when the spool is closed, or the process
    ends."""

    def keep(self, pieces: Iterable[bytes]) -> Spooled:
        """Raises whatever `pieces` raises; then nothing is kept."""
        ...


@dataclass(frozen=True, slots=True)
class Into:
    """Where the body of an answer goes that is too large for memory, and its most bytes, once unpacked."""

    spool: Spool
    most: int


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`effect`: the request changes something at the vendor, so a missing answer leaves its outcome unknown. `timeout`
    is for all of it, body and answer: whoever asks for much gives much. `into`: for an answer of 2xx alone."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float = 30.0
    effect: bool = False
    into: Into | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Header names are lower case. `spooled`: the body of an answer that went where its request said; `body` is empty
    then."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    spooled: Spooled | None = None


class TransportError(Exception):
    """No complete answer: refused, reset, timed out, cut short. The text holds no URL and no header."""


class TooMuch(TransportError):
    """The answer is larger than whoever asked would take."""


class Transport(Protocol):
    """HTTP. Redirects are not followed. Bodies over the adapter's bound, or over the request's own where they go into a
    spool, raise TooMuch. Nothing stays in the spool of an answer that isn't whole."""

    def send(self, request: HttpRequest) -> HttpResponse: ...


class MailStream(Protocol):
    """One connection to an IMAP server. Every method may raise TransportError."""

    def write(self, data: bytes) -> None: ...
    def readline(self, more: float = 0.0) -> bytes:
        """A line with its CRLF; b"" at the end of the stream. It may take so many seconds more than lines do."""
        ...

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; fewer at the end of the stream."""
        ...

    def close(self) -> None: ...


class MailStreams(Protocol):
    def connect(self, host: str, port: int, *, tls: bool, timeout: float) -> MailStream: ...
