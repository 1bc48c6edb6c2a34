"""What an instance imports before it can work. Times are a matter of the machine (`python -m tests.bench.cold_start`
measures them); what is imported when is not."""

from __future__ import annotations

import pytest

from tests.bench.cold_start import FIRST_CALL, INDEXING, ON_AZURE, modules

NEVER = ("sandbox", "tests", "rich", "typer", "alibabacloud_dingtalk", "O365", "msgraph")
AZURE = ("azure.core", "azure.data", "azure.identity", "azure.keyvault", "azure.storage", "azure.monitor", "msal")
SLOW = ("pydantic", "requests", "urllib3", "imapclient", "opentelemetry", "shared.wiring", "shared.sync")


def found(code: str, packages: tuple[str, ...]) -> set[str]:
    return {p for p in packages for m in modules(code) if m == p or m.startswith(p + ".")}


def test_indexing_imports_the_triggers_and_nothing_that_is_slow() -> None:
    assert found(INDEXING, ("functions", "azure.functions")) == {"functions", "azure.functions"}
    assert found(INDEXING, (*NEVER, *AZURE, *SLOW)) == set()


@pytest.mark.parametrize(("code", "more"), [(FIRST_CALL, ()), (ON_AZURE, ("msal",))])
def test_the_first_call_imports_what_it_needs_and_no_tools(code: str, more: tuple[str, ...]) -> None:
    assert "shared.sync.service" in modules(code)
    assert found(code, NEVER) == set()
    assert found(code, ("msal",)) == set(more)


def test_without_state_on_azure_none_of_its_libraries_is_imported() -> None:
    assert found(FIRST_CALL, AZURE) == set()
    assert found(ON_AZURE, AZURE) >= {"azure.data", "azure.identity", "azure.keyvault", "azure.storage"}
