"""Azurite, Microsoft's emulator of storage accounts, as a process of its own on free ports of this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AZURITE = Path(__file__).resolve().parents[2] / "node_modules" / ".bin" / "azurite"
ACCOUNT = "devstoreaccount1"
SERVICES = ("blob", "queue", "table")
PATIENCE = 60.0
MISSING = "Azurite isn't installed: install Node.js 20 or newer with its npm, then run 'make setup'"
_LISTENING = re.compile(r"(Blob|Queue|Table) service is (?:successfully|listening).* https://127\.0\.0\.1:(\d+)")


def is_installed() -> bool:
    return AZURITE.exists() and shutil.which("node") is not None


@contextmanager
def azurite(certificate: Path, key: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Runs it over TLS, taking tokens, with everything in memory. -> the address of each of SERVICES.

    It checks a token's audience, issuer and time, and neither its signature nor anybody's roles."""
    ports = [part for service in SERVICES for part in (f"--{service}Port", "0")]
    command = [str(AZURITE), *ports, "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    command += ["--oauth", "basic", "--cert", str(certificate), "--key", str(key)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
    assert process.stdout is not None
    output = _Output(process)
    try:
        yield output.addresses()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        output.join()
        process.stdout.close()


class _Output(threading.Thread):
    """Reads all that it says, since a full pipe would stop it, and notes where it listens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(name="azurite", daemon=True)
        self._process = process
        self._ports: dict[str, str] = {}
        self._said: list[str] = []
        self._ready = threading.Event()
        self.start()

    def run(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not self._ready.is_set():
                self._note(line)
        self._ready.set()

    def _note(self, line: str) -> None:
        self._said.append(line)
        if found := _LISTENING.search(line):
            self._ports[found[1].lower()] = found[2]
        if len(self._ports) == len(SERVICES):
            self._ready.set()

    def addresses(self) -> dict[str, str]:
        self._ready.wait(PATIENCE)
        if len(self._ports) < len(SERVICES):
            raise RuntimeError("Azurite didn't start within a minute; it said:\n" + "".join(self._said))
        return {service: f"https://127.0.0.1:{self._ports[service]}/{ACCOUNT}" for service in SERVICES}
