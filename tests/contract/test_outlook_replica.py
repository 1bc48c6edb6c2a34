"""The Outlook replica against the simulated Microsoft 365, in process: what is asked, what is there after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from sandbox.microsoft import Switches
from sandbox.simulation.adapters import answered
from sandbox.truth import Stored
from sandbox.web import Request
from shared.model.errors import (
    MailboxFull,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    Stale,
    TandemError,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.model.mail import Address, Attachment, Item, Message, Observed, Trace
from shared.model.words import Flag
from shared.outlook.replica import OutlookMail
from shared.outlook.subscriptions import GraphSubscriptions
from shared.outlook.tokens import AppTokens
from shared.outlook.transport import Graph
from shared.ports.world import HttpRequest, HttpResponse, TransportError
from tests.support.files import Folder
from tests.support.graph import CountedRandom, NoExecutor
from tests.support.microsoft import ADDRESS, BASE, NOW, Tenant, mime

KEY = "5f0c5d0e-0000-5000-8000-000000000001"
LOGIN = "https://login.microsoftonline.com"
PAST = NOW - 40 * 86400.0
URL = "https://tandem.example/api/graph"
WEEK = 7 * 86400.0


class TenantClock:
    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def now(self) -> float:
        return self._tenant.clock.now

    def monotonic(self) -> float:
        return self._tenant.clock.now

    def sleep(self, seconds: float) -> None:
        self._tenant.clock.now += seconds


class Desk:
    """A tenant, and one process of the product with its replica of one mailbox. `lose`: the effects whose answers are
    lost, by how they begin; they are done all the same."""

    def __init__(self, **switches: Any) -> None:
        self.tenant = Tenant(Switches(**switches))
        self.vendor, self.box = self.tenant.vendor, self.tenant.mailbox
        self.lose = ""
        self.permits = 0
        self.sent: list[HttpRequest] = []
        self.graph = self.process()
        self.replica = OutlookMail(self.graph, ADDRESS)
        self.inbox, self.trash = self.box.role("inbox"), self.box.role("trash")

    def process(self, secret: str = "secret") -> Graph:
        clock = TenantClock(self.tenant)
        tokens = AppTokens(self, clock, LOGIN, "tenant", "client", secret, Lock())
        return Graph(self, clock, CountedRandom(), NoExecutor(), tokens, BASE)

    def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        target = "/" + request.url.partition("://")[2].partition("/")[2]
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self.vendor.handle(Request(request.method, target, headers, request.body))
        if self.lose and request.effect and f"{request.method} {target}".startswith(self.lose):
            raise TransportError("no complete answer")
        return answered(request, answer)

    def permit(self) -> None:
        self.permits += 1

    # ---- what is there
    def stored(self, id: str) -> Stored:
        return next(m for m in self.box.messages() if m.id == id)

    def arrives(self, subject: str = "Hello", *, id: str = "one@mail.example", more: str = "", **kw: Any) -> str:
        return self.box.deliver(mime(subject, message_id=f"<{id}>", more=more), **kw)

    # ---- what the replica says
    def item(self, id: str) -> Item:
        item = self.replica.observe((id,)).items[id]
        assert item is not None
        return item

    def look(self, before: Observed | None = None, *folders: str) -> Observed:
        """A round over these folders, or all, on from an earlier one."""
        cursors = before.changes.cursors or {} if before else {}
        return self.replica.observe((), cursors, folders or None)

    def create(
        self, message: Message, folder: str = "", read: bool = False, flag: Flag = "none", key: str = KEY
    ) -> str | None:
        return self.replica.create(
            message, folder=folder or self.inbox, read=read, flag=flag, key=key, mark="", permit=self.permit
        ).id

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """HTTP requests by route, token requests left out."""
        before, found = self.vendor.counts.copy(), Counter[str]()
        yield found
        found.update({route: n for route, n in (self.vendor.counts - before).items() if "/" in route})


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Whatever a test does: nothing is sent, and nothing is asked in vain."""
    desk = Desk()
    yield desk
    assert (desk.vendor.sent_mail, desk.vendor.receipts, desk.vendor.ignored) == (0, 0, [])
    assert max(desk.vendor.throttle.most_in_flight.values(), default=0) <= 4


def letter(**changes: Any) -> Message:
    wang, ann = Address("王小明", "wang@contoso.example"), Address("Ann", ADDRESS)
    message = Message(
        message_id="letter@ding.example",
        subject="季度报告 📈",
        sender=None,
        from_=wang,
        to=(ann,),
        cc=(Address("", "bob@fabrikam.example"),),
        bcc=(),
        reply_to=(),
        sent=PAST - 30,
        received=PAST,
        in_reply_to="<root@ding.example>",
        references="<root@ding.example>",
        text="你好",
        html="<p>你好</p>",
        attachments=(),
    )
    return replace(message, **changes)


def ids(observed: Observed) -> set[str]:
    return {row.id for row in observed.changes.rows}


# ---- the first look
def test_the_first_look_tells_the_tree_and_everything_in_it(desk: Desk) -> None:
    project = desk.box.make_folder("项目")
    deep = desk.box.make_folder("甲", project)
    new, filed = desk.arrives(), desk.arrives("Filed", id="two@x", folder=deep)
    desk.tenant.make("drafts", flags=None)
    first = desk.look()
    folders = {f.id: f for f in first.changes.folders or ()}
    assert folders[deep].path == ("项目", "甲")
    roles = Counter(f.role for f in folders.values())
    assert [roles[r] for r in ("inbox", "sent", "archive", "junk", "trash", "drafts")] == [1] * 6
    watched = {f.id for f in folders.values() if f.role not in ("drafts", "system")}
    assert first.changes.complete == watched == set(first.changes.cursors or {})
    assert ids(first) == {new, filed}
    row = next(row for row in first.changes.rows if row.id == filed)
    assert (row.folder, row.read, row.flag, row.message_id) == (deep, False, "none", "two@x")


def test_what_lies_in_system_folders_is_known_and_not_looked_into(desk: Desk) -> None:
    folders = {f.path[-1]: f for f in desk.look().changes.folders or ()}
    names = ("Outbox", "Conversation History", "Sync Issues", "Conflicts", "Server Failures", "Scheduled")
    assert {folders[name].role for name in names} == {"system"}


def test_an_archive_that_comes_into_being_later_is_the_archive() -> None:
    desk = Desk(archive_absent=True)
    assert "archive" not in {f.role for f in desk.look().changes.folders or ()}
    archive = desk.box.role("archive")
    assert {f.id for f in desk.look().changes.folders or () if f.role == "archive"} == {archive}


def test_a_round_over_twenty_folders_is_few_requests(desk: Desk) -> None:
    for number in range(20):
        desk.arrives(id=f"{number}@x", folder=desk.box.make_folder(f"Folder {number}"))
    with desk.counted() as first:
        before = desk.look()
    with desk.counted() as quiet:
        after = desk.look(before)
    assert ids(after) == set()
    assert len(before.changes.cursors or {}) == 25
    assert first == {"POST /$batch": 3, "GET /users/{u}/mailFolders/{f}/childFolders": 1}, "tree by level, deltas by 20"
    assert quiet == {"POST /$batch": 3}, "the tree at once, since it is known which folders have others below"


def test_a_second_walk_shows_the_folders_as_they_are_now(desk: Desk) -> None:
    box = desk.box
    a, b, c, d = (box.make_folder(name) for name in "ABCD")
    up, gone = box.make_folder("Up", a), box.make_folder("Gone", box.make_folder("Deep", b))
    desk.replica.tree()
    box.move_folder(up, None)
    box.move_folder(gone, d)
    box.delete_folder(b)
    box.delete_folder(a)
    with desk.counted() as asked:
        second = desk.replica.tree()
    assert set(second) == set(OutlookMail(desk.process(), ADDRESS).tree())
    assert {f.id: f.parent for f in second if f.id in (a, b, c, up, gone)} == {
        up: "", c: "", gone: d, a: desk.trash, b: desk.trash
    }  # fmt: skip
    assert asked["POST /$batch"] == 2, "one for D and the trash, which have folders below for the first time"


def test_reads_and_changes_go_in_one_request(desk: Desk) -> None:
    before, one = desk.look(), desk.arrives()
    with desk.counted() as asked:
        seen = desk.replica.observe([one], before.changes.cursors or {}, [desk.inbox, desk.trash])
    assert asked == {"POST /$batch": 1}
    assert (ids(seen), set(seen.items), seen.changes.folders) == ({one}, {one}, None)


def test_fifty_reads_are_three_requests(desk: Desk) -> None:
    many = [desk.arrives(id=f"{n}@x") for n in range(50)]
    with desk.counted() as asked:
        items = desk.replica.observe(many).items
    assert (len(items), None in items.values(), asked) == (50, False, {"POST /$batch": 3})


# ---- reading
def test_a_read_shows_what_is_there(desk: Desk) -> None:
    id = desk.arrives("季度报告", more="Cc: Bob@Fabrikam.example\nDisposition-Notification-To: bob@fabrikam.example\n")
    desk.box.set_flag(id, "complete")
    item = desk.item(id)
    assert (item.subject, item.sender, item.flag, item.read) == ("季度报告", "bob@fabrikam.example", "complete", False)
    assert item.recipients == (ADDRESS, "bob@fabrikam.example")
    assert (item.message_id, item.key, item.draft, item.wants_receipt) == ("one@mail.example", "", False, True)
    assert item.version.startswith('W/"')
    assert item.received == int(desk.stored(id).received_at)


def test_ids_that_are_not_there_or_make_no_sense_are_not_found(desk: Desk) -> None:
    there, gone = desk.arrives(), desk.arrives(id="two@x")
    desk.box.purge(gone)
    items = desk.replica.observe([there, gone, "no id / at all"]).items
    assert (items[gone], items["no id / at all"]) == (None, None)
    assert items[there] is not None


def test_a_draft_is_known_for_one(desk: Desk) -> None:
    assert desk.item(desk.tenant.make("drafts", flags=None)["id"]).draft


def test_what_somebody_deleted_for_good_is_not_there() -> None:
    desk = Desk(delete_lands_in="recoverable")
    id = desk.arrives()
    assert desk.tenant.mail("DELETE", f"/messages/{id}").status == 204
    assert desk.tenant.mail("GET", f"/messages/{id}").status == 200, "a read by id still finds it"
    assert desk.replica.observe([id]).items == {id: None}


def test_content_comes_as_the_original_bytes(desk: Desk) -> None:
    original = mime("=?utf-8?b?5a2j5bqm5oql5ZGK?=", more="Importance: high\n")
    message = desk.replica.fetch(desk.box.deliver(original))
    assert message.mime == original
    assert (message.subject, message.importance) == ("季度报告", "high")
    assert message.from_ == Address("Bob", "bob@fabrikam.example")


def test_content_of_a_message_that_was_read_costs_one_request(desk: Desk) -> None:
    id = desk.arrives()
    desk.replica.observe([id])
    with desk.counted() as asked:
        desk.replica.fetch(id)
    assert asked == {"GET /users/{u}/messages/{m}/$value": 1}


def test_content_of_a_message_that_is_gone_is_not_found(desk: Desk) -> None:
    id = desk.arrives()
    desk.box.purge(id)
    with pytest.raises(NotFound):
        desk.replica.fetch(id)


def test_a_message_over_the_bound_waits_without_being_fetched(desk: Desk) -> None:
    id = desk.box.deliver(mime(body="x" * 4_000_000))
    with desk.counted() as asked, pytest.raises(TooLarge):
        desk.replica.fetch(id)
    assert not any("$value" in route for route in asked)


def test_with_a_spool_a_message_over_the_bound_comes_as_the_original_bytes(desk: Desk, tmp_path: Path) -> None:
    original = mime(body="x" * 4_000_000)
    message = desk.replica.fetch(desk.box.deliver(original), Folder(tmp_path))
    assert Folder(tmp_path).files() == [original]
    assert message.subject == "Hello"


def test_over_the_size_that_graph_gives_a_message_waits(tmp_path: Path) -> None:
    desk = Desk(largest_mime=4_000_000)
    with pytest.raises(TooLarge):
        desk.replica.fetch(desk.box.deliver(mime(body="x" * 4_000_000)), Folder(tmp_path))
    assert Folder(tmp_path).files() == []


# ---- a copy
def test_a_copy_is_no_draft_and_has_its_dates_state_thread_and_key(desk: Desk) -> None:
    root = desk.arrives("Root", id="root@ding.example")
    id = desk.create(letter(), read=True, flag="flagged")
    assert id is not None
    made = desk.stored(id)
    assert (made.draft, made.folder, made.by) == (False, desk.inbox, "client")
    assert (made.received_at, made.sent_at) == (PAST, PAST - 30)
    assert (made.read, made.flag) == (True, "flagged")
    assert (made.subject, made.html) == ("季度报告 📈", "<p>你好</p>")
    assert (made.sender, made.to, made.cc) == ("wang@contoso.example", (ADDRESS,), ("bob@fabrikam.example",))
    assert (made.message_id, made.in_reply_to) == ("letter@ding.example", "root@ding.example")
    assert made.conversation == desk.stored(root).conversation
    item = desk.item(id)
    assert (item.key, item.message_id, item.wants_receipt) == (KEY, "letter@ding.example", False)
    assert desk.permits == 1


@pytest.mark.parametrize(("read", "flag"), [(False, "none"), (True, "none"), (False, "complete"), (True, "flagged")])
def test_a_copy_is_made_with_its_state(desk: Desk, read: bool, flag: Flag) -> None:
    id = desk.create(letter(), read=read, flag=flag)
    assert id is not None
    assert (desk.stored(id).read, desk.stored(id).flag) == (read, flag)


@pytest.mark.parametrize("folder", ["sent", "archive", "own"])
def test_a_copy_may_be_made_in_any_folder_with_one_request(desk: Desk, folder: str) -> None:
    target = desk.box.make_folder("项目") if folder == "own" else desk.box.role(folder)  # type: ignore[arg-type]
    with desk.counted() as asked:
        id = desk.create(letter(), target)
    assert id is not None
    assert (desk.stored(id).folder, desk.stored(id).draft) == (target, False)
    assert sum(asked.values()) == 1


def test_attachments_arrive_byte_for_byte(desk: Desk) -> None:
    every = bytes(range(256)) * 100
    files = (
        Attachment("报告.pdf", "application/pdf", every),
        Attachment("图.png", "image/png", every[::-1], True, "img1"),
        Attachment("empty.txt", "text/plain", b""),
    )
    id = desk.create(letter(html='<img src="cid:img1">', attachments=files))
    assert id is not None
    made = {a.name: a for a in desk.box.store.find(id).attachments}
    assert {name: a.content for name, a in made.items()} == {a.name: a.content for a in files}
    assert (made["图.png"].inline, made["图.png"].content_id) == (True, "img1")
    assert made["报告.pdf"].content_type == "application/pdf"


@pytest.mark.parametrize(
    "changes",
    [
        {"from_": None, "sender": None},
        {"to": (), "cc": ()},
        {"to": (Address("List", "undisclosed-recipients:;"),)},
        {"message_id": ""},
        {"html": "", "text": ""},
        {"sent": None},
        {"subject": ""},
        {"in_reply_to": "", "references": ""},
    ],
)
def test_a_message_that_lacks_something_crosses_all_the_same(desk: Desk, changes: dict[str, Any]) -> None:
    id = desk.create(letter(**changes))
    assert id is not None
    assert not desk.stored(id).draft


def test_the_original_message_id_is_kept_where_the_vendor_writes_its_own() -> None:
    desk = Desk(keeps_internet_message_id=False)
    id = desk.create(letter())
    assert id is not None
    assert desk.stored(id).message_id != "letter@ding.example"
    assert desk.item(id).message_id == "letter@ding.example"


def test_a_text_over_the_limit_is_refused_before_anything_leaves(desk: Desk) -> None:
    with desk.counted() as asked, pytest.raises(TooLarge):
        desk.create(letter(html="x" * 3_900_000))
    assert (asked, desk.permits) == (Counter(), 0)


def test_a_copy_into_a_full_mailbox_is_refused(desk: Desk) -> None:
    desk.box.store.quota = 1
    with pytest.raises(MailboxFull):
        desk.create(letter())


def test_a_copy_into_a_folder_that_is_gone_is_not_found(desk: Desk) -> None:
    folder = desk.box.make_folder("项目")
    desk.box.store.purge_folder(desk.box.store.folder(folder))
    with pytest.raises(NotFound):
        desk.create(letter(), folder)


def test_a_copy_whose_answer_is_lost_is_found_by_its_key(desk: Desk) -> None:
    desk.lose = "POST"
    with pytest.raises(OutcomeUnknown):
        desk.create(letter())
    found = desk.replica.find(Trace(KEY, "letter@ding.example", PAST, desk.inbox)).items
    assert [(item.key, item.message_id) for item in found] == [(KEY, "letter@ding.example")]
    assert len(desk.box.messages()) == 1


def test_a_copy_that_the_tenant_does_not_allow_is_a_matter_of_rights() -> None:
    desk = Desk(advanced_covers_create=True)
    with pytest.raises(NotPermitted):
        desk.create(letter())


def test_copies_and_state_need_no_right_to_change_content() -> None:
    desk = Desk(advanced_write_required=True, advanced_covers_attachments=True)
    id = desk.create(letter(attachments=(Attachment("a.txt", "text/plain", b"a"),)))
    assert id is not None
    desk.replica.write(desk.item(id), {"read": True, "flag": "complete", "folder": desk.trash}, desk.permit)
    assert (desk.stored(id).read, desk.stored(id).flag, desk.stored(id).folder) == (True, "complete", desk.trash)


# ---- finding
def test_a_message_is_found_by_key_or_message_id_wherever_it_is(desk: Desk) -> None:
    id, other = desk.create(letter()), desk.create(letter(message_id="it's@x"), key="another key")
    assert id is not None
    desk.box.move(id, desk.trash)
    by_key = desk.replica.find(Trace(KEY, "", PAST, desk.inbox)).items
    by_id = desk.replica.find(Trace("", "letter@ding.example", PAST, desk.inbox)).items
    assert [(item.id, item.folder) for item in by_key] == [(id, desk.trash)]
    assert [item.id for item in by_id] == [id]
    assert [item.id for item in desk.replica.find(Trace("", "it's@x", PAST, desk.inbox)).items] == [other]
    assert desk.replica.find(Trace("no such key", "letter@ding.example", PAST, desk.inbox)).items == ()


def test_all_that_carry_a_key_are_found(desk: Desk) -> None:
    id = desk.create(letter())
    assert id is not None
    copies = {desk.box.copy(id, desk.trash) for _ in range(60)}
    desk.look()
    with desk.counted() as asked:
        found = desk.replica.find(Trace(KEY, "", PAST, desk.inbox)).items
    assert {item.id for item in found} == copies | {id}
    assert asked == {"GET /users/{u}/messages": 2}


# ---- state
@pytest.mark.parametrize(
    "changes", [{"read": True}, {"flag": "flagged"}, {"flag": "complete"}, {"read": True, "flag": "complete"}]
)
def test_state_is_one_request_and_lands(desk: Desk, changes: dict[str, object]) -> None:
    item = desk.item(desk.arrives())
    with desk.counted() as asked:
        assert desk.replica.write(item, changes, desk.permit) == item.id
    assert asked == {"PATCH /users/{u}/messages/{m}": 1}
    after = desk.item(item.id)
    assert {name: getattr(after, name) for name in changes} == changes
    assert desk.permits == 1


def test_a_move_keeps_the_id(desk: Desk) -> None:
    item = desk.item(desk.arrives())
    assert desk.replica.write(item, {"folder": desk.trash}, desk.permit) == item.id
    assert desk.item(item.id).folder == desk.trash


@pytest.mark.parametrize("heeded", [False, True])
def test_state_and_place_cross_together_whether_or_not_moves_heed_versions(heeded: bool) -> None:
    desk = Desk(if_match_on_move=heeded)
    item = desk.item(desk.arrives())
    desk.replica.write(item, {"read": True, "flag": "flagged", "folder": desk.trash}, desk.permit)
    after = desk.item(item.id)
    assert (after.read, after.flag, after.folder, desk.permits) == (True, "flagged", desk.trash, 2)


def test_a_write_planned_on_an_older_state_is_refused(desk: Desk) -> None:
    item = desk.item(desk.arrives())
    desk.box.set_flag(item.id, "flagged")
    with pytest.raises(Stale):
        desk.replica.write(item, {"flag": "complete"}, desk.permit)
    assert desk.item(item.id).flag == "flagged"


def test_a_move_planned_on_an_older_state_is_refused_where_moves_heed_versions() -> None:
    desk = Desk(if_match_on_move=True)
    item = desk.item(desk.arrives())
    desk.box.set_read(item.id, True)
    with pytest.raises(Stale):
        desk.replica.write(item, {"folder": desk.trash}, desk.permit)


@pytest.mark.parametrize("changes", [{"read": True}, {"folder": "trash"}])
def test_a_write_to_a_message_that_is_gone_is_not_found(desk: Desk, changes: dict[str, object]) -> None:
    item = desk.item(desk.arrives())
    desk.box.purge(item.id)
    with pytest.raises(NotFound):
        desk.replica.write(item, {k: desk.trash if k == "folder" else v for k, v in changes.items()}, desk.permit)


@pytest.mark.parametrize(("lost", "read", "place"), [("PATCH", True, "inbox"), ("POST", True, "trash")])
def test_a_write_whose_answer_is_lost_may_be_done_in_part(desk: Desk, lost: str, read: bool, place: str) -> None:
    item = desk.item(desk.arrives())
    desk.lose = lost
    with pytest.raises(OutcomeUnknown):
        desk.replica.write(item, {"read": True, "folder": desk.trash}, desk.permit)
    assert (desk.stored(item.id).read, desk.stored(item.id).folder) == (read, getattr(desk, place))


# ---- changes
def test_changes_since_the_last_look_are_shown_once(desk: Desk) -> None:
    id = desk.arrives()
    before = desk.look()
    desk.box.set_read(id, True)
    new = desk.arrives(id="two@x")
    after = desk.look(before)
    assert {row.id: row.read for row in after.changes.rows} == {id: True, new: False}
    assert (after.changes.removed, after.changes.complete) == (frozenset(), frozenset())
    assert ids(desk.look(after)) == set()


def test_a_message_that_moved_left_one_folder_and_stands_in_the_other(desk: Desk) -> None:
    id = desk.arrives()
    before = desk.look()
    desk.box.move(id, desk.trash)
    after = desk.look(before).changes
    assert after.removed == {(desk.inbox, id)}
    assert [(row.id, row.folder) for row in after.rows] == [(id, desk.trash)]


def test_a_purged_message_is_said_to_be_removed(desk: Desk) -> None:
    id = desk.arrives()
    before = desk.look()
    desk.box.purge(id)
    after = desk.look(before).changes
    assert not after.rows
    assert after.removed == {(desk.inbox, id)}


def test_a_false_removal_is_told_and_the_read_says_otherwise() -> None:
    desk = Desk(delta_false_tombstone=1.0)
    id = desk.arrives()
    before = desk.look()
    desk.box.set_read(id, True)
    after = desk.look(before)
    assert (desk.inbox, id) in after.changes.removed
    assert id in ids(after), "shown both present and removed, it stands in both"
    assert desk.item(id).folder == desk.inbox


def test_repeats_empty_pages_and_sparse_rows_change_nothing_that_counts() -> None:
    desk = Desk(delta_duplicate=0.5, delta_replay=0.5, delta_empty_page=0.5, delta_reason_changed=0.5, delta_sparse=0.5)
    many = [desk.arrives(id=f"{n}@x") for n in range(30)]
    before = desk.look()
    assert ids(before) == set(many)
    for id in many[:10]:
        desk.box.set_read(id, True)
    desk.box.purge(many[20])
    after = desk.look(before)
    named = ids(after) | {id for _, id in after.changes.removed}
    assert named >= {*many[:10], many[20]}
    assert all(row.read for row in after.changes.rows if row.id in many[:10] and row.folder)


def test_a_sparse_row_is_never_taken_for_a_cleared_state() -> None:
    desk = Desk(delta_sparse=1.0)
    id = desk.arrives()
    desk.box.set_read(id, True)
    before = desk.look()
    desk.box.set_flag(id, "flagged")
    after = desk.look(before).changes
    assert [(row.id, row.folder) for row in after.rows] == [(id, "")]
    assert after.removed == frozenset()


@pytest.mark.parametrize(
    ("code", "status", "location"),
    [
        ("SyncStateNotFound", 410, False),
        ("SyncStateNotFound", 410, True),
        ("SyncStateInvalid", 400, False),
        ("ResyncRequired", 410, False),
        ("syncStateNotFound", 400, False),
    ],
)
def test_expired_cursors_mean_whole_folders_anew(code: str, status: int, location: bool) -> None:
    desk = Desk(delta_expiry=code, delta_expiry_status=status, delta_expiry_location=location)
    kept, gone = desk.arrives(), desk.arrives(id="two@x")
    before = desk.look()
    desk.box.purge(gone)
    desk.vendor.expire_delta_tokens()
    after = desk.look(before)
    assert after.changes.complete == set(before.changes.cursors or {})
    assert (ids(after), after.changes.removed) == ({kept}, frozenset())
    assert ids(desk.look(after)) == set()


@pytest.mark.parametrize("code", ["ErrorSyncFolderNotFound", "ErrorItemNotFound"])
def test_a_folder_that_was_deleted_for_good_has_no_cursor(code: str) -> None:
    desk = Desk(delta_deleted_folder=code)
    folder = desk.box.make_folder("项目")
    before = desk.look()
    desk.box.store.purge_folder(desk.box.store.folder(folder))
    after = desk.look(before, folder, desk.inbox).changes
    assert (set(after.cursors or {}), after.complete) == ({desk.inbox}, frozenset())


def test_a_folder_that_somebody_trashed_is_below_the_trash(desk: Desk) -> None:
    folder = desk.box.make_folder("项目")
    id = desk.arrives(folder=folder)
    before = desk.look()
    desk.box.delete_folder(folder)
    after = desk.look(before)
    assert {f.path for f in after.changes.folders or () if f.id == folder} == {("Deleted Items", "项目")}
    assert (desk.item(id).folder, ids(after)) == (folder, set())


def test_a_large_folder_is_read_page_by_page_to_its_end(desk: Desk) -> None:
    for number in range(1001):
        desk.tenant.make(subject=str(number))
    with desk.counted() as asked:
        seen = desk.look(None, desk.inbox)
    assert len(ids(seen)) == 1001
    assert seen.changes.complete == {desk.inbox}
    assert asked == {"GET /users/{u}/mailFolders/{f}/messages/delta": 3}


def test_cursors_stay_good_when_the_service_moves(desk: Desk) -> None:
    before, id = desk.look(), desk.arrives()
    assert all(cursor.startswith("/users/") for cursor in (before.changes.cursors or {}).values())
    desk.vendor.base_url = "https://elsewhere.example/v1.0"
    with pytest.raises(Unavailable) as caught:
        desk.look(before, desk.inbox)
    assert caught.value.code == "foreign_link"
    desk.vendor.base_url = BASE
    assert ids(desk.look(before, desk.inbox)) == {id}


# ---- rights, limits and faults
def test_a_short_throttle_is_waited_for(desk: Desk) -> None:
    many = [desk.arrives(id=f"{n}@x") for n in range(5)]
    desk.look()
    desk.vendor.throttle_next(3, 2)
    at = desk.tenant.clock.now
    assert None not in desk.replica.observe(many).items.values()
    assert desk.tenant.clock.now == at + 2
    desk.vendor.throttle_next(1, 1)
    assert desk.item(many[0]).id == many[0]


def test_a_long_throttle_ends_the_run(desk: Desk) -> None:
    id = desk.arrives()
    desk.vendor.throttle_next(1, 30)
    with pytest.raises(Throttled) as caught:
        desk.replica.observe([id])
    assert caught.value.retry_after == 30.0


def test_a_throttled_copy_was_not_made(desk: Desk) -> None:
    desk.vendor.throttle_next(1, 1)
    with pytest.raises(Throttled):
        desk.create(letter())
    assert (desk.box.messages(), desk.permits) == ([], 1)


def test_a_revoked_token_is_replaced_once_and_the_permit_asked_again(desk: Desk) -> None:
    id = desk.arrives()
    item = desk.item(id)
    desk.vendor.tokens.revoke()
    desk.replica.write(item, {"read": True}, desk.permit)
    assert (desk.stored(id).read, desk.permits, desk.vendor.counts["token"]) == (True, 2, 1 + 2)


def test_a_wrong_secret_stops_with_what_to_check(desk: Desk) -> None:
    with pytest.raises(NotPermitted, match="client id and secret") as caught:
        OutlookMail(desk.process("wrong"), ADDRESS).observe(["x"])
    assert caught.value.code == "AADSTS7000215"


@pytest.mark.parametrize("trouble", ["nobody", "not enabled", "denied", "no role"])
def test_a_mailbox_that_may_not_be_read_is_never_an_empty_one(desk: Desk, trouble: str) -> None:
    id, before = desk.arrives(), desk.look()
    replica = desk.replica
    if trouble == "nobody":
        replica = OutlookMail(desk.graph, "nobody@contoso.example")
    elif trouble == "not enabled":
        desk.box.store.enabled = False
    elif trouble == "denied":
        desk.box.store.denied = True
    else:
        desk.vendor.app.roles.clear()
        desk.vendor.tokens.revoke()
    for collections in (None, [desk.inbox]):
        with pytest.raises(NotPermitted):
            replica.observe((), {} if trouble == "nobody" else before.changes.cursors or {}, collections)
    with pytest.raises(NotPermitted):
        replica.observe([id])
    with pytest.raises(NotPermitted):
        replica.find(Trace(KEY, "", PAST, desk.inbox))


def test_errors_hold_no_content(desk: Desk) -> None:
    desk.box.store.quota = 1
    with pytest.raises(TandemError) as caught:
        desk.create(letter())
    words = ("contoso", "季度", "wang", "secret", "Bearer", KEY, "letter@")
    assert not any(word in str(caught.value) for word in words)


def test_every_request_asks_for_immutable_ids(desk: Desk) -> None:
    id = desk.create(letter())
    assert id is not None
    desk.look()
    desk.replica.write(desk.item(id), {"read": True, "folder": desk.trash}, desk.permit)
    desk.replica.fetch(id)
    asked = [request for request in desk.sent if request.url.startswith(BASE)]
    assert all('IdType="ImmutableId"' in request.headers["prefer"] for request in asked)


# ---- push
def test_a_subscription_to_the_whole_mailbox_is_made_for_almost_a_week(desk: Desk) -> None:
    door = GraphSubscriptions(desk.graph, ADDRESS)
    id, expires = door.create(URL, "client state")
    [held] = desk.vendor.subscriptions.all.values()
    assert (held.id, held.expires, held.client_state, held.immutable) == (id, expires, "client state", True)
    assert (held.url, held.lifecycle_url, held.folder) == (URL, URL, "")
    assert held.changes == {"created", "updated", "deleted"}
    assert WEEK - 7200 < expires - NOW < WEEK
    assert len(desk.tenant.handshakes) == 1
    new = desk.arrives()
    [delivery] = desk.vendor.take_notifications()
    assert [item["resourceData"]["id"] for item in delivery.items] == [new]


def test_a_subscription_is_renewed_until_it_is_gone(desk: Desk) -> None:
    door = GraphSubscriptions(desk.graph, ADDRESS)
    id, expires = door.create(URL, "s")
    desk.tenant.clock.now += 86400
    assert door.renew(id) == expires + 86400
    desk.vendor.remove_subscription(id)
    with pytest.raises(NotFound):
        door.renew(id)
    door.delete(id)


def test_a_subscription_whose_answer_was_lost_is_replaced(desk: Desk) -> None:
    door = GraphSubscriptions(desk.graph, ADDRESS)
    desk.lose = "POST"
    with pytest.raises(OutcomeUnknown):
        door.create("https://tandem.example/old", "s")
    desk.lose = ""
    id, _ = door.create(URL, "s")
    assert [held.id for held in desk.vendor.subscriptions.all.values()] == [id]


def test_a_subscription_is_refused_while_its_endpoint_does_not_answer(desk: Desk) -> None:
    desk.tenant.shakes = False
    with pytest.raises(Refused):
        GraphSubscriptions(desk.graph, ADDRESS).create(URL, "s")
