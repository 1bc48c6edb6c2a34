"""What is too large for memory stands in files that nobody else sees, and that leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shared.model.errors import NoRoom
from shared.model.spooled import PIECE, whole
from shared.wiring.spool import FileSpool, OneSpool

BYTES = bytes(range(256)) * 9000


def pieces(size: int = 100_000) -> Iterator[bytes]:
    yield from (BYTES[at : at + size] for at in range(0, len(BYTES), size))


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_what_is_kept_comes_back_in_pieces_of_the_size_asked_for(tmp_path: Path) -> None:
    with FileSpool(tmp_path) as spool:
        kept = spool.keep(pieces())
        assert kept.size == len(BYTES)
        assert whole(kept) == BYTES
        assert [len(piece) for piece in kept.pieces()] == [PIECE, PIECE, len(BYTES) - 2 * PIECE]
        assert [len(piece) for piece in kept.pieces(2_000_000)] == [2_000_000, len(BYTES) - 2_000_000]
        assert list(spool.keep([]).pieces()) == []


def test_one_file_can_be_read_at_two_places_at_once(tmp_path: Path) -> None:
    with FileSpool(tmp_path) as spool:
        kept = spool.keep(pieces())
        first, second = kept.pieces(1000), kept.pieces(700)
        read = [(next(first), next(second)) for _ in range(100)]
    assert b"".join(a for a, _ in read) == BYTES[:100_000]
    assert b"".join(b for _, b in read) == BYTES[:70_000]


def test_the_folder_shows_no_file_and_no_file_stays_open(tmp_path: Path) -> None:
    before = open_files()
    with FileSpool(tmp_path / "made" / "when needed") as spool:
        spool.keep(pieces())
        spool.keep(pieces())
        assert open_files() == before + 2
        assert list((tmp_path / "made" / "when needed").iterdir()) == []
    assert open_files() == before


def test_what_breaks_off_while_it_comes_is_not_kept(tmp_path: Path) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"a beginning"
        raise ConnectionError("no more")

    before = open_files()
    with FileSpool(tmp_path) as spool:
        with pytest.raises(ConnectionError):
            spool.keep(breaks())
        assert open_files() == before


def test_a_disk_that_is_too_full_is_told_with_what_to_do(tmp_path: Path) -> None:
    before = open_files()
    with (
        FileSpool(tmp_path, reserve=1 << 62) as spool,
        pytest.raises(NoRoom, match=r"MB are free.*TANDEM_SPOOL_FOLDER"),
    ):
        spool.keep(pieces())
    assert open_files() == before


def test_a_disk_that_fills_up_while_it_is_written_is_told_too() -> None:
    script = (
        "import resource, sys\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "from shared.model.errors import NoRoom\n"
        "from shared.wiring.spool import FileSpool, OneSpool\n"
        "try: FileSpool().keep([bytes(100_000)] * 9)\n"
        "except NoRoom as exc: print(exc)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "takes no more (File too large): make room there" in ran.stdout


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with FileSpool(tmp_path / "file" / "below") as spool, pytest.raises(NoRoom, match="Not a directory"):
        spool.keep([b"x"])


def test_a_process_has_one_spool_at_a_time() -> None:
    spool = OneSpool()
    for _ in range(2):
        opened = spool.open()
        assert opened is not None
        with suppress(ZeroDivisionError), opened as kept:
            assert spool.open() is None
            assert whole(kept.keep([b"x"])) == b"x"
            raise ZeroDivisionError
