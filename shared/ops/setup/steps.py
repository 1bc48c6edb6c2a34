"""The steps of a setup, in their order. Everything that is said about them elsewhere is made from this."""

from __future__ import annotations

import json

from shared.ops.setup import keys
from shared.ops.setup.checks import Checks
from shared.ops.setup.facts import BY_KEY, CLIENT_SECRET, MANAGED_IDENTITY, SCOPED, TENANT_WIDE, YES
from shared.ops.setup.facts import SETTINGS as TOLD
from shared.ops.setup.model import Command, Condition, Make, Screen, Step
from shared.ops.setup.rights import ID_OF, IN_ENTRA, IN_EXCHANGE

GRAPH = "00000003-0000-0000-c000-000000000000"
"""Microsoft Graph, the same in every tenant."""
LEAVERS: Condition = ("leavers", YES)
APP = "Tandem"

FEDERATED = {
    "name": "tandem",
    "issuer": "https://login.microsoftonline.com/<tenant>/v2.0",
    "subject": "<identity>",
    "audiences": ["api://AzureADTokenExchange"],
}
"""Entra: workload identity federation, a managed identity as credential of an app. Matching minds the case."""

EXCHANGE = "\n".join(
    (
        "$ErrorActionPreference = 'Stop'",
        "Connect-ExchangeOnline -ShowBanner:$false",
        "if (-not (Get-DistributionGroup -Identity '<group>' -ErrorAction SilentlyContinue)) {",
        f"  New-DistributionGroup -Name '{APP}' -Type Security -PrimarySmtpAddress '<group>' -Members '<inside>' }}",
        "if (-not (Get-ServicePrincipal -Identity '<object>' -ErrorAction SilentlyContinue)) {",
        f"  New-ServicePrincipal -AppId '<client>' -ObjectId '<object>' -DisplayName '{APP}' }}",
        "$group = (Get-DistributionGroup -Identity '<group>').DistinguishedName.Replace(\"'\", \"''\")",
        f"if (-not (Get-ManagementScope -Identity '{APP}' -ErrorAction SilentlyContinue)) {{",
        f"  New-ManagementScope -Name '{APP}' -RecipientRestrictionFilter \"MemberOfGroup -eq '$group'\" }}",
        f"foreach ($role in {', '.join(repr(role) for role in IN_EXCHANGE)}) {{",
        f'  if (-not (Get-ManagementRoleAssignment -Identity "{APP} $role" -ErrorAction SilentlyContinue)) {{',
        f"    New-ManagementRoleAssignment -Name \"{APP} $role\" -App '<object>' -Role $role"
        f" -CustomResourceScope '{APP}' }} }}",
        "Test-ServicePrincipalAuthorization -Identity '<object>' -Resource '<inside>' | Format-Table",
    )
)
"""Exchange: RBAC for Applications. Running it again does what is left of it."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _permissions(rights: str) -> Command:
    roles = tuple(f"{ID_OF[name]}=Role" for name in sorted(IN_ENTRA[rights]))
    words = (*_words(f"ad app permission add --id <client> --api {GRAPH} --api-permissions"), *roles)
    return Command("az", words, f"Asks for {', '.join(sorted(IN_ENTRA[rights]))}.", when=("rights", rights))


def _client_secret(when: Condition) -> Command:
    words = (
        "ad app credential reset --id <client> --append --display-name tandem --years 1 --query password --output tsv"
    )
    return Command(
        "az", _words(words), "It is good for a year. Its output goes into the vault.", secret=keys.GRAPH, when=when
    )


def _setting(name: str, value: str, when: Condition | tuple[()]) -> Command:
    return Command("azd", ("env", "set", name, value), when=when)


REGISTRATION = Step(
    "registration",
    "The app registration",
    "It is whom Microsoft 365 lets in: for your directory alone, with no address to come back to and no user.",
    (
        Command(
            "az",
            _words("login --tenant <tenant>"),
            "You sign in, in the directory of your company.",
            done_if=_words("account show --query tenantId --output tsv"),
            says="<tenant>",
        ),
        Command(
            "az",
            _words(f"ad app create --display-name {APP} --sign-in-audience AzureADMyOrg --query appId --output tsv"),
            keeps="client",
            done_if=_words(f"ad app list --display-name {APP} --query [?displayName=='{APP}'].appId --output tsv"),
        ),
        Command(
            "az",
            _words("ad sp create --id <client> --query id --output tsv"),
            keeps="object",
            done_if=_words("ad sp show --id <client> --query id --output tsv"),
        ),
    ),
    Checks.registration,
    asks=(("tenant", ()),),
)

VAULT = Step(
    "vault",
    "The key vault",
    "Secrets are kept there and nowhere else, so it must let you in; the key with which names are hashed is made.",
    (Make(keys.DEPLOYMENT, "the key of the deployment", keys.draw_key),),
    Checks.vault,
)

SIGN_IN = Step(
    "sign-in",
    "What it signs in with",
    "The app has to prove that it is the registered one.",
    (
        Command(
            "az",
            (*_words("ad app federated-credential create --id <client> --parameters"), json.dumps(FEDERATED)),
            "The registration trusts the app's identity in Azure from now on.",
            when=("proof", MANAGED_IDENTITY),
        ),
        _client_secret(("proof", CLIENT_SECRET)),
    ),
    Checks.sign_in,
    decides="proof",
)

FROM_HERE = Step(
    "from-here",
    "Signing in from your own machine",
    "`tandem pair add` and the next step ask Microsoft 365 as the app. Here that takes a client secret, read from the"
    " vault; the app in Azure goes on without one.",
    (_client_secret(("proof", MANAGED_IDENTITY)),),
    Checks.from_here,
)

RIGHTS = Step(
    "rights",
    "Rights to mailboxes",
    "Tandem reads and writes mail in the mailboxes that you name; it is never given the right to send.",
    (
        _permissions(SCOPED),
        _permissions(TENANT_WIDE),
        Command(
            "az",
            _words("ad app permission admin-consent --id <client>"),
            "You grant what was asked for, as Global or Privileged Role Administrator.",
        ),
        Command(
            "pwsh",
            ("-NoProfile", "-Command", EXCHANGE),
            "Exchange gives the rights for the direct members of one group, as Exchange Administrator. It takes 30"
            " minutes to two hours to be heard of; looking in between keeps the old answer alive.",
            when=("rights", SCOPED),
            wait=(30, 120),
        ),
    ),
    Checks.rights,
    decides="rights",
    asks=(("inside", ()), ("outside", ("rights", SCOPED))),
)

ALIMAIL = Step(
    "alimail",
    "The app in DingTalk's mail",
    "It is whom Alimail lets in to the mailboxes of your mail domain; it needs the paid edition.",
    (
        Screen(
            "Alimail admin console → advanced → API open platform",
            (
                "Make an app with the name Tandem.",
                "Tick Mail.ReadWrite.All and User.Read.All, and no permission with Send in its name; save.",
                "Copy the app's ID and its secret: both are asked for here.",
            ),
        ),
        Screen(
            "Alimail admin console → the settings of third-party clients",
            (
                "Allow third-party clients and IMAP for the mailboxes that are kept in step.",
                "Each person then makes a client password (三方客户端安全密码) in the settings of their own webmail;"
                " `tandem pair add` asks for it.",
            ),
        ),
    ),
    Checks.alimail,
    learns=("alimail",),
    secret=keys.ALIMAIL,
)

DINGTALK = Step(
    "dingtalk",
    "The app in DingTalk",
    "It tells Tandem who leaves the organisation; without it, everything else works.",
    (
        Screen(
            "DingTalk's console (open-dev.dingtalk.com) → application development → internal app (企业内部应用)",
            ("Make an app with the name Tandem.", "Copy the CorpId, the AppKey (Client ID) and the AppSecret."),
            when=LEAVERS,
        ),
        Screen(
            "The app → development → permissions (权限管理)",
            ("Apply for qyapi_get_member (成员信息读权限): reading the organisation's people.",),
            when=LEAVERS,
        ),
        Make(keys.TOKEN, "the token of the callback", keys.draw_token, when=LEAVERS),
        Make(keys.AES_KEY, "the aes_key of the callback", keys.draw_aes_key, when=LEAVERS),
    ),
    Checks.dingtalk,
    decides="leavers",
    learns=("corp", "app-key"),
    secret=keys.DINGTALK,
    needs=LEAVERS,
)

SETTINGS = Step(
    "settings",
    "Settings that aren't secret",
    "The template reads them from azd's environment and gives them to the app.",
    tuple(_setting(BY_KEY[key].names[0], f"<{key}>", when) for key, when in TOLD.items()),
    Checks.settings,
    together=True,
)

DEPLOY = Step(
    "deploy",
    "Settings and code on Azure",
    "The app starts with what it was given.",
    (Command("azd", ("up",), "It takes some minutes."),),
    Checks.deployed,
    asks=(("url", ()),),
)

CALLBACK = Step(
    "callback",
    "DingTalk's callback",
    "DingTalk tells the app at this address. Its console tries the address when it is saved, so the app must be up.",
    (
        Screen(
            "The app → development → event subscription (事件订阅) → HTTP push",
            (
                "Type what `tandem setup --show callback` prints: the address <url>/api/dingtalk/callback, the token,"
                " the aes_key. Save.",
                "Subscribe to user joins (user_add_org), user changes (user_modify_org), user leaves (user_leave_org).",
            ),
            when=LEAVERS,
        ),
    ),
    Checks.callback,
    needs=LEAVERS,
)

STEPS = (REGISTRATION, VAULT, SIGN_IN, FROM_HERE, RIGHTS, ALIMAIL, DINGTALK, SETTINGS, DEPLOY, CALLBACK)
BY_NAME = {step.name: step for step in STEPS}

FIRST_PAIR = (
    "Now the first pair, in a shell that has azd's values in its environment:\n"
    '  set -a; eval "$(azd env get-values)"; set +a\n'
    "  tandem pair add --name Anna --outlook anna@example.com --dingtalk anna@example.cn"
)
