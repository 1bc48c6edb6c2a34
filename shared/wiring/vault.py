"""Settings that are secrets, from the vault of the app where the environment leaves them out.

So on Azure no app setting holds a secret, an administrator's machine needs none either, and one that was put into the
vault is found at the next try, without a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import ValidationError

from shared.wiring.groups import App
from shared.wiring.settings import ALL_OR_NONE, EXACTLY_ONE

IN_VAULT: Mapping[str, str] = {
    "TANDEM_GRAPH_CLIENT_SECRET": "graph-client-secret",
    "TANDEM_ALIMAIL_CLIENT_SECRET": "alimail-client-secret",
    "TANDEM_DINGTALK_APP_SECRET": "dingtalk-app-secret",
    "TANDEM_DINGTALK_TOKEN": "dingtalk-token",
    "TANDEM_DINGTALK_AES_KEY": "dingtalk-aes-key",
}
"""The names of secrets in the vault, by setting."""


def app_on_azure(env: Mapping[str, str]) -> App | None:
    """Where state is, when all of its addresses are given and good; the rest of the settings may be wrong."""
    names = ALL_OR_NONE["state on Azure"]
    if not all(env.get(name, "").strip() for name in names):
        return None
    try:
        return App.model_validate({name: env[name].strip() for name in names})
    except ValidationError:  # `load_settings` says what is wrong with them
        return None


def with_secrets(env: Mapping[str, str], read: Callable[[str], str | None]) -> dict[str, str]:
    """`env`, and what `read` gives for the secrets that are missing in it and have a use."""
    given = {name for name, value in env.items() if value.strip()}
    found = {name: read(secret) for name, secret in IN_VAULT.items() if _is_wanted(name, given)}
    return {**env, **{name: value for name, value in found.items() if value is not None}}


def _is_wanted(name: str, given: set[str]) -> bool:
    """Of settings of which one is enough, none else is given; of the app on DingTalk's platform, its key is."""
    together = next((names for names in EXACTLY_ONE if name in names), (name,))
    if not given.isdisjoint(together):
        return False
    return name not in ALL_OR_NONE["DingTalk's app"] or "TANDEM_DINGTALK_APP_KEY" in given
