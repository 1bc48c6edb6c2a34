"""docs/setup.md tells every step, and is fresh; what it counts is what there is."""

from __future__ import annotations

from shared.ops.setup.facts import Facts
from shared.ops.setup.model import Command, Screen
from shared.ops.setup.steps import STEPS
from shared.ops.setup.texts import Count, count
from tests.support.setup_page import PAGE, page


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m tests.support.setup_page`"


def test_every_command_and_screen_is_on_the_page() -> None:
    facts, text = Facts({}, {}), page()
    for step in STEPS:
        for act in step.acts:
            if isinstance(act, Command):
                assert act.shown(facts) in text
            elif isinstance(act, Screen):
                assert all(line.split("<")[0] in text for line in act.does)


def test_going_without_leavers_is_fewer_steps_and_a_client_secret_is_not() -> None:
    def whole(**noted: str) -> Count:
        facts = Facts({}, noted)
        return sum((count(step, facts) for step in STEPS), Count())

    recommended = whole()
    assert recommended.steps == recommended.commands + recommended.screens + recommended.made
    without = whole(leavers="no")
    assert (recommended.screens - without.screens, recommended.made - without.made) == (3, 2)
    assert whole(proof="client-secret").steps == recommended.steps - 1, "it serves on one's own machine too"
    assert whole(rights="tenant-wide").commands == recommended.commands - 1
    assert whole(rights="tenant-wide").most == 0
