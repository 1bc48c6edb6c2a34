"""Whether a step is done, found by looking at the real thing. Checks change nothing and ask nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from functools import cached_property
from typing import Any

from shared.model.errors import NotPermitted, TandemError, WrongSettings
from shared.ops.setup import keys
from shared.ops.setup.env_file import read_env
from shared.ops.setup.facts import BY_KEY, MANAGED_IDENTITY, NO, SCOPED, SETTINGS, Facts
from shared.ops.setup.model import Tools, Verdict, applies
from shared.ops.setup.progress import Progress
from shared.ops.setup.reach import Reach, World, roles_of
from shared.ops.setup.rights import ROLE_IDS, judged
from shared.outlook.tokens import AppTokens
from shared.ports.state import Secrets

EARLIEST, LATEST = 30 * 60.0, 120 * 60.0
"""Seconds until rights given by Exchange are heard of, at least and at most; each look before that keeps the old answer
alive (Exchange: RBAC for Applications)."""
AUDIENCE = "api://AzureADTokenExchange"
LEFT_OUT = Verdict("left out", "you chose to go without it")


class Checks:
    """`env`: the settings as they were given."""

    def __init__(self, world: World, facts: Facts, progress: Progress, tools: Tools, env: Mapping[str, str]) -> None:
        self._world, self.facts, self._progress, self._tools, self._env = world, facts, progress, tools, env
        self._reach = Reach(world, facts)

    @cached_property
    def secrets(self) -> Secrets:
        """Those of the vault. WrongSettings when its address isn't known."""
        if not self.facts.get("vault"):
            raise WrongSettings(
                "the address of the vault isn't known: run `azd provision`, then this again with --env-file, or set"
                " TANDEM_VAULT_URL"
            )
        return self._world.vault(self.facts.get("vault"))

    # ---- the vault
    def vault(self) -> Verdict:
        try:
            key = self.secrets.get(keys.DEPLOYMENT)
        except TandemError as error:
            return Verdict("wrong", f"{error}. {self._let_in()}")
        if key is None:
            return Verdict("missing", "it opens; the key of the deployment isn't in it yet")
        return Verdict("done", "it opens, and the key of the deployment is in it")

    def _let_in(self) -> str:
        name = self.facts.get("vault").partition("//")[2].partition(".")[0] or "<name>"
        return (
            "You need `az login` and the role Key Vault Secrets Officer, which the template gives to who runs it: az"
            " role assignment create --role 'Key Vault Secrets Officer' --assignee $(az ad signed-in-user show --query"
            f" id --output tsv) --scope $(az keyvault show --name {name} --query id --output tsv)"
        )

    # ---- Microsoft 365
    def registration(self) -> Verdict:
        if lacking := self._lacking("tenant", "client"):
            return lacking
        if not self._tools.has("az"):
            return self._told("registration", "its ID is known; az isn't here to look whether it is there")
        shown = self._tools.run("az", ("account", "show", "--query", "tenantId", "--output", "tsv"))
        if shown.status:
            return Verdict("missing", "az isn't signed in: run `az login`")
        tenant = self.facts.get("tenant")
        if shown.output.strip().lower() != tenant.lower():
            return Verdict("wrong", f"az is signed in to another tenant: run `az login --tenant {tenant}`")
        found = self._az("ad", "sp", "show", "--id", self.facts.get("client"))
        if not isinstance(found, dict):
            return Verdict("missing", "there is no such app in the tenant, or no service principal of it")
        if found.get("signInAudience") not in (None, "AzureADMyOrg"):
            return Verdict("wrong", "the app is for other tenants too: make it one for this directory alone")
        self.facts.learn("object", str(found.get("id")))
        return Verdict("done", "the app and its service principal are there")

    def sign_in(self) -> Verdict:
        if lacking := self._lacking("tenant", "client"):
            return lacking
        try:
            if self.facts.chosen("proof") != MANAGED_IDENTITY:
                return self.from_here()
            if self._world.identity is None:
                return self._federated()
            self._reach.graph_tokens("").token()
        except TandemError as error:
            return Verdict("wrong", str(error))
        return Verdict("done", "the app signs in")

    def _federated(self) -> Verdict:
        """The credential as it stands at the registration, where the identity itself isn't at hand."""
        if lacking := self._lacking("identity"):
            return lacking
        listed = self._az("ad", "app", "federated-credential", "list", "--id", self.facts.get("client"))
        if not isinstance(listed, list):
            return self._told("sign-in", "only the app itself can sign in so, and az can't show the credential here")
        wanted = {
            "issuer": f"https://login.microsoftonline.com/{self.facts.get('tenant')}/v2.0",
            "subject": self.facts.get("identity"),
            "audiences": [AUDIENCE],
        }
        for held in listed:
            if all(held.get(name) == value for name, value in wanted.items()):
                return Verdict("done", "the registration trusts the app's identity; only the app can sign in with it")
        for held in listed:
            if held.get("name") == "tandem":
                off = ", ".join(name for name, value in wanted.items() if held.get(name) != value)
                return Verdict(
                    "wrong",
                    f"the federated credential tandem has another {off}: delete it (az ad app federated-credential"
                    f" delete --id {self.facts.get('client')} --federated-credential-id tandem) and run this again",
                )
        return Verdict("missing", "the registration doesn't trust the app's identity yet")

    def from_here(self) -> Verdict:
        if lacking := self._lacking("tenant", "client"):
            return lacking
        try:
            secret = self.secrets.get(keys.GRAPH)
            if secret is None:
                return Verdict("missing", f"the vault holds no {keys.GRAPH}")
            self._reach.graph_tokens(secret).token()
        except TandemError as error:
            return Verdict("wrong", str(error))
        return Verdict("done", "the app signs in from here")

    def rights(self) -> Verdict:
        if lacking := self._lacking("tenant", "client"):
            return lacking
        choice = self.facts.chosen("rights")
        try:
            tokens = self._graph()
            held = self._held(tokens)
            bad = judged(held, choice) if held is not None else None
            if bad or tokens is None:
                return bad or self._told("rights", "mailboxes can't be tried, as the app can't sign in from here")
            return self._tried(tokens, choice)
        except TandemError as error:
            return Verdict("wrong", str(error))

    def _held(self, tokens: AppTokens | None) -> Set[str] | None:
        """The rights that the app holds in Entra; None when they can't be seen."""
        roles = roles_of(tokens.token()) if tokens else None
        if roles is not None or not self.facts.get("object"):
            return roles
        url = f"https://graph.microsoft.com/v1.0/servicePrincipals/{self.facts.get('object')}/appRoleAssignments"
        listed = self._az("rest", "--method", "GET", "--url", url)
        if not isinstance(listed, dict):
            return None
        ids = (str(one.get("appRoleId")) for one in listed.get("value") or ())
        return frozenset(ROLE_IDS.get(id, id) for id in ids)

    def _tried(self, tokens: AppTokens, choice: str) -> Verdict:
        """One look at a mailbox that should open and, where one group is meant, at one that should not."""
        asked = ("inside", "outside") if choice == SCOPED else ("inside",)
        if lacking := self._lacking(*asked):
            return lacking
        since = self._world.clock.now() - (self._progress.begun("rights") or 0.0)
        if choice == SCOPED and since < EARLIEST:
            left = (EARLIEST - since) / 60
            return Verdict("waiting", f"given just now: look again in {left:.0f} minutes; a look before keeps it away")
        if choice == SCOPED and (status := self._reach.opens(tokens, self.facts.get("outside"))) != 403:
            return _outside(status)
        status = self._reach.opens(tokens, self.facts.get("inside"))
        if status == 200:
            more = ", and one outside does not" if choice == SCOPED else ""
            return Verdict("done", f"a mailbox opens{more}; nothing may be sent")
        if status == 404:
            return Verdict("wrong", "the mailbox to try doesn't exist in Exchange Online: name another")
        if choice == SCOPED and since < LATEST:
            return Verdict("waiting", "the mailbox to try doesn't open yet: leave it alone until two hours are over")
        return Verdict("missing", f"the mailbox to try doesn't open (status {status})")

    def _graph(self) -> AppTokens | None:
        """None where nothing to sign in with is at hand."""
        if self.facts.chosen("proof") == MANAGED_IDENTITY and self._world.identity is not None:
            return self._reach.graph_tokens("")
        secret = self.secrets.get(keys.GRAPH)
        return self._reach.graph_tokens(secret) if secret else None

    # ---- DingTalk
    def alimail(self) -> Verdict:
        return self._lacking("alimail") or self._by_secret(keys.ALIMAIL, "Alimail gives the app a token")

    def dingtalk(self) -> Verdict:
        if self.facts.chosen("leavers") == NO:
            return LEFT_OUT
        lacking = self._lacking("corp", "app-key") or self._by_secret(keys.DINGTALK, "")
        return lacking if lacking and not lacking.fine else self._callback_keys()

    def _callback_keys(self) -> Verdict:
        for name in (keys.TOKEN, keys.AES_KEY):
            try:
                held = self.secrets.get(name)
                if held is None:
                    return Verdict("missing", f"the vault holds no {name}")
                keys.checked(name, held)
            except TandemError as error:
                return Verdict("wrong", str(error))
        return Verdict("done", "DingTalk gives the app a token and lets it read the directory; the keys are drawn")

    def callback(self) -> Verdict:
        if self.facts.chosen("leavers") == NO:
            return LEFT_OUT
        return self._told("callback", "can't be looked at before DingTalk's first event")

    def try_secret(self, name: str, value: str) -> None:
        """Use it once, before it is kept. A TandemError when the vendor refuses it."""
        keys.checked(name, value)
        if name == keys.ALIMAIL:
            self._reach.alimail(value)
        elif name == keys.DINGTALK:
            self._reach.dingtalk(value)
            self._reach.directory(value)

    def _by_secret(self, name: str, well: str) -> Verdict:
        try:
            held = self.secrets.get(name)
            if held is None:
                return Verdict("missing", f"the vault holds no {name}")
            self.try_secret(name, held)
        except NotPermitted as error:
            return Verdict("wrong", f"{error} ({error.code})" if error.code else str(error))
        except TandemError as error:
            return Verdict("wrong", str(error))
        return Verdict("done", well)

    # ---- the app
    def settings(self) -> Verdict:
        wanted = {
            BY_KEY[key].names[0]: self.facts.chosen(key) if BY_KEY[key].choices else self.facts.get(key)
            for key, when in SETTINGS.items()
            if applies(when, self.facts)
        }
        if unknown := [name for name, value in wanted.items() if not value]:
            return Verdict("missing", f"not known yet: {', '.join(unknown)}")
        held = self._environment()
        if off := [name for name, value in wanted.items() if held.get(name, "") != value]:
            return Verdict("missing", f"not set so in azd's environment: {', '.join(off)}")
        return Verdict("done", f"all {len(wanted)} are set in azd's environment")

    def _environment(self) -> Mapping[str, str]:
        """azd's, or what was given of it where azd isn't here."""
        if self._tools.has("azd"):
            ran = self._tools.run("azd", ("env", "get-values"))
            return read_env(ran.output) if ran.status == 0 else {}
        return self._env

    def deployed(self) -> Verdict:
        if lacking := self._lacking("url"):
            return lacking
        if (self._progress.begun("settings") or 0.0) > (self._progress.begun("deploy") or 0.0):
            return Verdict("missing", "settings were changed since `azd up` was last run")
        try:
            status, well, named = self._reach.health()
        except TandemError as error:
            return Verdict("missing", str(error))
        if status == 200 and well:
            return Verdict("done", "the app answers that it is well")
        if status == 503 and named:
            return Verdict("wrong", f"the app answers what it lacks or can't use: {', '.join(named)}")
        if status == 503:
            return Verdict("wrong", "the app answers that it can't work: its log says why (docs/settings.md)")
        return Verdict("missing", f"the app doesn't answer at /api/health (status {status}): deploy it")

    # ---- what they have in common
    def _lacking(self, *names: str) -> Verdict | None:
        unknown = [BY_KEY[key].label for key in names if not self.facts.get(key)]
        return Verdict("missing", f"not known yet: {', '.join(unknown)}") if unknown else None

    def _told(self, step: str, why: str) -> Verdict:
        if self._progress.said(step) is None:
            return Verdict("unseen", why)
        return Verdict("told", f"{why}; you said that it is done")

    def _az(self, *words: str) -> Any:
        """What az answers as JSON; None when it isn't here or says no."""
        if not self._tools.has("az"):
            return None
        ran = self._tools.run("az", (*words, "--output", "json"))
        try:
            return json.loads(ran.output) if ran.status == 0 else None
        except ValueError:
            return None


def _outside(status: int) -> Verdict:
    if status == 200:
        return Verdict("wrong", "a mailbox outside the group opens too: look who grants that, in Entra and in Exchange")
    if status == 404:
        return Verdict("wrong", "the mailbox outside the group doesn't exist in Exchange Online: name another")
    return Verdict("wrong", f"Graph gave no clear answer about a mailbox outside the group (status {status})")
