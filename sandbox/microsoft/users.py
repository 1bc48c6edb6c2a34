"""Routes of the user and the mailbox's settings, which preflight checks read."""

from __future__ import annotations

from typing import Any

from sandbox.microsoft.calls import SETTINGS, USER, Call, Route
from sandbox.microsoft.errors import bad_url
from sandbox.web import Response


def _answer(call: Call, kind: str, members: dict[str, Any]) -> Response:
    wanted = [name.strip() for name in call.query.get("$select", "").split(",") if name.strip()]
    for name in wanted:
        if name not in members:
            raise bad_url(f"Could not find a property named '{name}' on type 'microsoft.graph.{kind}'.")
    chosen = {name: value for name, value in members.items() if not wanted or name in wanted}
    context = {"@odata.context": f"{call.world.base_url}/$metadata#users('{call.args['u']}')/{kind}"}
    return Response.of_json(200, context | chosen)


def get_user(call: Call) -> Response:
    store = call.mailbox
    plan = {
        "service": "exchange",
        "capabilityStatus": "Enabled",
        "servicePlanId": "efb87545-963c-4e0d-99df-69c6916d9eb0",
    }
    return _answer(
        call,
        "user",
        {
            "id": store.guid,
            "displayName": store.display_name,
            "mail": store.address,
            "userPrincipalName": store.address,
            "preferredLanguage": store.language,
            "accountEnabled": True,
            "proxyAddresses": [f"SMTP:{store.address}", *(f"smtp:{alias}" for alias in store.aliases)],
            "assignedPlans": [plan],
        },
    )


def get_settings(call: Call) -> Response:
    return _answer(
        call,
        "mailboxSettings",
        {
            "userPurpose": call.mailbox.purpose,
            "timeZone": "China Standard Time",
            "language": {"locale": call.mailbox.language, "displayName": call.mailbox.language},
            "automaticRepliesSetting": {"status": "disabled"},
            "archiveFolder": None,
        },
    )


def list_rules(call: Call) -> Response:
    """A person's rule that forwards everything, where there is one (Graph: messageRule)."""
    addresses = [{"emailAddress": {"name": address, "address": address}} for address in call.mailbox.forwards]
    rule = {
        "id": "AQAAAJ5dZqA=",
        "displayName": "forward",
        "sequence": 1,
        "isEnabled": True,
        "isReadOnly": False,
        "hasError": False,
        "actions": {"forwardTo": addresses, "stopProcessingRules": True},
    }
    context = f"{call.world.base_url}/$metadata#users('{call.args['u']}')/mailFolders('inbox')/messageRules"
    return Response.of_json(200, {"@odata.context": context, "value": [rule] if addresses else []})


ROUTES = (
    Route("GET", "users/{u}/mailFolders/inbox/messageRules", list_rules, SETTINGS),
    Route("GET", "users/{u}", get_user, USER),
    Route("GET", "users/{u}/mailboxSettings", get_settings, SETTINGS),
)
