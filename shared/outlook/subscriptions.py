"""Push: one subscription to all messages of a mailbox (Graph: subscriptions)."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.model.errors import NotFound, Stale
from shared.outlook.mapping import epoch
from shared.outlook.transport import Graph

LIFE = (10_080 - 60) * 60.0
"""Seconds; the vendor allows 10,080 minutes."""


class GraphSubscriptions:
    def __init__(self, graph: Graph, user: str) -> None:
        self._graph, self._user = graph, user

    def create(self, url: str, client_state: str) -> tuple[str, float]:
        body = {
            "changeType": "created,updated,deleted",
            "notificationUrl": url,
            "lifecycleNotificationUrl": url,
            "resource": f"users/{self._user}/messages",
            "expirationDateTime": self._expiry(),
            "clientState": client_state,
        }
        try:
            made = self._graph.send("POST", "/subscriptions", body, "a subscription", _always)
        except Stale:
            self._drop_forgotten(body["resource"], url)
            made = self._graph.send("POST", "/subscriptions", body, "a subscription", _always)
        return str(made["id"]), epoch(made["expirationDateTime"])

    def _drop_forgotten(self, resource: str, url: str) -> None:
        """One of ours is there already whose answer was lost: the vendor takes no second one like it."""
        page = self._graph.get("/subscriptions", "the list of subscriptions")
        for held in page.get("value", ()):
            if held.get("resource") == resource and held.get("notificationUrl") == url:
                self.delete(str(held["id"]))

    def renew(self, subscription: str) -> float:
        body = {"expirationDateTime": self._expiry()}
        made = self._graph.send("PATCH", f"/subscriptions/{subscription}", body, "a subscription's renewal", _always)
        return epoch(made["expirationDateTime"])

    def delete(self, subscription: str) -> None:
        try:
            self._graph.send("DELETE", f"/subscriptions/{subscription}", None, "a subscription's end", _always)
        except NotFound:
            return

    def _expiry(self) -> str:
        return datetime.fromtimestamp(self._graph.clock.now() + LIFE, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _always() -> None:
    """A subscription belongs to no item, so nothing has to be asked before it is made."""
