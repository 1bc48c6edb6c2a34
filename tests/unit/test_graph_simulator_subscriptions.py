"""Subscriptions and notifications of the simulated Microsoft 365."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.microsoft import Delivery, Switches
from sandbox.microsoft.times import iso
from tests.support.microsoft import ADDRESS, NOW, Tenant, mime

DAY = 86_400.0


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


def wanted(**members: Any) -> dict[str, Any]:
    return {
        "changeType": "created,updated,deleted",
        "notificationUrl": "https://app.example/graph?code=1",
        "lifecycleNotificationUrl": "https://app.example/life",
        "resource": f"users/{ADDRESS}/messages",
        "expirationDateTime": iso(NOW + DAY),
        "clientState": "state",
        **members,
    }


def subscribe(tenant: Tenant, **members: Any) -> Any:
    answer = tenant.call("POST", "/subscriptions", wanted(**members))
    assert answer.status == 201, answer.body
    return answer.json


def items(deliveries: list[Delivery]) -> list[Any]:
    return [item for delivery in deliveries for item in json.loads(delivery.body)["value"]]


class TestMaking:
    def test_both_endpoints_shake_hands(self, tenant: Tenant) -> None:
        made = subscribe(tenant)
        assert (made["applicationId"], made["clientState"]) == ("client", "state")
        urls = [url.partition("validationToken=")[0] for url in tenant.handshakes]
        assert urls == ["https://app.example/graph?code=1&", "https://app.example/life?"]
        assert " " not in tenant.handshakes[0]

    def test_an_endpoint_that_does_not_answer_right_is_refused(self, tenant: Tenant) -> None:
        tenant.shakes = False
        answer = tenant.call("POST", "/subscriptions", wanted())
        assert (answer.status, answer.code) == (400, "ValidationError")
        tenant.vendor.subscriptions.post = None
        assert tenant.call("POST", "/subscriptions", wanted()).code == "ValidationError"
        assert tenant.call("GET", "/subscriptions").json["value"] == []

    @pytest.mark.parametrize(
        ("members", "status", "code"),
        [
            ({"expirationDateTime": iso(NOW + 8 * DAY)}, 400, "ExtensionError"),
            ({"expirationDateTime": iso(NOW - 1)}, 400, "InvalidRequest"),
            ({"expirationDateTime": "soon"}, 400, "InvalidRequest"),
            ({"changeType": "created,moved"}, 400, "InvalidRequest"),
            ({"clientState": "x" * 129}, 400, "InvalidRequest"),
            ({"notificationUrl": "http://app.example/graph"}, 400, "InvalidRequest"),
            ({"notificationUrl": None}, 400, "InvalidRequest"),
            ({"resource": "me/messages"}, 400, "ExtensionError"),
            ({"resource": "users/nobody@contoso.example/messages"}, 404, "ErrorInvalidUser"),
            ({"resource": f"users/{ADDRESS}/mailFolders/rubbish/messages"}, 400, "ErrorInvalidIdMalformed"),
            ({"includeResourceData": True}, 400, "InvalidRequest"),
            ({"colour": "blue"}, 400, "RequestBodyRead"),
        ],
    )
    def test_what_is_wrong_is_refused(self, tenant: Tenant, members: Any, status: int, code: str) -> None:
        answer = tenant.call("POST", "/subscriptions", wanted(**members))
        assert (answer.status, answer.code) == (status, code)
        assert tenant.handshakes == []

    def test_the_same_twice_is_a_conflict_unless_switched_off(self, tenant: Tenant) -> None:
        subscribe(tenant)
        assert tenant.call("POST", "/subscriptions", wanted()).status == 409
        subscribe(tenant, changeType="created")
        tenant = Tenant(Switches(subscription_conflict=False))
        subscribe(tenant)
        subscribe(tenant)

    def test_a_short_life_becomes_45_minutes(self, tenant: Tenant) -> None:
        assert subscribe(tenant, expirationDateTime=iso(NOW + 60))["expirationDateTime"] == iso(NOW + 45 * 60)

    def test_it_is_read_renewed_and_ends(self, tenant: Tenant) -> None:
        id = subscribe(tenant)["id"]
        path = f"/subscriptions/{id}"
        assert tenant.call("GET", path).json["id"] == id
        renewed = tenant.call("PATCH", path, {"expirationDateTime": iso(NOW + 7 * DAY)})
        assert renewed.json["expirationDateTime"] == iso(NOW + 7 * DAY)
        assert tenant.call("PATCH", path, {"lifecycleNotificationUrl": "https://x.example"}).status == 400
        tenant.clock.now += 7 * DAY
        tenant.token = tenant.login().json["access_token"]
        answer = tenant.call("PATCH", path, {"expirationDateTime": iso(NOW + 8 * DAY)})
        assert (answer.status, answer.code) == (404, "ResourceNotFound")

    def test_it_is_deleted_once(self, tenant: Tenant) -> None:
        path = f"/subscriptions/{subscribe(tenant)['id']}"
        assert [tenant.call("DELETE", path).status for _ in range(2)] == [204, 404]


class TestNotifications:
    def test_one_says_what_happened_to_which_message(self, tenant: Tenant) -> None:
        made = subscribe(tenant)
        id = tenant.mailbox.deliver(mime())
        (delivery,) = tenant.vendor.take_notifications()
        assert delivery.url == "https://app.example/graph?code=1"
        assert delivery.headers["content-type"].startswith("application/json")
        (item,) = items([delivery])
        assert item["subscriptionId"] == made["id"]
        assert (item["changeType"], item["clientState"], item["tenantId"]) == ("created", "state", "tenant")
        assert item["resource"] == f"Users/{tenant.mailbox.store.guid}/Messages/{id}"
        assert item["resourceData"]["id"] == id
        assert item["resourceData"].keys() == {"@odata.type", "@odata.id", "@odata.etag", "id"}
        assert tenant.vendor.take_notifications() == []

    def test_without_immutable_ids_at_creation_it_names_the_default_id(self, tenant: Tenant) -> None:
        tenant.call("POST", "/subscriptions", wanted(), prefer="")
        id = tenant.mailbox.deliver(mime())
        (item,) = items(tenant.vendor.take_notifications())
        assert item["resourceData"]["id"] == tenant.mail("GET", f"/messages/{id}", prefer="").json["id"] != id

    def test_several_share_a_post(self, tenant: Tenant) -> None:
        subscribe(tenant)
        id = tenant.mailbox.deliver(mime())
        tenant.mailbox.set_read(id, True)
        tenant.mailbox.purge(id)
        deliveries = tenant.vendor.take_notifications()
        assert len(deliveries) == 1
        assert [item["changeType"] for item in items(deliveries)] == ["created", "updated", "deleted"]

    def test_a_folders_subscription_sees_moves_as_comings_and_goings(self, tenant: Tenant) -> None:
        inbox = subscribe(tenant, resource=f"users/{ADDRESS}/mailFolders('inbox')/messages")
        archive = subscribe(tenant, resource=f"/users/{ADDRESS}/mailFolders/archive/messages?$filter=isRead eq false")
        id = tenant.mailbox.deliver(mime())
        tenant.vendor.take_notifications()
        tenant.mailbox.move(id, tenant.mailbox.role("archive"))
        tenant.mailbox.set_read(id, True)
        seen = [(i["subscriptionId"], i["changeType"]) for i in items(tenant.vendor.take_notifications())]
        assert seen == [(inbox["id"], "deleted"), (archive["id"], "created")]

    def test_only_wanted_changes_and_living_subscriptions_count(self, tenant: Tenant) -> None:
        subscribe(tenant, changeType="deleted")
        id = tenant.mailbox.deliver(mime())
        assert tenant.vendor.take_notifications() == []
        tenant.clock.now += DAY
        tenant.mailbox.purge(id)
        assert tenant.vendor.take_notifications() == []

    def test_they_may_be_late_lost_or_doubled(self) -> None:
        tenant = Tenant(Switches(notification_delay=60.0, notification_duplicate=1.0))
        subscribe(tenant)
        tenant.mailbox.deliver(mime())
        assert tenant.vendor.take_notifications() == []
        due = tenant.vendor.next_notification()
        assert due is not None
        assert NOW < due < NOW + 60
        tenant.clock.now += 60
        assert len(items(tenant.vendor.take_notifications())) == 2
        tenant = Tenant(Switches(notification_lost=1.0))
        subscribe(tenant)
        tenant.mailbox.deliver(mime())
        assert tenant.vendor.next_notification() is None

    def test_a_refused_one_comes_again_for_four_hours(self, tenant: Tenant) -> None:
        told: list[int] = []
        tenant.vendor.on_notification(lambda: told.append(1))
        subscribe(tenant)
        tenant.mailbox.deliver(mime())
        (first,) = tenant.vendor.take_notifications()
        tries = 0
        queue = [first]
        while queue and "lifecycleEvent" not in items(queue)[0]:
            tries += 1
            tenant.vendor.notified(queue[0], ok=False)
            due = tenant.vendor.next_notification()
            assert due is not None
            assert due > tenant.clock.now or tenant.clock.now > NOW + 3 * 3600
            tenant.clock.now = due
            queue = tenant.vendor.take_notifications()
        assert NOW + 3.5 * 3600 < tenant.clock.now <= NOW + 4 * 3600
        assert tries > 10
        assert items(queue)[0]["lifecycleEvent"] == "missed"
        assert len(told) > tries

    def test_an_accepted_one_does_not(self, tenant: Tenant) -> None:
        subscribe(tenant)
        tenant.mailbox.deliver(mime())
        (delivery,) = tenant.vendor.take_notifications()
        tenant.vendor.notified(delivery, ok=True)
        assert tenant.vendor.next_notification() is None


class TestLifecycle:
    def test_a_removed_subscription_says_so_and_is_gone(self, tenant: Tenant) -> None:
        id = subscribe(tenant)["id"]
        tenant.vendor.remove_subscription(id)
        (delivery,) = tenant.vendor.take_notifications()
        assert delivery.url == "https://app.example/life"
        (item,) = items([delivery])
        assert (item["lifecycleEvent"], item["subscriptionId"], item["clientState"]) == (
            "subscriptionRemoved",
            id,
            "state",
        )
        assert tenant.call("GET", f"/subscriptions/{id}").status == 404

    @pytest.mark.parametrize("by", ["PATCH", "POST"])
    def test_it_is_silent_until_it_is_authorized_again(self, by: str) -> None:
        tenant = Tenant(Switches(reauthorize_after=600.0))
        id = subscribe(tenant)["id"]
        tenant.clock.now += 601
        tenant.mailbox.deliver(mime())
        assert [i.get("lifecycleEvent") for i in items(tenant.vendor.take_notifications())] == [
            "reauthorizationRequired"
        ]
        if by == "PATCH":
            tenant.call("PATCH", f"/subscriptions/{id}", {"expirationDateTime": iso(NOW + 2 * DAY)})
        else:
            assert tenant.call("POST", f"/subscriptions/{id}/reauthorize").status == 204
        tenant.mailbox.deliver(mime())
        assert [i["changeType"] for i in items(tenant.vendor.take_notifications())] == ["created"]

    def test_without_an_endpoint_nothing_is_said(self, tenant: Tenant) -> None:
        tenant.vendor.remove_subscription(subscribe(tenant, lifecycleNotificationUrl=None)["id"])
        assert tenant.vendor.next_notification() is None
