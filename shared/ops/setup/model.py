"""What a step is made of. A step is data: the wizard, the printed text, docs/setup.md and the count come from it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from shared.ops.setup.facts import BY_KEY, Facts
from shared.ports.world import Random

if TYPE_CHECKING:
    from shared.ops.setup.checks import Checks

Kind = Literal["done", "told", "left out", "waiting", "missing", "wrong", "unseen"]
FINE: tuple[Kind, ...] = ("done", "told", "left out")
"""`waiting`: it was done and takes time to be heard of. `unseen`: can't be looked at from here; `told`: the same, and
the administrator said that it is done."""

Tool = Literal["az", "azd", "pwsh"]
WHERE: dict[Tool, str] = {
    "az": "In a shell (Azure Cloud Shell has az)",
    "azd": "In a shell, in the folder of this project",
    "pwsh": "In PowerShell with the module ExchangeOnlineManagement (Azure Cloud Shell has both)",
}
Condition = tuple[str, str]
"""(decision, choice) on which something depends; () for always."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found; `text` also says what to do about it."""

    kind: Kind
    text: str

    @property
    def fine(self) -> bool:
        return self.kind in FINE


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    output: str = ""
    errors: str = ""


class Tools(Protocol):
    """The administrator's own command line tools."""

    def has(self, tool: Tool) -> bool: ...
    def run(self, tool: Tool, words: Sequence[str], *, seen: bool = False) -> Ran:
        """Run it to its end. `seen`: it talks to the person itself, and nothing is caught."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """One command. Facts stand in its words as `<key>`. `keeps`: the fact that its output is; `secret`: the secret that
    its output is, which goes into the vault and is shown nowhere. `done_if`: a command that only reads; when this one
    has been run before, it succeeds and says `says`, or else the one line that is the fact. `wait`: minutes until it
    takes effect, at least and at most."""

    tool: Tool
    words: tuple[str, ...]
    note: str = ""
    keeps: str = ""
    secret: str = ""
    done_if: tuple[str, ...] = ()
    says: str = ""
    when: Condition | tuple[()] = ()
    wait: tuple[int, int] = (0, 0)

    def shown(self, facts: Facts) -> str:
        """As it is typed; what isn't known yet stands as `<key>`."""
        words = self.filled(facts)
        if self.tool == "pwsh":
            return words[-1]
        return shlex.join((self.tool, *words)).replace("'<", "<").replace(">'", ">")

    def filled(self, facts: Facts) -> tuple[str, ...]:
        return tuple(facts.filled(word) for word in self.words)


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen of a vendor's console: where it is, and what to click and type there, word for word."""

    place: str
    does: tuple[str, ...]
    when: Condition | tuple[()] = ()
    wait: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Make:
    """A secret that setup draws itself and puts into the vault, unless there is one."""

    secret: str
    what: str
    draw: Callable[[Random], str]
    when: Condition | tuple[()] = ()


Act = Command | Screen | Make


@dataclass(frozen=True, slots=True)
class Step:
    """`decides`: the decision that it begins with. `asks`: facts that it needs beside those in its acts, with when;
    `learns`: those that the consoles show, asked for after, as is the `secret`. `needs`: the decision without which
    neither is asked for. `together`: one yes is enough for all its commands. `look` says whether it is done; what it
    can't look at is taken from what was said."""

    name: str
    title: str
    why: str
    acts: tuple[Act, ...]
    look: Callable[[Checks], Verdict]
    decides: str = ""
    asks: tuple[tuple[str, Condition | tuple[()]], ...] = ()
    learns: tuple[str, ...] = ()
    secret: str = ""
    needs: Condition | tuple[()] = ()
    together: bool = False

    def needed(self, facts: Facts) -> tuple[Act, ...]:
        """The acts that belong to what was decided."""
        return tuple(act for act in self.acts if applies(act.when, facts))

    def wanted(self, facts: Facts) -> list[str]:
        """The facts to ask for before it begins: those of its acts that none of them gives, and `asks`."""
        acts = [act for act in self.needed(facts) if isinstance(act, Command)]
        given = {act.keeps for act in acts}
        texts = [word for act in acts for word in act.words]
        texts += [text for act in self.needed(facts) if isinstance(act, Screen) for text in act.does]
        keys = [key for key, when in self.asks if applies(when, facts) and not facts.get(key)]
        return list(dict.fromkeys([*(key for key in facts.missing(texts) if key not in given), *keys]))


def applies(when: Condition | tuple[()], facts: Facts) -> bool:
    return not when or facts.chosen(when[0]) == when[1]


def explained(key: str) -> str:
    """A decision with its choices, for a person."""
    fact = BY_KEY[key]
    return f"{fact.about}: " + "; ".join(f"{name} ({text})" for name, text in fact.choices)
