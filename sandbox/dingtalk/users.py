"""The owner of a mailbox and its settings (Alimail: users)."""

from __future__ import annotations

from sandbox.dingtalk.calls import Call, Route, ok
from sandbox.dingtalk.errors import Refusal
from sandbox.web import Response


def get_user(call: Call) -> Response:
    store = call.store
    user = {
        "id": f"user-{store.address.partition('@')[0]}",
        "email": store.address,
        "emailAliases": list(store.aliases),
        "name": store.name,
        "status": "NORMAL",
        "employeeType": "EMPLOYEE",
        "enableClientPassword": store.password is not None,
    }
    return ok({"user": user} if call.world.switches.user_wrapped else user)


def get_settings(call: Call) -> Response:
    """Its shape is not documented; all that is relied on is that addresses stand under a name with "forward" in it."""
    if not call.world.switches.tells_forwarding:
        raise Refusal(404, "api.notFound", "there is no such API")
    forwarding = {"enabled": bool(call.store.forwards), "forwardTo": list(call.store.forwards)}
    return ok({"timeZone": "Asia/Shanghai", "autoForward": forwarding})


ROUTES = (Route("GET", (), get_user), Route("GET", ("mailboxSettings",), get_settings))
