"""Runs the measurements and writes what they print into docs/performance.md: python -m tests.bench.page [NAME ...]

Without a name all of them run, which takes an hour or more on two cores; with names those alone, and the others stay as
they were last measured."""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
COMMANDS = {
    "mailboxes": "tests.bench.performance --messages 5000 --rounds 2 --no-limits",
    "far": "tests.bench.performance --messages 600 --rounds 2 --no-limits --delay 80",
    "limits": "tests.bench.performance --messages 600 --rounds 2",
    "many": "tests.bench.performance --messages 20000 --rounds 1 --no-limits --cases first,same",
    "kills": "tests.bench.backfill --messages 5000 --kills 20",
    "large": "tests.bench.large 100",
    "pairs": "tests.bench.round --pairs 200",
    "old": "tests.bench.old_mail",
}


def machine() -> str:
    """Of this measurement."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    cpu = names[0] if names else platform.machine()
    return f"{os.cpu_count()} x {cpu}, {memory:.0f} GiB, Python {platform.python_version()}"


def measure(name: str) -> str:
    """The section, with what the command printed."""
    command = COMMANDS[name]
    print(f"{name}: python -m {command}", flush=True)
    ran = subprocess.run([sys.executable, "-m", *command.split()], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{name} failed:\n{ran.stdout}\n{ran.stderr}")
    print(ran.stdout, flush=True)
    told = "\n".join(line.rstrip() for line in ran.stdout.strip("\n").splitlines())
    when = datetime.now(UTC).date().isoformat()
    return f"`python -m {command}`, {when}, {machine()}:\n\n```text\n{told}\n```\n"


def replaced(page: str, name: str, section: str) -> str:
    """`page` with this section between its marks."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, rest = page.split(begin)
    return before + begin + section + end + rest.split(end, 1)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="some of: " + ", ".join(COMMANDS))
    names = parser.parse_args().names or list(COMMANDS)
    if unknown := set(names) - set(COMMANDS):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}; choose from {', '.join(COMMANDS)}")
    for name in names:
        section = measure(name)
        PAGE.write_text(replaced(PAGE.read_text("utf-8"), name, section), "utf-8")


if __name__ == "__main__":
    main()
