"""The simulated login host takes only what proves the app: secrets, certificates and identities that it trusts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from sandbox.microsoft.credentials import ASSERTION, Federated
from sandbox.microsoft.identities import Identity
from sandbox.web import Request
from tests.support.certificates import certificate, rsa_key, signed, thumbprint
from tests.support.microsoft import NOW, Answer, Tenant

TOKEN_ENDPOINT = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"
ISSUER = "https://login.microsoftonline.com/tenant/v2.0"
EXCHANGE = "api://AzureADTokenExchange"
END = datetime.fromtimestamp(NOW + 86400, UTC)
PEM = certificate(rsa_key(), until=END)
SHA256 = {"x5t#S256": thumbprint(PEM, hashes.SHA256())}
SHA1 = {"x5t": thumbprint(PEM, hashes.SHA1())}


@pytest.fixture
def tenant() -> Tenant:
    tenant = Tenant()
    tenant.vendor.app.certificates.append(PEM)
    tenant.vendor.app.federated.append(Federated(ISSUER, "principal"))
    tenant.vendor.identities.assigned.append(Identity("identity", "principal"))
    return tenant


def shown(tenant: Tenant, assertion: str, **form: str) -> Answer:
    known = {"client_secret": "", "client_assertion": assertion, "client_assertion_type": ASSERTION}
    return tenant.login(**{**known, **form})


def own(header: Mapping[str, Any] | None = None, key: int = 0, **claims: Any) -> str:
    """An assertion of the app's own; a claim that is None is left out."""
    known = {"aud": TOKEN_ENDPOINT, "iss": "client", "sub": "client", "jti": "1", "nbf": NOW, "exp": NOW + 600}
    left = {name: value for name, value in {**known, **claims}.items() if value is not None}
    return signed(header or {"typ": "JWT", "alg": "PS256", **SHA256}, left, rsa_key(key))


def refusal(answer: Answer) -> tuple[int, str, int]:
    [number] = answer.json["error_codes"]
    assert answer.json["error_description"].startswith(f"AADSTS{number}: ")
    return answer.status, answer.json["error"], number


@pytest.mark.parametrize("header", [{"alg": "PS256", **SHA256}, {"alg": "RS256", **SHA256}, {"alg": "RS256", **SHA1}])
def test_an_assertion_of_the_registered_certificate_stands_for_the_secret(
    tenant: Tenant, header: dict[str, str]
) -> None:
    assert shown(tenant, own(header)).status == 200


@pytest.mark.parametrize(
    ("assertion", "number"),
    [
        ("", 50027),
        ("a.b", 50027),
        ("a.b.c", 50027),
        (own(jti=None), 50027),
        (own(exp=None), 50027),
        (own({"alg": "none", **SHA256}), 50027),
        (own({"alg": "PS256"}), 700027),
        (own({"alg": "PS256", "x5t#S256": SHA1["x5t"]}), 700027),
        (own(key=1), 700027),
        (own()[:-8] + "AAAAAAAA", 700027),
        (own(sub="other"), 700021),
        (own(aud="https://login.microsoftonline.com/other/oauth2/v2.0/token"), 700023),
        (own(aud="https://graph.microsoft.com"), 700023),
        (own(nbf=NOW - 1000, exp=NOW - 301), 700024),
        (own(nbf=NOW + 301), 700024),
        (own(iss="other"), 700211),
    ],
)
def test_an_assertion_that_proves_nothing_is_refused(tenant: Tenant, assertion: str, number: int) -> None:
    assert refusal(shown(tenant, assertion)) == (401, "invalid_client", number)


def test_another_kind_of_assertion_is_not_known(tenant: Tenant) -> None:
    saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
    assert refusal(shown(tenant, own(), client_assertion_type=saml)) == (401, "invalid_client", 900144)


def test_certificates_and_secrets_end_with_their_time(tenant: Tenant) -> None:
    tenant.vendor.app.secret_expires = NOW + 86400
    tenant.clock.now = NOW + 86399
    assert tenant.login().status == 200
    assert shown(tenant, own(nbf=NOW, exp=NOW + 90000)).status == 200
    tenant.clock.now += 1
    assert refusal(tenant.login()) == (401, "invalid_client", 7000222)
    expired = shown(tenant, own(nbf=NOW, exp=NOW + 90000))
    assert refusal(expired) == (401, "invalid_client", 700027)
    assert "The key used is expired" in expired.json["error_description"]


def test_an_app_without_a_secret_takes_none(tenant: Tenant) -> None:
    tenant.vendor.app.client_secret = ""
    assert refusal(tenant.login(client_secret="guess")) == (401, "invalid_client", 7000215)


def identity_token(tenant: Tenant, query: str = f"resource={EXCHANGE}", header: str = "identity-header") -> Answer:
    target = f"/msi/token?api-version=2019-08-01&{query}"
    answer = tenant.vendor.identities.handle(Request("GET", target, {"x-identity-header": header}))
    return Answer(answer.status, answer.headers, answer.body)


def test_a_trusted_identitys_token_stands_for_the_secret(tenant: Tenant) -> None:
    token = identity_token(tenant).json
    assert (token["token_type"], int(token["expires_on"])) == ("Bearer", NOW + 86400)
    assert shown(tenant, token["access_token"]).status == 200


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"iss": "https://login.microsoftonline.com/Tenant/v2.0"}, 700211),
        ({"aud": "https://graph.microsoft.com"}, 700212),
        ({"sub": "other"}, 700213),
        ({"sub": "Principal"}, 700213),
        ({"exp": NOW - 301}, 700024),
    ],
)
def test_an_identity_that_is_not_trusted_to_the_letter_is_refused(
    tenant: Tenant, claims: dict[str, Any], number: int
) -> None:
    tenant.vendor.identities.assigned[0].claims |= claims
    token = identity_token(tenant).json["access_token"]
    assert refusal(shown(tenant, token)) == (401, "invalid_client", number)


def test_a_forged_identity_is_refused(tenant: Tenant) -> None:
    genuine = identity_token(tenant).json["access_token"]
    claims = {"iss": ISSUER, "aud": EXCHANGE, "sub": "principal", "exp": NOW + 600}
    forged = signed({"alg": "RS256", "kid": "directory-key"}, claims, rsa_key(1))
    assert refusal(shown(tenant, forged)) == (401, "invalid_client", 700027)
    assert refusal(shown(tenant, genuine[:-8] + "AAAAAAAA")) == (401, "invalid_client", 700027)


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        (f"resource={EXCHANGE}&client_id=identity", "identity-header", 200),
        (f"resource={EXCHANGE}&client_id=other", "identity-header", 400),
        ("client_id=identity", "identity-header", 400),
        (f"resource={EXCHANGE}", "guess", 401),
    ],
)
def test_the_identity_endpoint_serves_its_own_app_only(tenant: Tenant, query: str, header: str, status: int) -> None:
    assert identity_token(tenant, query, header).status == status
