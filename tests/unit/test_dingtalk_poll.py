"""Which folders a poll looks at, what it tells, and what it remembers."""

from __future__ import annotations

import pytest

from shared.dingtalk import poll
from shared.dingtalk.folders import Counted
from shared.dingtalk.mapping import ROW
from shared.dingtalk.poll import Cursor
from shared.dingtalk.replica import DingTalkMail
from shared.model.mail import Folder, Observed, Row
from shared.model.words import Role
from tests.support.dingtalk import Folder as ShownFolder
from tests.support.dingtalk import InTurn, ShownMailbox, Wire, alimail, ok, query

T0 = 1_750_000_000.0


def counted(id: str, total: int = 1, unread: int = 0, role: Role | None = None) -> Counted:
    return Counted(Folder(id, (id,), role), total, unread)


def rows(*ids: str, received: float = T0) -> list[Row]:
    return [Row(id, "2", False, "none", received + at) for at, id in enumerate(ids)]


def turn_of(id: str) -> int:
    return next(turn for turn in range(poll.ROUND) if poll.due([counted(id)], {id: SEEN}, turn))


SEEN = Cursor((1, 0), "p", T0).dump()


def test_cursors_survive_as_text_and_nonsense_is_no_cursor() -> None:
    for cursor in (Cursor((3, 1), "ab", T0 + 0.25), Cursor(None, "", 0.0, again=True)):
        assert Cursor.load(cursor.dump()) == cursor
    for text in (None, "", "{}", "[]", "null", '{"counters": [1], "page": "", "newest": 0}'):
        assert Cursor.load(text) is None


def test_inbox_and_sent_are_always_due_and_drafts_never() -> None:
    tree = [counted("2", role="inbox"), counted("1", role="sent"), counted("5", role="drafts")]
    quiet = {one.folder.id: SEEN for one in tree}
    for turn in range(poll.ROUND):
        assert poll.due(tree, quiet, turn) == ["2", "1"]
    assert poll.due(tree, {}, 0) == ["2", "1"]


def test_every_quiet_folder_is_due_exactly_once_a_round_and_they_are_spread() -> None:
    tree = [counted(str(id)) for id in range(100, 200)]
    quiet = {one.folder.id: SEEN for one in tree}
    looks = [poll.due(tree, quiet, turn) for turn in range(poll.ROUND)]
    assert sorted(id for look in looks for id in look) == sorted(quiet)
    assert max(map(len, looks)) < 25


@pytest.mark.parametrize(
    ("cursor", "due"),
    [
        (None, True),
        (Cursor((1, 0), "p", T0), False),
        (Cursor((2, 0), "p", T0), True),
        (Cursor((1, 1), "p", T0), True),
        (Cursor(None, "p", T0), True),
        (Cursor((1, 0), "p", T0, again=True), True),
    ],
)
def test_a_folder_out_of_turn_is_due_when_something_may_have_happened(cursor: Cursor | None, due: bool) -> None:
    cursors = {"104": cursor.dump()} if cursor else {}
    assert poll.due([counted("104")], cursors, turn_of("104") + 1) == (["104"] if due else [])


def test_a_first_look_tells_everything_on_its_page() -> None:
    news, cursor = poll.looked([rows("a", "b")], None, (2, 2))
    assert [row.id for row in news] == ["a", "b"]
    assert (cursor.counters, cursor.newest, cursor.again) == ((2, 2), T0 + 1, False)


def test_a_quiet_look_tells_nothing_and_leaves_an_equal_cursor() -> None:
    _, first = poll.looked([rows("a", "b")], None, (2, 2))
    assert poll.looked([rows("a", "b")], first, (2, 2)) == ((), first)
    assert poll.looked([rows("a", "b")], first, None) == ((), first)


def test_counters_that_the_page_does_not_explain_earn_one_more_look() -> None:
    _, first = poll.looked([rows("a")], None, (1, 1))
    _, second = poll.looked([rows("a")], first, (2, 2))
    assert (second.again, second.counters) == (True, (2, 2))
    _, third = poll.looked([rows("a")], second, (2, 2))
    assert not third.again
    news, fourth = poll.looked([rows("a", "b")], second, (2, 2))
    assert (len(news), fourth.again) == (2, False)


def test_what_was_seen_once_stays_seen_when_its_newest_message_goes() -> None:
    _, first = poll.looked([rows("a", "b", "c")], None, (3, 3))
    _, second = poll.looked([rows("a")], first, (1, 1))
    assert second.newest == first.newest


def test_several_pages_are_looked_through_twice() -> None:
    _, first = poll.looked([rows("a")], None, (1, 1))
    pages = [rows("c", received=T0 + 10), [*rows("c", received=T0 + 10), *rows("b", received=T0 + 5)]]
    news, second = poll.looked(pages, first, (3, 3))
    assert [row.id for row in news] == ["c", "b"]
    assert (second.again, second.newest) == (True, first.newest)
    news, third = poll.looked(pages, second, (3, 3))
    assert (len(news), third.again, third.newest) == (2, False, T0 + 10)


class Polled:
    def __init__(self) -> None:
        self.mailbox = ShownMailbox()
        self.wire = Wire(self.mailbox.answer)
        self.replica = DingTalkMail(alimail(self.wire), None, "a@b.cn", InTurn(), lambda: self.turn)
        self.turn = 0
        self.cursors: dict[str, str] = {}

    def poll(self, *folders: str) -> Observed:
        self.wire.requests.clear()
        seen = self.replica.observe(cursors=self.cursors, collections=list(folders) if folders else None)
        self.cursors = dict(seen.changes.cursors or {})
        return seen

    def pages(self) -> list[str]:
        return [path.split("/")[-2] for path in self.wire.asked if path.endswith("/messages")]


@pytest.fixture
def polled() -> Polled:
    return Polled()


def ids(seen: Observed) -> set[str]:
    return {row.id for row in seen.changes.rows}


def test_a_poll_tells_new_and_changed_rows_and_then_is_silent(polled: Polled) -> None:
    polled.mailbox.put("2", "a", T0)
    assert ids(polled.poll()) == {"a"}
    before = polled.cursors
    seen = polled.poll()
    assert (ids(seen), polled.cursors) == (set(), before)
    polled.mailbox.put("2", "b", T0 + 9, isRead=True)
    assert ids(polled.poll()) == {"a", "b"}
    row = polled.mailbox.row("a")
    assert row
    row["tags"] = ["1"]
    assert {(r.id, r.flag) for r in polled.poll().changes.rows} == {("a", "flagged"), ("b", "none")}


def test_a_quiet_poll_costs_the_folder_list_and_two_pages_and_a_tenth_of_the_rest(polled: Polled) -> None:
    for id in map(str, range(100, 150)):
        polled.mailbox.folders[id] = ShownFolder(f"folder {id}")
    polled.poll()
    costs = []
    for turn in range(poll.ROUND):
        polled.turn = turn
        assert not polled.poll().changes.rows
        costs.append(len(polled.wire.requests))
    assert sum(costs) == poll.ROUND * 3 + 52


def test_a_poll_shows_the_tree_and_proves_nothing_about_what_it_does_not_show(polled: Polled) -> None:
    polled.mailbox.folders["104"] = ShownFolder("客户", parent="2")
    changes = polled.poll().changes
    assert changes.folders is not None
    assert Folder("104", ("收件箱", "客户"), None, "2") in changes.folders
    assert (changes.complete, changes.removed) == (frozenset(), frozenset())


def test_mail_filed_by_a_rule_is_seen_by_the_counters(polled: Polled) -> None:
    polled.mailbox.folders["104"] = ShownFolder("客户")
    polled.turn = turn_of("104") + 1
    polled.poll()
    polled.mailbox.put("104", "x", T0)
    assert ids(polled.poll()) == {"x"}


def test_a_change_that_counters_hide_is_seen_within_a_round(polled: Polled) -> None:
    polled.mailbox.folders["104"] = ShownFolder("客户")
    polled.mailbox.folders["104"].counters = (0, 0)
    polled.poll()
    polled.mailbox.put("104", "x", T0)
    told: list[str] = []
    for polled.turn in range(poll.ROUND):
        told += ids(polled.poll())
    assert told == ["x"]


def test_a_burst_longer_than_a_page_is_seen_to_its_end(polled: Polled) -> None:
    polled.mailbox.put("2", "old", T0)
    polled.poll()
    burst = {f"m{n}" for n in range(250)}
    for n, id in enumerate(sorted(burst)):
        polled.mailbox.put("2", id, T0 + 1 + n)
    assert burst <= ids(polled.poll())
    assert polled.pages().count("2") == 3
    assert burst <= ids(polled.poll())
    assert not ids(polled.poll())
    assert polled.pages().count("2") == 1


def test_an_endless_burst_stops_after_twenty_pages(polled: Polled) -> None:
    polled.mailbox.put("2", "old", T0)
    polled.poll()
    for n in range(2100):
        polled.mailbox.put("2", f"m{n}", T0 + 1 + n)
    assert len(ids(polled.poll())) == 2000


def test_a_first_look_reads_one_page_of_a_full_folder(polled: Polled) -> None:
    for n in range(250):
        polled.mailbox.put("2", f"m{n}", T0 + n)
    assert len(ids(polled.poll())) == 100


def test_named_folders_are_looked_at_without_the_tree(polled: Polled) -> None:
    polled.mailbox.put("6", "x", T0)
    seen = polled.poll("6")
    assert (ids(seen), seen.changes.folders, polled.pages()) == ({"x"}, None, ["6"])
    assert len(polled.wire.requests) == 1
    assert query(polled.wire.requests[0]) == {"cursor": "", "size": "100", "isAscending": "false", "$select": ROW}


def test_a_folder_that_is_gone_loses_its_cursor(polled: Polled) -> None:
    polled.mailbox.folders["104"] = ShownFolder("客户")
    polled.poll()
    del polled.mailbox.folders["104"]
    assert "104" in polled.cursors
    polled.poll()
    assert "104" not in polled.cursors
    polled.cursors["104"] = SEEN
    polled.poll("104")
    assert polled.cursors.keys() == {"1", "2", "3", "6"}


def test_a_folder_that_cannot_be_read_keeps_its_cursor_and_blocks_no_other(polled: Polled) -> None:
    polled.mailbox.folders["104"] = ShownFolder("客户")
    polled.poll()
    before = polled.cursors["104"]
    polled.mailbox.put("104", "x", T0)
    polled.mailbox.put("2", "y", T0)
    whole = polled.mailbox.answer
    polled.wire.answer = lambda request: ok({}, 503) if "/104/" in request.url else whole(request)
    assert ids(polled.poll()) == {"y"}
    assert polled.cursors["104"] == before
    polled.wire.answer = whole
    assert ids(polled.poll()) == {"x"}
