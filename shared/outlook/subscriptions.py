"""Push: one subscription to all messages of a mailbox (Graph: subscriptions)."""

from __future__ import annotations

from urllib.parse import quote

from shared.model.errors import NotFound, Stale
from shared.outlook.mapping import epoch, iso
from shared.outlook.transport import Graph, member

LIFE = (10_080 - 60) * 60.0
"""Seconds; the vendor allows 10,080 minutes from its own clock."""


class GraphSubscriptions:
    def __init__(self, graph: Graph, user: str) -> None:
        self._graph, self._resource = graph, f"users/{quote(user, safe='@')}/messages"

    def create(self, url: str, client_state: str) -> tuple[str, float]:
        """Graph asks `url` back before it answers."""
        what = "a subscription"
        body = {
            "changeType": "created,updated,deleted",
            "notificationUrl": url,
            "lifecycleNotificationUrl": url,
            "resource": self._resource,
            "expirationDateTime": self._expiry(),
            "clientState": client_state,
        }
        try:
            made = self._graph.send("POST", "/subscriptions", body, what)
        except Stale:
            self._drop_forgotten()
            made = self._graph.send("POST", "/subscriptions", body, what)
        return member(made, "id", what), epoch(member(made, "expirationDateTime", what))

    def _drop_forgotten(self) -> None:
        """The vendor takes no second one like it: an earlier one of this app is there, whose answer was lost or whose
        URL is no longer ours. The list shows the app's own only."""
        what = "the list of subscriptions"
        for held in self._graph.pages(self._graph.get("/subscriptions", what), what):
            if str(held.get("resource")).lower() == self._resource.lower():
                self.delete(str(held["id"]))

    def renew(self, subscription: str) -> float:
        what, url = "a subscription's renewal", f"/subscriptions/{quote(subscription, safe='')}"
        made = self._graph.send("PATCH", url, {"expirationDateTime": self._expiry()}, what)
        return epoch(member(made, "expirationDateTime", what))

    def delete(self, subscription: str) -> None:
        """Nothing happens when it is gone already."""
        try:
            self._graph.send("DELETE", f"/subscriptions/{quote(subscription, safe='')}", None, "a subscription's end")
        except NotFound:
            return

    def _expiry(self) -> str:
        return iso(self._graph.clock.now() + LIFE)
