"""The replica on a scripted wire: answers that the simulated Graph never gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from shared.model.errors import NotFound, NotPermitted, OutcomeUnknown, Throttled, TooLarge, Unavailable
from shared.model.mail import Item, Row, Trace
from shared.model.spooled import whole
from shared.outlook import mapping
from shared.outlook.delta import LONGEST
from shared.outlook.folders import WELL_KNOWN
from shared.outlook.replica import OutlookMail
from shared.outlook.subscriptions import GraphSubscriptions
from shared.outlook.transport import LARGEST
from shared.ports.world import HttpRequest, HttpResponse, TooMuch
from tests.support.files import Folder
from tests.support.graph import BASE, Wire, answer, batched, lost, refusal

TEXT = "2026-09-21T14:13:20Z"
AT = 1_790_000_000.0


def message(id: str = "M", folder: str = "F", **more: Any) -> dict[str, Any]:
    shown = {
        "id": id,
        "parentFolderId": folder,
        "isRead": False,
        "flag": {"flagStatus": "notFlagged"},
        "categories": [],
    }
    return {**shown, "receivedDateTime": TEXT, "internetMessageId": "<m@x>", "@odata.etag": 'W/"1"', **more}


def mail(*answers: Any, purged: bool = True) -> tuple[OutlookMail, Wire]:
    """A replica that, unless told otherwise, knows already where purged messages are."""
    wire = Wire(list(answers))
    replica = OutlookMail(wire.graph, "ann@contoso.example")
    if purged:
        replica._purged = "P"
    return replica, wire


def page(*rows: Any, **links: str) -> HttpResponse:
    """`next` and `delta` are links below the mailbox's delta."""
    names = {"next": "@odata.nextLink", "delta": "@odata.deltaLink"}
    return answer(200, {"value": list(rows), **{names[n]: f"{BASE}/delta/{text}" for n, text in links.items()}})


def tombstone(id: str) -> dict[str, Any]:
    return {"id": id, "@removed": {"reason": "deleted"}}


# ---- reads by id
def test_a_single_read_goes_by_itself_and_asks_for_what_an_item_holds() -> None:
    replica, wire = mail(answer(200, message()))
    assert replica.observe(["M/+ ="]).items == {"M/+ =": mapping.item(message())}
    assert wire.requests[0].url.startswith(f"{BASE}/users/ann@contoso.example/messages/M%2F%2B%20%3D?$select=id,")
    assert f"id eq '{mapping.KEY}' or id eq '{mapping.ORIGINAL_ID}'" in unquote(wire.requests[0].url)


def test_ids_are_read_once_each() -> None:
    replica, wire = mail(batched(lambda url: answer(200, message())))
    replica.observe(["A", "B", "A"])
    assert len(wire.sent[0]["requests"]) == 2


@pytest.mark.parametrize(
    "given",
    [refusal(404, "ErrorItemNotFound"), refusal(400, "ErrorInvalidIdMalformed"), answer(200, message("M", "P"))],
)
def test_not_found_is_said_by_its_code_or_by_the_place_for_what_was_purged(given: HttpResponse) -> None:
    assert mail(given)[0].observe(["M"]).items == {"M": None}


@pytest.mark.parametrize(
    "given",
    [
        refusal(404),
        refusal(404, "ResourceNotFound"),
        refusal(404, "UnknownError"),
        refusal(400, "BadRequest"),
        answer(503),
        answer(200, {"id": "M"}),
        answer(200, {"id": "M", "isRead": True}),
    ],
)
def test_whatever_else_is_answered_leaves_an_id_unknown(given: HttpResponse) -> None:
    replica, _ = mail(batched(lambda url: given if "/messages/M?" in url else answer(200, message("N"))))
    assert set(replica.observe(["M", "N"]).items) == {"N"}


@pytest.mark.parametrize("code", ["MailboxNotEnabledForRESTAPI", "ErrorInvalidUser", "ErrorAccessDenied"])
def test_a_mailbox_that_may_not_be_read_is_never_taken_for_a_missing_message(code: str) -> None:
    with pytest.raises(NotPermitted):
        mail(refusal(404, code))[0].observe(["M"])


def test_where_purged_messages_are_is_learned_beside_the_first_reads() -> None:
    def reply(url: str) -> HttpResponse:
        return answer(200, {"id": "P"}) if "recoverable" in url else answer(200, message("M", "P"))

    replica, wire = mail(batched(reply), refusal(404, "ErrorItemNotFound"), purged=False)
    assert replica.observe(["M"]).items == {"M": None}
    assert replica.observe(["M"]).items == {"M": None}
    assert wire.log == ["POST /$batch", "GET /users/ann@contoso.example/messages/M"]


def test_a_mailbox_without_a_place_for_purged_messages_is_not_asked_for_it_again() -> None:
    def reply(url: str) -> HttpResponse:
        return refusal(404, "ErrorItemNotFound") if "recoverable" in url else answer(200, message())

    replica, wire = mail(batched(reply), answer(200, message()), purged=False)
    assert replica.observe(["M"]).items == replica.observe(["M"]).items
    assert len(wire.requests) == 2


@pytest.mark.parametrize(("reads", "requests"), [(1, 1), (19, 1), (21, 2)])
def test_the_place_for_purged_messages_is_asked_for_beside_the_first_reads(reads: int, requests: int) -> None:
    once = batched(lambda url: answer(200, message(url[-3:])))
    replica, wire = mail(*[once] * requests, purged=False)
    replica.observe([str(n) for n in range(reads)])
    assert len(wire.requests) == requests


# ---- changes
def changes(replica: OutlookMail, cursor: str | None = "/delta/0", *folders: str) -> Any:
    folders = folders or ("F",)
    return replica.observe((), {f: cursor for f in folders if cursor}, folders).changes


def test_a_round_goes_on_to_its_end_and_its_cursor_is_below_the_base() -> None:
    replica, wire = mail(page(message("A"), next="1"), page(next="2"), page(message("B", isRead=True), delta="3"))
    found = changes(replica)
    assert found.rows == (Row("A", "F", False, "none", AT, "m@x"), Row("B", "F", True, "none", AT, "m@x"))
    assert (found.cursors, found.complete, found.removed) == ({"F": "/delta/3"}, frozenset(), frozenset())
    assert wire.log == ["GET /delta/0", "GET /delta/1", "GET /delta/2"]
    assert all("odata.maxpagesize=500" in r.headers["prefer"] for r in wire.requests)


def test_a_long_delta_stops_after_some_pages_and_the_next_look_goes_on_there() -> None:
    pages = [page(message(f"M{n}"), next=str(n + 1)) for n in range(LONGEST)]
    replica, wire = mail(*pages, page(message("last"), delta="end"))
    found = changes(replica)
    assert [row.id for row in found.rows] == [f"M{n}" for n in range(LONGEST)]
    assert found.cursors == {"F": f"/delta/{LONGEST}"}
    rest = changes(replica, f"/delta/{LONGEST}")
    assert ([row.id for row in rest.rows], rest.cursors) == (["last"], {"F": "/delta/end"})
    assert len(wire.requests) == LONGEST + 1


def test_what_lists_a_whole_folder_is_read_to_its_end_however_long_it_is() -> None:
    pages = [page(message(f"M{n}"), next=str(n + 1)) for n in range(2 * LONGEST)]
    found = changes(mail(*pages, page(message("last"), delta="end"))[0], None)
    assert len(found.rows) == 2 * LONGEST + 1
    assert (found.complete, found.cursors) == ({"F"}, {"F": "/delta/end"})


@pytest.mark.parametrize("spelled", ["ann@contoso.example", "Ann@Contoso.example", "ann%40contoso.example"])
def test_a_cursor_does_not_hold_the_mailboxs_address_and_leads_there_all_the_same(spelled: str) -> None:
    link = f"{BASE}/users('{spelled}')/mailFolders('F')/messages/delta?$deltatoken=x"
    replica, wire = mail(answer(200, {"value": [], "@odata.deltaLink": link}), page(delta="2"))
    (cursor,) = changes(replica).cursors.values()
    assert "contoso" not in cursor.lower()
    changes(replica, cursor)
    assert wire.log[1] == "GET /users('ann@contoso.example')/mailFolders('F')/messages/delta"


def test_the_last_of_several_rows_wins_and_an_id_shown_present_and_removed_stands_in_both() -> None:
    replica, _ = mail(page(message("A"), tombstone("B"), message("A", isRead=True), message("B"), delta="1"))
    found = changes(replica)
    assert {row.id: row.read for row in found.rows} == {"A": True, "B": False}
    assert found.removed == {("F", "B")}


@pytest.mark.parametrize("missing", ["isRead", "flag", "receivedDateTime"])
def test_a_row_that_leaves_something_out_has_to_be_read(missing: str) -> None:
    partial = {name: value for name, value in message("A").items() if name != missing}
    found = changes(mail(page(partial, delta="1"))[0])
    assert [(row.id, row.folder) for row in found.rows] == [("A", "")]
    assert found.removed == frozenset()


def test_a_message_shown_in_two_folders_has_left_one_of_them() -> None:
    pages = {"F": page(message("A", "F"), delta="f"), "G": page(message("A", "G"), delta="g")}
    replica, _ = mail(batched(lambda url: pages["G" if "/G/" in url else "F"]))
    found = changes(replica, None, "F", "G")
    assert [row.folder for row in found.rows] == ["G"]
    assert found.removed == {("F", "A")}


@pytest.mark.parametrize(
    "more",
    [
        {"receivedDateTime": "yesterday"},
        {"isRead": "false"},
        {"isRead": None},
        {"flag": {"flagStatus": "snoozed"}},
        {"flag": ["flagged"]},
    ],
)
def test_a_row_that_can_not_be_read_is_one_to_read_by_id(more: dict[str, Any]) -> None:
    found = changes(mail(page(message("A", **more), message("B"), delta="1"))[0])
    assert [(row.id, row.folder) for row in found.rows] == [("A", ""), ("B", "F")]
    assert found.removed == frozenset()


@pytest.mark.parametrize(
    "over",
    [
        refusal(410),
        refusal(410, "SyncStateNotFound", location=BASE + "/x"),
        refusal(400, "syncStateInvalid"),
        refusal(404, "ResyncRequired"),
    ],
)
def test_an_expired_cursor_means_the_whole_folder_anew(over: HttpResponse) -> None:
    replica, wire = mail(over, page(message("A"), delta="9"))
    found = changes(replica)
    assert (found.complete, found.cursors) == ({"F"}, {"F": "/delta/9"})
    assert "messages/delta?$select=" in wire.requests[1].url


def test_what_a_round_showed_before_its_token_expired_is_no_part_of_the_whole() -> None:
    replica, _ = mail(page(message("OLD"), tombstone("T"), next="1"), refusal(410), page(message("A"), delta="9"))
    found = changes(replica)
    assert [row.id for row in found.rows] == ["A"]
    assert (found.removed, found.complete) == (frozenset(), {"F"})


def test_a_token_that_expires_again_at_once_ends_the_round() -> None:
    with pytest.raises(Unavailable):
        changes(mail(refusal(410), refusal(410))[0])


@pytest.mark.parametrize("code", ["ErrorItemNotFound", "ErrorSyncFolderNotFound"])
def test_a_deleted_folder_has_no_cursor_afterwards_and_is_not_called_complete(code: str) -> None:
    gone = refusal(404, code)
    replica, _ = mail(batched(lambda url: gone if "/G/" in url else page(message("A"), delta="f")))
    found = changes(replica, None, "F", "G")
    assert (found.cursors, found.complete) == ({"F": "/delta/f"}, {"F"})


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (refusal(404, "ResourceNotFound"), Unavailable),
        (refusal(404, "MailboxNotEnabledForRESTAPI"), NotPermitted),
        (answer(503), Unavailable),
        (page(message("A")), Unavailable),
        (answer(200, {"value": None}), Unavailable),
        (answer(200, {"value": [{"subject": "no id"}]}), Unavailable),
        (answer(200, {"value": [], "@odata.nextLink": "https://evil.example/v1.0/x"}), Unavailable),
        (answer(200, {"value": [], "@odata.deltaLink": "https://evil.example/v1.0/x"}), Unavailable),
    ],
)
def test_a_round_that_can_not_be_read_to_its_end_moves_no_cursor(given: HttpResponse, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        changes(mail(given)[0])


def test_the_next_pages_of_several_folders_go_together() -> None:
    first = batched(lambda url: page(next=url[-1]))
    replica, wire = mail(first, batched(lambda url: page(delta="end")))
    found = replica.observe((), {"F": "/delta/f", "G": "/delta/g"}, ["F", "G"]).changes
    assert found.cursors == {"F": "/delta/end", "G": "/delta/end"}
    assert [part["url"] for part in wire.sent[1]["requests"]] == ["/delta/f", "/delta/g"]


# ---- folders
def folder(id: str, name: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "displayName": name, "parentFolderId": "root", "childFolderCount": 0, "isHidden": False, **more}


TOP = [folder("inbox", "收件箱"), folder("sentitems", "已发送"), folder("deleteditems", "已删除")]


def tree_answer(top: HttpResponse, absent: frozenset[str] = frozenset()) -> Any:
    """The top and the well-known names; each folder's id is its name."""

    def reply(url: str) -> HttpResponse:
        name = url.partition("?")[0].rpartition("/")[2]
        if name == "mailFolders":
            return top
        return refusal(404, "ErrorItemNotFound") if name in absent else answer(200, {"id": name})

    return batched(reply)


def tree(replica: OutlookMail) -> dict[str, Any]:
    return {f.id: f for f in replica._folders.tree()}


def test_roles_come_from_well_known_names_and_pass_down_to_what_is_aside() -> None:
    more = [
        folder("syncissues", "Sync Issues", childFolderCount=1),
        folder("H", "Hidden", isHidden=True),
        folder("S", "Found", **{"@odata.type": "#microsoft.graph.mailSearchFolder"}),
        folder("P", "项目", childFolderCount=2),
    ]
    children = {
        "syncissues": page(folder("C", "Conflicts")),
        "P": answer(200, {"value": [folder("P1", "甲")], "@odata.nextLink": f"{BASE}/more"}),
    }
    replica, wire = mail(
        tree_answer(answer(200, {"value": TOP + more})),
        batched(lambda url: children[url.split("/")[-2]]),
        answer(200, {"value": [folder("P2", "乙")]}),
    )
    found = tree(replica)
    roles = {"inbox": "inbox", "sentitems": "sent", "deleteditems": "trash", "P": None, "P1": None, "P2": None}
    assert {id: f.role for id, f in found.items()} == roles | dict.fromkeys(("syncissues", "C", "H", "S"), "system")
    assert (found["P2"].path, found["inbox"].path) == (("项目", "乙"), ("收件箱",))
    assert wire.log == ["POST /$batch", "POST /$batch", "GET /more"]


def test_only_names_not_known_yet_are_asked_for_again() -> None:
    absent = frozenset({"archive", "clutter"})
    top = answer(200, {"value": TOP})
    later = answer(200, {"value": [*TOP, folder("archive", "存档")]})
    replica, wire = mail(tree_answer(top, absent), tree_answer(later, frozenset({"clutter"})), tree_answer(later))
    assert "archive" not in tree(replica)
    assert tree(replica)["archive"].role == "archive"
    tree(replica)
    assert [len(body["requests"]) for body in wire.sent] == [1 + len(WELL_KNOWN), 3, 2]


def test_a_folder_deleted_between_two_levels_is_left_out_with_what_it_held() -> None:
    top = answer(200, {"value": [*TOP, folder("P", "P", childFolderCount=1)]})
    replica, _ = mail(tree_answer(top), refusal(404, "ErrorItemNotFound"))
    assert set(tree(replica)) == {"inbox", "sentitems", "deleteditems", "P"}


@pytest.mark.parametrize(
    ("top", "kind"),
    [
        (refusal(404, "MailboxNotEnabledForRESTAPI"), NotPermitted),
        (refusal(404, "ErrorInvalidUser"), NotPermitted),
        (refusal(403, "ErrorAccessDenied"), NotPermitted),
        (refusal(404, "ErrorItemNotFound"), Unavailable),
        (answer(200, {"value": []}), Unavailable),
        (answer(200, {"value": TOP[:2]}), Unavailable),
        (answer(200, {"value": TOP, "@odata.nextLink": "https://evil.example/v1.0/x"}), Unavailable),
        (answer(503), Unavailable),
    ],
)
def test_a_forbidden_or_cut_off_tree_is_never_taken_for_an_empty_one(top: HttpResponse, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        mail(tree_answer(top))[0].observe((), {}, None)


def test_a_role_that_can_not_be_asked_for_stops_the_look() -> None:
    replica, _ = mail(batched(lambda url: answer(503) if "drafts" in url else answer(200, {"id": "x", "value": TOP})))
    with pytest.raises(Unavailable):
        tree(replica)


# ---- content
def test_content_is_asked_for_without_reading_the_message_again() -> None:
    replica, wire = mail(answer(200, message()), answer(200, message("N")), answer(200, b"Subject: hi\r\n\r\nx"))
    replica.observe(["M"])
    replica.observe(["N"])
    fetched = replica.fetch("M")
    assert (fetched.subject, fetched.received, fetched.message_id) == ("hi", AT, "m@x")
    assert [entry.rpartition("/")[2] for entry in wire.log] == ["M", "N", "$value"]


@pytest.mark.parametrize(
    ("given", "kind"),
    [(refusal(404, "ErrorItemNotFound"), NotFound), (answer(503), Unavailable), (lost, Unavailable)],
)
def test_content_of_a_message_that_can_not_be_read_is_not_asked_for(given: HttpResponse, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        mail(given)[0].fetch("M")


def test_content_that_is_throttled_is_no_fault_of_the_message() -> None:
    with pytest.raises(Throttled):
        mail(answer(200, message()), refusal(429, retry_after="9"))[0].fetch("M")


def sized(size: int) -> dict[str, Any]:
    return message(singleValueExtendedProperties=[{"id": "Integer 0xe08", "value": str(size)}])


def test_a_message_known_to_be_too_large_is_not_even_fetched() -> None:
    replica, wire = mail(answer(200, sized(LARGEST + 1)))
    with pytest.raises(TooLarge):
        replica.fetch("M")
    assert len(wire.requests) == 1


def test_a_message_whose_bytes_are_too_large_does_not_cross() -> None:
    with pytest.raises(TooLarge):
        mail(answer(200, sized(LARGEST)), answer(200, b"Subject: " + b"x" * LARGEST))[0].fetch("M")
    assert mail(answer(200, message()), answer(200, b"A: " + b"x" * (LARGEST - 3)))[0].fetch("M").mime


def kept(content: bytes) -> Callable[[HttpRequest], HttpResponse]:
    """Puts the content where the request said."""

    def act(request: HttpRequest) -> HttpResponse:
        if request.into is None:
            return answer(200, content)
        if len(content) > request.into.most:
            raise TooMuch("an answer of more than asked for")
        return HttpResponse(200, {}, b"", request.into.spool.keep([content]))

    return act


def test_a_large_message_goes_into_the_spool_with_time_for_its_size(tmp_path: Path) -> None:
    mime = b"Subject: hi\r\n\r\n" + b"x" * LARGEST
    replica, wire = mail(answer(200, sized(LARGEST)), kept(mime))
    fetched = replica.fetch("M", Folder(tmp_path))
    assert (fetched.subject, fetched.message_id) == ("hi", "m@x")
    assert fetched.mime is not None
    assert not isinstance(fetched.mime, bytes)
    assert whole(fetched.mime) == mime
    assert wire.requests[-1].timeout == 30 + round(LARGEST * 1.4) / 100_000


def test_a_small_message_stays_in_memory_and_one_of_unknown_size_does_not(tmp_path: Path) -> None:
    for known, files in ((1000, 0), (0, 1)):
        spool = Folder(tmp_path)
        assert mail(answer(200, sized(known)), kept(b"Subject: hi\r\n\r\nx"))[0].fetch("M", spool).subject == "hi"
        assert len(spool.files()) == files


def test_over_the_largest_size_nothing_crosses_and_nothing_stays_in_the_spool(tmp_path: Path) -> None:
    spool = Folder(tmp_path)
    for known, asked in ((LARGEST * 3, 1), (LARGEST * 2, 2)):
        replica, wire = mail(answer(200, sized(known)), kept(b"Subject: hi\r\n\r\n" + b"x" * LARGEST * 2))
        replica._largest = LARGEST * 2
        with pytest.raises(TooLarge):
            replica.fetch("M", spool)
        assert len(wire.requests) == asked
    assert spool.files() == []


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (refusal(404, "ErrorItemNotFound"), NotFound),
        (refusal(429, retry_after="9"), Throttled),
        (refusal(413), TooLarge),
        (refusal(400, "ErrorMessageSizeExceeded"), TooLarge),
        (answer(503), Unavailable),
        (lost, Unavailable),
        (kept(b"<html>"), Unavailable),
        (kept(b""), Unavailable),
        (answer(200, b"Subject: hi\r\n\r\nx"), Unavailable),
    ],
)
def test_large_content_that_does_not_come_is_no_message(tmp_path: Path, given: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        mail(answer(200, sized(LARGEST * 2)), given)[0].fetch("M", Folder(tmp_path))


def test_what_is_kept_of_reads_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.outlook.replica.KEPT", 2)
    replica, _ = mail(*[answer(200, message(f"M{n}")) for n in range(9)])
    for n in range(9):
        replica.observe([f"M{n}"])
        assert len(replica._read) <= 3


# ---- find
def test_a_search_reads_all_its_pages_and_doubles_quotes() -> None:
    first = answer(200, {"value": [], "@odata.nextLink": f"{BASE}/more"})
    replica, wire = mail(first, answer(200, {"value": [message()]}))
    assert [item.id for item in replica.find(Trace("", "it's@x", AT, "F")).items] == ["M"]
    assert "$filter=internetMessageId eq '<it''s@x>'&" in unquote(wire.requests[0].url)
    assert "$filter=internetMessageId%20eq%20%27%3Cit%27%27s%40x%3E%27&" in wire.requests[0].url


def test_a_search_for_nothing_asks_nobody() -> None:
    replica, wire = mail()
    assert replica.find(Trace("", "", AT, "F")).items == ()
    assert (wire.log, replica.mark("F")) == ([], "")


# ---- effects
ITEM = Item("M", "F", False, "none", AT, "m@x", version='W/"1"')


def test_each_request_of_a_write_has_its_permit_and_the_newest_version() -> None:
    replica, wire = mail(answer(200, message(**{"@odata.etag": 'W/"2"'})), answer(201, message("M2")))
    wanted = {"read": True, "flag": "complete", "folder": "G"}
    assert replica.write(ITEM, wanted, wire.permit) == "M2"
    path = "/users/ann@contoso.example/messages/M"
    assert wire.log == ["permit", f"PATCH {path}", "permit", f"POST {path}/move"]
    assert wire.sent == [{"isRead": True, "flag": {"flagStatus": "complete"}}, {"destinationId": "G"}]
    assert [request.headers["if-match"] for request in wire.requests] == ['W/"1"', 'W/"2"']


@pytest.mark.parametrize(
    ("changes", "body"),
    [({"read": False}, {"isRead": False}), ({"flag": "none"}, {"flag": {"flagStatus": "notFlagged"}})],
)
def test_only_what_is_named_is_written(changes: dict[str, object], body: dict[str, Any]) -> None:
    replica, wire = mail(answer(200))
    assert replica.write(ITEM, changes, wire.permit) == "M"
    assert wire.sent == [body]


def test_without_a_version_nothing_is_claimed_about_it() -> None:
    replica, wire = mail(answer(201, message()))
    replica.write(Item("M", "F", False, "none", AT, "m@x"), {"folder": "G"}, wire.permit)
    assert "if-match" not in wire.requests[0].headers


@pytest.mark.parametrize("given", [answer(201), answer(201, {"id": ""}), answer(201, {"subject": "x"})])
def test_a_move_that_does_not_say_where_the_message_is_has_an_unknown_outcome(given: HttpResponse) -> None:
    with pytest.raises(OutcomeUnknown):
        mail(given)[0].write(ITEM, {"folder": "G"}, lambda: None)


# ---- subscriptions
def test_a_forgotten_subscription_makes_room_wherever_it_pointed() -> None:
    held = [{"id": "S1", "resource": "Users/ann@contoso.example/messages", "notificationUrl": "https://old.example/x"}]
    more = [{"id": "S2", "resource": "users/eve@contoso.example/messages"}]
    made = {"id": "S3", "expirationDateTime": TEXT}
    wire = Wire(
        [
            refusal(409, "Conflict"),
            answer(200, {"value": held, "@odata.nextLink": f"{BASE}/subscriptions/more"}),
            answer(204),
            answer(200, {"value": more}),
            answer(201, made),
        ]
    )
    door = GraphSubscriptions(wire.graph, "ann@contoso.example")
    assert door.create("https://new.example/graph", "state") == ("S3", AT)
    assert wire.log == [
        "POST /subscriptions",
        "GET /subscriptions",
        "DELETE /subscriptions/S1",
        "GET /subscriptions/more",
        "POST /subscriptions",
    ]


@pytest.mark.parametrize("made", [{}, {"id": "S"}, {"id": 7, "expirationDateTime": TEXT}])
def test_a_subscription_that_is_not_told_about_has_an_unknown_outcome(made: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        GraphSubscriptions(Wire([answer(201, made)]).graph, "u").create("https://x.example", "s")


def test_a_subscription_that_is_gone_needs_no_end() -> None:
    wire = Wire([refusal(404, "ResourceNotFound"), answer(204)])
    door = GraphSubscriptions(wire.graph, "u")
    door.delete("S/1")
    door.delete("S/1")
    assert wire.log == ["DELETE /subscriptions/S%2F1"] * 2
