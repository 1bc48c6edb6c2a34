"""A TCP server on this machine that says what a script tells it to."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from shared.ports.world import HttpRequest, HttpResponse
from shared.wiring.world import RequestsTransport

Script = Callable[[socket.socket], None]


@contextmanager
def serving(script: Script) -> Iterator[int]:
    """A thread for each connection; -> the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    wires: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def run(wire: socket.socket) -> None:
        with wire, suppress(OSError):
            script(wire)

    def accept() -> None:
        with suppress(OSError):
            while True:
                wire = listener.accept()[0]
                wires.append(wire)
                threads.append(threading.Thread(target=run, args=(wire,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for wire in wires:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        for thread in (accepting, *threads):
            thread.join()


def http(pieces: Callable[[], Iterable[bytes]], pause: float = 0.0) -> Script:
    """Reads one request and says the pieces, with a pause after each; then the connection ends."""

    def script(wire: socket.socket) -> None:
        request_of(wire)
        for piece in pieces():
            wire.sendall(piece)
            if pause:
                threading.Event().wait(pause)

    return script


def request_of(wire: socket.socket) -> bytes:
    """One HTTP request, head and body."""
    head, size = b"", 0
    with wire.makefile("rb") as reader:
        while not head.endswith(b"\r\n\r\n") and (line := reader.readline()):
            head += line
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        return head + reader.read(size)


def reset(wire: socket.socket) -> None:
    """Ends the connection in the roughest way."""
    request_of(wire)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


class Hasty:
    """The real transport for people who have no time: no request may take longer than `most` seconds."""

    def __init__(self, most: float, max_body: int) -> None:
        self._whole, self._most = RequestsTransport(max_body), most

    def send(self, request: HttpRequest) -> HttpResponse:
        return self._whole.send(replace(request, timeout=min(request.timeout, self._most)))

    def close(self) -> None:
        for session in self._whole._idle:
            session.close()
