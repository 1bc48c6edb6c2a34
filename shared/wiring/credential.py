"""What the app proves itself to Entra with, as the settings say."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.model.errors import SignInRefused, Unavailable
from shared.outlook.tokens import Credential
from shared.wiring.parts import Parts
from shared.wiring.secrets import app_secret
from shared.wiring.settings import Settings

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse
    from azure.identity import ManagedIdentityCredential

EXCHANGE = "api://AzureADTokenExchange/.default"
"""What an identity's token must be for, so that Entra takes it for the app's own (Entra: workload identity federation,
managed identity as federated credential)."""


def graph_credential(settings: Settings, parts: Parts) -> Credential:
    """Calls nobody."""
    if settings.graph_federated:
        return {"client_assertion": ManagedIdentity(settings.graph_managed_identity_client_id).assertion}
    if settings.graph_certificate:
        pem = settings.graph_certificate.get_secret_value()
        return {"private_key": pem, "public_certificate": pem}
    return app_secret("graph_client_secret", settings, parts)


class ManagedIdentity:
    """The identity that Azure gave this app; `client_id` chooses one of several. Safe among threads."""

    def __init__(self, client_id: str | None) -> None:
        self._client_id = client_id
        self._status = 0  # of the last answer; msal repeats one for a minute without asking

    def assertion(self) -> str:
        """A token of the identity that Entra exchanges. SignInRefused where there is no such identity, Unavailable
        when the machine's own service gave no usable answer."""
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            token: str = self._credential.get_token(EXCHANGE).token
        except ClientAuthenticationError:  # says the same of a service that is not well: its status tells them apart
            if self._status == 429 or self._status >= 500:
                raise _unwell(str(self._status)) from None
            raise SignInRefused(
                "no managed identity gave an assertion: run this in Azure with an identity assigned to it, and check"
                " the identity's client id",
                code="no_identity",
            ) from None
        except AzureError as error:
            raise _unwell(type(error).__name__) from None
        return token

    @cached_property
    def _credential(self) -> ManagedIdentityCredential:
        from azure.identity import ManagedIdentityCredential  # slow to import, and not needed to answer a trigger

        # One retry is enough, since a run is repeated anyway.
        return ManagedIdentityCredential(client_id=self._client_id, retry_total=1, raw_response_hook=self._answered)

    def _answered(self, response: PipelineResponse[Any, Any]) -> None:
        self._status = int(response.http_response.status_code)


def _unwell(code: str) -> Unavailable:
    return Unavailable("the managed identity's service gave no usable answer", code=code)
