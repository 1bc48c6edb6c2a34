"""What `tandem setup` works with, before there are settings that the app could start with."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

from pydantic import ValidationError

from shared.model.errors import WrongSettings
from shared.ops.setup.reach import Addresses, World
from shared.outlook.tokens import Credential
from shared.ports.state import Secrets
from shared.wiring.credential import ManagedIdentity
from shared.wiring.fields import PREFIX, wrong
from shared.wiring.settings import Settings
from shared.wiring.world import RequestsTransport, SystemClock, SystemRandom, ThreadExecutor, hush, is_loopback

ADDRESSES = ("login_url", "graph_url", "alimail_url", "dingtalk_url", "dingtalk_oapi_url")
STAND_INS = {
    "graph_tenant_id": "unknown",
    "graph_client_id": "unknown",
    "alimail_client_id": "unknown",
    "alimail_client_secret": "unknown",
}
"""For what the app needs and a setup doesn't know yet."""


def addresses(env: Mapping[str, str]) -> Addresses:
    """The vendors' addresses, which nobody sets but for tests and other editions. WrongSettings as of the app."""
    given = {PREFIX + name.upper(): text for name, text in STAND_INS.items()}
    for name in ADDRESSES:
        if text := env.get(PREFIX + name.upper(), "").strip():
            given[PREFIX + name.upper()] = text
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise WrongSettings("\n".join(f"{one['loc'][0]}: {wrong(one)}" for one in found)) from None
    return Addresses(*(str(getattr(settings, name)) for name in ADDRESSES))


@contextmanager
def world(env: Mapping[str, str]) -> Iterator[World]:
    """Real ones. The managed identity counts where Azure says that there is one (App Service: IDENTITY_ENDPOINT)."""
    hush()
    where = addresses(env)
    identity: Credential | None = None
    if env.get("IDENTITY_ENDPOINT"):
        client = env.get("TANDEM_GRAPH_MANAGED_IDENTITY_CLIENT_ID", "").strip() or None
        identity = {"client_assertion": ManagedIdentity(client).assertion}
    transport = RequestsTransport()
    try:
        yield World(
            transport=transport,
            clock=SystemClock(),
            random=SystemRandom(),
            executor=ThreadExecutor(1),
            lock=threading.Lock,
            addresses=where,
            vault=partial(_vault, env),
            identity=identity,
        )
    finally:
        transport.close()


def _vault(env: Mapping[str, str], url: str) -> Secrets:
    from azure.identity import DefaultAzureCredential  # slow to import, and not needed to print steps

    from shared.state.azure_table import AzureTable
    from shared.state.azure_vault import VaultSecrets

    if not (table := env.get("TANDEM_TABLE_URL", "").strip()):
        raise WrongSettings("TANDEM_TABLE_URL: is missing; `azd provision` prints it with the vault's address")
    signed_in = DefaultAzureCredential()
    own_domain = not is_loopback(urlsplit(url).hostname or "")  # a stand-in on this machine has none
    return VaultSecrets(url, signed_in, AzureTable(table, signed_in), verify_challenge_resource=own_domain)
