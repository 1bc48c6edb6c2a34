"""Large messages through the product's replicas in a process of their own, on real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.model.words import DINGTALK, OUTLOOK, Side
from tests.bench.large import measured


@pytest.mark.slow
@pytest.mark.parametrize("side", [OUTLOOK, DINGTALK])
def test_a_large_message_crosses_byte_for_byte_and_takes_no_memory_for_its_size(side: Side, tmp_path: Path) -> None:
    taken = measured(16_000_000, side, password=True, folder=str(tmp_path))  # compares the bytes
    assert taken["message as encoded, MB"] > 21
    assert taken["memory, MB"] < 16
