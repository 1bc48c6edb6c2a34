"""`tandem setup`: walks an administrator through what the template can't do."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from shared.cli.common import FAILED, complaints, console

if TYPE_CHECKING:
    from shared.ops.setup.checks import Checks
    from shared.ops.setup.model import Step, Tools
    from shared.ops.setup.wizard import Wizard

PROGRESS = "tandem-setup.json"
CALLBACK = "callback"


class Terminal:
    """A `shared.ops.setup.wizard.Person` in front of a terminal."""

    def say(self, text: str) -> None:
        console.print(escape(text), soft_wrap=True)

    def show(self, text: str) -> None:
        typer.echo(text)

    def agrees(self, question: str, *, default: bool = False) -> bool:
        return bool(typer.confirm(question, default=default))

    def tells(self, question: str, default: str = "") -> str:
        return str(typer.prompt(question, default=default, show_default=bool(default)))

    def whispers(self, question: str) -> str:
        return str(typer.prompt(question, default="", hide_input=True, show_default=False))


StepName = Annotated[str, typer.Argument(metavar="[STEP]", help="One step alone, by its name.")]
Check = Annotated[bool, typer.Option("--check", help="Only look what is done; 1 if something isn't.")]
Again = Annotated[
    bool, typer.Option("--again", help="Do STEP although it is done: its secrets are asked for and drawn anew.")
]
Print = Annotated[bool, typer.Option("--print", help="Only print all that is to be done.")]
Count = Annotated[bool, typer.Option("--count", help="Only count steps, decisions and waiting.")]
Show = Annotated[str, typer.Option("--show", metavar=CALLBACK, help="What DingTalk's console has to be told.")]
SecretName = Annotated[str, typer.Option("--secret", metavar="NAME", help="Put one secret into the vault.")]
Stdin = Annotated[bool, typer.Option("--stdin", help="With --secret: read it from standard input.")]
EnvFile = Annotated[
    str, typer.Option("--env-file", metavar="FILE", help="What `azd env get-values` prints; - for standard input.")
]
Notes = Annotated[
    Path | None, typer.Option("--progress", metavar="FILE", help="Where it notes down what it knows; no secrets.")
]


def setup(
    step: StepName = "",
    check: Check = False,
    again: Again = False,
    print_all: Print = False,
    count: Count = False,
    show: Show = "",
    secret: SecretName = "",
    stdin: Stdin = False,
    env_file: EnvFile = "",
    progress: Notes = None,
) -> None:
    """Walk through what `azd provision` can't do: rights, apps at the vendors, secrets, settings. May be stopped and
    run again at any time; nothing is run on your behalf without a yes."""
    from shared.ops.setup.steps import STEPS

    if env_file == "-" and not (check or print_all or count):
        raise typer.BadParameter("- takes what is typed: only with --check, --print, --count", param_hint="--env-file")
    if show not in ("", CALLBACK):
        raise typer.BadParameter(f"knows only {CALLBACK}", param_hint="--show")
    if again and not step:
        raise typer.BadParameter("needs the name of a step", param_hint="--again")
    steps = STEPS if not step else (_named(step),)
    with _opened(env_file, progress, again=again) as (checks, wizard):
        if count:
            _count(steps, checks)
        elif print_all:
            _print(steps, checks)
        elif check:
            _check(steps, checks)
        elif show:
            wizard.show_callback()
        elif secret:
            wizard.keep_secret(_secret_name(secret), _secret(secret, stdin))
        else:
            _walk(steps, wizard, whole=not step)


@contextmanager
def _opened(env_file: str, progress: Path | None, *, again: bool) -> Iterator[tuple[Checks, Wizard]]:
    """An error of ours ends the command with its text, which says what to do, and status 1."""
    from shared.model.errors import TandemError
    from shared.ops.setup.checks import Checks
    from shared.ops.setup.facts import Facts
    from shared.ops.setup.progress import Progress
    from shared.ops.setup.wizard import Wizard
    from shared.wiring.setup import world
    from shared.wiring.tools import PathTools

    for name in ("tandem", "azure"):
        logging.getLogger(name).addHandler(logging.NullHandler())  # what they log is said here in words
    tools = PathTools()
    try:
        env = _environment(env_file, tools)
        noted = Progress(progress or _default_progress(env))
        with world(env) as real:
            checks = Checks(real, Facts(env, noted.facts), noted, tools, env)
            yield checks, Wizard(checks, noted, tools, Terminal(), real.clock, real.random, again=again)
    except TandemError as error:
        complaints.print(escape(str(error)), soft_wrap=True)
        raise typer.Exit(FAILED) from error


def _environment(env_file: str, tools: Tools) -> Mapping[str, str]:
    """This process's environment under what the file says; without a file, over what azd knows."""
    from shared.ops.setup.env_file import read_env

    if env_file:
        try:
            text = sys.stdin.read() if env_file == "-" else Path(env_file).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise typer.BadParameter(f"{env_file} can't be read", param_hint="--env-file") from error
        return {**os.environ, **read_env(text)}
    if not os.environ.get("TANDEM_VAULT_URL") and tools.has("azd"):
        ran = tools.run("azd", ("env", "get-values"))
        if ran.status == 0:
            return {**read_env(ran.output), **{name: text for name, text in os.environ.items() if text.strip()}}
    return os.environ


def _default_progress(env: Mapping[str, str]) -> Path:
    folder = Path(".azure", env.get("AZURE_ENV_NAME", "").strip() or "-")
    return folder / PROGRESS if folder.is_dir() else Path(PROGRESS)


def _named(name: str) -> Step:
    from shared.ops.setup.steps import BY_NAME

    if name not in BY_NAME:
        raise typer.BadParameter(f"{name!r} is none of: {', '.join(BY_NAME)}", param_hint="STEP")
    return BY_NAME[name]


def _secret_name(name: str) -> str:
    from shared.ops.setup import keys

    known = (keys.ALIMAIL, keys.DINGTALK, keys.GRAPH, keys.TOKEN, keys.AES_KEY)
    if name not in known:
        raise typer.BadParameter(f"{name!r} is none of: {', '.join(known)}", param_hint="--secret")
    return name


def _secret(name: str, from_stdin: bool) -> str:
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else Terminal().whispers(name)


def _walk(steps: tuple[Step, ...], wizard: Wizard, *, whole: bool) -> None:
    from shared.ops.setup.steps import FIRST_PAIR

    if not wizard.walk(steps):
        console.print("Not everything is done. Run `tandem setup` again: it goes on where this stopped.")
        raise typer.Exit(FAILED)
    if whole:
        console.print(escape(f"\nAll is set up. {FIRST_PAIR}"), soft_wrap=True)


def _check(steps: tuple[Step, ...], checks: Checks) -> None:
    console.print(f"{'step':<13} {'state':<9} what was found")
    fine = True
    for step in steps:
        verdict = step.look(checks)
        fine = fine and verdict.fine
        console.print(f"{step.name:<13} {verdict.kind:<9} {escape(verdict.text)}", soft_wrap=True)
    if not fine:
        raise typer.Exit(FAILED)


def _print(steps: tuple[Step, ...], checks: Checks) -> None:
    from shared.ops.setup.texts import told

    typer.echo("\n".join(line for step in steps for line in told(step, checks.facts)))


def _count(steps: tuple[Step, ...], checks: Checks) -> None:
    from shared.ops.setup.texts import HEADS, summary, table

    shown = Table(*HEADS, box=None)
    for row in table(steps, checks.facts):
        shown.add_row(*row)
    console.print(shown)
    console.print(escape(summary(steps, checks.facts)), soft_wrap=True)
