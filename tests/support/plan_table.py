"""The planner's truth table as a page for people. `python -m tests.support.plan_table` writes it anew."""

from __future__ import annotations

from pathlib import Path

from shared.model.plans import Word
from shared.sync.plan import TABLE

DOCUMENT = Path(__file__).parents[2] / "docs" / "planner.md"
WORDS: tuple[Word, ...] = ("kept", "edited", "trashed", "gone", "unborn")
MEANINGS = {
    "kept": "read, equal to what both sides last agreed on",
    "edited": "read, and some fields differ",
    "trashed": "was live, and a read finds it in the trash",
    "gone": "was there, was said to be removed, and is nowhere, twice, a minute apart",
    "unborn": "our copy was never seen and is nowhere",
    "unknown": "not read in this run: never leads to a step",
}
CELLS = {
    "merge": "merge field by field",
    "merge_or_restore": "merge: a move beats the trash (other kinds: any edit restores)",
    "keep_other": "keep, mark gone (base in the trash: close, or make again)",
    "create_again": "make again, once",
    "close": "close",
}
HEAD = """# The planner's table

Generated from `TABLE` in `shared/sync/plan.py` by `python -m tests.support.plan_table`; a test fails when it is stale.

What one side of a link shows:

"""
MERGE = """
**Merge**: what one side changed goes across; what both changed alike is agreed; where both changed a field differently
the policy decides (mail: a live folder beats the trash, else Outlook) and the losing value goes into the journal.
"""


def document() -> str:
    words = "".join(f"- `{word}`: {text}\n" for word, text in MEANINGS.items())
    head = "| one side ↓ other side → | " + " | ".join(WORDS) + " |\n|" + "---|" * (len(WORDS) + 1) + "\n"
    rows = "".join(f"| **{one}** | " + " | ".join(_cell(one, two) for two in WORDS) + " |\n" for one in WORDS)
    return f"{HEAD}{words}\n{head}{rows}{MERGE}"


def _cell(one: Word, two: Word) -> str:
    """Both orders say the same; it stands in the upper half."""
    if WORDS.index(two) < WORDS.index(one):
        return ""
    row = TABLE.get((one, two)) or TABLE[two, one]
    return "nothing" if (one, two) == ("kept", "kept") else CELLS[row.__name__]


if __name__ == "__main__":
    DOCUMENT.write_text(document(), "utf8")
