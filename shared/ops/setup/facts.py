"""What has to be known to set a deployment up: none of it is secret, all of it is checked before it is used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.model.errors import WrongSettings

GUID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
MAILBOX = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
PLACE = re.compile(r"https?://[A-Za-z0-9.:-]+")
WORD = re.compile(r"[A-Za-z0-9._-]{2,128}")

MANAGED_IDENTITY, CLIENT_SECRET = "managed-identity", "client-secret"
SCOPED, TENANT_WIDE = "scoped", "tenant-wide"
YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Fact:
    """`names`: the settings that hold it, the first of which is asked first; none: it is setup's own. `wrong` says what
    isn't right about a text that does not match. `choices` make it a decision, the recommended one first."""

    key: str
    about: str
    pattern: re.Pattern[str] = WORD
    wrong: str = "is not made of letters, digits, dots and dashes"
    names: tuple[str, ...] = ()
    choices: tuple[tuple[str, str], ...] = ()

    def checked(self, text: str) -> str:
        """`text` as it is kept; WrongSettings without showing it."""
        text = text.strip().rstrip("/") if self.pattern is PLACE else text.strip()
        if self.choices and text not in dict(self.choices):
            raise WrongSettings(f"{self.label}: is none of {', '.join(dict(self.choices))}")
        if not self.pattern.fullmatch(text):
            raise WrongSettings(f"{self.label}: {self.wrong}; {self.about}")
        return text

    @property
    def label(self) -> str:
        return self.names[0] if self.names else self.key


NO_GUID = "is not an ID such as 00000000-0000-0000-0000-000000000000"
NO_ADDRESS = "is not an address such as anna@example.com"
NO_PLACE = "is not an address such as https://example.net, without a path"

FACTS = (
    Fact(
        "tenant",
        "directory (tenant) ID: Azure portal → Microsoft Entra ID → Overview → Tenant ID",
        GUID,
        NO_GUID,
        ("TANDEM_GRAPH_TENANT_ID", "AZURE_TENANT_ID"),
    ),
    Fact(
        "client",
        "application (client) ID: Microsoft Entra ID → App registrations → Tandem → Overview",
        GUID,
        NO_GUID,
        ("TANDEM_GRAPH_CLIENT_ID",),
    ),
    Fact(
        "object",
        "object ID of the app's service principal: Microsoft Entra ID → Enterprise applications → Tandem → Overview"
        " (not the one under App registrations)",
        GUID,
        NO_GUID,
    ),
    Fact(
        "identity",
        "object (principal) ID of the managed identity, which `azd provision` prints",
        GUID,
        NO_GUID,
        ("APP_IDENTITY_PRINCIPAL_ID",),
    ),
    Fact("vault", "address of the key vault, which `azd provision` prints", PLACE, NO_PLACE, ("TANDEM_VAULT_URL",)),
    Fact("url", "address of the app, which `azd provision` prints", PLACE, NO_PLACE, ("TANDEM_PUBLIC_URL",)),
    Fact("group", "address of the group of the mailboxes that Tandem may open", MAILBOX, NO_ADDRESS),
    Fact("inside", "address of a mailbox in that group, to try that it opens", MAILBOX, NO_ADDRESS),
    Fact("outside", "address of a mailbox that isn't in the group, to try that it doesn't open", MAILBOX, NO_ADDRESS),
    Fact("alimail", "the app's ID as the Alimail console shows it", names=("TANDEM_ALIMAIL_CLIENT_ID",)),
    Fact("corp", "the organisation's CorpId", names=("TANDEM_DINGTALK_CORP_ID",)),
    Fact("app-key", "the app's AppKey (Client ID)", names=("TANDEM_DINGTALK_APP_KEY",)),
    Fact(
        "proof",
        "what the app signs in to Microsoft 365 with",
        names=("GRAPH_SIGN_IN",),
        choices=(
            (MANAGED_IDENTITY, "the app's own identity in Azure: no secret, nothing expires"),
            (CLIENT_SECRET, "a secret in the vault, which expires and has to be replaced"),
        ),
    ),
    Fact(
        "rights",
        "which mailboxes it may open",
        choices=(
            (SCOPED, "those of one group, by Exchange"),
            (TENANT_WIDE, "every mailbox of the organisation: wider"),
        ),
    ),
    Fact(
        "leavers",
        "whether it notices when somebody leaves the organisation",
        choices=(
            (YES, "DingTalk tells it, by an app of the open platform"),
            (NO, "nobody is paused by itself; everything else works"),
        ),
    ),
)
BY_KEY: Mapping[str, Fact] = {fact.key: fact for fact in FACTS}
DECISIONS = tuple(fact.key for fact in FACTS if fact.choices)

SETTINGS: Mapping[str, tuple[str, str] | tuple[()]] = {
    "tenant": (),
    "client": (),
    "proof": (),
    "alimail": (),
    "corp": ("leavers", YES),
    "app-key": ("leavers", YES),
}
"""The facts that the app has to be told, each with the decision that it hangs on."""

_PLACEHOLDER = re.compile(r"<([a-z-]+)>")


class Facts:
    """Those that are known. What the environment says comes before what was noted earlier."""

    def __init__(self, env: Mapping[str, str], noted: Mapping[str, str]) -> None:
        """WrongSettings names every one that can't be used, a line for each; no value is shown."""
        self._known: dict[str, str] = {}
        wrong: list[str] = []
        for fact in FACTS:
            given = (env.get(name, "").strip() for name in fact.names)
            text = next(filter(None, given), "") or noted.get(fact.key, "")
            try:
                if text:
                    self._known[fact.key] = fact.checked(text)
            except WrongSettings as error:
                wrong.append(str(error))
        if not self._known.get("proof") and env.get("TANDEM_GRAPH_FEDERATED", "").strip():
            self._known["proof"] = MANAGED_IDENTITY
        if wrong:
            raise WrongSettings("\n".join(wrong))

    def get(self, key: str) -> str:
        """ "" when it isn't known."""
        return self._known.get(key, "")

    def learn(self, key: str, text: str) -> str:
        """-> as it is kept; WrongSettings when it can't be used."""
        self._known[key] = BY_KEY[key].checked(text)
        return self._known[key]

    def chosen(self, key: str) -> str:
        """A decision as it was made, or else as it is recommended."""
        return self.get(key) or BY_KEY[key].choices[0][0]

    def known(self) -> dict[str, str]:
        return dict(self._known)

    def missing(self, texts: Iterable[str]) -> list[str]:
        """The facts that `texts` have places for and that aren't known."""
        keys = [key for text in texts for key in _PLACEHOLDER.findall(text) if key in BY_KEY]
        return [key for key in dict.fromkeys(keys) if not self._text(key)]

    def filled(self, text: str) -> str:
        """`text` with what is known in its places; `<key>` stays where it isn't."""
        return _PLACEHOLDER.sub(lambda found: self._text(found[1]) or found[0], text)

    def _text(self, key: str) -> str:
        return self.chosen(key) if key in DECISIONS else self.get(key)
