"""Mistakes in the template, each of which the compiler or a rule of ours must find:
`python -m tests.support.template_faults` prints who does."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.bicep import INFRA, NO_COMPILER, Bicep, find_bicep
from tests.support.template_rules import MOST, complaints

COMPILER, RULE = "the compiler", "a rule of ours"
ON_IDENTITY = "scope: storage\n    properties: {\n      principalId: identity.properties.principalId"


@dataclass(frozen=True, slots=True)
class Fault:
    """`old` stands once in `file`, and `new` goes in its place. `said`: a part of what is complained of."""

    name: str
    file: str
    old: str
    new: str
    said: str


FAULTS = (
    # ---- what the compiler knows
    Fault("a property is misspelt", "storage.bicep", "allowBlobPublicAccess", "allowBlobPublicAcess", "BCP089"),
    Fault("an API version that isn't there", "vault.bicep", "2026-05-15", "2026-05-16", "BCP081"),
    Fault("an API version that is old", "app.bicep", "sites@2025-03-01", "sites@2022-03-01", "use-recent-api-versions"),
    Fault("a member is misspelt", "roles.bicep", ON_IDENTITY, ON_IDENTITY[:-11] + "principleId", "BCP083"),
    Fault(
        "a word that Azure doesn't know",
        "app.bicep",
        "'UserAssignedIdentity'",
        "'UserIdentity'",
        "authentication.type is",
    ),
    Fault(
        "text in place of a truth",
        "storage.bicep",
        "allowSharedKeyAccess: false",
        "allowSharedKeyAccess: 'no'",
        "BCP036",
    ),
    Fault(
        "a module lacks a parameter",
        "main.bicep",
        "    insightsName: names.insights\n    administratorId",
        "    administratorId",
        "BCP035",
    ),
    Fault(
        "a parameter that nobody uses",
        "vault.bicep",
        "recover ? 'recover' : 'default'",
        "'default'",
        "no-unused-params",
    ),
    Fault(
        "an output gives a key away",
        "storage.bicep",
        "= account::blobs::packages.name",
        "= account.listKeys().keys[0].value",
        "outputs-should-not-contain-secrets",
    ),
    Fault(
        "a default out of its range",
        "main.bicep",
        "param maximumInstances int = 40",
        "param maximumInstances int = 20",
        "BCP",
    ),
    # ---- the storage account and the vault
    Fault(
        "keys open the storage account",
        "storage.bicep",
        "allowSharedKeyAccess: false",
        "allowSharedKeyAccess: true",
        "allowSharedKeyAccess is True",
    ),
    Fault(
        "keys, by leaving it to Azure",
        "storage.bicep",
        "    allowSharedKeyAccess: false\n",
        "",
        "allowSharedKeyAccess is None",
    ),
    Fault(
        "blobs may be public",
        "storage.bicep",
        "allowBlobPublicAccess: false",
        "allowBlobPublicAccess: true",
        "allowBlobPublicAccess is True",
    ),
    Fault(
        "the packages are public",
        "storage.bicep",
        "publicAccess: 'None'",
        "publicAccess: 'Blob'",
        "publicAccess is 'Blob'",
    ),
    Fault("an old TLS", "storage.bicep", "TLS1_2", "TLS1_1", "minimumTlsVersion is 'TLS1_1'"),
    Fault(
        "plain http to storage",
        "storage.bicep",
        "supportsHttpsTrafficOnly: true",
        "supportsHttpsTrafficOnly: false",
        "supportsHttpsTrafficOnly is False",
    ),
    Fault(
        "a vault can be purged", "vault.bicep", "    enablePurgeProtection: true\n", "", "enablePurgeProtection is None"
    ),
    Fault(
        "a vault with access policies",
        "vault.bicep",
        "enableRbacAuthorization: true",
        "enableRbacAuthorization: false",
        "enableRbacAuthorization is False",
    ),
    Fault(
        "a vault's name is too long", "main.bicep", "'kv-${token}'", "'kv-tandem-app-${token}'", "can't have the name"
    ),
    # ---- roles
    Fault(
        "the wrong role",
        "roles.bicep",
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        "17d1049b-9a84-46fb-8f53-869881c3d3ab",
        "a role too many: the app: 17d1049b",
    ),
    Fault(
        "a role is missing",
        "roles.bicep",
        "definitions.queueContributor, definitions.tableContributor]\nvar",
        "definitions.queueContributor]\nvar",
        "a role is missing: the app: Storage Table",
    ),
    Fault(
        "the app may write secrets",
        "roles.bicep",
        "roleDefinitions', definitions.secretsUser)",
        "roleDefinitions', definitions.secretsOfficer)",
        "a role too many: the app: Key Vault Secrets Officer",
    ),
    Fault(
        "a role on the whole group",
        "roles.bicep",
        "  scope: insights\n",
        "",
        "a role too many: the app: Monitoring Metrics Publisher on /sub",
    ),
    Fault(
        "a role for another member",
        "roles.bicep",
        ON_IDENTITY,
        ON_IDENTITY[:-11] + "clientId",
        "a role too many: [reference",
    ),
    Fault(
        "a role as the wrong kind",
        "roles.bicep",
        "principalType: administratorType\n      role",
        "principalType: 'User'\n      role",
        "the administrator as User",
    ),
    # ---- the app
    Fault("plain http to the app", "app.bicep", "httpsOnly: true", "httpsOnly: false", "httpsOnly is False"),
    Fault("the wrong Python", "app.bicep", "version: '3.13'", "version: '3.10'", "runtime.version is '3.10'"),
    Fault(
        "no identity",
        "app.bicep",
        "  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }\n",
        "",
        "doesn't run as the identity",
    ),
    Fault(
        "an identity without roles",
        "app.bicep",
        "type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} }",
        "type: 'SystemAssigned'",
        "doesn't run as the identity",
    ),
    Fault(
        "a call at a time",
        "app.bicep",
        "perInstanceConcurrency: 16",
        "perInstanceConcurrency: 1",
        "perInstanceConcurrency is 1",
    ),
    Fault(
        "instances beyond the range",
        "app.bicep",
        "maximumInstanceCount: maximumInstances",
        "maximumInstanceCount: maximumInstances * 2",
        "maximumInstanceCount is",
    ),
    Fault(
        "passwords for deployments",
        "app.bicep",
        "name: 'scm'\n    properties: { allow: false }",
        "name: 'scm'\n    properties: { allow: true }",
        "properties.allow is True",
    ),
    Fault(
        "the network isn't used",
        "app.bicep",
        "empty(networkName) ? null",
        "!empty(networkName) ? null",
        "don't leave as fixedAddress says",
    ),
    Fault(
        "azd can't find the app",
        "app.bicep",
        "{ 'azd-service-name': 'app' }",
        "{ 'azd-service': 'app' }",
        "tags.azd-service-name is None",
    ),
    # ---- settings
    Fault(
        "a setting is missing",
        "app.bicep",
        "      AZURE_CLIENT_ID: identity.properties.clientId\n",
        "",
        "AZURE_CLIENT_ID: is not set",
    ),
    Fault("a setting is misspelt", "main.bicep", "TANDEM_VAULT_URL: 'https", "TANDEM_VALT_URL: 'https", "BCP083"),
    Fault(
        "a setting that nobody reads",
        "app.bicep",
        "PYTHON_THREADPOOL_THREAD_COUNT",
        "PYTHON_THREADPOOL_THREADS",
        "PYTHON_THREADPOOL_THREADS: is set and nobody reads it",
    ),
    Fault(
        "a setting that Flex doesn't take",
        "app.bicep",
        "      AZURE_CLIENT_ID:",
        "      FUNCTIONS_WORKER_RUNTIME: 'python'\n      AZURE_CLIENT_ID:",
        "FUNCTIONS_WORKER_RUNTIME: must not be set",
    ),
    Fault(
        "a secret in a setting",
        "app.bicep",
        "      AZURE_CLIENT_ID:",
        "      TANDEM_ALIMAIL_CLIENT_SECRET: 'x'\n      AZURE_CLIENT_ID:",
        "TANDEM_ALIMAIL_CLIENT_SECRET: holds a secret",
    ),
    Fault(
        "a value that the code doesn't take",
        "main.bicep",
        "TANDEM_BLOB_URL: 'https",
        "TANDEM_BLOB_URL: 'http",
        "TANDEM_BLOB_URL: is plain http",
    ),
    Fault(
        "the wrong ID of the identity",
        "app.bicep",
        "AzureWebJobsStorage__clientId: identity.properties.clientId",
        "AzureWebJobsStorage__clientId: identity.properties.principalId",
        "AzureWebJobsStorage__clientId: can't be",
    ),
    # ---- watching
    Fault(
        "keys open the logs",
        "watch.bicep",
        "DisableLocalAuth: true\n  }",
        "DisableLocalAuth: false\n  }",
        "DisableLocalAuth is False",
    ),
    Fault(
        "no cap on the logs",
        "watch.bicep",
        "    workspaceCapping: { dailyQuotaGb: dailyCap }\n",
        "    workspaceCapping: { dailyQuotaGb: dailyCap - 3 }\n",
        "dailyQuotaGb is -1",
    ),
)


def found(fault: Fault, bicep: Bicep, scratch: Path) -> tuple[str, list[str]]:
    """Who finds it, and what is said; `scratch` is an empty folder."""
    folder = scratch / "infra"
    shutil.copytree(INFRA, folder)
    text = (folder / fault.file).read_text("utf-8")
    assert text.count(fault.old) == 1, f"{fault.name}: what is to be replaced stands {text.count(fault.old)} times"
    (folder / fault.file).write_text(text.replace(fault.old, fault.new), "utf-8")
    compiled = bicep.compile(folder)
    if compiled.complaints:
        return COMPILER, list(compiled.complaints)
    return RULE, complaints(bicep.deployment(MOST, scratch, folder), MOST)


def main() -> None:
    program = find_bicep()
    if program is None:
        raise SystemExit(NO_COMPILER)
    missed = 0
    with Bicep(program) as bicep:
        for fault in FAULTS:
            with tempfile.TemporaryDirectory() as scratch:
                who, lines = found(fault, bicep, Path(scratch))
            hit = next((line for line in lines if fault.said in line), "")
            missed += not hit
            print(f"{fault.name:<36} {who if hit else 'NOBODY':<16} {hit or lines}"[:200])
    print(f"{len(FAULTS) - missed} of {len(FAULTS)} found")


if __name__ == "__main__":
    main()
