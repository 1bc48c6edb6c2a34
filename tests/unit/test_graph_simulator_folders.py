"""Mail folders of the simulated Microsoft 365."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.microsoft import Switches
from tests.support.microsoft import ADDRESS, BASE, Tenant, mime


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


def by_name(answer: Any) -> dict[str, Any]:
    return {folder["displayName"]: folder for folder in answer["value"]}


class TestReading:
    def test_the_top_level_comes_ten_at_a_time_without_hidden_ones(self, tenant: Tenant) -> None:
        for number in range(5):
            tenant.mailbox.make_folder(f"Project {number}")
        first = tenant.mail("GET", "/mailFolders").json
        assert len(first["value"]) == 10
        assert first["@odata.nextLink"] == f"{BASE}/users/{ADDRESS}/mailFolders?%24top=10&%24skip=10"
        second = tenant.follow(first["@odata.nextLink"]).json
        assert "@odata.nextLink" not in second
        names = by_name(first) | by_name(second)
        assert {"Inbox", "Archive", "Sent Items", "Project 4"} <= names.keys()
        assert "Scheduled" not in names
        hidden = tenant.mail("GET", "/mailFolders?includeHiddenFolders=true&$top=100").json
        assert by_name(hidden)["Scheduled"]["isHidden"] is True

    @pytest.mark.parametrize("language", ["en", "zh-CN", "zh-TW"])
    def test_names_are_the_languages_but_well_known_names_are_not(self, language: str) -> None:
        tenant = Tenant(language=language)
        expected = {"en": "Inbox", "zh-CN": "收件箱", "zh-TW": "收件匣"}[language]
        assert tenant.mail("GET", "/mailFolders/inbox").json["displayName"] == expected

    def test_a_well_known_name_stands_anywhere_and_in_brackets(self, tenant: Tenant) -> None:
        id = tenant.mailbox.role("inbox")
        for path in ("/mailFolders/Inbox", "/mailFolders('inbox')", f"/mailFolders/{id}", f"/MAILFOLDERS('{id}')"):
            assert tenant.mail("GET", path).json["id"] == id
        child = tenant.mail("POST", "/mailFolders/inbox/childFolders", {"displayName": "Deep"}).json
        assert child["parentFolderId"] == id
        through_parent = tenant.mail("GET", f"/mailFolders/inbox/childFolders/{child['id']}/messages")
        assert through_parent.json["value"] == []
        assert by_name(tenant.mail("GET", "/mailFolders/inbox/childFolders").json).keys() == {"Deep"}

    def test_counters_follow_the_messages(self, tenant: Tenant) -> None:
        first = tenant.mailbox.deliver(mime())
        tenant.mailbox.deliver(mime())
        tenant.mailbox.set_read(first, True)
        inbox = tenant.mail("GET", "/mailFolders/inbox").json
        assert (inbox["totalItemCount"], inbox["unreadItemCount"]) == (2, 1)
        tenant.mailbox.move(first, tenant.mailbox.role("trash"))
        inbox = tenant.mail("GET", "/mailFolders/inbox").json
        assert (inbox["totalItemCount"], inbox["unreadItemCount"]) == (1, 1)

    def test_ids_that_lead_nowhere(self, tenant: Tenant) -> None:
        assert tenant.mail("GET", "/mailFolders/letters").code == "ErrorInvalidIdMalformed"
        id = tenant.mailbox.make_folder("Gone")
        assert tenant.mail("POST", f"/mailFolders/{id}/permanentDelete").status == 204
        assert tenant.mail("GET", f"/mailFolders/{id}").code == "ErrorItemNotFound"
        assert tenant.mail("GET", "/mailFolders/clutter").status == 404

    def test_the_archive_may_wait_for_its_first_use(self) -> None:
        tenant = Tenant(Switches(archive_absent=True))
        assert tenant.mail("GET", "/mailFolders/archive").code == "ErrorItemNotFound"
        assert tenant.mail("GET", "/mailFolders/archive/messages").status == 404
        id = tenant.mailbox.deliver(mime())
        assert tenant.mail("POST", f"/messages/{id}/move", {"destinationId": "archive"}).status == 201
        assert tenant.mail("GET", "/mailFolders/archive").json["totalItemCount"] == 1

    def test_options_are_checked(self, tenant: Tenant) -> None:
        assert tenant.mail("GET", "/mailFolders?$select=id,displayName").json["value"][0].keys() == {
            "id",
            "displayName",
        }
        assert tenant.mail("GET", "/mailFolders?$select=colour").status == 400
        assert tenant.mail("GET", "/mailFolders?$top=0").status == 400
        assert tenant.mail("GET", "/mailFolders?$search=x").status == 400
        assert len(tenant.mail("GET", "/mailFolders?$filter=displayName eq 'inbox'").json["value"]) == 1
        assert tenant.mail("GET", "/mailFolders?$filter=size gt 3").status == 400
        tenant.mail("GET", "/mailFolders?colour=blue")
        assert tenant.vendor.ignored == ["GET /users/{u}/mailFolders: query colour"]


class TestWriting:
    def test_a_name_is_taken_once_under_a_parent_whatever_its_case(self, tenant: Tenant) -> None:
        assert tenant.mail("POST", "/mailFolders", {"displayName": "合同"}).status == 201
        tenant.mail("POST", "/mailFolders", {"displayName": "Work"})
        answer = tenant.mail("POST", "/mailFolders", {"displayName": "WORK"})
        assert (answer.status, answer.code) == (409, "ErrorFolderExists")
        assert tenant.mail("POST", "/mailFolders", {"displayName": " "}).status == 400
        assert tenant.mail("POST", "/mailFolders", {"colour": "blue"}).status == 400

    def test_a_rename_and_a_move_keep_the_id(self, tenant: Tenant) -> None:
        one, two = tenant.mailbox.make_folder("One"), tenant.mailbox.make_folder("Two")
        assert tenant.mail("PATCH", f"/mailFolders/{one}", {"displayName": "Eins"}).json["id"] == one
        assert tenant.mail("PATCH", f"/mailFolders/{one}", {"displayName": "two"}).code == "ErrorFolderExists"
        moved = tenant.mail("POST", f"/mailFolders/{one}/move", {"destinationId": two})
        assert (moved.status, moved.json["id"], moved.json["parentFolderId"]) == (201, one, two)
        assert tenant.mail("POST", f"/mailFolders/{two}/move", {"destinationId": one}).code == "ErrorMoveCopyFailed"

    def test_a_deleted_folder_moves_under_the_deleted_items(self, tenant: Tenant) -> None:
        trash = tenant.mailbox.role("trash")
        for _ in range(2):
            id = tenant.mailbox.make_folder("Old")
            tenant.mailbox.deliver(mime(), id)
            assert tenant.mail("DELETE", f"/mailFolders/{id}").status == 204
            assert tenant.mail("GET", f"/mailFolders/{id}").json["parentFolderId"] == trash
        assert by_name(tenant.mail("GET", "/mailFolders/deleteditems/childFolders").json).keys() == {"Old", "Old1"}

    def test_a_purged_folder_takes_all_below_with_it(self, tenant: Tenant) -> None:
        top = tenant.mailbox.make_folder("Top")
        below = tenant.mailbox.make_folder("Below", top)
        tenant.mailbox.deliver(mime(), below)
        tenant.mail("POST", f"/mailFolders/{top}/permanentDelete")
        assert tenant.mailbox.messages() == []
        assert {top, below}.isdisjoint(f.id for f in tenant.mailbox.folders())

    def test_a_copy_has_what_the_folder_has(self, tenant: Tenant) -> None:
        top = tenant.mailbox.make_folder("Top")
        tenant.mailbox.deliver(mime(), tenant.mailbox.make_folder("Below", top))
        copied = tenant.mail("POST", f"/mailFolders/{top}/copy", {"destinationId": "inbox"}).json
        assert copied["id"] != top
        assert copied["childFolderCount"] == 1
        assert len(tenant.mailbox.messages()) == 2

    @pytest.mark.parametrize("status", [400, 403])
    def test_well_known_folders_stay_as_they_are(self, status: Any) -> None:
        tenant = Tenant(Switches(well_known_refusal=status))
        assert tenant.mail("PATCH", "/mailFolders/inbox", {"displayName": "Mine"}).status == status
        assert tenant.mail("DELETE", "/mailFolders/sentitems").status == status
        assert tenant.mail("POST", "/mailFolders/drafts/move", {"destinationId": "inbox"}).status == status


class TestDelta:
    def test_the_tree_and_its_changes_come_in_pages(self, tenant: Tenant) -> None:
        rows, link = tenant.drain(f"{BASE}/users/{ADDRESS}/mailFolders/delta", size=3)
        assert {row["displayName"] for row in rows} >= {"Inbox", "Conflicts"}
        assert all(row["@odata.type"] == "#microsoft.graph.mailFolder" for row in rows)
        new, gone = tenant.mailbox.make_folder("New"), tenant.mailbox.make_folder("Gone")
        tenant.mail("POST", f"/mailFolders/{gone}/permanentDelete")
        tenant.mail("PATCH", f"/mailFolders/{new}", {"displayName": "Newer"})
        rows, link = tenant.drain(link)
        assert {row["id"]: row.get("displayName") for row in rows} == {new: "Newer", gone: None}
        assert next(row for row in rows if row["id"] == gone)["@removed"] == {"reason": "deleted"}
        assert tenant.drain(link) == ([], link)

    def test_hidden_ones_are_a_switch(self) -> None:
        for shown in (False, True):
            tenant = Tenant(Switches(folder_delta_hidden=shown))
            rows, _ = tenant.drain(f"{BASE}/users/{ADDRESS}/mailFolders/delta?$select=displayName")
            assert ("Scheduled" in {row["displayName"] for row in rows}) is shown


def test_people_see_their_folders_by_role_and_path(tenant: Tenant) -> None:
    top = tenant.mailbox.make_folder("Top")
    below = tenant.mailbox.make_folder("Below", top)
    folders = {f.id: f for f in tenant.mailbox.folders()}
    assert (folders[top].parent, folders[below].parent) == (None, top)
    assert folders[tenant.mailbox.role("inbox")].role == "inbox"
    assert {f.role for f in folders.values()} == {None, "inbox", "sent", "drafts", "junk", "trash", "archive"}
    tenant.mailbox.rename_folder(below, "Renamed")
    tenant.mailbox.move_folder(below, None)
    tenant.mailbox.delete_folder(top)
    folders = {f.id: f for f in tenant.mailbox.folders()}
    assert (folders[below].name, folders[below].parent) == ("Renamed", None)
    assert folders[top].parent == tenant.mailbox.role("trash")
