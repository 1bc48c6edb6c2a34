"""`python -m tests.bench.scale record | play | page`: what jobs cost, thousands of pairs on a simulated clock, and
docs/scale.md. See there for what is real in it and what is assumed."""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence

from tests.bench.scale.costs import FILE, Costs
from tests.bench.scale.page import SCENARIOS, keep, kept, write
from tests.bench.scale.play import Scenario, play
from tests.bench.scale.record import record


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.scale", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="record what each job costs, into costs.json")
    recording.add_argument("--rtt", type=float, default=0.1, help="seconds that each vendor's answer takes longer")
    playing = commands.add_parser("play", help="play one scenario and print what it took")
    for name, default in (("pairs", 1000), ("domains", 20), ("hour", 9), ("seed", 1)):
        playing.add_argument(f"--{name}", type=int, default=default)
    for name, seconds in (("messages", 200.0), ("reads", 1.0), ("minutes", 5.0), ("warm", 60.0)):
        playing.add_argument(f"--{name}", type=float, default=seconds)
    paging = commands.add_parser("page", help="play the scenarios of docs/scale.md and write its table; takes minutes")
    paging.add_argument("--only", help="no more than the scenarios whose name has this in it")
    paging.add_argument("--as-kept", action="store_true", help="play nothing: write the table from results.json")
    given = vars(parser.parse_args(arguments))
    logging.disable(logging.WARNING)
    command = given.pop("command")
    if command == "record":
        FILE.write_text(record(given["rtt"]).dump())
    elif command == "play":
        print(json.dumps(play(Scenario(**given), Costs.load()).json(), indent=1))
    else:
        _page(given["only"] or "", given["as_kept"])


def _page(only: str, as_kept: bool) -> None:
    results = kept()
    for name, scenario in SCENARIOS.items():
        if only in name and not as_kept:
            began = time.monotonic()
            results[name] = play(scenario, Costs.load()).json()
            keep(results)
            print(f"{name}: {time.monotonic() - began:.0f} s")
    write(results)


if __name__ == "__main__":
    main()
