"""What must be true of what is deployed, whatever the compiler thinks of it. Needs no compiler itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.model.errors import WrongSettings
from shared.wiring.settings import HOST, IN_VAULT, NAMES, load_settings
from tests.support.bicep import Deployment
from tests.support.template_roles import ADMINISTRATOR, APP, ROLES

ODD_NAME = "Odd_(name).of-32.characters-here"
"""The environment's; 32 of every kind of character that azd takes."""
PRINCIPAL = "11111111-1111-1111-1111-111111111111"
FEWEST: Mapping[str, Any] = {"environmentName": "t", "location": "eastasia"}
"""Parameters with every switch off."""
MOST: Mapping[str, Any] = {
    "environmentName": ODD_NAME,
    "location": "southeastasia",
    "principalId": PRINCIPAL,
    "principalType": "Group",
    "graphTenantId": "22222222-2222-2222-2222-222222222222",
    "graphClientId": "33333333-3333-3333-3333-333333333333",
    "graphSignIn": "client-secret",
    "alimailClientId": "alimail",
    "dingtalkCorpId": "corp",
    "dingtalkAppKey": "key",
    "instanceMemory": 2048,
    "maximumInstances": 1000,
    "alwaysReadyHttp": 1,
    "tickSchedule": "0 * * * * *",
    "moreSettings": {"TANDEM_JUNK": "copy"},
    "storageRedundancy": "Standard_ZRS",
    "recoverVault": True,
    "fixedAddress": True,
    "dailyLogCap": 2,
    "alertEmail": "operator@office.example",
    "monthlyBudget": 50,
}
"""With every switch on."""

# ------------------------------------------------------------------------------------------------------------ resources
STORAGE, VAULT, INSIGHTS = (
    "Microsoft.Storage/storageAccounts",
    "Microsoft.KeyVault/vaults",
    "Microsoft.Insights/components",
)
LOGS, SITE, PLAN = "Microsoft.OperationalInsights/workspaces", "Microsoft.Web/sites", "Microsoft.Web/serverfarms"
GROUP, ASSIGNMENT = "Microsoft.Resources/resourceGroups", "Microsoft.Authorization/roleAssignments"
ALWAYS = {
    GROUP: 1,
    STORAGE: 1,
    f"{STORAGE}/blobServices": 1,
    f"{STORAGE}/blobServices/containers": 1,
    VAULT: 1,
    LOGS: 1,
    INSIGHTS: 1,
    "Microsoft.ManagedIdentity/userAssignedIdentities": 1,
    PLAN: 1,
    SITE: 1,
    f"{SITE}/basicPublishingCredentialsPolicies": 2,
    f"{SITE}/config": 1,
}
BY_SWITCH = {
    "fixedAddress": (
        "Microsoft.Network/publicIPAddresses",
        "Microsoft.Network/natGateways",
        "Microsoft.Network/virtualNetworks",
    ),
    "monthlyBudget": ("Microsoft.Consumption/budgets",),
}
WATCHING = ("Microsoft.Insights/actionGroups", "Microsoft.Insights/scheduledQueryRules", "Microsoft.Insights/workbooks")
"""Of which there may be any number."""
NAMES_TAKE = {STORAGE: r"[a-z0-9]{3,24}", VAULT: r"[a-z][a-z0-9-]{1,22}[a-z0-9]", SITE: r"[a-z0-9-]{2,60}"}
"""Azure: naming rules."""

WANTED: Mapping[str, Mapping[str, object]] = {
    STORAGE: {
        "properties.allowSharedKeyAccess": False,
        "properties.allowBlobPublicAccess": False,
        "properties.allowCrossTenantReplication": False,
        "properties.supportsHttpsTrafficOnly": True,
        "properties.minimumTlsVersion": ("TLS1_2", "TLS1_3"),
    },
    f"{STORAGE}/blobServices/containers": {"properties.publicAccess": "None"},
    VAULT: {
        "properties.enableRbacAuthorization": True,
        "properties.enablePurgeProtection": True,
        "properties.enableSoftDelete": True,
        "properties.softDeleteRetentionInDays": 90,
    },
    LOGS: {
        "properties.features.disableLocalAuth": True,
        "properties.retentionInDays": 30,
        "properties.workspaceCapping.dailyQuotaGb": range(1, 101),
    },
    INSIGHTS: {
        "properties.DisableLocalAuth": True,
        "properties.WorkspaceResourceId": re.compile(r".*/workspaces/log-.*"),
    },
    PLAN: {"sku.tier": "FlexConsumption", "sku.name": "FC1", "properties.reserved": True},
    SITE: {
        "kind": "functionapp,linux",
        "identity.type": "UserAssigned",
        "tags.azd-service-name": "app",
        "properties.httpsOnly": True,
        "properties.siteConfig.minTlsVersion": ("1.2", "1.3"),
        "properties.siteConfig.scmMinTlsVersion": ("1.2", "1.3"),
        "properties.siteConfig.ftpsState": "Disabled",
        "properties.functionAppConfig.runtime.name": "python",
        "properties.functionAppConfig.runtime.version": "3.13",
        "properties.functionAppConfig.deployment.storage.type": "blobContainer",
        "properties.functionAppConfig.deployment.storage.value": re.compile(r".*blob.*packages.*"),
        "properties.functionAppConfig.deployment.storage.authentication.type": "UserAssignedIdentity",
        "properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB": (512, 2048, 4096),
        "properties.functionAppConfig.scaleAndConcurrency.maximumInstanceCount": range(40, 1001),
        "properties.functionAppConfig.scaleAndConcurrency.triggers.http.perInstanceConcurrency": range(8, 33),
    },
    f"{SITE}/basicPublishingCredentialsPolicies": {"properties.allow": False},
    f"{SITE}/config": {"name": re.compile(".*/appsettings")},
    "Microsoft.Network/virtualNetworks": {
        "properties.subnets.0.properties.delegations.0.properties.serviceName": "Microsoft.App/environments",
        "properties.subnets.0.properties.natGateway.id": re.compile(".*/natGateways/ng-.*"),
    },
    "Microsoft.Network/publicIPAddresses": {"properties.publicIPAllocationMethod": "Static", "sku.name": "Standard"},
}
"""A value, the choice of some, a range of numbers, or what its text looks like; by where it is."""

# ------------------------------------------------------------------------------------------------------------- settings
BY_LIBRARIES = {
    "AZURE_CLIENT_ID": "azure-identity: which identity",
    "AzureWebJobsStorage__blobServiceUri": "the Functions host",
    "AzureWebJobsStorage__clientId": "the Functions host",
    "AzureWebJobsStorage__credential": "the Functions host",
    "AzureWebJobsStorage__queueServiceUri": "the Functions host",
    "AzureWebJobsStorage__tableServiceUri": "the Functions host",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "the Functions host",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "the Functions host",
    "PYTHON_THREADPOOL_THREAD_COUNT": "the Python worker",
}
"""Settings that somebody else reads than our code, all of which are needed, and who does."""
LEFT_TO_DEFAULT = {
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "TANDEM_ALIMAIL_DELETES_FOLDERS",
    "TANDEM_ALIMAIL_URL",
    "TANDEM_CATEGORIES",
    "TANDEM_DAY",
    "TANDEM_DINGTALK_OAPI_URL",
    "TANDEM_DINGTALK_URL",
    "TANDEM_GRACE_SECONDS",
    "TANDEM_GRAPH_CERTIFICATE",
    "TANDEM_GRAPH_URL",
    "TANDEM_IMAP_CONNECTIONS",
    "TANDEM_IMAP_HOST",
    "TANDEM_IMAP_PORT",
    "TANDEM_IMAP_TLS",
    "TANDEM_JUNK",
    "TANDEM_LARGEST_MB",
    "TANDEM_LEASE_SECONDS",
    "TANDEM_LOGIN_URL",
    "TANDEM_MIRROR_VANISHED",
    "TANDEM_NIGHT_POLL_SECONDS",
    "TANDEM_NOTES",
    "TANDEM_POLL_SECONDS",
    "TANDEM_RECEIPTS",
    "TANDEM_REQUEST_TIMEOUT",
    "TANDEM_SPOOL_FOLDER",
    "TANDEM_STATE",
    "TANDEM_TIME_ZONE",
    "TANDEM_TWIN_HOLD_SECONDS",
}
"""Settings that the template leaves to `moreSettings`."""
FORBIDDEN = re.compile(
    r"FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|FUNCTIONS_WORKER_PROCESS_COUNT"
    r"|FUNCTIONS_MAX_HTTP_CONCURRENCY|WEBSITE_RUN_FROM_PACKAGE|WEBSITE_CONTENT.*|SCM_DO_BUILD_DURING_DEPLOYMENT"
    r"|ENABLE_ORYX_BUILD|WEBSITE_VNET_ROUTE_ALL|WEBSITE_TIME_ZONE|TZ|AzureWebJobsStorage|AzureWebJobsDashboard"
)
"""What Flex Consumption doesn't take, and connection strings with keys."""
SECRET = re.compile(r"@Microsoft\.KeyVault|AccountKey=|SharedAccessSignature|sig=|secret", re.IGNORECASE)
KEYS = re.compile(r"listKeys|listAccountSas|listSecrets|listServiceSas|getSecret\(", re.IGNORECASE)

SUBNET = r"/subscriptions/.*/virtualNetworks/vnet-[^/]*/subnets/app"

Rule = Callable[[Deployment, Mapping[str, Any]], Iterator[str]]
"""What is wrong with a deployment that was given these parameters, a line for each."""


def complaints(deployment: Deployment, values: Mapping[str, Any]) -> list[str]:
    return [line for rule in RULES for line in rule(deployment, values)]


def _has_its_resources(deployment: Deployment, values: Mapping[str, Any]) -> Iterator[str]:
    wanted = Counter(ALWAYS)
    for switch, types in BY_SWITCH.items():
        if values.get(switch):
            wanted.update(types)
    found = Counter(one["type"] for one in deployment.resources if one["type"] not in (ASSIGNMENT, *WATCHING))
    for type in sorted({*wanted, *found}):
        if wanted[type] != found[type]:
            yield f"{type}: there are {found[type]} in place of {wanted[type]}"


def _is_where_it_belongs(deployment: Deployment, values: Mapping[str, Any]) -> Iterator[str]:
    for one in deployment.resources:
        if one["type"] != GROUP and f"/resourceGroups/{values['environmentName']}-rg/" not in one["id"]:
            yield f"{one['type']}: is outside the resource group"
        if one.get("location", values["location"]) not in (values["location"], "global"):
            yield f"{one['type']}: is in another region"
        if "location" in one and one.get("tags", {}).get("azd-env-name") != values["environmentName"]:
            yield f"{one['type']}: lacks the tag azd-env-name"
        if not re.fullmatch(NAMES_TAKE.get(one["type"], ".{1,90}"), one["name"]):
            yield f"{one['type']}: can't have the name {one['name']}"


def _has_its_values(deployment: Deployment, values: Mapping[str, Any]) -> Iterator[str]:
    for type, wanted in WANTED.items():
        for one in deployment.of_type(type):
            for path, want in wanted.items():
                if not _is(found := _at(one, path), want):
                    yield f"{type}: {path} is {found!r}"


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def _is(found: object, want: object) -> bool:
    if isinstance(want, re.Pattern):
        return isinstance(found, str) and want.fullmatch(found) is not None
    if isinstance(want, tuple | range):
        return found in want
    return found == want and type(found) is type(want)


def _gives_exactly_its_roles(deployment: Deployment, values: Mapping[str, Any]) -> Iterator[str]:
    names = {role.id: role.name for role in ROLES}
    here = [role for role in ROLES if role.to == APP or values.get("principalId")]
    wanted = Counter(f"{role.to}: {role.name} on {role.on}" for role in here)
    found = Counter[str]()
    for one in deployment.of_type(ASSIGNMENT):
        properties = one["properties"]
        to = _who(properties["principalId"], properties["principalType"], values)
        role = properties["roleDefinitionId"].rpartition("/")[2]
        scope = one["id"].partition("/providers/Microsoft.Authorization/")[0]
        on = re.sub(r".*/providers/([^/]+/[^/]+)/[^/]+", r"\1", scope)
        found[f"{to}: {names.get(role, role)} on {on}"] += 1
    yield from (f"a role is missing: {role}" for role in wanted - found)
    yield from (f"a role too many: {role}" for role in found - wanted)


def _who(principal: str, type: str, values: Mapping[str, Any]) -> str:
    if re.fullmatch(r"\[reference\('[^']*/userAssignedIdentities/id-[^']*', '[^']*'\)\.principalId\]", principal):
        return APP if type == "ServicePrincipal" else f"{APP} as {type}"
    if principal == values.get("principalId"):
        return ADMINISTRATOR if type == values.get("principalType", "User") else f"{ADMINISTRATOR} as {type}"
    return principal


def _runs_as_its_identity(deployment: Deployment, values: Mapping[str, Any]) -> Iterator[str]:
    identities = {one["id"] for one in deployment.of_type("Microsoft.ManagedIdentity/userAssignedIdentities")}
    for site in deployment.of_type(SITE):
        if set(_at(site, "identity.userAssignedIdentities") or ()) != identities:
            yield "the app doesn't run as the identity that has the roles"
        where = "properties.functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId"
        if _at(site, where) not in identities:
            yield "deployments don't sign in as the identity that has the roles"
        leaves_by = str(_at(site, "properties.virtualNetworkSubnetId") or "")
        if not re.fullmatch(SUBNET if values.get("fixedAddress") else "", leaves_by):
            yield "the app's requests don't leave as fixedAddress says"


def _asks_for_no_key(deployment: Deployment, values: Mapping[str, Any]) -> Iterator[str]:
    for one in (*deployment.resources, {"type": "outputs", **deployment.outputs}):
        if KEYS.search(json.dumps(one)):
            yield f"{one['type']}: asks for a key"


def _sets_what_is_read(deployment: Deployment, values: Mapping[str, Any]) -> Iterator[str]:
    given = settings_of(deployment)
    own = {*NAMES, *HOST} - set(IN_VAULT) - LEFT_TO_DEFAULT
    for name in sorted((own | set(BY_LIBRARIES)) - set(given)):
        yield f"{name}: is not set"
    for name in sorted(set(given) - own - set(BY_LIBRARIES) - set(values.get("moreSettings", {}))):
        yield f"{name}: {'must not be set' if FORBIDDEN.fullmatch(name) else 'is set and nobody reads it'}"
    for name, value in given.items():
        if name in IN_VAULT or SECRET.search(value) or (name.startswith("TANDEM_") and KEYS.search(value)):
            yield f"{name}: holds a secret"


def _sets_what_the_code_takes(deployment: Deployment, values: Mapping[str, Any]) -> Iterator[str]:
    given = known(settings_of(deployment))
    waits = {"TANDEM_GRAPH_CLIENT_ID", "TANDEM_ALIMAIL_CLIENT_ID"} if "graphClientId" not in values else set()
    try:
        load_settings(given)
    except WrongSettings as error:
        lines = str(error).splitlines()
        yield from (line for line in lines if not (line.partition(":")[0] in waits and "is missing" in line))
        waits -= {line.partition(":")[0] for line in lines}
    yield from (f"{name}: isn't asked for" for name in waits)
    for name in (*(name for name in BY_LIBRARIES if name in given), *(name for name in given if name.endswith("_URL"))):
        if not given[name] or given[name].startswith("["):
            yield f"{name}: can't be {given[name]!r}"


def settings_of(deployment: Deployment) -> dict[str, str]:
    (config,) = deployment.of_type(f"{SITE}/config")
    return {name: str(value) for name, value in config["properties"].items()}


EXPRESSIONS = (
    (r"environment\(\)\.suffixes\.storage", "'core.windows.net'"),
    (r"environment\(\)\.suffixes\.keyvaultDns", "'.vault.azure.net'"),
    (r"reference\('[^']*/userAssignedIdentities/[^']*', '[^']*'\)\.clientId", "'44444444-4444-4444-4444-444444444444'"),
    (
        r"reference\(resourceId\(.*format\('roles-.*\)\.outputs\.clientId\.value",
        "'44444444-4444-4444-4444-444444444444'",
    ),
    (r"reference\('[^']*/sites/[^']*', '[^']*'\)\.defaultHostName", "'func-x.azurewebsites.net'"),
    (
        r"reference\('[^']*/components/[^']*', '[^']*'\)\.ConnectionString",
        f"'InstrumentationKey={'0' * 36};IngestionEndpoint=https://eastasia-0.in.applicationinsights.azure.com/'",
    ),
)
"""What Azure would put in place of expressions, as literals of the same language."""


def known(settings: Mapping[str, str]) -> dict[str, str]:
    """With what Azure would put in place of the expressions that are right; others stay as they are."""
    return {name: _evaluated(value) for name, value in settings.items()}


def _evaluated(value: str) -> str:
    if not value.startswith("["):
        return value
    text = value[1:-1]
    for pattern, literal in EXPRESSIONS:
        text = re.sub(pattern, literal, text)
    if re.fullmatch(r"'[^']*'", text):
        return text[1:-1]
    if re.fullmatch(r"format\('[^']*'(, '[^']*')*\)", text):
        form, *arguments = re.findall(r"'([^']*)'", text)
        return str(form.format(*arguments))
    return value


RULES: tuple[Rule, ...] = (
    _has_its_resources,
    _is_where_it_belongs,
    _has_its_values,
    _gives_exactly_its_roles,
    _runs_as_its_identity,
    _asks_for_no_key,
    _sets_what_is_read,
    _sets_what_the_code_takes,
)
