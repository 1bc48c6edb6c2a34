"""What an instance imports before it can work, and how long that takes: `python -m tests.bench.cold_start`.

Each figure is the median of fresh processes, and is also given in starts of Python itself on the same machine, since
seconds of a busy machine say little. Run it with the libraries of requirements.txt, which are what is deployed.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
RUNS = 7
SHOWN = 8

INDEXING = "import function_app"
FIRST_CALL = f"{INDEXING}; import shared.wiring.product"
ON_AZURE = (
    f"{FIRST_CALL}; import azure.identity, shared.state.azure_blobs, shared.state.azure_queue"
    ", shared.state.azure_table, shared.state.azure_vault"
)
STAGES = {
    "Python itself": "pass",
    "indexing: before Azure knows any function": INDEXING,
    "and the first call, with state in a folder": FIRST_CALL,
    "and the first call, with state on Azure": ON_AZURE,
}


def run(code: str, *options: str) -> str:
    """What a fresh process writes to its standard error."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    done.check_returncode()
    return done.stderr


def modules(code: str) -> list[str]:
    """The modules that are there after `code`, in a fresh process."""
    return run(f"{code}; import sys; sys.stderr.write('\\n'.join(sorted(sys.modules)))").split("\n")


def seconds(code: str) -> float:
    """How long a process that does this takes, from its start to its end: the median of several."""
    timed = (
        "import subprocess, sys, time; t = time.perf_counter();"
        f" subprocess.run([sys.executable, '-c', {code!r}], check=True);"
        " sys.stderr.write(str(time.perf_counter() - t))"
    )
    return statistics.median(float(run(timed)) for _ in range(RUNS))


def slowest(code: str) -> list[tuple[str, float]]:
    """Modules by the milliseconds that they take themselves, without what they import."""
    found = re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", run(code, "-X", "importtime"))
    packages: dict[str, float] = {}
    for micros, module in found:
        name = ".".join(module.split(".")[: 2 if module.startswith(("azure", "shared")) else 1])
        packages[name] = packages.get(name, 0.0) + int(micros) / 1000
    return sorted(packages.items(), key=lambda item: -item[1])[:SHOWN]


def main() -> None:
    console = Console()
    bare = seconds(STAGES["Python itself"])
    table = Table("", "seconds", "starts of Python", "modules")
    for name, code in STAGES.items():
        took = seconds(code)
        table.add_row(name, f"{took:.2f}", f"{took / bare:.0f}", str(len(modules(code))))
    console.print(table)
    for name, code in list(STAGES.items())[1:]:
        shown = ", ".join(f"{package} {ms:.0f} ms" for package, ms in slowest(code))
        console.print(f"{name}: {shown}", highlight=False)


if __name__ == "__main__":
    main()
