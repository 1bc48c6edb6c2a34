"""The replica as the engine calls it, on a small mailbox that shows itself by both doors."""

from __future__ import annotations

import email
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared.dingtalk.imap import ImapDoor
from shared.dingtalk.limits import LARGEST
from shared.dingtalk.replica import DingTalkMail
from shared.model.errors import (
    LeaseLost,
    NoClientPassword,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    TandemError,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.model.mail import Item, Message, Trace
from shared.model.words import Flag
from shared.ports.replica import Replica
from shared.ports.world import HttpRequest, HttpResponse, TransportError
from tests.support.dingtalk import Answer, Folder, ImapServer, InTurn, ShownMailbox, StillClock, Wire, alimail, ok

T0 = 1_750_000_000.0
KEY = "5f0c5d0e-0000-5000-8000-000000000001"
MIME = b"Message-ID: <m@b>\r\nSubject: s\r\n\r\nbody\r\n"
GONE = ok({"detailErrorCode": "message.notFound"}, 404)


@dataclass
class Desk:
    """A replica, the mailbox behind it, and what it asked permission for."""

    rest: ShownMailbox = field(default_factory=ShownMailbox)
    imap: ImapServer = field(default_factory=ImapServer)
    permits: list[int] = field(default_factory=list)
    lands: bool = True

    def __post_init__(self) -> None:
        self.wire = Wire(self.rest.answer)
        door = ImapDoor(self.imap, StillClock(), "imap.example", 993, True, "a@b.cn", "right")
        self.replica = DingTalkMail(alimail(self.wire), door, "a@b.cn", InTurn(), lambda: 0)
        self.imap.landed = self._landed
        self.received = T0

    def _landed(self, command: str, mime: bytes) -> None:
        if not self.lands:
            return
        parsed = email.message_from_bytes(mime)
        self.rest.put(
            "2",
            f"N{len(self.imap.appended)}",
            self.received,
            isRead="\\Seen" in command,
            internetMessageId=f"<{parsed['Message-ID']}>".replace("<<", "<").replace(">>", ">"),
            internetMessageHeaders={"X-Tandem-Key": parsed["X-Tandem-Key"]},
        )

    def hide_headers(self) -> None:
        """Listings leave out the headers, reads by id show them."""
        whole = self.rest.answer

        def answer(request: HttpRequest) -> Answer:
            got = whole(request)
            if isinstance(got, HttpResponse) and urlsplit(request.url).path.endswith("/messages"):
                rows = json.loads(got.body)
                for row in rows["messages"]:
                    row.pop("internetMessageHeaders", None)
                return ok(rows)
            return got

        self.wire.answer = answer

    def permit(self) -> None:
        self.permits.append(len(self.wire.requests))

    def create(self, *, flag: Flag = "none", read: bool = True, mime: bytes | None = MIME) -> Any:
        return self.replica.create(
            message(mime=mime), folder="2", read=read, flag=flag, key=KEY, mark="", permit=self.permit
        )

    def effects(self) -> list[Any]:
        return [json.loads(request.body) for request in self.wire.requests if request.effect]


def message(mime: bytes | None = MIME, received: float = T0) -> Message:
    return Message("m@b", "s", None, None, (), (), (), (), T0, received, "", "", "", "", (), mime=mime)


def item(**members: Any) -> Item:
    return Item(
        **{"id": "a", "folder": "2", "read": False, "flag": "none", "received": T0, "message_id": "m@b", **members}
    )


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_it_is_a_replica(desk: Desk) -> None:
    replica: Replica = desk.replica
    assert replica.side == "dingtalk"


# ------------------------------------------------------------------------------------------------------------- observe


def test_reads_by_id_tell_there_from_not_there_from_unknown(desk: Desk) -> None:
    desk.rest.put("2", "a", T0, internetMessageId="<m@b>")
    desk.rest.broken["broken"] = ok({}, 500)
    desk.rest.broken["slow"] = TransportError("timed out")
    seen = desk.replica.observe(["a", "gone", "broken", "slow", "a"])
    assert seen.items == {"a": item(), "gone": None}
    assert len(desk.wire.requests) == 4
    assert (seen.changes.rows, seen.changes.folders, seen.changes.cursors) == ((), None, {})


@pytest.mark.parametrize("answer", [ok({}, 403), ok({"detailErrorCode": "user.notFound"}, 404)])
def test_a_read_that_shows_lost_rights_stops_everything(desk: Desk, answer: Answer) -> None:
    desk.rest.broken["a"] = answer
    with pytest.raises(NotPermitted):
        desk.replica.observe(["a"])


def test_a_mailbox_that_is_not_there_is_not_an_empty_one(desk: Desk) -> None:
    desk.rest.broken["mailFolders"] = GONE
    for look in (
        lambda: desk.replica.observe(collections=None),
        lambda: desk.replica.find(Trace(KEY, "m@b", T0, "2")),
    ):
        with pytest.raises(NotPermitted):
            look()


def test_a_folder_that_goes_while_the_tree_is_walked_is_left_out(desk: Desk) -> None:
    desk.rest.folders["104"] = Folder("客户", parent="2")
    whole = desk.rest.answer
    desk.wire.answer = lambda request: GONE if "folderId=2" in request.url else whole(request)
    folders = desk.replica.observe(collections=None).changes.folders
    assert folders is not None
    assert [folder.id for folder in folders] == ["1", "2", "3", "5", "6"]


def test_an_answer_without_the_message_is_not_a_message(desk: Desk) -> None:
    desk.rest.broken["a"] = ok({"message": None})
    assert desk.replica.observe(["a"]).items == {}


def test_ids_and_addresses_are_encoded_in_paths(desk: Desk) -> None:
    desk.replica.observe(["a/../b c?"])
    assert "/v2/users/a@b.cn/messages/a%2F..%2Fb%20c%3F?" in desk.wire.requests[0].url


# --------------------------------------------------------------------------------------------------------------- fetch


def shown(desk: Desk, attachments: list[dict[str, Any]] | Answer, **members: Any) -> None:
    desk.rest.put("2", "a", T0, internetMessageId="<m@b>", **members)
    desk.rest.broken["attachments"] = ok({"attachments": attachments}) if isinstance(attachments, list) else attachments
    desk.rest.broken["$value"] = ok({"location": "/v2/users/a@b.cn/stream"})
    desk.rest.broken["stream"] = HttpResponse(200, {}, b"content")


def test_a_message_without_attachments_is_one_request(desk: Desk) -> None:
    shown(desk, [], body={"bodyText": "t", "bodyHtml": "<p>t</p>"}, hasAttachments=False)
    fetched = desk.replica.fetch("a")
    assert (fetched.message_id, fetched.text, fetched.html, fetched.attachments) == ("m@b", "t", "<p>t</p>", ())
    assert len(desk.wire.requests) == 1


@pytest.mark.parametrize(
    "members",
    [
        {"hasAttachments": True},
        {"body": {"bodyHtml": '<img src="cid:c1">'}},
        {"internetMessageHeaders": {"Content-Type": "multipart/mixed; boundary=b"}},
        {"internetMessageHeaders": {"Content-Type": "image/png"}},
    ],
)
def test_attachments_are_read_where_anything_tells_of_them(desk: Desk, members: dict[str, Any]) -> None:
    shown(desk, [{"id": "1", "name": "图.png", "size": "7", "isInline": True, "contentId": "c1"}], **members)
    (attachment,) = desk.replica.fetch("a").attachments
    assert (attachment.name, attachment.content, attachment.inline, attachment.content_id) == (
        "图.png",
        b"content",
        True,
        "c1",
    )


def test_a_body_that_names_parts_which_do_not_exist_is_no_error(desk: Desk) -> None:
    shown(desk, [], body={"bodyHtml": '<img src="cid:c1">'})
    assert desk.replica.fetch("a").attachments == ()


def test_a_message_never_crosses_without_its_attachments(desk: Desk) -> None:
    shown(desk, [], hasAttachments=True)
    with pytest.raises(Refused) as caught:
        desk.replica.fetch("a")
    assert caught.value.code == "attachments_hidden"


def test_a_lost_attachment_is_not_a_lost_message(desk: Desk) -> None:
    shown(desk, GONE, hasAttachments=True)
    with pytest.raises(Unavailable):
        desk.replica.fetch("a")
    with pytest.raises(NotFound):
        desk.replica.fetch("gone")


def test_a_message_over_the_bound_is_refused_before_anything_is_downloaded(desk: Desk) -> None:
    shown(desk, [{"id": str(n), "size": LARGEST // 8} for n in range(6)], hasAttachments=True)
    desk.rest.broken["stream"] = HttpResponse(200, {}, b"x" * (LARGEST // 8))
    desk.replica.fetch("a")
    shown(desk, [{"id": str(n), "size": LARGEST // 8 + 1} for n in range(6)], hasAttachments=True)
    desk.wire.requests.clear()
    with pytest.raises(TooLarge):
        desk.replica.fetch("a")
    assert len(desk.wire.requests) == 2


@pytest.mark.parametrize("came", [b"", b"<html>Sign in</html>", b"x" * 499])
def test_a_page_in_the_place_of_an_attachment_does_not_cross(desk: Desk, came: bytes) -> None:
    shown(desk, [{"id": "1", "size": 1000}], hasAttachments=True)
    desk.rest.broken["stream"] = HttpResponse(200, {}, came)
    with pytest.raises(Unavailable):
        desk.replica.fetch("a")


def test_sizes_that_the_vendor_gave_wrong_are_noticed_after_the_download(desk: Desk) -> None:
    shown(desk, [{"id": "1", "size": None}], hasAttachments=True)
    desk.rest.broken["stream"] = HttpResponse(200, {}, b"x" * LARGEST)
    with pytest.raises(TooLarge):
        desk.replica.fetch("a")


# -------------------------------------------------------------------------------------------------------------- create


def test_a_create_is_one_append_and_one_listing_that_shows_it(desk: Desk) -> None:
    assert desk.replica.mark("2") == "7:1"
    desk.wire.requests.clear()
    desk.imap.commands.clear()
    created = desk.create()
    assert (created.id, created.listed) == ("N1", True)
    assert [command.split()[0] for command in desk.imap.commands] == ["APPEND"]
    assert len(desk.wire.requests) == 1
    assert desk.permits == [0]
    assert desk.imap.appended[0][1] == f"X-Tandem-Key: {KEY}\r\n".encode() + MIME


def test_where_listings_hide_headers_the_key_is_read_by_id(desk: Desk) -> None:
    desk.rest.put("2", "older", T0, internetMessageId="m@b")
    desk.rest.put("2", "other", T0, internetMessageId="o@b")
    desk.hide_headers()
    assert desk.create().id == "N1"


def test_a_server_that_ignores_the_date_shows_the_copy_on_its_newest_page(desk: Desk) -> None:
    desk.received = T0 + 90 * 86400
    assert desk.create().id == "N1"


@pytest.mark.parametrize(("flag", "tags"), [("flagged", ["1"]), ("complete", ["2"])])
def test_the_flag_is_set_once_the_id_is_known(desk: Desk, flag: Flag, tags: list[str]) -> None:
    created = desk.create(flag=flag, read=False)
    assert (created.id, created.listed) == ("N1", False)
    assert desk.effects() == [{"ids": ["N1"], "action": "addTags", "tags": tags}]
    assert len(desk.permits) == 2


@pytest.mark.parametrize("answer", [ok({}, 429), ok({}, 403), TransportError("cut"), ok({}, 500)])
def test_what_fails_after_the_append_leaves_a_copy_whose_id_is_looked_for_later(desk: Desk, answer: Answer) -> None:
    desk.replica.mark("2")
    desk.rest.broken["messages"] = answer
    created = desk.create(flag="flagged")
    assert (created.id, created.listed, len(desk.imap.appended)) == (None, False, 1)


def test_a_flag_that_could_not_be_set_leaves_a_copy_without_a_sighting(desk: Desk) -> None:
    desk.rest.broken["batchUpdate"] = ok({}, 500)
    created = desk.create(flag="flagged")
    assert (created.id, created.listed) == ("N1", False)


def test_a_copy_that_no_listing_shows_yet_has_no_id(desk: Desk) -> None:
    desk.lands = False
    assert desk.create().id is None


def test_a_reset_after_the_message_left_is_an_unknown_outcome(desk: Desk) -> None:
    desk.imap.die = ["literal"]
    with pytest.raises(OutcomeUnknown):
        desk.create()


@pytest.mark.parametrize(
    ("mime", "error"), [(None, ValueError), (b"x" * (LARGEST + 1), TooLarge)], ids=["no bytes", "too many"]
)
def test_a_message_that_cannot_be_carried_leaves_nothing(
    desk: Desk, mime: bytes | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        desk.create(mime=mime)
    assert not desk.imap.commands


def test_without_a_client_password_nothing_is_created_and_all_else_goes_on(desk: Desk) -> None:
    desk.replica = DingTalkMail(alimail(desk.wire), None, "a@b.cn", InTurn(), lambda: 0)
    desk.rest.put("2", "a", T0, internetMessageId="m@b")
    for call in (desk.create, lambda: desk.replica.mark("2")):
        with pytest.raises(NoClientPassword):
            call()
    assert not desk.wire.requests
    assert desk.replica.write(item(), {"read": True}, desk.permit) == "a"
    assert desk.replica.find(Trace("", "m@b", T0, "2", mark="7:1")).items == (item(read=True),)
    assert desk.replica.find(Trace(KEY, "m@b", T0, "2", mark="7:1")).pending is False


def test_the_mailbox_list_is_asked_again_only_when_folders_changed(desk: Desk) -> None:
    desk.create()
    desk.create()
    assert desk.imap.count("LIST") == 1
    desk.rest.folders["3"].name = "垃圾"
    desk.replica.observe(collections=None)
    desk.create()
    assert desk.imap.count("LIST") == 2


def test_a_refused_append_has_the_names_asked_again(desk: Desk) -> None:
    desk.create()
    desk.imap.refuse["APPEND"] = "[TRYCREATE] no"
    with pytest.raises(Refused):
        desk.create()
    desk.imap.refuse.clear()
    desk.create()
    assert desk.imap.count("LIST") == 2


def test_a_folder_that_is_not_there_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.replica.mark("999")


# ---------------------------------------------------------------------------------------------------------------- find


def found(desk: Desk, **trace: Any) -> list[str]:
    looked = desk.replica.find(Trace(**{"key": KEY, "message_id": "m@b", "received": T0, "folder": "2", **trace}))
    return [one.id for one in looked.items]


KEYED = {"internetMessageHeaders": {"x-tandem-key": KEY}, "internetMessageId": "m@b"}


@pytest.mark.parametrize("folder", ["2", "1", "3", "6"])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_message_is_found_by_key_in_every_folder(desk: Desk, folder: str, hidden: bool) -> None:
    desk.rest.put(folder, "x", T0 + 119, **KEYED)
    desk.rest.put("2", "same id, no key", T0, internetMessageId="m@b", internetMessageHeaders={"Subject": "s"})
    if hidden:
        desk.hide_headers()
    assert found(desk) == ["x"]


def test_its_own_folder_comes_first_and_may_be_all(desk: Desk) -> None:
    desk.rest.put("2", "x", T0, **KEYED)
    desk.rest.put("6", "a person's copy", T0, **KEYED)
    assert found(desk) == ["x"]
    assert not any("/6/" in path for path in desk.wire.asked)


def test_what_goes_while_it_is_looked_for_is_not_found(desk: Desk) -> None:
    desk.rest.put("2", "x", T0, **KEYED)
    desk.rest.broken["x"] = GONE
    assert found(desk) == []
    assert found(desk, folder="999") == []


def test_drafts_are_never_looked_into(desk: Desk) -> None:
    desk.rest.put("5", "x", T0, **KEYED)
    assert found(desk) == []


def test_without_a_key_the_message_id_alone_counts(desk: Desk) -> None:
    desk.rest.put("6", "x", T0, internetMessageId="<m@b>")
    desk.rest.put("6", "y", T0, internetMessageId="<o@b>")
    assert found(desk, key="") == ["x"]
    assert found(desk, key="", message_id="") == []


def test_a_message_id_may_stand_in_several_folders(desk: Desk) -> None:
    for folder in "216":
        desk.rest.put(folder, f"x{folder}", T0, internetMessageId="<m@b>")
    assert found(desk, key="") == ["x2", "x1", "x6"]


def test_after_a_create_the_newest_pages_are_looked_at_too(desk: Desk) -> None:
    desk.rest.put("6", "x", T0 + 90 * 86400, **KEYED)
    assert found(desk) == []
    assert found(desk, mark="7:1") == ["x"]


@pytest.mark.parametrize(
    ("validity", "uid", "headers", "pending"),
    [
        (7, 5, f"X-Tandem-Key: {KEY}\r\n\r\n", True),
        (7, 4, f"X-Tandem-Key: {KEY}\r\n\r\n", False),
        (8, 5, f"X-Tandem-Key: {KEY}\r\n\r\n", False),
        (7, 5, "X-Tandem-Key: other\r\nMessage-ID: <m@b>\r\n\r\n", False),
    ],
)
def test_a_copy_that_only_imap_shows_is_pending(
    desk: Desk, validity: int, uid: int, headers: str, pending: bool
) -> None:
    desk.imap.validity, desk.imap.headers = validity, {uid: headers.encode()}
    looked = desk.replica.find(Trace(KEY, "m@b", T0, "2", mark="7:5"))
    assert (looked.items, looked.pending) == ((), pending)


def test_without_anything_to_look_for_nothing_is_pending(desk: Desk) -> None:
    desk.imap.headers = {5: b"Message-ID: <m@b>\r\n\r\n"}
    for message_id, pending in (("", False), ("m@b", True)):
        assert desk.replica.find(Trace("", message_id, T0, "2", mark="7:5")).pending is pending


def test_a_dead_imap_door_proves_nothing(desk: Desk) -> None:
    desk.imap.die = ["SELECT", "SELECT"]
    with pytest.raises(Unavailable):
        desk.replica.find(Trace(KEY, "m@b", T0, "2", mark="7:5"))
    desk.imap.password = "changed"
    assert desk.replica.find(Trace(KEY, "m@b", T0, "2", mark="7:5")).pending is False


# --------------------------------------------------------------------------------------------------------------- write


def test_state_is_written_before_the_move_with_a_permit_for_each_request(desk: Desk) -> None:
    desk.rest.put("2", "a", T0, tags=["1", "11"])
    changes = {"folder": "6", "flag": "complete", "read": True}
    assert desk.replica.write(item(flag="flagged"), changes, desk.permit) == "a"
    assert desk.effects() == [
        {"ids": ["a"], "action": "markRead"},
        {"ids": ["a"], "action": "addTags", "tags": ["2"]},
        {"ids": ["a"], "action": "removeTags", "tags": ["1"]},
        {"ids": ["a"], "destinationFolderId": "6"},
    ]
    assert desk.permits == [0, 1, 2, 3]
    row = desk.rest.row("a")
    assert row
    assert (row["isRead"], row["tags"], row["folderId"]) == (True, ["11", "2"], "6")


@pytest.mark.parametrize(("read", "action"), [(True, "markRead"), (False, "markUnread")])
def test_read_is_one_request(desk: Desk, read: bool, action: str) -> None:
    desk.rest.put("2", "a", T0)
    assert desk.replica.write(item(), {"read": read}, desk.permit) == "a"
    assert desk.effects() == [{"ids": ["a"], "action": action}]
    assert len(desk.wire.requests) == 1


def test_a_move_is_one_request_and_gives_the_id_to_look_for(desk: Desk) -> None:
    desk.rest.put("2", "a", T0)
    assert desk.replica.write(item(), {"folder": "6"}, desk.permit) == "a"
    assert len(desk.wire.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error"), [(ok({}, 429), Throttled), (ok({}, 404), NotFound), (ok({}, 500), OutcomeUnknown)]
)
def test_a_first_request_that_is_refused_has_done_nothing(desk: Desk, answer: Answer, error: type[TandemError]) -> None:
    desk.rest.broken["batchUpdate"] = answer
    with pytest.raises(error):
        desk.replica.write(item(), {"read": True, "folder": "6"}, desk.permit)
    assert len(desk.wire.requests) == 1


def test_a_later_request_that_is_refused_leaves_the_whole_unknown(desk: Desk) -> None:
    desk.rest.put("2", "a", T0)
    desk.rest.broken["move"] = ok({}, 429)
    with pytest.raises(OutcomeUnknown):
        desk.replica.write(item(), {"read": True, "folder": "6"}, desk.permit)


def lost_after(desk: Desk, permits: int) -> Callable[[], None]:
    def permit() -> None:
        if len(desk.permits) == permits:
            raise LeaseLost("lost")
        desk.permit()

    return permit


def test_a_lease_lost_before_anything_left_is_said_so(desk: Desk) -> None:
    with pytest.raises(LeaseLost):
        desk.replica.write(item(), {"read": True, "folder": "6"}, lost_after(desk, 0))
    assert not desk.effects()


def test_a_lease_lost_between_two_requests_leaves_the_whole_unknown(desk: Desk) -> None:
    desk.rest.put("2", "a", T0)
    with pytest.raises(OutcomeUnknown):
        desk.replica.write(item(), {"read": True, "folder": "6"}, lost_after(desk, 1))
    assert len(desk.effects()) == 1


def test_a_lease_lost_after_the_append_does_not_hide_the_copy(desk: Desk) -> None:
    created = desk.replica.create(
        message(), folder="2", read=True, flag="flagged", key=KEY, mark="", permit=lost_after(desk, 1)
    )
    assert (created.id, created.listed, desk.effects()) == ("N1", False, [])
