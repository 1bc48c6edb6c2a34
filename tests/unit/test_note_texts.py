"""The texts of notes: the same things are said in every language."""

from __future__ import annotations

import re

import pytest

from shared.model.words import SIDES
from shared.sync.note_texts import TEXTS
from shared.sync.troubles import BRAKE, FULL, ITEM, PASSWORD, RIGHTS

CAUSES = {PASSWORD, BRAKE, ITEM, *(f"{cause} {side}" for cause in (FULL, RIGHTS) for side in SIDES)}


@pytest.mark.parametrize("language", TEXTS)
def test_every_cause_has_a_text_in_every_language_with_the_same_facts(language: str) -> None:
    texts = TEXTS[language]
    assert set(texts) == CAUSES
    for cause, (subject, text) in texts.items():
        wanted = {"since", "sender", "date", "folder"} if cause == ITEM else {"since"}
        assert set(re.findall(r"{(\w+)}", text)) == wanted, cause
        assert "{" not in subject
        assert "Tandem" in subject
