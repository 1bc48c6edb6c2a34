"""Vendors that answer badly, with the whole product and real sockets: nobody's mailbox changes, the ledger stays, the
log says what happened and tells nothing, and when the vendor is well again everything is carried across."""

from __future__ import annotations

import errno
import gzip
import itertools
import json
import logging
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.web import Broken, Request, Response
from shared.model.errors import StoreUnavailable, TandemError
from shared.ports.state import Op
from shared.state.files import FileBlobs, FileSecrets
from tests.support.scene import Scene
from tests.support.small_office import MOST, SECRETS, Bad, SmallOffice

Ask = Callable[[], Response]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BOMB = gzip.compress(b" " * 100_000_000)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallOffice]:
    with SmallOffice(tmp_path_factory.mktemp("state")) as office:
        office.arrive("outlook", "o")
        office.arrive("dingtalk", "d")
        office.settle()
        yield office


@pytest.fixture(autouse=True)
def well_again(office: SmallOffice) -> Iterator[None]:
    yield
    break_both(office, None)


def json_of(change: Callable[[Any], Any]) -> Bad:
    def bad(request: Request, ask: Ask) -> Response:
        answer = ask()
        try:
            value = json.loads(answer.body)
        except ValueError:
            return Response(200, {}, b"7")
        return Response.of_json(answer.status, change(value))

    return bad


def each(value: Any, change: Callable[[Any], Any]) -> Any:
    """Every value that is no object and no list, changed."""
    if isinstance(value, dict):
        return {name: each(inner, change) for name, inner in value.items()}
    return [each(inner, change) for inner in value] if isinstance(value, list) else change(value)


def without(*names: str) -> Bad:
    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: cut(inner) for name, inner in value.items() if name not in names}
        return [cut(inner) for inner in value] if isinstance(value, list) else value

    return json_of(cut)


def raw(*pieces: bytes) -> Bad:
    def bad(request: Request, ask: Ask) -> Response:
        raise Broken(pieces)

    return bad


def packed(body: bytes) -> Bad:
    return lambda request, ask: Response(200, {"content-encoding": "gzip", "content-type": "application/json"}, body)


def half(request: Request, ask: Ask) -> Response:
    body = ask().body
    raise Broken([HEAD + b"Content-Length: %d\r\n\r\n" % max(len(body), 2), body[: len(body) // 2]])


def endless(request: Request, ask: Ask) -> Response:
    raise Broken(itertools.chain([HEAD + b"\r\n"], itertools.repeat(b" " * 65536)))


def slow(request: Request, ask: Ask) -> Response:
    def drops() -> Iterator[bytes]:
        yield HEAD + b"Content-Length: 100000\r\n\r\n"
        for _ in range(16):
            time.sleep(MOST / 8)
            yield b" "

    raise Broken(drops())


def linked(request: Request, ask: Ask) -> Response:
    """Links that lead elsewhere, in every object that may hold one, those within a batch too."""
    places = dict.fromkeys(("@odata.nextLink", "@odata.deltaLink", "location"), "https://graph.evil.example/v1.0/x")

    def lead(value: Any) -> Any:
        if isinstance(value, dict):
            return {**{name: lead(inner) for name, inner in value.items()}, **places}
        return [lead(inner) for inner in value] if isinstance(value, list) else value

    return json_of(lead)(request, ask)


def says(status: int, body: Any, **headers: str) -> Bad:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, bytes):
        return lambda request, ask: Response(status, {"content-type": "text/html", **named}, body)
    return lambda request, ask: Response.of_json(status, body, named)


PAGE = b"<!doctype html><title>Sign in</title>"
BAD: dict[str, Bad] = {
    "a list for an object": says(200, []),
    "a text for an object": says(200, "fine"),
    "an empty object": says(200, {}),
    "nothing": says(200, b""),
    "numbers for texts": json_of(lambda value: each(value, lambda v: 7 if isinstance(v, str) else v)),
    "texts for all": json_of(lambda value: each(value, str)),
    "objects for all": json_of(lambda value: each(value, lambda v: {"v": v})),
    "lists for all": json_of(lambda value: each(value, lambda v: [v])),
    "null for all": json_of(lambda value: each(value, lambda v: None)),
    "no ids": without("id"),
    "no states": without("isRead", "folderId", "parentFolderId", "flag"),
    "no lists": without("value", "messages", "folders", "message", "responses"),
    "deep nesting": says(200, b"[" * 200_000),
    "a page with 200": says(200, PAGE),
    "a page with 404": says(404, PAGE),
    "a page with 502": says(502, PAGE),
    "half an answer": half,
    "a broken chunk": raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
    "a broken packing": packed(b"no gzip"),
    "half a packing": packed(gzip.compress(b'{"value": [], "folders": []}' * 20)[:-9]),
    "a bomb": packed(BOMB),
    "an answer without an end": endless,
    "silence": raw(),
    "slow bytes": slow,
    "a redirect": says(302, {}, location="https://graph.evil.example/v1.0/x"),
    "links elsewhere": linked,
    "throttling": says(429, {"error": {"code": "ApplicationThrottled"}, "detailErrorCode": "system.busy"}),
    "an unheard error": says(418, {"error": {"code": "li.na@supplier.example 提单"}, "detailErrorCode": "提单 您好"}),
    "rights revoked": says(403, {"error": {"code": "Authorization_RequestDenied"}, "detailErrorCode": "forbidden"}),
    "rights gone": says(401, {"error": {"code": "InvalidAuthenticationToken"}, "detailErrorCode": "unauthorized"}),
}


def is_token(request: Request) -> bool:
    return request.path.endswith("/token") or "openid" in request.path


def but_tokens(bad: Bad) -> Bad:
    return lambda request, ask: ask() if is_token(request) else bad(request, ask)


def break_both(office: SmallOffice, bad: Bad | None) -> None:
    for front in office.fronts.values():
        front.bad, front.asked = bad, 0


def work_until_both_are_asked(office: SmallOffice) -> list[TandemError]:
    """Works for a second at least; -> what the triggers raised. A busy machine, or a rest that a vendor asked for
    before, may take longer to come to the second vendor."""
    raised, end = office.work(1.0), time.monotonic() + 30.0
    while not all(front.asked for front in office.fronts.values()):
        assert time.monotonic() < end, "a vendor was never asked"
        raised += office.work(0.5)
    return raised


def nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    told = [record.getMessage() + str(record.exc_info or "") for record in caplog.records]
    hidden = (*SECRETS, "@mail.example", "evil", "Sign in")
    assert not [line for line in told if any(text in line for text in hidden)]


@pytest.mark.slow
@pytest.mark.parametrize("how", BAD)
def test_a_vendor_that_answers_badly_changes_nothing(
    office: SmallOffice, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    office.settle()
    number = len(office.shown()["outlook"])
    before = office.ledger()
    break_both(office, but_tokens(BAD[how]))
    office.arrive("outlook", f"o{number}")
    office.arrive("dingtalk", f"d{number}")
    read = next(m for m in office.outlook_box.messages() if m.message_id == "o@mail.example")
    office.outlook_box.set_read(read.id, not read.read)
    acted = office.shown()
    office.look_again()
    raised = work_until_both_are_asked(office)
    assert office.shown() == acted
    after = office.ledger()
    waiting = [row["reason"] for key, row in after.items() if key.startswith("u:") and key not in before]
    if waiting:  # what was shown and can't be read is written down as due, and then a cursor may move
        assert set(waiting) == {"unreadable"}
        before, after = ({k: v for k, v in rows.items() if k[:2] not in ("u:", "m:", "c:")} for rows in (before, after))
    assert after == before
    assert raised == [], "a trigger failed: the message would end among the poisoned ones"
    told = any(record.levelno == logging.WARNING for record in caplog.records)
    assert told or waiting, "nobody was told"
    nothing_is_told(caplog)
    break_both(office, None)
    office.look_again()
    office.settle()


# ---------------------------------------------------------------------------------- full, expired, revoked, and late


def refusal_of_logins(request: Request, ask: Ask) -> Response:
    """As both vendors say that a client secret has expired."""
    said = {
        "error": "invalid_client",
        "error_description": f"AADSTS7000222: The provided client secret keys for app '{SECRETS[3]}' are expired.",
        "error_codes": [7000222],
    }
    return Response.of_json(401, said) if request.path.endswith("/token") else ask()


def test_expired_secrets_stop_the_pair_with_a_name_for_it_and_new_ones_go_on(
    office: SmallOffice, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.outlook.tokens.AGAIN", 0.0)  # a new secret comes with a new process, which asks at once
    office.settle()
    before, number = office.ledger(), len(office.shown()["outlook"])
    office.microsoft.tokens.revoke()
    office.dingtalk.revoke_tokens()
    break_both(office, refusal_of_logins)
    office.arrive("outlook", f"o{number}")
    office.arrive("dingtalk", f"d{number}")
    acted = office.shown()
    caplog.clear()
    office.look_again()
    assert office.work(1.0) == []
    assert (office.shown(), office.ledger()) == (acted, before)
    told = " ".join(record.getMessage() for record in caplog.records)
    assert "the client secret has expired: make a new one" in told
    assert "(AADSTS7000222)" in told
    assert "NotPermitted (invalid_client)" in told
    nothing_is_told(caplog)
    break_both(office, None)
    office.settle()


def test_a_full_outlook_takes_no_copies_and_everything_else_goes_on(
    office: SmallOffice, caplog: pytest.LogCaptureFixture
) -> None:
    def full(request: Request, ask: Ask) -> Response:
        creates = request.method == "POST" and request.path.endswith("/messages")
        return Response.of_json(507, {"error": {"code": "ErrorQuotaExceeded", "message": "提单"}}) if creates else ask()

    office.settle()
    office.fronts["outlook"].bad = full
    number = len(office.shown()["outlook"])
    office.arrive("dingtalk", f"d{number}")
    office.arrive("outlook", f"o{number}")
    office.outlook_box.set_read(office.message("outlook", "d").id, not office.state("outlook", "d"))
    until(office, lambda: office.has("dingtalk", f"o{number}"))
    until(office, lambda: office.state("dingtalk", "d") == office.state("outlook", "d"))
    assert not office.has("outlook", f"d{number}")
    nothing_is_told(caplog)
    break_both(office, None)
    office.settle()


def test_a_full_dingtalk_takes_no_copies_and_everything_else_goes_on(
    office: SmallOffice, caplog: pytest.LogCaptureFixture
) -> None:
    office.settle()
    office.dingtalk_box.store.quota = 0
    number = len(office.shown()["outlook"])
    office.arrive("outlook", f"o{number}")
    office.arrive("dingtalk", f"d{number}")
    until(office, lambda: office.has("outlook", f"d{number}"))
    office.work(1.0)
    assert not office.has("dingtalk", f"o{number}")
    nothing_is_told(caplog)
    office.dingtalk_box.store.quota = None
    office.settle()


def until(office: SmallOffice, what: Callable[[], bool]) -> None:
    for _ in range(40):
        if what():
            return
        office.look_again()
        office.work(0.5)
    pytest.fail("not in 20 s")


def test_a_full_disk_stops_the_work_before_anything_is_written_to_a_mailbox(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite itself says so: its file may not grow."""
    with SmallOffice(tmp_path) as office:
        office.arrive("outlook", "o")
        office.settle()
        with full_disk(office):
            for number in range(30):
                office.arrive("outlook", f"o{number}")
                office.arrive("dingtalk", f"d{number}")
            office.look_again()
            raised = office.work(3.0)
            assert {error.code for error in raised} <= {"SQLITE_FULL"}
            assert any("StoreUnavailable (SQLITE_FULL)" in record.getMessage() for record in caplog.records)
            with pytest.raises(StoreUnavailable, match="make room"):
                fill(office)
        made = Counter(m.message_id for box in office.boxes.values() for m in box.messages())
        assert max(made.values()) <= 2
        nothing_is_told(caplog)
        office.settle()
        for box in office.boxes.values():
            assert max(Counter(m.message_id for m in box.messages()).values()) == 1


def fill(office: SmallOffice) -> None:
    for row in range(100):
        office.table.transact("x", [Op("put", f"{row}", {"text": "x" * 9000})])


@contextmanager
def full_disk(office: SmallOffice) -> Iterator[None]:
    """No page more for the table: those that it has are nearly all in use."""
    database = office.table._database
    opened = database._opened
    whole = database._idle[:]
    database._idle.clear()

    def small() -> sqlite3.Connection:
        connection = opened()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_opened", small)
        yield
    for connection in database._idle:
        connection.close()
    database._idle[:] = whole


@pytest.mark.parametrize("what", ["put", "set"])
def test_a_disk_without_room_leaves_the_files_as_they_were(what: str, tmp_path: Path) -> None:
    blobs, secrets = FileBlobs(tmp_path / "blobs"), FileSecrets(tmp_path / "secrets.json")
    blobs.put("a/b", b"whole")
    secrets.set("name", "whole")

    def no_room(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        with pytest.raises(StoreUnavailable, match=r"No space left on device; check .* the disk's room"):
            blobs.put("a/b", b"half") if what == "put" else secrets.set("name", "half")
    assert (blobs.get("a/b"), secrets.get("name")) == (b"whole", "whole")
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["b", "secrets.json", "secrets.json.lock"]


@pytest.mark.parametrize("skew", [-600.0, 600.0])
def test_a_worker_whose_clock_is_ten_minutes_off_works_like_any_other(skew: float) -> None:
    """Leases and rows go by the store's time; a token that is thought to be good and isn't is renewed."""
    scene = Scene()
    for worker in scene.stage.workers[1:]:
        worker.service = scene.office.product(skew).service
    scene.arrive("outlook", "o")
    scene.arrive("dingtalk", "d")
    scene.run(900.0)
    assert scene.places("o") == scene.places("d") == {"outlook": ["inbox"], "dingtalk": ["inbox"]}
    scene.office.microsoft.tokens.revoke()
    scene.office.dingtalk.revoke_tokens()
    scene.read("outlook", "o")
    scene.flag("dingtalk", "d", "flagged")
    scene.run(900.0)
    assert (scene.one("dingtalk", "o").read, scene.one("outlook", "d").flag) == (True, "flagged")
    with scene.no_writes():
        scene.run(900.0)
    assert scene.stage.errors == []
