"""The vault of the tests against Azure's own client, so that it can't agree with a misreading of ours."""

from __future__ import annotations

import time

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from tests.support.azure_services import AzureServices

QUICK = 0.1


@pytest.fixture
def client(azure: AzureServices, credential: DefaultAzureCredential) -> SecretClient:
    azure.vault.empty()
    url = azure.environment["TANDEM_VAULT_URL"]
    return SecretClient(url, credential, verify_challenge_resource=False, retry_total=0)


def refusal(error: HttpResponseError) -> tuple[int | None, str, str]:
    """(status, code, inner code) in Key Vault's shape."""
    assert error.error is not None
    return error.status_code, str(error.error.code), str((error.error.innererror or {}).get("code", ""))


def test_a_secret_has_versions_and_the_latest_is_given(client: SecretClient) -> None:
    first = client.set_secret("a", "1", tags={"for": "tests"})
    client.set_secret("a", "2")
    assert client.get_secret("a").value == "2"
    assert client.get_secret("a", first.properties.version).value == "1"
    assert client.get_secret("a", first.properties.version).properties.tags == {"for": "tests"}
    assert len(list(client.list_properties_of_secret_versions("a"))) == 2


def test_secrets_are_listed_a_page_at_a_time_without_their_values(client: SecretClient) -> None:
    names = [f"s{number:02}" for number in range(30)]
    for name in names:
        client.set_secret(name, "x")
    assert [found.name for found in client.list_properties_of_secrets()] == names
    assert [found.name for found in client.list_properties_of_secrets(max_page_size=7)] == names


def test_a_disabled_secret_is_not_given(client: SecretClient) -> None:
    client.set_secret("a", "1")
    client.update_secret_properties("a", enabled=False)
    with pytest.raises(HttpResponseError) as caught:
        client.get_secret("a")
    assert refusal(caught.value) == (403, "Forbidden", "SecretDisabled")
    client.update_secret_properties("a", enabled=True)
    assert client.get_secret("a").value == "1"


def test_a_deleted_name_is_taken_until_it_is_recovered(client: SecretClient) -> None:
    client.set_secret("a", "1")
    poller = client.begin_delete_secret("a", _polling_interval=QUICK)
    with pytest.raises(HttpResponseError) as caught:
        client.set_secret("a", "2")
    assert refusal(caught.value) == (409, "Conflict", "ObjectIsBeingDeleted")
    poller.wait()
    with pytest.raises(HttpResponseError) as caught:
        client.set_secret("a", "2")
    assert refusal(caught.value) == (409, "Conflict", "ObjectIsDeletedButRecoverable")
    with pytest.raises(ResourceNotFoundError):
        client.get_secret("a")
    assert list(client.list_properties_of_secrets()) == []
    client.begin_recover_deleted_secret("a", _polling_interval=QUICK).wait()
    assert client.get_secret("a").value == "1"


def test_what_is_not_there_is_not_found(client: SecretClient) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        client.get_secret("a")
    assert refusal(caught.value) == (404, "SecretNotFound", "")
    for act in (client.begin_delete_secret, client.begin_recover_deleted_secret):
        with pytest.raises(ResourceNotFoundError):
            act("a")
    client.set_secret("a", "1")
    with pytest.raises(ResourceNotFoundError):
        client.get_secret("a", "0" * 32)


@pytest.mark.parametrize(("name", "value"), [("a_b", "1"), ("a" * 128, "1"), ("a", "x" * 25_601)])
def test_what_is_no_secret_is_refused(client: SecretClient, name: str, value: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        client.set_secret(name, value)
    assert refusal(caught.value) == (400, "BadParameter", "")


def test_who_may_not_is_refused(client: SecretClient, azure: AzureServices) -> None:
    azure.vault.may = {"get"}
    for act in (lambda: client.set_secret("a", "1"), lambda: list(client.list_properties_of_secrets())):
        with pytest.raises(HttpResponseError) as caught:
            act()
        assert refusal(caught.value) == (403, "Forbidden", "ForbiddenByRbac")


def test_a_token_for_something_else_opens_nothing(client: SecretClient, azure: AzureServices) -> None:
    class Other:
        def get_token(self, *scopes: str, **options: object) -> object:
            from azure.core.credentials import AccessToken

            from tests.support.entra_token import token

            until = int(time.time()) + 3600
            return AccessToken(token("https://storage.azure.com", until), until)

    url = azure.environment["TANDEM_VAULT_URL"]
    client = SecretClient(url, Other(), verify_challenge_resource=False)  # type: ignore[arg-type]
    with pytest.raises(ClientAuthenticationError):
        client.get_secret("a")
