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


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`effect`: the request changes something at the vendor, so a missing answer leaves its outcome unknown."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float = 30.0
    effect: bool = False


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Spool(Protocol):
    """Files of this process for what is too large for its memory. All are gone when the spool is closed, or the process
    ends."""

    def keep(self, pieces: Iterable[bytes]) -> Spooled:
        """Raises whatever `pieces` raises; then nothing is kept."""
        ...


class TransportError(Exception):
    """No complete answer: refused, reset, timed out, cut short. The text holds no URL and no header."""


class Transport(Protocol):
    """HTTP. Redirects are not followed. Bodies over the adapter's bound raise TransportError."""

    def send(self, request: HttpRequest) -> HttpResponse: ...


class MailStream(Protocol):
    """One connection to an IMAP server. Every method may raise TransportError."""

    def write(self, data: bytes) -> None: ...
    def readline(self) -> bytes:
        """A line with its CRLF; b"" at the end of the stream."""
        ...

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; fewer at the end of the stream."""
        ...

    def close(self) -> None: ...


class MailStreams(Protocol):
    def connect(self, host: str, port: int, *, tls: bool, timeout: float) -> MailStream: ...
