"""Somebody leaves the organisation, or changes their name, and the running app hears of it."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable

import pytest

from sandbox.running import Sandbox
from shared.model.pairs import Pair


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the connections that the product keeps open
def test_the_pair_of_somebody_who_leaves_is_paused_within_seconds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    _play()
    gc.collect()
    assert "pair pair-1 is paused: its person has left the organisation in DingTalk" in caplog.text


def _play() -> None:
    with Sandbox(pairs=2, poll=1.0) as sandbox:
        platform = sandbox.open_platform

        def pair(number: int) -> Pair:
            return sandbox._product.pairs.list()[number - 1]

        _until(lambda: pair(1).user_id == "user-001" and pair(2).user_id == "user-002")
        platform.rename("user-002", "Wong Siu Kit")
        renamed = _until(lambda: pair(2).name == "Wong Siu Kit")
        platform.leave("user-001")
        left = _until(lambda: pair(1).paused)
        print(f"a new name after {renamed * 1000:.0f} ms, the leaver's pair paused after {left * 1000:.0f} ms")
        assert (pair(1).paused_why, pair(2).paused) == ("left", False)
        before = len(sandbox.polls(pair(1).dingtalk))
        _until(lambda: len(sandbox.polls(pair(2).dingtalk)) > before + 2)
        assert len(sandbox.polls(pair(1).dingtalk)) <= before + 1
        _until(lambda: platform.answers == ["ok", "ok"])
        quota = sandbox._product.quota
        assert quota is not None
        assert quota.used() == 0


def _until(condition: Callable[[], bool], seconds: float = 15.0) -> float:
    """-> after how many seconds it was so."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - started
