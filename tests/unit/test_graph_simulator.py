"""The simulated Microsoft 365 as a service: login, errors, limits and batches."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from sandbox.microsoft import Switches
from sandbox.truth import Mailbox
from sandbox.web import Request
from tests.support.microsoft import ADDRESS, IMMUTABLE, Tenant, mime


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


class TestLogin:
    def test_a_token_is_bearer_and_holds_the_apps_roles(self, tenant: Tenant) -> None:
        answer = tenant.login()
        assert answer.json["token_type"] == "Bearer"
        assert answer.json["expires_in"] == 3599
        claims = answer.json["access_token"].split(".")[1]
        decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        assert "Mail.ReadWrite" in decoded["roles"]
        assert tenant.vendor.counts["token"] == 2

    @pytest.mark.parametrize(
        ("form", "status", "error", "number"),
        [
            ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
            ({"client_secret": ""}, 401, "invalid_client", 7000216),
            ({"client_id": "other"}, 400, "unauthorized_client", 700016),
            ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
            ({"scope": "Mail.Read"}, 400, "invalid_scope", 1002012),
            ({"tenant": "nowhere"}, 400, "invalid_request", 90002),
        ],
    )
    def test_what_is_wrong_is_said_in_entras_words(
        self, tenant: Tenant, form: dict[str, str], status: int, error: str, number: int
    ) -> None:
        answer = tenant.login(**form)
        assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (status, error, [number])
        assert answer.json["error_description"].startswith(f"AADSTS{number}: ")

    def test_a_token_ends_with_its_time(self, tenant: Tenant) -> None:
        assert tenant.mail("GET", "/mailFolders").status == 200
        tenant.clock.now += 3600
        answer = tenant.mail("GET", "/mailFolders")
        assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer garbage", "Basic abc"])
    def test_garbage_is_no_token(self, tenant: Tenant, header: str) -> None:
        answer = tenant.mail("GET", "/mailFolders", authorization=header)
        assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")

    def test_documents_that_libraries_ask_for_are_there(self, tenant: Tenant) -> None:
        openid = tenant.vendor.handle(Request("GET", "/tenant/v2.0/.well-known/openid-configuration"))
        assert json.loads(openid.body)["token_endpoint"].endswith("/tenant/oauth2/v2.0/token")
        assert tenant.vendor.handle(Request("GET", "/common/discovery/instance")).status == 200


class TestErrors:
    def test_an_error_has_the_vendors_shape_and_its_ids(self, tenant: Tenant) -> None:
        answer = tenant.mail("GET", "/nothing", client_request_id="mine")
        assert answer.status == 404
        error = answer.json["error"]
        assert "Resource not found for the segment 'nothing'" in error["message"]
        assert set(error["innerError"]) == {"date", "request-id", "client-request-id"}
        assert answer.headers["client-request-id"] == "mine" == error["innerError"]["client-request-id"]
        assert answer.headers["request-id"] == error["innerError"]["request-id"]

    def test_a_method_that_a_route_does_not_take_is_405(self, tenant: Tenant) -> None:
        assert tenant.mail("PUT", "/mailFolders").status == 405

    def test_users_without_a_mailbox_have_their_own_errors(self, tenant: Tenant) -> None:
        assert tenant.call("GET", "/users/nobody@contoso.example/messages").code == "ErrorInvalidUser"
        tenant.mailbox.store.enabled = False
        assert tenant.mail("GET", "/messages").code == "MailboxNotEnabledForRESTAPI"
        tenant.mailbox.store.enabled, tenant.mailbox.store.denied = True, True
        assert tenant.mail("GET", "/messages").code == "ErrorAccessDenied"

    def test_a_right_that_is_not_granted_is_missed(self, tenant: Tenant) -> None:
        tenant.vendor.app.roles = {"Mail.Read"}
        tenant.token = tenant.login().json["access_token"]
        assert tenant.mail("GET", "/messages").status == 200
        answer = tenant.mail("POST", "/messages", {"subject": "x"})
        assert (answer.status, answer.code) == (403, "ErrorAccessDenied")

    def test_a_body_over_four_megabytes_is_413(self, tenant: Tenant) -> None:
        answer = tenant.mail("POST", "/messages", {"subject": "x" * (4 * 1024 * 1024)})
        assert answer.status == 413

    def test_preflight_reads_work(self, tenant: Tenant) -> None:
        assert tenant.mail("GET", "/mailboxSettings?$select=userPurpose").json["userPurpose"] == "user"
        assert tenant.mail("GET", "?$select=accountEnabled").json["accountEnabled"] is True
        assert tenant.mail("GET", "?$select=shoeSize").status == 400


class TestSending:
    def test_without_the_right_nothing_is_sent(self, tenant: Tenant) -> None:
        message = {"subject": "x", "toRecipients": [{"emailAddress": {"address": "bob@fabrikam.example"}}]}
        assert tenant.mail("POST", "/sendMail", {"message": message}).status == 403
        assert tenant.vendor.sent_mail == 0

    def test_whatever_is_sent_is_counted(self, tenant: Tenant) -> None:
        tenant.vendor.app.roles |= {"Mail.Send"}
        tenant.token = tenant.login().json["access_token"]
        to = [{"emailAddress": {"address": "bob@fabrikam.example"}}]
        assert tenant.mail("POST", "/sendMail", {"message": {"subject": "x", "toRecipients": to}}).status == 202
        draft = tenant.make("drafts", flags=None, toRecipients=to)
        received = tenant.mailbox.deliver(mime())
        assert tenant.mail("POST", f"/messages/{draft['id']}/send").status == 202
        assert tenant.mail("POST", f"/messages/{received}/reply", {"comment": "yes"}).status == 202
        assert tenant.mail("POST", f"/messages/{received}/replyAll", {"comment": "yes"}).status == 202
        assert tenant.mail("POST", f"/messages/{received}/forward", {"toRecipients": to}).status == 202
        assert tenant.mail("POST", f"/messages/{received}/send").status == 400
        assert tenant.vendor.sent_mail == 5
        sent = [m for m in tenant.mailbox.messages() if m.folder == tenant.mailbox.role("sent")]
        assert len(sent) == 5


class TestLimits:
    def test_the_fifth_request_at_a_time_is_refused(self, tenant: Tenant) -> None:
        arrived, go = threading.Semaphore(0), threading.Event()

        def hold(request: Request) -> None:
            arrived.release()
            assert go.wait(5)

        tenant.vendor.hold = hold
        threads = [threading.Thread(target=tenant.mail, args=("GET", "/messages")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert arrived.acquire(timeout=5)
        answer = tenant.mail("GET", "/messages")
        go.set()
        for thread in threads:
            thread.join()
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (429, "ApplicationThrottled", "1")
        assert tenant.mail("GET", "/messages").status == 200

    def test_a_batch_gets_the_places_that_are_free(self, tenant: Tenant) -> None:
        tenant.vendor.throttle.enter(tenant.mailbox.store.guid, 3)
        parts = [{"id": str(n), "method": "GET", "url": f"/users/{ADDRESS}/messages"} for n in range(8)]
        responses = tenant.call("POST", "/$batch", {"requests": parts}).json["responses"]
        assert sorted(r["id"] for r in responses if r["status"] == 200) == ["0", "4"]
        refused = next(r for r in responses if r["status"] == 429)
        assert refused["headers"]["Retry-After"] == "1"
        assert refused["body"]["error"]["code"] == "ApplicationThrottled"

    def test_a_batch_never_takes_more_than_four_places(self, tenant: Tenant) -> None:
        parts = [{"id": str(n), "method": "GET", "url": f"/users/{ADDRESS}/messages"} for n in range(20)]
        tenant.call("POST", "/$batch", {"requests": parts})
        assert tenant.vendor.throttle.most_in_flight[tenant.mailbox.store.guid] == 4

    def test_requests_in_ten_minutes_are_counted_per_mailbox(self) -> None:
        tenant = Tenant(Switches(requests_per_10_minutes=3))
        assert [tenant.mail("GET", "/messages").status for _ in range(4)] == [200, 200, 200, 429]
        tenant.clock.now += 600
        assert tenant.mail("GET", "/messages").status == 200

    def test_uploaded_bytes_in_five_minutes_are_counted(self) -> None:
        tenant = Tenant(Switches(upload_per_5_minutes=3000))
        tenant.make(subject="x" * 1500)
        answer = tenant.mail("POST", "/messages", {"subject": "x" * 1500})
        assert (answer.status, answer.headers["retry-after"]) == (429, "300")

    def test_the_next_requests_can_be_refused(self, tenant: Tenant) -> None:
        tenant.vendor.throttle_next(2, retry_after=7)
        answers = [tenant.mail("GET", "/messages") for _ in range(3)]
        assert [a.status for a in answers] == [429, 429, 200]
        assert answers[0].headers["retry-after"] == "7"


class TestBatch:
    def test_parts_are_answered_by_id_and_counted_apart(self, tenant: Tenant) -> None:
        id = tenant.mailbox.deliver(mime())
        parts: list[dict[str, Any]] = [
            {"id": "a", "method": "GET", "url": f"/users/{ADDRESS}/messages/{id}", "headers": {"Prefer": IMMUTABLE}},
            {"id": "b", "method": "GET", "url": f"users/{ADDRESS}/messages/{id}/$value"},
            {
                "id": "c",
                "method": "PATCH",
                "url": f"/users/{ADDRESS}/messages/{id}",
                "body": {"isRead": True},
                "headers": {"Content-Type": "application/json"},
            },
            {"id": "d", "method": "GET", "url": f"/users/{ADDRESS}/messages/rubbish"},
        ]
        answer = tenant.call("POST", "/$batch", {"requests": parts})
        by_id = {r["id"]: r for r in answer.json["responses"]}
        assert by_id["a"]["body"]["id"] == id
        assert base64.b64decode(by_id["b"]["body"]) == mime()
        assert by_id["c"]["body"]["isRead"] is True
        assert by_id["c"]["body"]["id"] != id, "Prefer of the batch itself does not reach its parts"
        assert (by_id["d"]["status"], by_id["d"]["body"]["error"]["code"]) == (400, "ErrorInvalidIdMalformed")
        assert tenant.vendor.counts["POST /$batch"] == 1
        assert tenant.vendor.counts["GET /users/{u}/messages/{m}"] == 0
        assert tenant.vendor.part_counts["GET /users/{u}/messages/{m}"] == 2

    def test_a_failed_dependency_fails_what_depends_on_it(self, tenant: Tenant) -> None:
        parts = [
            {"id": "1", "method": "GET", "url": f"/users/{ADDRESS}/messages/rubbish"},
            {"id": "2", "method": "GET", "url": f"/users/{ADDRESS}/messages", "dependsOn": ["1"]},
        ]
        responses = tenant.call("POST", "/$batch", {"requests": parts}).json["responses"]
        assert {r["id"]: r["status"] for r in responses} == {"1": 400, "2": 424}

    @pytest.mark.parametrize(
        "parts",
        [
            [{"id": str(n), "method": "GET", "url": "/users/x/messages"} for n in range(21)],
            [{"id": "1", "method": "GET", "url": "/a"}, {"id": "1", "method": "GET", "url": "/b"}],
            [{"id": "1", "method": "GET"}],
            [{"id": "1", "method": "GET", "url": "https://graph.microsoft.com/v1.0/users/x"}],
            [{"id": "1", "method": "POST", "url": "/users/x/messages", "body": {}}],
            [{"id": "1", "method": "GET", "url": "/a", "dependsOn": ["2"]}],
            [{"id": "1", "method": "POST", "url": "/$batch"}],
            ["rubbish"],
            [],
        ],
    )
    def test_a_malformed_batch_is_refused_whole(self, tenant: Tenant, parts: list[Any]) -> None:
        answer = tenant.call("POST", "/$batch", {"requests": parts})
        assert (answer.status, answer.code) == (400, "BadRequest")
        assert not tenant.vendor.part_counts


def test_the_mailbox_has_the_face_that_people_use(tenant: Tenant) -> None:
    mailbox: Mailbox = tenant.mailbox
    assert mailbox.address == ADDRESS
    assert tenant.vendor.mailboxes == {ADDRESS: tenant.mailbox}
    with pytest.raises(ValueError, match="exists"):
        tenant.vendor.add_mailbox(ADDRESS.upper())


def test_equal_histories_give_equal_answers() -> None:
    first, second = Tenant(), Tenant()
    for tenant in (first, second):
        tenant.make()
        tenant.mailbox.deliver(mime())
    assert first.mail("GET", "/messages").body == second.mail("GET", "/messages").body


def test_switches_can_be_changed_while_it_runs(tenant: Tenant) -> None:
    tenant.vendor.switches = replace(tenant.vendor.switches, token_life=60)
    assert tenant.login().json["expires_in"] == 60
