"""Azure's services for the tests that need them, started when the first asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.identity import DefaultAzureCredential

from tests.support.azure_services import AzureServices, azure_services
from tests.support.azurite import MISSING, is_installed


@pytest.fixture(scope="session")
def running_azure() -> Iterator[tuple[AzureServices, DefaultAzureCredential]]:
    """One set for a whole process of tests, with the library's own way to sign in, as an app on Azure has it."""
    if not is_installed():
        pytest.skip(MISSING)
    with azure_services() as services:
        with pytest.MonkeyPatch.context() as patch:
            _give(patch, services)
            credential = DefaultAzureCredential()  # reads the environment here
        yield services, credential


@pytest.fixture
def azure(
    running_azure: tuple[AzureServices, DefaultAzureCredential], monkeypatch: pytest.MonkeyPatch
) -> AzureServices:
    services, _ = running_azure
    _give(monkeypatch, services)
    return services


@pytest.fixture
def credential(
    running_azure: tuple[AzureServices, DefaultAzureCredential], azure: AzureServices
) -> DefaultAzureCredential:
    return running_azure[1]


def _give(patch: pytest.MonkeyPatch, services: AzureServices) -> None:
    for name, value in services.environment.items():
        patch.setenv(name, value)
