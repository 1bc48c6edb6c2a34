"""The deployed package in the local Functions host, as Azure's host would run it: `python -I -S <this file> <app>
<host> <libraries> [<ready>]`. It is run by its path, and imports nothing of the project but what lies in the package.

`app`: the unpacked package. `host`: a folder with a copy of the local host and nothing else of the sandbox.
`libraries`: the site-packages, whose .pth files are not read. With `ready` it serves until SIGTERM, and says in that
file where; without, it indexes the app and prints what it found."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

QUEUES = "AzureWebJobsStorage__queueServiceUri"
"""The setting by which Azure's host finds the queues that trigger functions (host storage by identity)."""


def index(app: Path) -> dict[str, Any]:
    """What the worker library finds, and which of the sandbox's modules were imported by it."""
    from sandbox.host.engine import best_engine

    engine, before = best_engine(), set(sys.modules)
    functions = engine.index(app)
    engine.close()
    new = set(sys.modules) - before
    return {
        "engine": engine.name,
        "triggers": {function.name: function.trigger["type"] for function in functions},
        "sandbox": sorted(name for name in new if name.partition(".")[0] in ("sandbox", "tests")),
        "shared": str(Path(sys.modules["shared"].__file__ or "").parent),
    }


def serve(app: Path, ready: Path) -> None:
    """The queues are the storage account's, by the identity of the app, as the settings of Azure's host name them."""
    from azure.identity import DefaultAzureCredential

    from sandbox.host import Host
    from shared.state.azure_queue import AzureQueue

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    queue = AzureQueue(os.environ[QUEUES], DefaultAzureCredential())
    host = Host(app, queue, {}, local=False)
    host.start()
    new = ready.with_suffix(".new")
    new.write_text(json.dumps({"functions": host.url, "environment": dict(os.environ)}), "utf-8")
    new.replace(ready)
    while not ended.wait(0.2):  # a signal may reach another thread, which does not wake this one
        pass
    host.stop()
    queue.close()


def main() -> None:
    app, host, libraries, *ready = sys.argv[1:]
    sys.path[:0] = [app]
    sys.path += [host, libraries]
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    if ready:
        serve(Path(app), Path(ready[0]))
    else:
        print(json.dumps(index(Path(app))))


if __name__ == "__main__":
    main()
