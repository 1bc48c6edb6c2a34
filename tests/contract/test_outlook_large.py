"""Large messages into Outlook, against the simulated Microsoft 365: put together out of sight, then there at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest

from sandbox.truth import Stored
from shared.model.errors import (
    LeaseLost,
    MailboxFull,
    OutcomeUnknown,
    Refused,
    TandemError,
    TooLarge,
    Unavailable,
)
from shared.model.mail import Attachment, Message, Trace
from shared.outlook.building import BIGGEST, LATE, SHORT
from shared.outlook.replica import OutlookMail
from shared.outlook.staging import LONGEST, NAME
from shared.outlook.uploads import PIECE
from shared.ports.world import HttpRequest, HttpResponse, TransportError
from tests.contract.test_outlook_replica import KEY, PAST, Desk, desk, letter
from tests.support.microsoft import ADDRESS

__all__ = ["desk"]

MB = 1_000_000
OTHER = "5f0c5d0e-0000-5000-8000-000000000002"


@dataclass(frozen=True)
class InPieces:
    """Bytes that are made as they are read."""

    size: int

    def pieces(self, most: int = 1 << 20) -> Iterator[bytes]:
        for start in range(0, self.size, most):
            yield bytes([start // most % 251]) * min(most, self.size - start)

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces(PIECE):
            digest.update(piece)
        return digest.hexdigest()


def file(size: int, name: str = "big.bin", **more: object) -> Attachment:
    return Attachment(name, "application/octet-stream", bytes([size % 251]) * size, **more)  # type: ignore[arg-type]


BIG = letter(attachments=(file(100, "first.txt"), file(10 * MB), file(200, "last.txt")))
"""One POST, a POST for the last, three pieces and what is around them."""


def all_of(desk: Desk) -> list[Stored]:
    return [m for m in desk.box.messages() if m.tandem_key]


def staged(desk: Desk) -> list[Stored]:
    folders = {f.id for f in desk.box.folders() if f.name == NAME}
    return [m for m in desk.box.messages() if m.folder in folders]


class Wire:
    """Between the replica and the tenant: `act` may answer, or break, in the place of what was asked."""

    def __init__(self, desk: Desk, act: Callable[[int, HttpRequest], HttpResponse | None]) -> None:
        self._inner, self._act, self.asked = desk.send, act, list[str]()
        desk.send = self.send  # type: ignore[method-assign]
        self.desk = desk

    def send(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(f"{request.method} {request.url.partition('?')[0].rpartition('/')[2]}")
        answer = self._act(len(self.asked), request)
        return self._inner(request) if answer is None else answer

    def stop(self) -> None:
        self.desk.send = self._inner  # type: ignore[method-assign]


def is_piece(request: HttpRequest) -> bool:
    return "/AttachmentSessions(" in request.url


# ---- what is there afterwards
def test_a_large_message_is_there_whole_with_its_dates_and_state(desk: Desk) -> None:
    message = letter(
        html='<img src="cid:logo@ding">',
        attachments=(
            file(5 * MB, "报告.pdf"),
            Attachment("logo.png", "image/png", InPieces(6 * MB), inline=True, content_id="logo@ding"),
            file(17, "note.txt"),
        ),
    )
    before = desk.look()
    id = desk.create(message, read=True, flag="flagged")
    assert id is not None
    [there] = all_of(desk)
    assert (there.id, there.folder, there.read, there.flag, there.draft) == (id, desk.inbox, True, "flagged", False)
    assert (there.received_at, there.sent_at, there.subject) == (PAST, PAST - 30, "季度报告 📈")
    assert [(a.name, a.content_type, a.inline, a.content_id) for a in there.attachments] == [
        ("报告.pdf", "application/octet-stream", False, ""),
        ("logo.png", "image/png", True, "logo@ding"),
        ("note.txt", "application/octet-stream", False, ""),
    ]
    sums = [hashlib.sha256(bytes([5 * MB % 251]) * 5 * MB).hexdigest(), InPieces(6 * MB).sha256]
    assert [a.sha256 for a in there.attachments][:2] == sums
    after = desk.look(before)
    assert [(row.id, row.folder, row.read, row.flag) for row in after.changes.rows] == [
        (id, desk.inbox, True, "flagged")
    ]
    assert desk.item(id).key == KEY


@pytest.mark.parametrize(
    ("size", "built"),
    [
        (2_900_000, False),
        (2_924_900, True),
        (2_950_000, True),
        (3_145_000, True),
        (3_145_728, True),
        (3_145_729, True),
    ],
)
def test_just_under_and_just_over_each_border_all_of_it_is_there(desk: Desk, size: int, built: bool) -> None:
    with desk.counted() as asked:
        desk.create(letter(attachments=(file(size),)))
    [there] = all_of(desk)
    assert [a.size for a in there.attachments] == [size]
    assert ("POST /users/{u}/messages/{m}/move" in asked) is built


def test_many_small_attachments_that_are_large_together_keep_their_order(desk: Desk) -> None:
    files = tuple(file(90_000 + number, f"{number}.bin") for number in range(60))
    with desk.counted() as asked:
        desk.create(letter(attachments=files))
    [there] = all_of(desk)
    assert [(a.name, a.size) for a in there.attachments] == [(a.name, len(a.content)) for a in files]  # type: ignore[arg-type]
    assert asked["POST /users/{u}/messages/{m}/attachments"] < 30, "what fits goes into the first request"
    assert asked["PUT upload"] == 0


def test_the_token_goes_to_graph_and_nowhere_else(desk: Desk) -> None:
    desk.create(BIG)
    pieces = [request for request in desk.sent if is_piece(request)]
    assert len(pieces) == 3
    assert all("authorization" not in request.headers for request in pieces)
    assert [len(request.body) for request in pieces] == [PIECE, PIECE, 10 * MB - 2 * PIECE]
    assert desk.permits == sum(request.effect for request in desk.sent if "oauth2" not in request.url)


def test_a_url_on_another_host_is_not_followed(desk: Desk) -> None:
    def elsewhere(number: int, request: HttpRequest) -> HttpResponse | None:
        if request.url.endswith("/createUploadSession"):
            return HttpResponse(201, {}, b'{"uploadUrl": "https://graph.microsoft.com.evil.example/x"}')
        return None

    wire = Wire(desk, elsewhere)
    with pytest.raises(Unavailable, match="another place"):
        desk.create(BIG)
    assert not any("evil" in request.url for request in desk.sent)
    assert wire.asked


def test_outlooks_own_hosts_are_followed(desk: Desk) -> None:
    def outlook(number: int, request: HttpRequest) -> HttpResponse | None:
        if request.url.startswith("https://outlook.office.com/"):
            return HttpResponse(201, {"location": "x"}, b"") if request.method == "PUT" else None
        if request.url.endswith("/createUploadSession"):
            return HttpResponse(201, {}, b'{"uploadUrl": "https://outlook.office.com/api/gv1.0/x"}')
        return None

    Wire(desk, outlook)
    with pytest.raises(Refused) as refused:
        desk.create(BIG)
    assert refused.value.code == SHORT, "the piece was sent; Graph doesn't show what it never got"


# ---- what nobody sees before
def test_what_is_being_built_is_no_message_for_anyone(desk: Desk) -> None:
    """A notification names it, and a search by its key runs, between any two requests."""
    seen, other = list[str](), OutlookMail(desk.process(), ADDRESS)

    def look(number: int, request: HttpRequest) -> HttpResponse | None:
        if "oauth2" in request.url:
            return None
        wire.stop()
        for message in staged(desk):
            seen.append(message.id)
            for replica in (desk.replica, other, OutlookMail(desk.graph, ADDRESS)):
                assert replica.observe((message.id,)).items == {message.id: None}
                assert replica.find(Trace(KEY, "", PAST, desk.inbox)).items == ()
                assert replica.find(Trace("", "letter@ding.example", PAST, desk.inbox)).items == ()
        desk.send = wire.send  # type: ignore[method-assign]
        return None

    wire = Wire(desk, look)
    id = desk.create(BIG)
    wire.stop()
    assert len(seen) >= 6
    assert set(seen) == {id}
    for replica in (desk.replica, other):
        assert [item.id for item in replica.find(Trace(KEY, "", PAST, desk.inbox)).items] == [id]


def test_the_folder_is_hidden_made_once_and_no_source(desk: Desk) -> None:
    for key in (KEY, OTHER):
        desk.create(BIG, key=key)
    [folder] = [f for f in desk.look().changes.folders or () if f.path == (NAME,)]
    assert folder.role == "system"
    assert folder.id not in desk.look().changes.complete
    assert desk.box.store.folders[folder.id].hidden


def test_a_persons_folder_of_the_same_name_is_left_alone(desk: Desk) -> None:
    mine = desk.box.make_folder(NAME)
    with pytest.raises(Refused) as refused:
        desk.create(BIG)
    assert refused.value.code == "ErrorFolderExists"
    assert [m for m in desk.box.messages() if m.folder == mine] == []


# ---- whatever happens on the way
class Died(BaseException):
    """The process ends here."""


def copied(desk: Desk, message: Message = BIG) -> None:
    """What the engine does with an open intent: looks by key, and makes the copy if it isn't there."""
    replica = OutlookMail(desk.process(), ADDRESS)
    if not replica.find(Trace(KEY, "", PAST, desk.inbox)).items:
        replica.create(message, folder=desk.inbox, read=False, flag="none", key=KEY, mark="", permit=desk.permit)


def is_copied(desk: Desk) -> None:
    assert staged(desk) == []
    [there] = all_of(desk)
    assert there.folder == desk.inbox
    assert [(a.name, a.size) for a in there.attachments] == [
        ("first.txt", 100),
        ("big.bin", 10 * MB),
        ("last.txt", 200),
    ]


STEPS = 16
"""More than the requests of one large copy."""


@pytest.fixture
def begun(desk: Desk) -> None:
    """It has made a message before, which is gone again."""
    desk.create(letter())
    desk.box.purge(all_of(desk)[0].id)


@pytest.mark.usefixtures("begun")
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, STEPS))
def test_a_death_around_any_request_leaves_one_message_in_the_end(desk: Desk, step: int, done: bool) -> None:
    def die(number: int, request: HttpRequest) -> HttpResponse | None:
        if number != step:
            return None
        if done:
            wire.stop()
            desk.send(request)
        raise Died

    wire = Wire(desk, die)
    died = False
    try:
        desk.create(BIG)
    except Died:
        died = True
    wire.stop()
    assert died == (step <= len(wire.asked))
    assert len(wire.asked) < STEPS
    copied(desk)
    is_copied(desk)


@pytest.mark.usefixtures("begun")
@pytest.mark.parametrize("landed", [False, True], ids=["not done", "done"])
@pytest.mark.parametrize("step", range(1, STEPS))
def test_a_lost_answer_to_any_request_leaves_one_message_in_the_end(desk: Desk, step: int, landed: bool) -> None:
    def lose(number: int, request: HttpRequest) -> HttpResponse | None:
        if number != step:
            return None
        if landed:
            wire.stop()
            desk.send(request)
            desk.send = wire.send  # type: ignore[method-assign]
        raise TransportError("no complete answer")

    wire = Wire(desk, lose)
    try:
        desk.create(BIG)
    except OutcomeUnknown:
        assert wire.asked[-1].endswith("move"), "of nothing else may the outcome be unknown"
    except Unavailable:
        assert all_of(desk) == staged(desk)
    wire.stop()
    copied(desk)
    is_copied(desk)


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("piece", [1, 2, 3])
def test_a_piece_whose_answer_is_lost_goes_on_where_outlook_says(readable: bool, landed: bool, piece: int) -> None:
    desk, pieces = Desk(upload_state_readable=readable), list[str]()

    def lose(number: int, request: HttpRequest) -> HttpResponse | None:
        if not is_piece(request) or request.method != "PUT":
            return None
        pieces.append(request.headers["content-range"])
        if len(pieces) != piece:
            return None
        if landed:
            wire.stop()
            desk.send(request)
            desk.send = wire.send  # type: ignore[method-assign]
        raise TransportError("no complete answer")

    wire = Wire(desk, lose)
    desk.create(BIG)
    is_copied(desk)
    if readable or piece == 3:
        assert len(pieces) == (3 if landed else 4), "nothing is sent twice that is there"


def test_a_session_that_expires_is_begun_anew(desk: Desk) -> None:
    late = list[float]()

    def expire(number: int, request: HttpRequest) -> HttpResponse | None:
        if is_piece(request) and "bytes 7864320-" in request.headers["content-range"] and not late:
            late.append(desk.tenant.clock.now)
            desk.tenant.clock.now += 4000
        return None

    Wire(desk, expire)
    desk.create(BIG)
    is_copied(desk)
    assert late


def test_a_session_that_always_ends_is_refused_in_the_end_and_leaves_nothing(desk: Desk) -> None:
    def gone(number: int, request: HttpRequest) -> HttpResponse | None:
        return HttpResponse(404, {}, b'{"error": {"code": "ErrorItemNotFound"}}') if is_piece(request) else None

    Wire(desk, gone)
    with pytest.raises(Refused) as refused:
        desk.create(BIG)
    assert (refused.value.code, refused.value.retryable, all_of(desk)) == ("ErrorItemNotFound", False, [])


def test_throttling_in_the_middle_is_waited_for() -> None:
    desk = Desk(upload_per_5_minutes=9 * MB)
    asked = [desk.tenant.clock.now]

    def permit() -> None:
        asked.append(desk.tenant.clock.now)

    desk.replica.create(BIG, folder=desk.inbox, read=False, flag="none", key=KEY, mark="", permit=permit)
    is_copied(desk)
    assert 300 <= asked[-1] - asked[0] < 700
    gaps = [after - before for before, after in pairwise(asked)]
    assert max(gaps) < 30, "whoever waits keeps its claim meanwhile"


def test_a_throttled_request_of_any_kind_goes_again(desk: Desk) -> None:
    throttled = set[str]()

    def throttle(number: int, request: HttpRequest) -> HttpResponse | None:
        route = "PUT" if is_piece(request) else request.url.rpartition("/")[2]
        if not request.effect or "oauth2" in request.url or route in throttled:
            return None
        throttled.add(route)
        return HttpResponse(429, {"retry-after": "40"}, b'{"error": {"code": "ApplicationThrottled"}}')

    Wire(desk, throttle)
    desk.create(BIG)
    is_copied(desk)
    assert throttled == {"mailFolders", "messages", "attachments", "createUploadSession", "PUT", "move"}


def test_a_lease_that_is_lost_stops_it_and_the_next_one_clears_up(desk: Desk) -> None:
    def lost() -> None:
        desk.permits += 1
        if desk.permits == 5:
            raise LeaseLost("lost")

    with pytest.raises(LeaseLost):
        desk.replica.create(BIG, folder=desk.inbox, read=False, flag="none", key=KEY, mark="", permit=lost)
    assert len(staged(desk)) == 1
    copied(desk)
    is_copied(desk)


# ---- what is refused
def test_a_tenant_that_refuses_late_attachments_says_so_and_is_left_clean() -> None:
    desk = Desk(advanced_covers_attachments=True)
    with pytest.raises(Refused) as refused:
        desk.create(BIG)
    assert (refused.value.code, refused.value.scope, refused.value.retryable) == (LATE, "item", False)
    assert all_of(desk) == []


@pytest.mark.parametrize(
    ("switches", "quota", "kind"),
    [({"largest_message": 8 * MB}, None, TooLarge), ({}, 6 * MB, MailboxFull)],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    switches: dict[str, int], quota: int | None, kind: type[TandemError]
) -> None:
    desk = Desk(**switches)
    desk.box.store.quota = quota
    with pytest.raises(kind):
        desk.create(BIG)
    assert all_of(desk) == []


def test_an_attachment_over_what_outlook_takes_is_refused_before_anything_leaves(desk: Desk) -> None:
    with pytest.raises(TooLarge):
        desk.create(letter(attachments=(Attachment("x", "", InPieces(BIGGEST + 1)),)))
    assert (desk.sent, desk.permits) == ([], 0)


def test_a_message_short_of_an_attachment_never_reaches_its_folder(desk: Desk) -> None:
    def swallow(number: int, request: HttpRequest) -> HttpResponse | None:
        return HttpResponse(201, {}, b"{}") if request.url.endswith("/attachments") and request.effect else None

    Wire(desk, swallow)
    with pytest.raises(Refused) as refused:
        desk.create(BIG)
    assert (refused.value.code, all_of(desk)) == (SHORT, [])


def test_bytes_of_outlooks_own_in_an_attachments_size_do_no_harm() -> None:
    desk = Desk(attachment_overhead=320)
    desk.create(BIG)
    is_copied(desk)


# ---- what crashes leave behind
def left_over(desk: Desk, key: str) -> None:
    def die(number: int, request: HttpRequest) -> HttpResponse | None:
        if request.url.endswith("/move"):
            raise Died
        return None

    wire = Wire(desk, die)
    with pytest.raises(Died):
        desk.create(BIG, key=key)
    wire.stop()


def test_what_is_left_of_others_goes_once_no_transfer_can_be_at_work_on_it(desk: Desk) -> None:
    left_over(desk, OTHER)
    desk.create(BIG)
    assert [m.tandem_key for m in staged(desk)] == [OTHER], "it may be at work elsewhere"
    desk.tenant.clock.now += LONGEST + 1
    with desk.counted() as asked:
        desk.look()
        desk.replica.tidy(desk.permit)
        desk.replica.tidy(desk.permit)
    is_copied(desk)
    assert asked["GET /users/{u}/mailFolders/{f}/messages"] == 1, "and it isn't looked for all the time"


def test_a_copy_that_was_moved_out_meanwhile_is_never_thrown_away(desk: Desk) -> None:
    left_over(desk, KEY)
    [half] = staged(desk)

    def move(number: int, request: HttpRequest) -> HttpResponse | None:
        if request.url.endswith("/permanentDelete"):
            desk.box.move(half.id, desk.inbox)
        return None

    Wire(desk, move)
    desk.create(BIG)
    assert half.id in {m.id for m in desk.box.messages()}
