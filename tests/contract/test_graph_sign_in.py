"""Signing in to Graph with each kind of credential: real msal and azure-identity, over sockets, from settings alone."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

import pytest

from sandbox.microsoft import Microsoft365
from sandbox.microsoft.credentials import Federated
from sandbox.microsoft.identities import Identity
from sandbox.microsoft.server import MicrosoftServer
from sandbox.web import Request, Server
from shared.model.errors import SignInRefused, Unavailable
from shared.outlook.tokens import AppTokens
from shared.wiring.credential import graph_credential
from shared.wiring.parts import Parts
from shared.wiring.settings import load_settings
from shared.wiring.world import RequestsTransport, SystemClock
from tests.support.certificates import certificate, key_pem, rsa_key

ISSUER = "https://login.microsoftonline.com/tenant/v2.0"
KINDS = ("secret", "certificate", "identity")


class Entra:
    """A login host and an identity endpoint, and an app registration that takes every kind of credential."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.vendor = Microsoft365(
            clock=time.time, random=random.Random(7), tenant_id="tenant", client_id="client", client_secret="the-secret"
        )
        self.folder = folder
        self.pem = certificate(rsa_key())
        self.vendor.app.certificates.append(self.pem)
        self.vendor.app.federated.append(Federated(ISSUER, "principal"))
        self.vendor.identities.assigned.append(Identity("identity", "principal"))
        self.server = MicrosoftServer(self.vendor)
        self.endpoint = Server(self.vendor.identities)
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{self.endpoint.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", self.vendor.identities.header)

    def close(self) -> None:
        self.endpoint.close()
        self.server.close()

    def tokens(self, kind: str) -> AppTokens:
        (self.folder / "app.pem").write_text(key_pem(rsa_key()) + self.pem)
        credential = {
            "secret": {"TANDEM_GRAPH_CLIENT_SECRET": "the-secret"},
            "certificate": {"TANDEM_GRAPH_CERTIFICATE": str(self.folder / "app.pem")},
            "identity": {
                "TANDEM_GRAPH_FEDERATED": "managed-identity",
                "TANDEM_GRAPH_MANAGED_IDENTITY_CLIENT_ID": "identity",
            },
        }
        settings = load_settings(
            {
                "TANDEM_LOGIN_URL": self.server.url,
                "TANDEM_STATE": str(self.folder / "state"),
                "TANDEM_GRAPH_TENANT_ID": "tenant",
                "TANDEM_GRAPH_CLIENT_ID": "client",
                "TANDEM_ALIMAIL_CLIENT_ID": "ali",
                "TANDEM_ALIMAIL_CLIENT_SECRET": "ali-secret",
                **credential[kind],
            }
        )
        proof = graph_credential(settings, Parts.embedded(settings))
        return AppTokens(RequestsTransport(), SystemClock(), settings.login_url, "tenant", "client", proof, Lock())

    def takes(self, token: str) -> bool:
        answer = self.vendor.handle(Request("GET", "/v1.0/users/nobody", {"authorization": f"Bearer {token}"}))
        return answer.status != 401


@pytest.fixture
def entra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    entra = Entra(tmp_path, monkeypatch)
    yield entra
    entra.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_credential_gets_a_token_that_graph_takes(entra: Entra, kind: str) -> None:
    tokens = entra.tokens(kind)
    assert entra.takes(tokens.token())
    assert entra.takes(tokens.renew())
    assert not entra.takes("made.up.token")
    assert entra.vendor.counts["token"] == 2
    assert entra.vendor.identities.asked == (1 if kind == "identity" else 0)


def expire(entra: Entra, kind: str) -> None:
    if kind == "secret":
        entra.vendor.app.secret_expires = time.time() - 1
    elif kind == "certificate":
        entra.pem = certificate(rsa_key(), until=datetime.now(UTC) - timedelta(days=1))
        entra.vendor.app.certificates[:] = [entra.pem]
    else:
        entra.vendor.app.federated.clear()


@pytest.mark.parametrize(
    ("kind", "code", "what"),
    [
        ("secret", "AADSTS7000222", "the client secret has expired"),
        ("certificate", "AADSTS700027", "has expired"),
        ("identity", "AADSTS700211", "federated credential of the app registration does not match"),
    ],
)
def test_a_credential_that_is_over_is_one_clear_state_and_no_hot_loop(
    entra: Entra, kind: str, code: str, what: str
) -> None:
    expire(entra, kind)
    tokens = entra.tokens(kind)
    for _ in range(5):
        with pytest.raises(SignInRefused, match=what) as caught:
            tokens.token()
        assert (caught.value.code, caught.value.scope) == (code, "app")
    assert entra.vendor.counts["token"] == 1


def test_a_certificate_that_is_not_registered_is_refused(entra: Entra) -> None:
    entra.vendor.app.certificates[:] = [certificate(rsa_key(1))]
    with pytest.raises(SignInRefused, match="not registered"):
        entra.tokens("certificate").token()


def test_without_its_identity_the_app_says_so(entra: Entra) -> None:
    entra.vendor.identities.assigned.clear()
    tokens = entra.tokens("identity")
    for _ in range(3):
        with pytest.raises(SignInRefused, match="no managed identity gave an assertion") as caught:
            tokens.token()
        assert caught.value.code == "no_identity"
    assert (entra.vendor.identities.asked, entra.vendor.counts["token"]) == (1, 0)


def test_an_identity_service_that_is_not_well_is_asked_again_later(entra: Entra) -> None:
    entra.vendor.identities.broken = 2
    tokens = entra.tokens("identity")
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            tokens.token()
        assert caught.value.code == "500"
    assert (entra.vendor.identities.asked, entra.vendor.counts["token"]) == (2, 0)
    assert entra.takes(entra.tokens("identity").token())
