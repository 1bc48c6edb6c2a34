"""The DingTalk replica against the simulated DingTalk mail, in process: what is asked, what is there after."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.dingtalk import AliMailbox, Switches
from sandbox.dingtalk import DingTalkMail as SimulatedDingTalk
from sandbox.simulation.adapters import SimClock, SimExecutor, SimStreams, SimTransport
from sandbox.simulation.world import EPOCH, Fate, Kind, World, calm
from sandbox.truth import Stored
from shared.dingtalk.alimail import Alimail
from shared.dingtalk.bucket import Bucket
from shared.dingtalk.imap import ImapDoor
from shared.dingtalk.limits import LARGEST
from shared.dingtalk.preparing import prepare
from shared.dingtalk.replica import DingTalkMail
from shared.dingtalk.tokens import ClientCredentials
from shared.model.errors import (
    MailboxFull,
    NoClientPassword,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.model.mail import Created, Item, Message, Observed, Row, Trace
from shared.model.spooled import Content
from shared.model.words import Flag
from tests.support.alimail import ADDRESS, INBOX, PASSWORD, PDF, SENT, TRASH, mime, with_parts
from tests.support.files import Folder
from tests.support.secret import known

KEY = "5f0c5d0e-0000-5000-8000-000000000001"
PAST = EPOCH - 40 * 86400.0
BASE = "https://alimail.test"
LISTING = "GET /v2/users/{u}/mailFolders/{id}/messages"
TREE = "GET /v2/users/{u}/mailFolders"
READ = "GET /v2/users/{u}/messages/{id}"
UPDATE = "POST /v2/users/{u}/messages/batchUpdate"
MOVE = "POST /v2/users/{u}/messages/move"


@dataclass
class Desk:
    """The simulated vendor, and one process of the product with its replica of one mailbox."""

    switches: Switches = field(default_factory=Switches)
    password: str = PASSWORD
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    permits: int = 0
    turn: int = 0

    def __post_init__(self) -> None:
        self.world = World(1, self._fate)
        self.fate = calm
        self.vendor = SimulatedDingTalk(
            clock=lambda: self.world.now,
            random=self.chance,
            switches=self.switches,
            client_id="ali",
            client_secret="s",
            stream_base=BASE,
        )
        self.box: AliMailbox = self.vendor.add_mailbox(ADDRESS, client_password=PASSWORD)
        self.replica = self.process(self.password)

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        return self.fate(world, kind, name)

    def process(self, password: str = PASSWORD, secret: str = "s", user: str = ADDRESS) -> DingTalkMail:
        clock, transport = SimClock(self.world), SimTransport(self.world, {"alimail.test": self.vendor})
        tokens = ClientCredentials(transport, clock, BASE, "ali", known(secret), nullcontext())
        alimail = Alimail(transport, tokens, Bucket(clock, nullcontext()), BASE)
        streams = SimStreams(self.world, self.vendor.imap)
        door = ImapDoor(streams, clock, "imap.test", 993, True, user, password)
        return DingTalkMail(alimail, door, user, SimExecutor(self.world), lambda: self.turn)

    def permit(self) -> None:
        self.permits += 1

    def create(
        self,
        content: Content | None = None,
        *,
        folder: str = INBOX,
        read: bool = True,
        flag: Flag = "none",
        mark: str = "",
    ) -> Created:
        return self.replica.create(
            _message(content), folder=folder, read=read, flag=flag, key=KEY, mark=mark, permit=self.permit
        )

    @property
    def only(self) -> Stored:
        (held,) = self.box.messages()
        return held

    def original(self, id: str) -> bytes:
        """The bytes that the vendor holds."""
        return self.box.store.items[id].mime

    def item(self, id: str) -> Item:
        item = self.replica.observe([id]).items[id]
        assert item is not None
        return item

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """What the vendor is asked inside of it."""
        before, counts = self.vendor.counts.copy(), Counter[str]()
        yield counts
        counts.update(self.vendor.counts - before)


class Lagging(random.Random):
    """What may lag does so, for a third of the longest time."""

    def random(self) -> float:
        return 0.3


@pytest.fixture(autouse=True)
def desks() -> Iterator[list[Desk]]:
    """After every test: nothing was sent, no receipt went out, and nothing was asked that the vendor ignores."""
    made: list[Desk] = []
    whole = Desk.__post_init__

    def kept(desk: Desk) -> None:
        whole(desk)
        made.append(desk)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Desk, "__post_init__", kept)
        yield made
    for desk in made:
        assert (desk.vendor.sent_mail, desk.vendor.receipts, desk.vendor.ignored) == (0, 0, [])


def _message(content: Content | None = None) -> Message:
    return Message(
        message_id="one@mail.example", subject="Hello", sender=None, from_=None, to=(), cc=(), bcc=(), reply_to=(),
        sent=None, received=PAST, in_reply_to="", references="", text="", html="", attachments=(),
        mime=mime() if content is None else content,
    )  # fmt: skip


def _trace(key: str = KEY, *, folder: str = INBOX, received: float = PAST, mark: str = "") -> Trace:
    return Trace(key=key, message_id="one@mail.example", received=received, folder=folder, mark=mark)


class TestCreate:
    @pytest.mark.parametrize("read", [True, False])
    def test_the_original_bytes_land_with_key_date_and_state(self, read: bool) -> None:
        desk = Desk()
        made = desk.create(with_parts(), folder=SENT, read=read)
        held = desk.only
        assert made == Created(held.id, listed=True)
        assert desk.original(held.id) == f"X-Tandem-Key: {KEY}\r\n".encode() + with_parts()
        assert (held.folder, held.read, held.flag, held.tandem_key) == (SENT, read, "none", KEY)
        assert (held.received_at, held.message_id, held.by) == (PAST, "one@mail.example", "client")
        assert held.sent_at == 1_789_956_000.0
        assert desk.permits == 1

    @pytest.mark.parametrize("folder", ["1", "2", "3", "6"])
    def test_every_folder_with_a_role_is_found_by_imap(self, folder: str) -> None:
        desk = Desk()
        assert desk.create(folder=folder).id == desk.only.id
        assert desk.only.folder == folder

    @pytest.mark.parametrize("language", ["zh-CN", "zh-TW", "en"])
    def test_folders_of_people_are_found_in_any_language(self, language: str) -> None:
        desk = Desk()
        box = desk.vendor.add_mailbox("other@factory.example", client_password=PASSWORD, language=language)
        desk.replica = desk.process(user="other@factory.example")
        top = box.make_folder("报关 & 提单")
        for folder in (box.make_folder("2026", top), box.make_folder("below", INBOX), TRASH):
            desk.create(folder=folder)
            assert box.messages()[-1].folder == folder

    def test_one_create_is_one_append_and_one_listing(self) -> None:
        desk = Desk()
        with desk.counted() as first:
            desk.create()
        assert first == {
            "token": 1, TREE: 1, LISTING: 1,
            "IMAP CAPABILITY": 1, "IMAP LOGIN": 1, "IMAP LIST": 1, "IMAP APPEND": 1,
        }  # fmt: skip
        with desk.counted() as second:
            desk.create()
        assert {name: count for name, count in second.items() if name != "IMAP CAPABILITY"} == {
            LISTING: 1, "IMAP APPEND": 1
        }  # fmt: skip

    @pytest.mark.parametrize("flag", ["flagged", "complete"])
    def test_a_flag_is_set_after_the_append(self, flag: Flag) -> None:
        desk = Desk()
        with desk.counted() as counts:
            made = desk.create(flag=flag)
        assert made == Created(desk.only.id, listed=False)
        assert (desk.only.flag, desk.permits, counts[UPDATE]) == (flag, 2, 1)

    def test_receipts_are_asked_of_nobody_and_invitations_are_files(self) -> None:
        desk = Desk()
        content = mime(more="Disposition-Notification-To: bob@office.example\n")
        desk.create(content, read=False)
        assert desk.original(desk.only.id) == prepare(content, KEY)
        item = desk.item(desk.only.id)
        assert not item.wants_receipt
        desk.replica.write(item, {"read": True}, desk.permit)
        assert desk.only.read

    @pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
    def test_any_size_crosses_byte_for_byte(self, size: int) -> None:
        desk = Desk()
        content = mime(body="\r\n".join(["x" * 70] * (size // 72)) + "é")
        desk.create(content)
        assert desk.original(desk.only.id).endswith(prepare(content, KEY))

    def test_a_full_mailbox_and_a_refusal_are_told_apart(self) -> None:
        desk = Desk()
        desk.box.store.quota = 10
        with pytest.raises(MailboxFull):
            desk.create()
        desk.box.store.quota = None
        for early in (False, True):
            desk.vendor.switches = replace(desk.vendor.switches, max_append=10, refuses_large_early=early)
            with pytest.raises(TooLarge):
                desk.create()
        desk.vendor.switches = replace(desk.vendor.switches, max_append=10_000)
        desk.create()
        assert len(desk.box.messages()) == 1

    def test_a_large_message_crosses_from_its_file_and_one_over_the_most_does_not(self, tmp_path: Path) -> None:
        desk, spool = Desk(), Folder(tmp_path)
        content = mime(body="\r\n".join(["x" * 70] * 70_000))
        assert len(content) > LARGEST
        with pytest.raises(TooLarge):
            desk.create(content)
        made = desk.create(spool.keep([content]))
        assert made == Created(desk.only.id, listed=True)
        assert desk.original(desk.only.id) == prepare(content, KEY)
        desk.replica._largest = len(content) - 1
        with pytest.raises(TooLarge):
            desk.create(spool.keep([content]))
        assert len(desk.box.messages()) == 1


class TestCreateOnOtherServers:
    @pytest.mark.parametrize(
        ("switches", "listings", "reads"),
        [
            (Switches(appenduid=False), 1, 0),
            (Switches(brackets_on_message_id=False, size_as_string=True), 1, 0),
            (Switches(headers_in_list=False), 1, 1),
            (Switches(honours_internaldate=False), 2, 0),
        ],
        ids=["no APPENDUID", "plain Message-IDs", "no headers in listings", "its own date"],
    )
    def test_the_id_is_found(self, switches: Switches, listings: int, reads: int) -> None:
        desk = Desk(switches)
        with desk.counted() as counts:
            made = desk.create()
        assert made.id == desk.only.id
        assert (counts[LISTING], counts[READ], counts["IMAP APPEND"]) == (listings, reads, 1)

    def test_a_listing_that_lags_gives_no_id_and_find_says_pending(self) -> None:
        desk = Desk(Switches(list_lag=60.0), chance=Lagging())
        mark = desk.replica.mark(INBOX)
        assert desk.create(mark=mark) == Created(None)
        found = desk.replica.find(_trace(mark=mark))
        assert (found.items, found.pending) == ((), True)
        desk.world.run_until(desk.world.now + 60)
        found = desk.replica.find(_trace(mark=mark))
        assert ([item.id for item in found.items], found.pending) == ([desk.only.id], False)

    def test_nothing_is_pending_where_nothing_was_put(self) -> None:
        desk = Desk()
        desk.box.deliver(mime(message_id="<other@mail.example>"))
        mark = desk.replica.mark(INBOX)
        assert mark == "2:2"
        found = desk.replica.find(_trace(mark=mark))
        assert (found.items, found.pending) == ((), False)


class TestLostAnswers:
    def test_an_append_whose_answer_is_lost_is_unknown_and_found_by_its_key(self) -> None:
        desk = Desk()
        mark = desk.replica.mark(INBOX)
        desk.fate = _losing("literal")
        with pytest.raises(OutcomeUnknown):
            desk.create(mark=mark)
        desk.fate = calm
        (item,) = desk.replica.find(_trace(mark=mark)).items
        assert (item.id, item.key) == (desk.only.id, KEY)

    def test_a_connection_lost_before_the_message_has_done_nothing(self) -> None:
        desk = Desk()
        desk.replica.mark(INBOX)
        with desk.counted() as counts:
            desk.fate = _losing("imap APPEND")
            assert desk.create().id == desk.only.id
        assert counts["IMAP LOGIN"] == 1

    def test_a_write_whose_answer_is_lost_is_unknown(self) -> None:
        desk = Desk()
        id = desk.box.deliver(mime())
        item = desk.item(id)
        desk.fate = _losing("batchUpdate")
        with pytest.raises(OutcomeUnknown):
            desk.replica.write(item, {"read": True}, desk.permit)
        assert desk.only.read


class TestLogin:
    def test_a_refused_password_is_tried_once_in_a_process(self) -> None:
        desk = Desk(password="wrong")
        for _ in range(3):
            with pytest.raises(NoClientPassword):
                desk.create()
            with pytest.raises(NoClientPassword):
                desk.replica.mark(INBOX)
        assert desk.vendor.failed_logins == {ADDRESS: 1}
        assert (desk.box.messages(), desk.permits) == ([], 0)

    def test_everything_else_goes_on_without_it(self) -> None:
        desk = Desk(password="wrong")
        id = desk.box.deliver(mime())
        with pytest.raises(NoClientPassword):
            desk.create()
        desk.replica.write(desk.item(id), {"read": True, "flag": "flagged", "folder": TRASH}, desk.permit)
        assert (desk.only.read, desk.only.flag, desk.only.folder) == (True, "flagged", TRASH)
        assert desk.replica.find(_trace("", received=EPOCH, mark="2:1")).items[0].id == id

    def test_an_expired_token_is_renewed_once(self) -> None:
        desk = Desk()
        desk.replica.observe([], {}, None)
        desk.vendor.revoke_tokens()
        with desk.counted() as counts:
            desk.replica.observe([], {}, None)
        assert counts["token"] == 1

    def test_a_wrong_secret_or_mailbox_is_not_permitted(self) -> None:
        desk = Desk()
        with pytest.raises(NotPermitted):
            desk.process(secret="wrong").observe([], {}, None)
        with pytest.raises(NotPermitted):
            desk.process(user="nobody@factory.example").observe([], {}, None)


class TestFind:
    @pytest.mark.parametrize("headers", [True, False])
    @pytest.mark.parametrize("where", ["1", "2", "3", "6", "own"])
    def test_by_key_and_by_message_id_in_every_folder(self, where: str, headers: bool) -> None:
        desk = Desk(Switches(headers_in_list=headers))
        folder = desk.box.make_folder("Shipments") if where == "own" else where
        made = desk.create(folder=folder).id
        for key in (KEY, ""):
            (item,) = desk.replica.find(_trace(key)).items
            assert (item.id, item.folder, item.key) == (made, folder, KEY)

    def test_by_message_id_all_copies_are_found_and_by_key_ours_alone(self) -> None:
        desk = Desk(Switches(honours_internaldate=False))
        made = desk.create(folder=SENT).id
        twin = desk.box.deliver(mime(), TRASH)
        assert {item.id for item in desk.replica.find(_trace("", received=EPOCH)).items} == {made, twin}
        assert [item.id for item in desk.replica.find(_trace(received=EPOCH)).items] == [made]

    def test_what_is_gone_is_not_found(self) -> None:
        desk = Desk()
        desk.create()
        desk.box.purge(desk.only.id)
        assert desk.replica.find(_trace()).items == ()

    def test_no_other_message_is_taken_for_it(self) -> None:
        desk = Desk()
        desk.box.deliver(mime(message_id="<other@mail.example>", more="X-Tandem-Key: another\n"))
        assert desk.replica.find(_trace(received=EPOCH)).items == ()
        assert desk.replica.find(_trace("", received=EPOCH)).items == ()


class TestWrite:
    @pytest.mark.parametrize("keeps", [True, False])
    def test_state_and_folder_are_written_without_a_read(self, keeps: bool) -> None:
        desk = Desk(Switches(move_keeps_id=keeps))
        id = desk.box.deliver(mime())
        with desk.counted() as counts:
            after = desk.replica.write(desk.item(id), {"read": True, "flag": "complete", "folder": TRASH}, desk.permit)
        held = desk.only
        assert (held.read, held.flag, held.folder) == (True, "complete", TRASH)
        assert (after == held.id) == keeps
        assert (counts[UPDATE], counts[MOVE], desk.permits) == (2, 1, 3)

    @pytest.mark.parametrize("keeps", [True, False])
    def test_a_moved_message_is_found_again(self, keeps: bool) -> None:
        desk = Desk(Switches(move_keeps_id=keeps))
        id = desk.create().id
        assert id is not None
        desk.replica.write(desk.item(id), {"folder": TRASH}, desk.permit)
        for key in (KEY, ""):
            (item,) = desk.replica.find(_trace(key, folder=TRASH)).items
            assert (item.id, item.folder) == (desk.only.id, TRASH)

    @pytest.mark.parametrize("old", ["none", "flagged", "complete"])
    @pytest.mark.parametrize("new", ["none", "flagged", "complete"])
    def test_from_any_flag_to_any(self, old: Flag, new: Flag) -> None:
        desk = Desk()
        id = desk.box.deliver(mime())
        desk.box.set_flag(id, old)
        assert desk.item(id).flag == old
        assert desk.replica.write(desk.item(id), {"flag": new}, desk.permit) == id
        assert desk.only.flag == new

    def test_a_throttled_write_did_nothing(self) -> None:
        desk = Desk()
        item = desk.item(desk.box.deliver(mime()))
        desk.vendor.throttle_next(1)
        with pytest.raises(Throttled) as raised:
            desk.replica.write(item, {"read": True}, desk.permit)
        assert (raised.value.retry_after, desk.only.read) == (1.0, False)

    def test_refusals_on_200_are_refusals(self) -> None:
        desk = Desk(Switches(error_on_200=True))
        id = desk.box.deliver(mime())
        item = desk.item(id)
        with pytest.raises(NotFound):
            desk.replica.write(item, {"folder": "99"}, desk.permit)
        desk.box.purge(id)
        assert desk.replica.observe([id]).items == {id: None}


class TestObserve:
    def test_an_item_shows_what_the_mailbox_holds(self) -> None:
        desk = Desk(Switches(size_as_string=True, brackets_on_message_id=False))
        id = desk.box.deliver(
            mime("报关", more="Cc: Chen@x.example\nDisposition-Notification-To: bob@office.example\n")
        )
        assert desk.replica.observe([id, "nothing"]).items == {
            id: Item(
                id=id,
                folder=INBOX,
                read=False,
                flag="none",
                received=EPOCH,
                message_id="one@mail.example",
                subject="报关",
                sender="bob@office.example",
                recipients=(ADDRESS, "chen@x.example"),
                size=len(desk.original(id)),
                wants_receipt=True,
            ),
            "nothing": None,
        }

    def test_a_poll_shows_the_tree_and_what_is_new(self) -> None:
        desk = Desk()
        own = desk.box.make_folder("Shipments")
        below = desk.box.make_folder("2026", own)
        id = desk.box.deliver(mime(), below, read=True)
        changes = desk.replica.observe((), {}, None).changes
        assert changes.folders is not None
        assert {folder.id: (folder.path, folder.role) for folder in changes.folders} == {
            "1": (("已发送",), "sent"),
            "2": (("收件箱",), "inbox"),
            "3": (("垃圾邮件",), "junk"),
            "5": (("草稿",), "drafts"),
            "6": (("已删除邮件",), "trash"),
            own: (("Shipments",), None),
            below: (("Shipments", "2026"), None),
        }
        assert changes.rows == (Row(id, below, True, "none", EPOCH, "one@mail.example"),)
        assert (changes.removed, changes.complete) == (frozenset(), frozenset())
        assert set(changes.cursors or ()) == {"1", "2", "3", "6", own, below}

    def test_a_quiet_poll_has_no_rows_and_equal_cursors_and_few_requests(self) -> None:
        desk = Desk()
        desk.box.deliver(mime())
        cursors = _cursors(desk.replica.observe((), {}, None))
        with desk.counted() as counts:
            for _ in range(10):
                desk.turn += 1
                changes = desk.replica.observe((), cursors, None).changes
                assert (changes.rows, changes.cursors) == ((), cursors)
        assert counts[TREE] == 10
        # The inbox and the sent mail each time, the junk and trash once in ten polls.
        assert counts[LISTING] == 22
        assert set(counts) == {TREE, LISTING}

    @pytest.mark.parametrize("act", ["deliver", "read", "flag", "move", "purge", "create"])
    def test_every_change_by_a_person_or_by_us_is_news(self, act: str) -> None:
        desk = Desk()
        id = desk.box.deliver(mime())
        cursors = _cursors(desk.replica.observe((), {}, None))
        desk.world.run_until(desk.world.now + 1)
        acts: dict[str, Any] = {
            "deliver": lambda: desk.box.deliver(mime()),
            "read": lambda: desk.box.set_read(id, True),
            "flag": lambda: desk.box.set_flag(id, "flagged"),
            "move": lambda: desk.box.move(id, TRASH),
            "purge": lambda: desk.box.purge(id),
            "create": lambda: desk.create(),
        }
        acts[act]()
        changes = desk.replica.observe((), cursors, None).changes
        shown = {(row.id, row.folder, row.read, row.flag) for row in changes.rows}
        assert shown == {(held.id, held.folder, held.read, held.flag) for held in desk.box.messages()}
        assert changes.cursors != cursors
        assert desk.replica.observe((), changes.cursors or {}, None).changes.rows == ()

    def test_many_new_messages_are_all_seen_while_pages_shift(self) -> None:
        desk = Desk(Switches(rate=None))
        desk.box.deliver(mime())
        cursors = _cursors(desk.replica.observe((), {}, None))
        seen: set[str] = set()
        for _ in range(260):
            desk.world.run_until(desk.world.now + 1)
            desk.box.deliver(mime())
        desk.fate = _between_pages(lambda: desk.box.deliver(mime()))
        for _ in range(4):
            changes = desk.replica.observe((), cursors, None).changes
            seen |= {row.id for row in changes.rows}
            cursors = _cursors(Observed({}, changes))
            desk.fate = calm
        assert {held.id for held in desk.box.messages()[1:]} <= seen
        assert len(seen) == 262

    def test_a_folder_alone_is_looked_at_when_named(self) -> None:
        desk = Desk()
        id = desk.box.deliver(mime(), TRASH)
        with desk.counted() as counts:
            changes = desk.replica.observe((), {}, [TRASH]).changes
        assert ([row.id for row in changes.rows], changes.folders) == ([id], None)
        assert counts[LISTING] == 1
        assert TREE not in counts

    def test_throttled_reads_are_left_out_and_folders_keep_their_cursors(self) -> None:
        desk = Desk()
        id = desk.box.deliver(mime())
        cursors = _cursors(desk.replica.observe((), {}, None))
        desk.box.set_read(id, True)
        desk.vendor.throttle_next(1)
        assert desk.replica.observe([id]).items == {}
        desk.world.run_until(desk.world.now + 5)
        desk.vendor.throttle_next(1)
        kept = desk.replica.observe((), cursors, [INBOX]).changes
        assert (kept.rows, kept.cursors) == ((), cursors)


class TestFetch:
    @pytest.mark.parametrize("stream", ["relative", "absolute", "json"])
    @pytest.mark.parametrize("once", [True, False])
    def test_without_a_client_password_attachments_come_from_the_rest_door(self, stream: Any, once: bool) -> None:
        desk = Desk(Switches(stream=stream, stream_once=once))
        message = desk.process(password="").fetch(desk.box.deliver(with_parts()))
        logo, pdf = message.attachments
        assert (logo.content, logo.content_id, logo.inline) == (b"\x89PNG", "logo@x", True)
        assert (pdf.name, pdf.content_type, pdf.content, pdf.inline) == ("报关.pdf", "application/pdf", PDF, False)
        assert "cid:logo@x" in message.html
        assert (message.message_id, message.mime) == ("one@mail.example", None)

    def test_headers_and_dates_are_those_of_the_original(self) -> None:
        desk = Desk()
        more = "In-Reply-To: <zero@x>\nReferences: <zero@x>\nReply-To: =?utf-8?b?6ZmI?= <r@x.example>\nX-Priority: 1\n"
        message = desk.replica.fetch(desk.box.deliver(mime("报关", more=more)))
        assert (message.in_reply_to, message.references) == ("<zero@x>", "<zero@x>")
        assert [(one.name, one.address) for one in message.reply_to] == [("陈", "r@x.example")]
        assert (message.subject, message.importance, message.received) == ("报关", "high", EPOCH)
        assert message.text == "Good day\r\n"

    def test_an_attachment_that_is_not_shown_stops_the_message_as_long_as_there_is_no_client_password(self) -> None:
        desk = Desk()
        whole = with_parts(attached=True)
        head, tail = whole.index(b"--B\r\nContent-Type: image"), whole.index(b"--B\r\nContent-Type: message")
        id = desk.box.deliver(whole[:head].replace(b"cid:logo@x", b"") + whole[tail:])
        with pytest.raises(Refused):
            desk.process(password="").fetch(id)
        assert [one.content_type for one in desk.replica.fetch(id).attachments] == ["message/rfc822"]

    def test_a_message_that_is_gone_or_glitching_is_not_found(self) -> None:
        desk = Desk(Switches(glitch_404=1.0))
        id = desk.box.deliver(mime())
        with pytest.raises(NotFound):
            desk.replica.fetch(id)
        desk.world.run_until(desk.world.now + 46)
        assert desk.replica.fetch(id).subject == "Hello"

    def test_a_stream_that_is_refused_is_not_an_attachment_without_content(self) -> None:
        desk = Desk()
        id = desk.box.deliver(with_parts())
        desk.fate = _refusing("/v2/stream/", 503)
        with pytest.raises(Unavailable):
            desk.process(password="").fetch(id)


class TestOriginal:
    """What has attachments is read by IMAP."""

    def test_a_message_crosses_with_all_its_attachments_and_stays_unread(self) -> None:
        desk = Desk()
        id = desk.box.deliver(with_parts(attached=True))
        with desk.counted() as counts:
            message = desk.replica.fetch(id)
        assert [one.content_type for one in message.attachments] == ["image/png", "application/pdf", "message/rfc822"]
        assert (message.attachments[1].name, message.attachments[1].content) == ("报关.pdf", PDF)
        assert "cid:logo@x" in message.html
        assert not desk.only.read
        assert {name for name in counts if name.startswith("IMAP ")} <= {
            "IMAP LOGIN", "IMAP CAPABILITY", "IMAP LIST", "IMAP SELECT", "IMAP UID SEARCH", "IMAP UID FETCH"
        }  # fmt: skip

    @pytest.mark.parametrize("days", [-1, 0, 1])
    def test_it_is_found_whatever_zone_the_server_counts_its_days_in(self, days: int) -> None:
        desk = Desk()
        id = desk.box.deliver(with_parts())
        store, noon = desk.box.store, EPOCH - EPOCH % 86400 + 43200
        store.change(store.items[id], received=noon + days * 43199)
        assert len(desk.replica.fetch(id).attachments) == 2

    def test_of_two_with_one_message_id_the_size_tells_which(self) -> None:
        desk = Desk()
        ids = [desk.box.deliver(with_parts(attached=attached)) for attached in (True, False)]
        assert [len(desk.replica.fetch(id).attachments) for id in ids] == [3, 2]

    def test_of_two_that_nothing_tells_apart_the_rest_door_is_asked(self) -> None:
        desk = Desk()
        ids = [desk.box.deliver(with_parts()) for _ in range(2)]
        with desk.counted() as counts:
            assert [len(desk.replica.fetch(id).attachments) for id in ids] == [2, 2]
        assert any("$value" in name for name in counts)

    def test_one_without_a_message_id_is_told_by_its_date(self) -> None:
        desk = Desk()
        bare = with_parts(attached=True).replace(b"Message-ID: <one@mail.example>\r\n", b"")
        desk.box.deliver(mime().replace(b"Message-ID: <one@mail.example>\r\n", b""))
        desk.world.run_until(desk.world.now + 5)
        id = desk.box.deliver(bare, desk.box.make_folder("报关"))
        assert len(desk.replica.fetch(id).attachments) == 3

    def test_a_dead_imap_door_puts_it_off_and_a_refused_password_leaves_it_to_the_rest_door(self) -> None:
        desk = Desk()
        id = desk.box.deliver(with_parts())
        desk.fate = _refusing("imap", 503)
        with pytest.raises(Unavailable):
            desk.replica.fetch(id)
        desk.fate = calm
        assert len(desk.process(password="wrong").fetch(id).attachments) == 2

    def test_one_that_is_too_large_is_not_even_fetched(self) -> None:
        desk = Desk()
        id = desk.box.deliver(with_parts(html="<p>" + "x" * 3_900_000))
        with desk.counted() as counts, pytest.raises(TooLarge):
            desk.replica.fetch(id)
        assert counts["IMAP UID FETCH"] <= 1


def _cursors(observed: Observed) -> dict[str, str]:
    return dict(observed.changes.cursors or {})


def _losing(part: str) -> Any:
    """The first call with this in its name is done, and its answer lost."""
    left = [part]

    def fate(world: World, kind: Kind, name: str) -> Fate:
        if left and left[0] in name:
            left.clear()
            return Fate(0.1, 0.0, answer=False)
        return calm(world, kind, name)

    return fate


def _refusing(part: str, status: int) -> Any:
    def fate(world: World, kind: Kind, name: str) -> Fate:
        return Fate(None, 0.1, refuse=status) if part in name else calm(world, kind, name)

    return fate


def _between_pages(act: Any) -> Any:
    """`act` happens once, right before a second page is read."""
    left = [act]

    def fate(world: World, kind: Kind, name: str) -> Fate:
        if left and "cursor=" in name and "cursor=&" not in name:
            left.pop()()
        return calm(world, kind, name)

    return fate
