"""Delta of the simulated Microsoft 365."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandbox.microsoft import Switches
from tests.support.microsoft import ADDRESS, BASE, IMMUTABLE, Tenant, mime


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


def removed(rows: list[Any]) -> set[str]:
    return {row["id"] for row in rows if "@removed" in row}


def present(rows: list[Any]) -> set[str]:
    return {row["id"] for row in rows if "@removed" not in row}


class TestRounds:
    def test_the_first_lists_all_in_pages_and_later_ones_what_changed(self, tenant: Tenant) -> None:
        ids = {tenant.mailbox.deliver(mime()) for _ in range(7)}
        rows, link = tenant.delta(query="?$select=isRead", size=3)
        assert (present(rows), removed(rows), len(rows)) == (ids, set(), 7)
        assert rows[0].keys() == {"@odata.type", "@odata.etag", "id", "isRead"}
        assert tenant.drain(link) == ([], link), "a quiet round gives the link it was asked with"
        changed, purged, moved = list(ids)[:3]
        tenant.mailbox.set_read(changed, True)
        tenant.mailbox.purge(purged)
        tenant.mailbox.move(moved, tenant.mailbox.role("archive"))
        new = tenant.mailbox.deliver(mime())
        rows, link = tenant.drain(link)
        assert (present(rows), removed(rows)) == ({changed, new}, {purged, moved})
        assert next(row["isRead"] for row in rows if row["id"] == changed) is True
        assert tenant.drain(link)[0] == []

    def test_a_move_is_removed_in_one_folder_and_new_in_the_other(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime())
        _, inbox = tenant.delta("inbox")
        _, archive = tenant.delta("archive")
        tenant.mailbox.move(id, tenant.mailbox.role("archive"))
        assert removed(tenant.drain(inbox)[0]) == {id} == present(tenant.drain(archive)[0])

    def test_default_ids_are_removed_and_come_new(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime())
        path = f"/users/{ADDRESS}/mailFolders/inbox/messages/delta"
        first = tenant.call("GET", path, prefer="").json
        tenant.mailbox.move(id, tenant.mailbox.role("archive"))
        tenant.mailbox.move(id, tenant.mailbox.role("inbox"))
        rows = tenant.follow(first["@odata.deltaLink"], prefer="").json["value"]
        assert removed(rows) >= {first["value"][0]["id"]}
        assert present(rows) == {tenant.mail("GET", f"/messages/{id}", prefer="").json["id"]}

    def test_a_next_link_is_as_good_as_any_cursor(self, tenant: Tenant) -> None:
        ids = {tenant.mailbox.deliver(mime()) for _ in range(6)}
        first = tenant.mail("GET", "/mailFolders/inbox/messages/delta", prefer=f"{IMMUTABLE},odata.maxpagesize=2")
        assert first.headers["preference-applied"] == "odata.maxpagesize=2"
        seen = present(first.json["value"])
        gone = tenant.mailbox.messages()[0].id
        tenant.mailbox.purge(gone)
        new = tenant.mailbox.deliver(mime())
        rows, _ = tenant.drain(first.json["@odata.nextLink"], size=2)
        assert (seen | present(rows)) - removed(rows) == (ids | {new}) - {gone}

    @pytest.mark.parametrize("name", ["delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()", "Delta"])
    def test_every_spelling_of_the_function_works(self, tenant: Tenant, name: str) -> None:
        assert tenant.mail("GET", f"/mailFolders('inbox')/messages/{name}").status == 200

    def test_options_of_the_first_round_hold_for_the_later_ones(self, tenant: Tenant) -> None:
        old = tenant.mailbox.deliver(mime())
        tenant.clock.now += 3000
        new = tenant.mailbox.deliver(mime())
        query = "?$filter=receivedDateTime ge 2026-09-21T15:00:00Z&$orderby=receivedDateTime desc&$select=subject"
        rows, link = tenant.delta(query=query)
        assert present(rows) == {new}
        tenant.mailbox.set_read(old, True)
        tenant.mailbox.set_read(new, True)
        rows, _ = tenant.drain(link)
        assert [row.keys() for row in rows] == [{"@odata.type", "@odata.etag", "id", "subject"}]
        assert len(tenant.delta(query="?$top=1")[0]) == 1
        assert tenant.delta(query="?changeType=deleted")[0] == []

    def test_a_filtered_listing_has_an_end(self) -> None:
        tenant = Tenant(Switches(delta_filter_cap=2))
        for _ in range(3):
            tenant.mailbox.deliver(mime())
        assert len(tenant.delta(query="?$filter=receivedDateTime ge 2020-01-01")[0]) == 2

    @pytest.mark.parametrize(
        "query",
        ["$filter=isRead eq true", "$orderby=receivedDateTime asc", "$search=x", "changeType=moved", "$skip=1"],
    )
    def test_options_that_delta_lacks_are_refused(self, tenant: Tenant, query: str) -> None:
        assert tenant.mail("GET", f"/mailFolders/inbox/messages/delta?{query}").status == 400


class TestAwkwardness:
    def test_changes_may_lag(self) -> None:
        tenant = Tenant(Switches(list_lag=40.0))
        _, link = tenant.delta()
        ids = {tenant.mailbox.deliver(mime()) for _ in range(20)}
        rows, link = tenant.drain(link)
        early = present(rows)
        tenant.clock.now += 41
        assert early < ids
        assert present(tenant.drain(link)[0]) == ids - early

    def test_pages_may_be_empty_and_still_lead_on(self) -> None:
        tenant = Tenant(Switches(delta_empty_page=0.5))
        ids = {tenant.mailbox.deliver(mime()) for _ in range(9)}
        assert present(tenant.delta(size=1)[0]) == ids

    def test_changes_may_come_again(self) -> None:
        tenant = Tenant(Switches(delta_replay=1.0, delta_duplicate=1.0))
        id = tenant.mailbox.deliver(mime())
        _, link = tenant.delta()
        rows, _ = tenant.drain(link)
        assert [row["id"] for row in rows] == [id, id]

    def test_a_tombstone_may_be_false_and_give_another_reason(self) -> None:
        tenant = Tenant(Switches(delta_false_tombstone=1.0, delta_reason_changed=1.0))
        id = tenant.mailbox.deliver(mime())
        rows, link = tenant.delta()
        assert removed(rows) == set()
        rows, _ = tenant.drain(link)
        assert rows == [
            {"@odata.type": "#microsoft.graph.message", "id": id, "@removed": {"reason": "changed"}},
        ]
        assert tenant.mail("GET", f"/messages/{id}").status == 200

    def test_an_update_may_come_with_what_changed_only(self) -> None:
        tenant = Tenant(Switches(delta_sparse=1.0))
        id = tenant.mailbox.deliver(mime())
        rows, link = tenant.delta()
        assert rows[0]["subject"] == "Hello"
        tenant.mailbox.set_flag(id, "flagged")
        new = tenant.mailbox.deliver(mime())
        rows, _ = tenant.drain(link)
        by_id = {row["id"]: row for row in rows}
        assert by_id[id].keys() == {"@odata.type", "@odata.etag", "id", "flag"}
        assert by_id[new]["subject"] == "Hello"


class TestExpiry:
    @pytest.mark.parametrize(
        ("status", "code"), [(410, "SyncStateNotFound"), (400, "SyncStateInvalid"), (410, "syncStateNotFound")]
    )
    def test_expired_tokens_are_gone(self, status: Any, code: Any) -> None:
        tenant = Tenant(Switches(delta_expiry=code, delta_expiry_status=status, delta_expiry_location=True))
        _, link = tenant.delta()
        tenant.vendor.expire_delta_tokens()
        answer = tenant.follow(link)
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers["location"].endswith("/mailFolders/inbox/messages/delta?$deltatoken=")
        rows, link = tenant.delta()
        assert tenant.drain(link)[0] == rows == []

    def test_one_mailbox_can_expire_alone(self, tenant: Tenant) -> None:
        _, link = tenant.delta()
        tenant.vendor.expire_delta_tokens("other@contoso.example")
        assert tenant.follow(link).status == 200
        tenant.vendor.expire_delta_tokens(ADDRESS)
        assert tenant.follow(link).status == 410

    def test_tokens_may_have_a_life(self) -> None:
        tenant = Tenant(Switches(delta_token_life=1800.0))
        _, link = tenant.delta()
        tenant.clock.now += 1799
        _, link = tenant.drain(link)
        tenant.clock.now += 1801
        tenant.token = tenant.login().json["access_token"]
        assert tenant.follow(link).code == "SyncStateNotFound"

    def test_a_token_belongs_to_its_folder(self, tenant: Tenant) -> None:
        _, link = tenant.delta()
        assert tenant.follow(link.replace("/inbox/", "/archive/")).code == "SyncStateInvalid"
        assert tenant.follow(link[:-9]).code == "SyncStateInvalid"
        assert tenant.follow(f"{BASE}/users/{ADDRESS}/mailFolders/delta?$deltatoken=latest").status == 400

    @pytest.mark.parametrize("code", ["ErrorSyncFolderNotFound", "ErrorItemNotFound"])
    def test_a_purged_folder_has_no_delta(self, tenant: Tenant, code: Any) -> None:
        tenant.vendor.switches = replace(tenant.vendor.switches, delta_deleted_folder=code)
        id = tenant.mailbox.make_folder("Gone")
        _, link = tenant.delta(id)
        tenant.mail("POST", f"/mailFolders/{id}/permanentDelete")
        answer = tenant.follow(link)
        assert (answer.status, answer.code) == (404, code)
