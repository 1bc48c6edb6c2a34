"""The console script `tandem`. Commands import what they need when they are called, so that --help is quick."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sandbox.console import check_writable, guarded, make_console, until_ended, write_ready
from shared.cli import cost, moving, pairs, poison, quarantine, standing
from shared.cli.setup import setup

if TYPE_CHECKING:
    from sandbox.faults import Faults
    from sandbox.vendors import Vendors

app = typer.Typer(
    help="Keeps a DingTalk account and an Outlook mailbox the same, both ways.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(pairs.app, name="pair")
app.add_typer(poison.app, name="poison")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(moving.app, name="move")
for command in (standing.status, standing.plan, standing.approve, cost.cost, setup):
    app.command()(command)

INTERRUPTED = 130
"""Exit status of a demo that was not played to its end."""

Pairs = Annotated[int, typer.Option(min=1, max=50, help="How many people, each with two mailboxes.")]
Ready = Annotated[Path | None, typer.Option(help="Write addresses and what else is needed to this JSON file once up.")]
Rtt = Annotated[float, typer.Option("--rtt", min=0, max=10_000, help="Milliseconds that each answer takes longer.")]
Trouble = Annotated[
    str,
    typer.Option("--faults", metavar="NAME", help="What goes wrong at the vendors; `--faults list` names what can."),
]
Seed = Annotated[int, typer.Option(min=0, help="Draws which requests fail: the same seed, the same requests.")]
Poll = Annotated[float, typer.Option(min=1, max=3600, help="Seconds between two looks at DingTalk.")]


@app.command()
def sandbox(
    ready: Ready = None,
    pairs: Pairs = 2,
    poll: Poll = 2.0,
    vendors_only: Annotated[
        bool, typer.Option("--vendors-only", help="Without the app: `tandem serve` runs it in another process.")
    ] = False,
    rtt: Rtt = 0,
    faults: Trouble = "",
    seed: Seed = 1,
) -> None:
    """Both simulated vendors and the app in a local Functions host, until Ctrl-C."""
    check_writable("--ready", ready)
    trouble = _trouble(faults, seed, rtt)
    console = make_console()

    def run() -> int:
        from sandbox.running import Sandbox
        from sandbox.vendors import Vendors

        vendors = (
            Vendors(pairs=pairs, faults=trouble) if vendors_only else Sandbox(pairs=pairs, poll=poll, faults=trouble)
        )
        with vendors as running:
            if vendors_only:
                trouble.begin()
            _announce(console, running, ready)
            until_ended()
        return 0

    raise typer.Exit(guarded(console, run))


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 is any free one.")] = 0,
    ready: Ready = None,
) -> None:
    """The app alone, against the vendors that the settings name (docs/settings.md), until Ctrl-C."""
    check_writable("--ready", ready)
    console = make_console()

    def run() -> int:
        from sandbox.serving import serving

        with serving(os.environ, port) as host:
            address = host.url.removeprefix("http://")
            console.print(f"Serving {len(host.functions)} functions at {host.url}; Ctrl-C ends it.", highlight=False)
            write_ready(ready, {"address": address, "functions": host.url, "pid": os.getpid()})
            until_ended()
        return 0

    raise typer.Exit(guarded(console, run))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Play it without pauses for watching, for scripts.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this JSON file.")] = None,
    pairs: Pairs = 2,
    poll: Poll = 2.0,
    rtt: Rtt = 0,
) -> None:
    """Two offices at work while you watch; ends with both mailboxes compared.

    The exit status is 1 when anything was lost, doubled, echoed or sent, or isn't the same on both sides."""
    check_writable("--json", json_file)
    trouble = _trouble("", 1, rtt)
    console = make_console()

    def run() -> int:
        from sandbox.demo.command import demo as play

        return play(once=once, json_file=json_file, pairs=pairs, poll=poll, faults=trouble, console=console)

    raise typer.Exit(guarded(console, run, INTERRUPTED))


@app.command()
def simulate(
    seeds: Annotated[str, typer.Option(help="A seed, or a range such as 1-20.")] = "1-20",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this JSON file.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Print everything that happens.")] = False,
    points: Annotated[
        bool, typer.Option("--crash-points", help="Instead of seeds: every scenario, killed at each outside call.")
    ] = False,
    one_in: Annotated[int, typer.Option(min=1, metavar="N", help="With --crash-points: at one in N calls only.")] = 1,
) -> None:
    """Random people, faults and crashes against the whole product on simulated time."""
    from sandbox.simulation.command import crash_points
    from sandbox.simulation.command import simulate as play

    check_writable("--json", json_file)
    raise typer.Exit(crash_points(json_file, one_in) if points else play(seeds, json_file, trace))


def _trouble(name: str, seed: int, rtt: float) -> Faults:
    from sandbox.faults import ALL, PLANS, Faults, catalogue

    if name == "list":
        typer.echo(catalogue())
        raise typer.Exit
    if name and name not in (*PLANS, ALL):
        known = ", ".join((*PLANS, ALL))
        raise typer.BadParameter(f"{name!r} is none of: {known}", param_hint="--faults")
    return Faults(name, seed, rtt / 1000)


def _announce(console: Console, running: Vendors, file: Path | None) -> None:
    facts = running.ready()
    write_ready(file, facts)
    for name in ("graph", "login", "alimail", "functions", "people"):
        if facts[name]:
            console.print(f"{name:<10} {facts[name]}", highlight=False)
    console.print(f"{'imap':<10} {facts['imap']['host']}:{facts['imap']['port']} (no TLS)", highlight=False)
    for pair in facts["pairs"]:
        console.print(f"{'pair':<10} {pair['outlook']} and {pair['dingtalk']}", highlight=False)
    console.print("Running; Ctrl-C ends it.")


def main() -> None:
    app(prog_name="tandem")


if __name__ == "__main__":
    main()
