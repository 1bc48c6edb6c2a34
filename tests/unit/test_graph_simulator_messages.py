"""Messages and attachments of the simulated Microsoft 365."""

from __future__ import annotations

import base64
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from sandbox.microsoft import Switches
from tests.support.microsoft import ADDRESS, BOB, KEY, NOW, PDF, Tenant, mime


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


class TestReading:
    def test_a_message_shows_what_arrived(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime("=?utf-8?B?5L2g5aW9?=", more="Importance: high\n"))
        message = tenant.mail("GET", f"/messages/{id}").json
        assert message["id"] == id
        assert message["@odata.etag"] == f'W/"{message["changeKey"]}"'
        assert message["subject"] == "你好"
        assert message["from"] == {"emailAddress": {"name": "Bob", "address": "bob@fabrikam.example"}}
        assert message["sentDateTime"] == "2026-09-21T02:00:00Z"
        assert message["internetMessageId"] == "<one@mail.example>"
        assert (message["importance"], message["isRead"], message["isDraft"]) == ("high", False, False)
        assert message["body"]["contentType"] == "html"
        assert message["parentFolderId"] == tenant.mailbox.role("inbox")
        assert "internetMessageHeaders" not in message

    def test_a_body_comes_as_text_when_asked_for(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime(body="1 < 2"))
        assert "1 &lt; 2" in tenant.mail("GET", f"/messages/{id}").json["body"]["content"]
        answer = tenant.mail("GET", f"/messages/{id}", prefer='outlook.body-content-type="text"')
        assert answer.json["body"] == {"contentType": "text", "content": "1 < 2\r\n"}
        assert answer.headers["preference-applied"] == 'outlook.body-content-type="text"'

    def test_the_mime_is_what_was_delivered(self, tenant: Tenant) -> None:
        raw = mime("Grüße".encode().decode("latin-1"))
        id = tenant.mailbox.deliver(raw)
        assert tenant.mail("GET", f"/messages/{id}/$value").body == raw

    def test_select_gives_what_it_names_and_refuses_what_is_not_there(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime(more="X-Tandem-Key: k1\n"))
        message = tenant.mail("GET", f"/messages/{id}?$select=isRead,internetMessageHeaders").json
        assert message.keys() == {"@odata.context", "@odata.etag", "id", "isRead", "internetMessageHeaders"}
        assert {"name": "X-Tandem-Key", "value": "k1"} in message["internetMessageHeaders"]
        answer = tenant.mail("GET", f"/messages/{id}?$select=colour")
        assert (answer.status, answer.code) == (400, "RequestBroker--ParseUri")
        assert tenant.mail("GET", f"/messages/{id}?$expand=colour").status == 400

    def test_ids_come_in_two_forms(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime())
        default_id = tenant.mail("GET", f"/messages/{id}", prefer="").json["id"]
        assert default_id != id
        assert tenant.mail("GET", f"/messages/{default_id}").json["id"] == id
        moved = tenant.mail("POST", f"/messages/{id}/move", {"destinationId": "archive"}).json
        assert moved["id"] == id
        assert tenant.mail("GET", f"/messages/{default_id}").code == "ErrorItemNotFound"
        assert tenant.mail("GET", f"/messages/{id[:-1]}").code == "ErrorInvalidIdMalformed"
        assert tenant.mail("GET", f"/messages/{id.swapcase()}").status in (400, 404)
        assert tenant.mail("GET", f"/mailFolders/archive/messages/{id}").status == 200
        assert tenant.mail("GET", f"/mailFolders/inbox/messages/{id}").status == 404
        wanted = {"inputIds": [id], "sourceIdType": "restImmutableEntryId", "targetIdType": "restId"}
        answer = tenant.mail("POST", "/translateExchangeIds", wanted).json["value"]
        assert answer == [{"sourceId": id, "targetId": tenant.mail("GET", f"/messages/{id}", prefer="").json["id"]}]

    def test_a_read_may_be_stale_or_miss_for_a_while(self) -> None:
        tenant = Tenant(Switches(get_stale=20.0))
        id = tenant.mailbox.deliver(mime())
        tenant.mailbox.set_read(id, True)
        shown = {tenant.mail("GET", f"/messages/{id}").json["isRead"] for _ in range(30)}
        assert shown == {False, True}
        tenant.clock.now += 21
        assert {tenant.mail("GET", f"/messages/{id}").json["isRead"] for _ in range(10)} == {True}

        tenant = Tenant(Switches(glitch_404=1.0))
        id = tenant.mailbox.deliver(mime())
        assert tenant.mail("GET", f"/messages/{id}").code == "ErrorItemNotFound"
        tenant.clock.now += 46
        assert tenant.mail("GET", f"/messages/{id}").status == 200


class TestListing:
    def test_newest_come_first_ten_at_a_time(self, tenant: Tenant) -> None:
        ids = []
        for _ in range(12):
            ids.append(tenant.mailbox.deliver(mime()))
            tenant.clock.now += 1
        first = tenant.mail("GET", "/mailFolders/inbox/messages?$count=true&$select=id").json
        assert [m["id"] for m in first["value"]] == ids[:1:-1]
        assert first["@odata.count"] == 12
        assert "%24top=10&%24skip=10" in first["@odata.nextLink"]
        rest = tenant.follow(first["@odata.nextLink"]).json["value"]
        assert [(m["id"], m.keys()) for m in rest] == [(id, {"@odata.etag", "id"}) for id in ids[1::-1]]
        oldest = tenant.mail("GET", "/messages?$orderby=receivedDateTime asc&$top=1").json["value"]
        assert oldest[0]["id"] == ids[0]

    def test_the_mailbox_lists_all_folders_but_the_recoverable_items(self) -> None:
        tenant = Tenant(Switches(delete_lands_in="recoverable"))
        kept, trashed, deleted = (tenant.mailbox.deliver(mime()) for _ in range(3))
        tenant.mailbox.move(trashed, tenant.mailbox.role("trash"))
        assert tenant.mail("DELETE", f"/messages/{deleted}").status == 204
        assert {m["id"] for m in tenant.mail("GET", "/messages").json["value"]} == {kept, trashed}
        assert {m.id for m in tenant.mailbox.messages()} == {kept, trashed}

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("receivedDateTime ge 2026-09-21T14:13:20Z", 2),
            ("receivedDateTime gt 2026-09-21T14:13:20Z", 1),
            ("receivedDateTime lt 2026-09-21T14:13:20Z", 0),
            ("receivedDateTime ge 2026-09-01 and isRead eq false", 1),
            ("(isRead eq true) and isDraft eq false", 1),
            ("internetMessageId eq '<a''b@mail.example>'", 1),
            ("internetMessageId eq '<other@mail.example>'", 0),
            (f"singleValueExtendedProperties/Any(ep: ep/id eq '{KEY}' and ep/value eq 'k1')", 1),
            (f"singleValueExtendedProperties/any(p:p/id eq '{KEY.upper()}' and p/value eq 'k2')", 0),
        ],
    )
    def test_filters(self, tenant: Tenant, text: str, found: int) -> None:
        assert int(NOW) == 1_790_000_000
        tenant.mailbox.deliver(mime(message_id="<a'b@mail.example>"))
        tenant.clock.now += 60
        tenant.make(flags="1", key="k1")
        assert len(tenant.mail("GET", f"/messages?$filter={text}").json["value"]) == found

    @pytest.mark.parametrize(
        "text",
        [
            "subject eq 'x'",
            "isRead eq 'true'",
            "isRead ne true",
            "isRead eq true or isRead eq false",
            "receivedDateTime ge yesterday",
            "receivedDateTime ge '2026-09-21'",
            "internetMessageId ge '<a>'",
            "startswith(subject,'x')",
            "singleValueExtendedProperties/Any(ep: ep/value eq 'k1')",
            "rubbish",
        ],
    )
    def test_other_filters_are_refused(self, tenant: Tenant, text: str) -> None:
        answer = tenant.mail("GET", f"/messages?$filter={text}")
        assert (answer.status, answer.code) == (400, "ErrorInvalidUrlQueryFilter")

    def test_an_order_wants_its_property_first_in_the_filter(self, tenant: Tenant) -> None:
        order = "$orderby=receivedDateTime desc"
        assert tenant.mail("GET", f"/messages?$filter=isRead eq true&{order}").code == "InefficientFilter"
        both = "receivedDateTime ge 2020-01-01 and isRead eq true"
        assert tenant.mail("GET", f"/messages?$filter={both}&{order}").status == 200
        assert tenant.mail("GET", "/messages?$orderby=subject").status == 400
        assert tenant.mail("GET", "/messages?$top=1001").status == 400

    def test_listings_may_lag_behind_reads_by_id(self) -> None:
        tenant = Tenant(Switches(list_lag=40.0))
        ids = [tenant.mailbox.deliver(mime()) for _ in range(20)]
        shown = tenant.mail("GET", "/mailFolders/inbox/messages?$top=50").json["value"]
        assert 0 < len(shown) < 20
        assert all(tenant.mail("GET", f"/messages/{id}").status == 200 for id in ids)
        tenant.clock.now += 41
        assert len(tenant.mail("GET", "/mailFolders/inbox/messages?$top=50").json["value"]) == 20


class TestCreating:
    def test_without_the_flags_property_it_is_a_draft_and_read(self, tenant: Tenant) -> None:
        message = tenant.make(flags=None, isRead=False, isDraft=False)
        assert (message["isDraft"], message["isRead"]) == (True, True)
        assert message["from"]["emailAddress"]["address"] == ADDRESS
        assert tenant.vendor.ignored == ["POST /users/{u}/mailFolders/{f}/messages: isDraft"]
        assert tenant.make(flags="9")["isDraft"] is True

    @pytest.mark.parametrize(
        ("flags", "given", "read"),
        [("0", None, False), ("1", None, True), ("4", None, False), ("4", True, True), ("1", False, False)],
    )
    def test_flags_make_a_message_that_is_no_draft(
        self, tenant: Tenant, flags: str, given: bool | None, read: bool
    ) -> None:
        members: dict[str, Any] = {} if given is None else {"isRead": given}
        message = tenant.make(flags=flags, **members)
        assert (message["isDraft"], message["isRead"]) == (False, read)

    def test_dates_are_those_of_the_properties_only(self, tenant: Tenant) -> None:
        dates = [
            {"id": "SystemTime 0x0E06", "value": "2024-02-29T12:00:00Z"},
            {"id": "SystemTime 0x0039", "value": "2024-02-29T11:59:58.5Z"},
        ]
        message = tenant.make(properties=dates)
        assert message["receivedDateTime"] == "2024-02-29T12:00:00Z"
        assert message["sentDateTime"] == "2024-02-29T11:59:58Z"
        message = tenant.make(receivedDateTime="2024-02-29T12:00:00Z", sentDateTime="2024-02-29T12:00:00Z")
        assert message["receivedDateTime"] == message["sentDateTime"] == "2026-09-21T14:13:20Z"
        assert [what.partition(": ")[2] for what in tenant.vendor.ignored] == ["receivedDateTime", "sentDateTime"]

    def test_threads_come_from_the_reference_properties_else_from_the_subject(self, tenant: Tenant) -> None:
        root = tenant.make(subject="Offer", internetMessageId="<root@mail.example>")
        answered = tenant.make(
            subject="quite another",
            properties=[{"id": "String 0x1042", "value": "<root@mail.example>"}],
        )
        assert answered["conversationId"] == root["conversationId"]
        assert tenant.make(subject="RE: offer")["conversationId"] == root["conversationId"]
        assert tenant.make(subject="Other")["conversationId"] != root["conversationId"]
        value = tenant.mail("GET", f"/messages/{answered['id']}/$value").body
        assert message_from_bytes(value, policy=default)["in-reply-to"] == "<root@mail.example>"

    def test_the_key_is_read_back_in_its_canonical_form(self, tenant: Tenant) -> None:
        id = tenant.make(key="k1")["id"]
        upper = KEY.replace("6f1d3a52", "6F1D3A52")
        expand = f"$expand=singleValueExtendedProperties($filter=id eq '{upper}' or id eq 'Integer 0x0E07')"
        message = tenant.mail("GET", f"/messages/{id}?{expand}").json
        assert message["singleValueExtendedProperties"] == [
            {"id": KEY, "value": "k1"},
            {"id": "Integer 0xe07", "value": "0"},
        ]
        assert "singleValueExtendedProperties" not in tenant.mail("GET", f"/messages/{id}").json
        assert tenant.mailbox.messages()[0].tandem_key == "k1"

    @pytest.mark.parametrize(
        ("members", "code"),
        [
            ({"colour": "blue"}, "RequestBodyRead"),
            ({"isRead": "yes"}, "RequestBodyRead"),
            ({"importance": "huge"}, "RequestBodyRead"),
            ({"body": {"contentType": "rtf", "content": ""}}, "RequestBodyRead"),
            ({"toRecipients": [{"emailAddress": {"address": "nobody"}}]}, "ErrorInvalidRecipients"),
            ({"internetMessageHeaders": [{"name": "Received", "value": "x"}]}, "InvalidInternetMessageHeader"),
            ({"internetMessageHeaders": [{"name": "x-a", "value": "x" * 996}]}, "InvalidInternetMessageHeader"),
            (
                {"internetMessageHeaders": [{"name": f"x-{n}", "value": "x"} for n in range(6)]},
                "InvalidInternetMessageHeaderCollection",
            ),
            ({"singleValueExtendedProperties": [{"id": "rubbish", "value": "1"}]}, "ErrorInvalidExtendedProperty"),
            ({"singleValueExtendedProperties": [{"id": "Integer 0x0E07", "value": 1}]}, "RequestBodyRead"),
            (
                {"singleValueExtendedProperties": [{"id": "Integer 0x0E07", "value": "x"}]},
                "ErrorInvalidExtendedPropertyValue",
            ),
            ({"flag": {"flagStatus": "flagged", "dueDateTime": {"dateTime": "2026-01-01"}}}, "ErrorInvalidRequest"),
            ({"attachments": [{"name": "x", "contentBytes": ""}]}, "ErrorInvalidRequest"),
            ({"attachments": [{**PDF, "contentBytes": "!"}]}, "RequestBodyRead"),
            ({"attachments": [{**PDF, "name": ""}]}, "ErrorMissingArgument"),
        ],
    )
    def test_what_is_wrong_is_refused(self, tenant: Tenant, members: dict[str, Any], code: str) -> None:
        answer = tenant.mail("POST", "/messages", members)
        assert (answer.status, answer.code) == (400, code)
        assert tenant.mailbox.messages() == []

    def test_a_body_must_be_a_json_object(self, tenant: Tenant) -> None:
        assert tenant.mail("POST", "/messages", ["x"]).status == 400
        assert tenant.mail("POST", "/messages", raw=b"{", content_type="application/json").code == "BadRequest"
        assert tenant.mail("POST", "/messages", raw=b"{}", content_type="text/html").status == 400

    def test_mime_always_makes_a_draft(self, tenant: Tenant) -> None:
        answer = tenant.mail("POST", "/messages", raw=base64.b64encode(mime()), content_type="text/plain")
        assert answer.status == 201
        assert (answer.json["isDraft"], answer.json["sentDateTime"]) == (True, "2026-09-21T02:00:00Z")
        bad = tenant.mail("POST", "/messages", raw=b"?", content_type="text/plain")
        assert bad.code == "ErrorMimeContentInvalidBase64String"
        bare = tenant.mail("POST", "/messages", raw=base64.b64encode(b"A: b\n\nc"), content_type="text/plain")
        assert bare.code == "UnableToDeserializePostBody"

    def test_what_tenants_may_not_accept_are_switches(self) -> None:
        tenant = Tenant(Switches(keeps_internet_message_id=False, accepts_foreign_from=False))
        message = tenant.make(internetMessageId="<mine@mail.example>", author=BOB)
        assert message["internetMessageId"] != "<mine@mail.example>"
        assert message["from"]["emailAddress"]["address"] == ADDRESS
        tenant = Tenant(Switches(advanced_covers_create=True))
        body = {"singleValueExtendedProperties": [{"id": "Integer 0x0E07", "value": "1"}]}
        assert tenant.mail("POST", "/messages", body).code == "ErrorAccessDenied"
        assert tenant.mail("POST", "/messages", {}).status == 201

    @pytest.mark.parametrize("status", [403, 507])
    def test_a_full_mailbox_says_so(self, status: Any) -> None:
        tenant = Tenant(Switches(quota_status=status))
        tenant.mailbox.store.quota = 100
        answer = tenant.mail("POST", "/messages", {"subject": "x"})
        assert (answer.status, answer.code) == (status, "ErrorQuotaExceeded")


class TestChanging:
    def test_state_of_a_received_message_is_free(self) -> None:
        tenant = Tenant(Switches(advanced_write_required=True))
        id = tenant.mailbox.deliver(mime())
        due = {"dateTime": "2026-10-01T00:00:00", "timeZone": "UTC"}
        flag = {"flagStatus": "flagged", "startDateTime": due, "dueDateTime": due}
        body = {"isRead": True, "flag": flag, "categories": ["Red"], "importance": "low"}
        message = tenant.mail("PATCH", f"/messages/{id}", body).json
        assert {name: message[name] for name in body} == body
        stored = tenant.mailbox.messages()[0]
        assert (stored.read, stored.flag, stored.by) == (True, "flagged", "person")

    def test_content_needs_the_advanced_role_once_it_is_required(self) -> None:
        tenant = Tenant(Switches(advanced_write_required=True))
        id = tenant.mailbox.deliver(mime())
        bodies: list[Any] = [{"subject": "x"}, {"singleValueExtendedProperties": []}, {"isRead": True, "body": {}}]
        for body in bodies:
            assert tenant.mail("PATCH", f"/messages/{id}", body).code == "ErrorAccessDenied"
        draft = tenant.make(flags=None)["id"]
        assert tenant.mail("PATCH", f"/messages/{draft}", {"subject": "x"}).status == 200
        tenant.vendor.app.roles.add("Mail-Advanced.ReadWrite.All")
        tenant.token = tenant.login().json["access_token"]
        assert tenant.mail("PATCH", f"/messages/{id}", {"subject": "x"}).json["subject"] == "x"

    def test_a_draft_stays_one_and_dates_stay_as_they_are(self, tenant: Tenant) -> None:
        id = tenant.make(flags=None)["id"]
        fixed = [{"id": "Integer 0x0E07", "value": "1"}, {"id": "SystemTime 0x0E06", "value": "2020-01-01"}]
        body = {"isDraft": False, "receivedDateTime": "2020-01-01", "singleValueExtendedProperties": fixed}
        message = tenant.mail("PATCH", f"/messages/{id}", body).json
        assert (message["isDraft"], message["receivedDateTime"]) == (True, "2026-09-21T14:13:20Z")
        assert len(tenant.vendor.ignored) == 4
        copied = tenant.mail("POST", f"/messages/{id}/copy", {"destinationId": "inbox"}).json
        assert copied["isDraft"] is True
        assert tenant.mail("PATCH", f"/messages/{id}", {"attachments": []}).status == 400

    def test_a_stale_etag_is_refused(self, tenant: Tenant) -> None:
        message = tenant.make()
        path, old = f"/messages/{message['id']}", message["@odata.etag"]
        assert tenant.mail("PATCH", path, {"isRead": True}, if_match=old).status == 200
        answer = tenant.mail("PATCH", path, {"isRead": False}, if_match=old)
        assert (answer.status, answer.code) == (412, "ErrorIrresolvableConflict")
        assert tenant.mail("PATCH", path, {"isRead": False}, if_match="*").status == 200
        assert tenant.mail("POST", f"{path}/move", {"destinationId": "archive"}, if_match=old).status == 201
        assert tenant.mail("DELETE", path, if_match=old).status == 412

    def test_a_stale_etag_on_a_move_is_a_switch(self) -> None:
        tenant = Tenant(Switches(if_match_on_move=True))
        message = tenant.make()
        tenant.mailbox.set_read(message["id"], True)
        body, old = {"destinationId": "archive"}, message["@odata.etag"]
        assert tenant.mail("POST", f"/messages/{message['id']}/move", body, if_match=old).status == 412

    @pytest.mark.parametrize("kept", [True, False])
    def test_a_copy_is_alike_and_may_lose_the_key(self, kept: bool) -> None:
        tenant = Tenant(Switches(copy_keeps_key=kept))
        message = tenant.make(key="k1", attachments=[PDF])
        copied = tenant.mail("POST", f"/messages/{message['id']}/copy", {"DestinationId": "archive"})
        assert copied.status == 201
        assert copied.json["id"] != message["id"]
        assert copied.json["hasAttachments"] is True
        keys = sorted(m.tandem_key for m in tenant.mailbox.messages())
        assert keys == (["k1", "k1"] if kept else ["", "k1"])

    def test_moves_need_a_destination_that_exists(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime())
        assert tenant.mail("POST", f"/messages/{id}/move", {}).code == "ErrorInvalidRequest"
        assert tenant.mail("POST", f"/messages/{id}/move", {"destinationId": "x"}).code == "ErrorInvalidIdMalformed"

    def test_a_delete_goes_to_the_trash_and_from_there_out_of_sight(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime())
        tenant.mail("DELETE", f"/messages/{id}")
        assert tenant.mailbox.messages()[0].folder == tenant.mailbox.role("trash")
        tenant.mail("DELETE", f"/messages/{id}")
        assert tenant.mailbox.messages() == []
        assert tenant.mail("GET", f"/messages/{id}").status == 200
        assert tenant.mail("POST", f"/messages/{id}/permanentDelete").status == 204
        assert tenant.mail("GET", f"/messages/{id}").status == 404
