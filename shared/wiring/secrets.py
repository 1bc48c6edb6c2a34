"""The app's own secrets: from the settings, or else from the vault."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from shared.dingtalk.callback import aes_key
from shared.model.errors import SignInRefused, StoreUnavailable, Unavailable, WrongSettings
from shared.ports.state import Secret, Secrets
from shared.ports.world import Clock
from shared.wiring.fields import PREFIX
from shared.wiring.parts import Parts
from shared.wiring.settings import IN_VAULT, Settings

log = logging.getLogger("tandem.secrets")

AGAIN = 60.0
"""Seconds after which who found no secret is to try again."""
HELD = 5.0
"""Seconds for which the vault is not asked again for one that can't be used: anybody may knock at the callback."""

CHECKS: Mapping[str, Callable[[str], object]] = {"dingtalk_aes_key": aes_key}
"""By field: raises ValueError for what can't be one."""


def app_secret(field: str, settings: Settings, parts: Parts) -> Secret:
    """The secret of this field of the settings."""
    given = getattr(settings, field)
    if given is not None:
        return lambda fresh=False: str(given.get_secret_value())
    setting, check = f"{PREFIX}{field.upper()}", CHECKS.get(field, str)
    return VaultSecret(setting, parts.secrets, parts.clock, str(settings.vault_url), check)


def needed_secrets(settings: Settings, parts: Parts) -> tuple[Secret, ...]:
    """All that these settings call for."""
    fields = ["alimail_client_secret"]
    if not (settings.graph_federated or settings.graph_certificate):
        fields += ["graph_client_secret"]
    if settings.dingtalk_app_key is not None:
        fields += ["dingtalk_app_secret", "dingtalk_token", "dingtalk_aes_key"]
    return tuple(app_secret(field, settings, parts) for field in fields)


class VaultSecret:
    """A secret that no setting gives. An error is said in the log once until it is another one."""

    def __init__(
        self, setting: str, secrets: Secrets, clock: Clock, vault_url: str, check: Callable[[str], object]
    ) -> None:
        self._setting, self._name, self._check = setting, IN_VAULT[setting], check
        self._secrets, self._clock = secrets, clock
        self._vault = (urlsplit(vault_url).hostname or "").split(".")[0]
        self._refused: tuple[str, float] = ("", 0.0)

    def __call__(self, fresh: bool = False) -> str:
        wrong, until = self._refused
        if not wrong or self._clock.monotonic() >= until:
            value, wrong = self._read(fresh)
            if not wrong:
                self._refused = ("", 0.0)
                return value
            if wrong != self._refused[0]:
                log.error("%s", wrong)
            self._refused = (wrong, self._clock.monotonic() + HELD)
        raise SignInRefused(wrong, code=self._name, retry_after=AGAIN)

    def _read(self, fresh: bool) -> tuple[str, str]:
        """-> the value, and what is wrong with it: "" for a good one."""
        try:
            value = self._secrets.get(self._name, fresh)
        except WrongSettings as error:  # disabled
            return "", str(error)
        except StoreUnavailable as error:
            raise Unavailable(str(error), code=error.code) from error
        mend = f"set {self._setting}, or put the secret {self._name} into the vault {self._vault}: `tandem setup`"
        if not value:
            return "", f"the secret {self._name} is missing: {mend}"
        try:
            self._check(value)
        except ValueError as error:
            return "", f"the secret {self._name} {error}: {mend}"
        return value, ""
