"""docs/setup.md, made from the steps themselves: `python -m tests.support.setup_page` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from shared.ops.setup.facts import BY_KEY, Facts
from shared.ops.setup.model import Command, Condition, Step
from shared.ops.setup.steps import FIRST_PAIR, LEAVERS, STEPS
from shared.ops.setup.texts import HEADS, lines, summary, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "setup.md"
HEAD = """\
# Setting Tandem up

`azd provision` makes everything on Azure. What it can't do are the rights that Microsoft 365 and DingTalk give, the
secrets, and the first mailboxes. `tandem setup` walks you through that. It is run in the folder of the project, on your
own machine, after `azd provision`:

| command | what it does |
|---|---|
| `tandem setup` | goes through all steps: what and why, each command, and whether it worked |
| `tandem setup STEP` | does one step |
| `tandem setup STEP --again` | does a step that is done: its secrets are asked for and drawn anew |
| `tandem setup --check` | only looks what is done; the exit status is 1 if something isn't |
| `tandem setup --print` | only prints everything that is to be done, with what is known filled in |
| `tandem setup --count` | only counts, as the table below |
| `tandem setup --secret NAME` | puts one secret into the vault; with `--stdin` from standard input |
| `tandem setup --show callback` | prints what DingTalk's console has to be told |

- **Nothing is run without a yes.** Where az, azd or PowerShell isn't there, you run the printed command elsewhere and
  press Enter.
- **It may be stopped at any time and run again.** What is done is found by looking: at the vault, at Entra, by signing
  in to each vendor, by asking the app. What can't be looked at is noted in `tandem-setup.json` (in azd's folder of the
  environment, or in `--progress FILE`), which holds no secret.
- **Secrets go into the vault and nowhere else.** They are never part of a command that you type, and never shown, but
  for the callback's token and key, which you have to type into DingTalk's console.
- **What it knows** comes from `azd env get-values`, which it asks by itself, from `--env-file FILE` with the same
  lines, or from the environment.

This page is made from the steps: `python -m tests.support.setup_page`. `<key>` stands for what is not known before.
"""
COUNTED = """
## How much it is

A step is one command, or one screen of a vendor's console. Counted is the recommended way.

"""
UNSEEN = """
## What can't be looked at

- Whether DingTalk's console has the callback: its first event shows it (`tandem status --json`, `callbacks`).
- Whether the app signs in with its managed identity: only the app itself can. What is looked at is the credential as it
  stands at the registration.
- Which permissions the Alimail app has beside those that are used: its console shows them.
"""
PAIR = """
When nobody is added any more and the app signs in with its managed identity, delete the client secret at the app
registration and in the vault; `tandem setup from-here` makes another when it is needed.
"""


def page() -> str:
    facts = Facts({}, {})
    parts = [HEAD, COUNTED, *_count(facts), *(line for step in STEPS for line in _step(step, facts))]
    return "".join(parts) + UNSEEN + f"\n## Then\n\n{_first_pair()}{PAIR}"


def _count(facts: Facts) -> Iterator[str]:
    yield f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}\n"
    for row in table(STEPS, facts):
        yield f"| {' | '.join(row)} |\n"
    yield f"\n{summary(STEPS, facts)}\n"


def _step(step: Step, facts: Facts) -> Iterator[str]:
    yield f"\n## {step.title}\n\n`tandem setup {step.name}`: {step.why}\n"
    if step.decides:
        fact = BY_KEY[step.decides]
        yield f"\nTo decide is {fact.about}:\n\n"
        for number, (choice, text) in enumerate(fact.choices):
            yield f"- `{choice}`{' (recommended)' if not number else ''}: {text}.\n"
    for (head, when, kind), acts in groupby(step.acts, lambda act: (lines(act, facts)[0], act.when, type(act))):
        told = [line for act in acts for line in lines(act, facts)[1]]
        yield f"\n{_when(when)}{head}\n"
        if kind is Command:
            yield "\n```\n" + "".join(f"{line}\n" for line in told) + "```\n"
        elif told:
            yield "\n" + "".join(f"- {line}\n" for line in told)
    if step.secret:
        yield f"\nThe secret goes into the vault as `{step.secret}`.\n"


def _when(when: Condition | tuple[()]) -> str:
    """Only where there is a choice between two ways of doing a step; to go without it is no way."""
    return f"With `{when[1]}`: " if when and when != LEAVERS else ""


def _first_pair() -> str:
    said, *commands = FIRST_PAIR.split("\n")
    return f"{said}\n\n```\n" + "".join(f"{command.strip()}\n" for command in commands) + "```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
