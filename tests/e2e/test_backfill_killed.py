"""Old mail while the app is killed again and again, in processes as they are served."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.killed import Office, killed

WITHIN = 300.0


@pytest.mark.slow
@pytest.mark.longest
def test_old_mail_comes_over_once_when_the_app_is_killed_and_begins_at_once(tmp_path: Path) -> None:
    with ExitStack() as stack:
        office = Office(tmp_path, stack, {"outlook": 400, "dingtalk": 400, "both": 20}, limits=False)
        seen = killed(office, kills=5, seed=1, within=WITHIN)
        assert seen.working >= 3, "most processes were killed at work"
        assert seen.compared == {"outlook": 820, "dingtalk": 820, "differences": 0, "doubled": 0, "examples": []}
        assert len(office.rows("l:")) == 820
        assert office.vendors.ask("counts")["sent"] == 0
