"""The steps in words: for the terminal, for `--print` and for docs/setup.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.ops.setup.facts import Facts
from shared.ops.setup.model import WHERE, Act, Command, Make, Screen, Step, applies, explained


def lines(act: Act, facts: Facts) -> tuple[str, list[str]]:
    """(where or what, the lines to type or to do), with what is known filled in."""
    if isinstance(act, Command):
        return " ".join(filter(None, (act.note, f"{WHERE[act.tool]}:"))), act.shown(facts).splitlines()
    if isinstance(act, Screen):
        return f"{act.place}:", [facts.filled(text) for text in act.does]
    return f"`tandem setup` makes {act.what} and puts it into the vault as {act.secret}.", []


def told(step: Step, facts: Facts) -> Iterator[str]:
    """The whole step, for whoever does it by hand."""
    yield f"{step.title} ({step.name})"
    yield f"  {step.why}"
    if step.decides:
        yield f"  To decide: {explained(step.decides)}. Here: {facts.chosen(step.decides)}."
    for act in step.needed(facts):
        head, typed = lines(act, facts)
        yield f"  {head}"
        yield from (f"    {line}" for line in typed)
    if step.secret and applies(step.needs, facts):
        yield "  The secret goes into the vault, asked for without being shown:"
        yield f"    tandem setup --secret {step.secret}"
    yield "  Whether it is done:"
    yield f"    tandem setup {step.name} --check"
    yield ""


@dataclass(frozen=True, slots=True)
class Count:
    """A step is one command, or one screen of a vendor's console. `taken`: those that `tandem setup` runs by itself
    after a yes, or makes; `typed`: values that are copied from one place to another by hand; minutes of waiting, at
    least and at most."""

    commands: int = 0
    screens: int = 0
    made: int = 0
    decisions: int = 0
    typed: int = 0
    least: int = 0
    most: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def steps(self) -> int:
        return self.commands + self.screens + self.made

    @property
    def taken(self) -> int:
        return self.commands + self.made


def count(step: Step, facts: Facts) -> Count:
    """For what was decided, or else for what is recommended."""
    acts = step.needed(facts)
    waits = [act.wait for act in acts if not isinstance(act, Make)]
    return Count(
        sum(isinstance(act, Command) for act in acts),
        sum(isinstance(act, Screen) for act in acts),
        sum(isinstance(act, Make) for act in acts),
        int(bool(step.decides)),
        (len(step.learns) + bool(step.secret)) * applies(step.needs, facts),
        sum(least for least, _ in waits),
        sum(most for _, most in waits),
    )


HEADS = ("step", "commands", "screens", "made", "decisions", "values copied", "minutes of waiting")


def table(steps: Iterable[Step], facts: Facts) -> Iterator[tuple[str, ...]]:
    """A row for each step, and one for all."""
    whole = Count()
    for step in steps:
        counted = count(step, facts)
        whole += counted
        yield _row(step.name, counted)
    yield _row("all", whole)


def _row(name: str, counted: Count) -> tuple[str, ...]:
    wait = f"{counted.least} to {counted.most}" if counted.most else "0"
    numbers = (counted.commands, counted.screens, counted.made, counted.decisions, counted.typed)
    return (name, *map(str, numbers), wait)


def summary(steps: Iterable[Step], facts: Facts) -> str:
    whole = sum((count(step, facts) for step in steps), Count())
    return (
        f"{whole.steps} steps and {whole.decisions} decisions. Of the steps, `tandem setup` takes over {whole.taken}:"
        f" {whole.commands} commands, each run after a yes where its tool is installed, and {whole.made} secrets that"
        f" it makes. {whole.screens} are screens of consoles that have no command. Waiting: {whole.least} to"
        f" {whole.most} minutes, and what `azd up` takes."
    )
