"""The console script `tandem`. Commands import what they need when they are called, so that --help is quick."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

if TYPE_CHECKING:
    from sandbox.faults import Faults
    from sandbox.running import Sandbox

app = typer.Typer(
    help="Keeps a DingTalk account and an Outlook mailbox the same, both ways.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130
"""Exit status of a demo that was not played to its end."""

Pairs = Annotated[int, typer.Option(min=1, max=50, help="How many people, each with two mailboxes.")]
Rtt = Annotated[float, typer.Option("--rtt", min=0, max=10_000, help="Milliseconds that each answer takes longer.")]
Trouble = Annotated[
    str,
    typer.Option("--faults", metavar="NAME", help="What goes wrong at the vendors; `--faults list` names what can."),
]
Seed = Annotated[int, typer.Option(min=0, help="Draws which requests fail: the same seed, the same requests.")]
Poll = Annotated[float, typer.Option(min=1, max=3600, help="Seconds between two looks at DingTalk.")]


@app.command()
def sandbox(
    ready: Annotated[
        Path | None, typer.Option(help="Write addresses, apps and pairs to this JSON file once all is up.")
    ] = None,
    pairs: Pairs = 2,
    poll: Poll = 2.0,
    rtt: Rtt = 0,
    faults: Trouble = "",
    seed: Seed = 1,
) -> None:
    """Both simulated vendors and the app in a local Functions host, until Ctrl-C."""
    _check_writable("--ready", ready)
    trouble = _trouble(faults, seed, rtt)
    console = _console()

    def run() -> int:
        from sandbox.running import Sandbox

        with Sandbox(pairs=pairs, poll=poll, faults=trouble) as running:
            _announce(console, running, ready)
            threading.Event().wait()
        return 0

    raise typer.Exit(_guarded(console, run))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Play it without pauses for watching, for scripts.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this JSON file.")] = None,
    pairs: Pairs = 2,
    poll: Poll = 2.0,
    rtt: Rtt = 0,
    faults: Trouble = "",
    seed: Seed = 1,
) -> None:
    """Two offices at work while you watch; ends with both mailboxes compared.

    The exit status is 1 when anything was lost, doubled, echoed or sent, or isn't the same on both sides."""
    _check_writable("--json", json_file)
    trouble = _trouble(faults, seed, rtt)
    console = _console()

    def run() -> int:
        from sandbox.demo.command import demo as play

        return play(once=once, json_file=json_file, pairs=pairs, poll=poll, faults=trouble, console=console)

    raise typer.Exit(_guarded(console, run, INTERRUPTED))


@app.command()
def simulate(
    seeds: Annotated[str, typer.Option(help="A seed, or a range such as 1-20.")] = "1-20",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this JSON file.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Print everything that happens.")] = False,
) -> None:
    """Random people, faults and crashes against the whole product on simulated time."""
    from sandbox.simulation.command import simulate as play

    _check_writable("--json", json_file)
    raise typer.Exit(play(seeds, json_file, trace))


def _trouble(name: str, seed: int, rtt: float) -> Faults:
    from sandbox.faults import ALL, PLANS, Faults, catalogue

    if name == "list":
        typer.echo(catalogue())
        raise typer.Exit
    if name and name not in (*PLANS, ALL):
        known = ", ".join((*PLANS, ALL))
        raise typer.BadParameter(f"{name!r} is none of: {known}", param_hint="--faults")
    return Faults(name, seed, rtt / 1000)


def _announce(console: Console, running: Sandbox, file: Path | None) -> None:
    facts = running.ready()
    if file is not None:
        text = json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
        new = file.with_name(f".{file.name}.{os.getpid()}")
        new.write_text(text, "utf-8")
        new.replace(file)  # whoever waits for the file finds all of it
    for name in ("graph", "login", "alimail", "functions"):
        console.print(f"{name:<10} {facts[name]}", highlight=False)
    console.print(f"{'imap':<10} {facts['imap']['host']}:{facts['imap']['port']} (no TLS)", highlight=False)
    for pair in facts["pairs"]:
        console.print(f"{'pair':<10} {pair['outlook']} and {pair['dingtalk']}", highlight=False)
    console.print("Running; Ctrl-C ends it.")


def _check_writable(option: str, file: Path | None) -> None:
    if file is None:
        return
    if file.is_dir() or not file.parent.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise typer.BadParameter(f"{file} can't be written: name a file in a folder that exists", param_hint=option)


def _console() -> Console:
    """Warnings of the app go the same way, so that they don't break a live table."""
    console = Console()
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console, show_path=False)]
    )
    return console


def _guarded(console: Console, run: Callable[[], int], ended: int = 0) -> int:
    """Run it; Ctrl-C, or a request to end, ends it in order, with the exit status `ended`."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return run()
    except KeyboardInterrupt:
        console.print("Ended.")
        return ended
    except Exception as error:
        from sandbox.running import SandboxError

        if isinstance(error, SandboxError):
            console.print(f"[red]{error}[/red]")
            return 1
        raise


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    app(prog_name="tandem")


if __name__ == "__main__":
    main()
