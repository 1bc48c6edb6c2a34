"""The Secrets port on Azure's Key Vault.

A vault knows no conditional write, so who may add a secret is decided by a row of the table: `secrets`, one for each
name, with no more in it than until when the one who has it may take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient

from shared.model.errors import Conflict, StoreUnavailable, WrongSettings
from shared.ports.state import Op, Table
from shared.state.azure import READS, translated, transport
from shared.state.limits import check_secret, check_secret_name

ROLE = "Key Vault Secrets Officer"
MAY_NOT_ADD = (
    "the secret {name} isn't in the vault yet, and this identity may only read there: run `tandem status` once,"
    f" signed in as somebody with the role '{ROLE}'"
)
CLAIMS = "secrets"
CLAIM = 180.0
"""Seconds after which one who claimed a name and added nothing is taken for dead: longer than its requests can take."""
WAIT, STEP = 240.0, 0.5
"""Seconds to wait for another who adds, or for the vault to carry something out, and between two looks."""
KEPT = 300.0
"""Seconds for which a value that was read is not read again: a vault takes money and time for each look."""
FRESH = 10.0
"""The same for who asks for it fresh: who is refused again and again, or knocks with forged calls, makes no load."""


class VaultSecrets:
    """Secrets of the vault at `url`. `table` decides who adds. `verify_challenge_resource`: that the vault asks for a
    token of its own domain, which only a stand-in on this machine does not.

    A deleted name stays recoverable in the vault for its days of retention: setting it recovers it first. The app's
    identity needs the role ROLE, or for reading alone `Key Vault Secrets User`."""

    def __init__(
        self, url: str, credential: TokenCredential, table: Table, *, verify_challenge_resource: bool = True
    ) -> None:
        self._client = SecretClient(
            url,
            credential,
            transport=transport(),
            verify_challenge_resource=verify_challenge_resource,
            **READS,
        )
        self._table = table
        self._kept: dict[str, tuple[float, str]] = {}

    def get(self, name: str, fresh: bool = False) -> str | None:
        """WrongSettings when somebody has disabled it."""
        read, value = self._kept.get(check_secret_name(name), (-KEPT, ""))
        return value if time.monotonic() - read < (FRESH if fresh else KEPT) else self._read(name)

    def set(self, name: str, value: str) -> None:
        check_secret_name(name), check_secret(value)
        with _asked():
            try:
                self._client.set_secret(name, value)
            except HttpResponseError as error:
                if not _is_deleted(error):
                    raise
                self._recover(name)
                self._client.set_secret(name, value)
        self._keep(name, value)

    def add(self, name: str, value: str) -> str:
        """One who died between its claim and its secret delays the others by CLAIM."""
        check_secret_name(name), check_secret(value)
        end = time.monotonic() + WAIT
        while (held := self._read(name)) is None:
            if claim := self._claimed(name):
                try:
                    held = self._added(name, value)
                except WrongSettings:  # refused: one who may is not to wait for us
                    self._release(name, claim)
                    raise
                self._release(name, claim)
                return held
            if time.monotonic() > end:
                raise StoreUnavailable(f"the vault: secret {name} is being added by another process: try again")
            time.sleep(STEP)
        return held

    def delete(self, name: str) -> None:
        self._kept.pop(check_secret_name(name), None)
        with _asked():
            try:
                self._client.begin_delete_secret(name, _polling_interval=STEP).wait(WAIT)
            except ResourceNotFoundError:
                return

    def close(self) -> None:
        """End the connections that are kept."""
        self._client.close()

    def _read(self, name: str) -> str | None:
        with _asked():
            try:
                value = self._client.get_secret(name).value
            except ResourceNotFoundError:
                return None
            except HttpResponseError as error:
                if _inner(error) == "SecretDisabled":
                    raise WrongSettings(f"the secret {name} is disabled in the vault: enable it there") from error
                raise
        if value is not None:
            self._keep(name, value)
        return value

    def _added(self, name: str, value: str) -> str:
        """By the one who holds the claim: looked at once more, since one who was taken for dead may have been slow."""
        if (held := self._read(name)) is not None:
            return held
        with _asked():
            try:
                self._client.set_secret(name, value, retry_total=0)
            except HttpResponseError as error:
                if error.status_code == 403:
                    raise WrongSettings(MAY_NOT_ADD.format(name=name), names=(name,)) from error
                if not _is_deleted(error):
                    raise
                self._recover(name)  # what was deleted by mistake is what there is
        held = self._read(name)
        if held is None:
            raise StoreUnavailable(f"the vault: secret {name} was added and isn't there: try again")
        return held

    def _claimed(self, name: str) -> str:
        """-> the claim's version, "" while somebody else has it."""
        held = self._table.get(CLAIMS, [name]).get(name)
        now = self._table.now()
        if held is not None and held.value["until"] > now:
            return ""
        claim = Op("put", name, {"until": now + CLAIM}, held.etag if held else "")
        try:
            return self._table.transact(CLAIMS, [claim])[name]
        except Conflict:
            return ""

    def _release(self, name: str, claim: str) -> None:
        with suppress(Conflict):  # it took so long that somebody else has the claim now
            self._table.transact(CLAIMS, [Op("delete", name, if_match=claim)])

    def _recover(self, name: str) -> None:
        self._client.begin_recover_deleted_secret(name, _polling_interval=STEP).wait(WAIT)

    def _keep(self, name: str, value: str) -> None:
        self._kept[name] = (time.monotonic(), value)


@contextmanager
def _asked() -> Iterator[None]:
    with translated("the vault", ROLE):
        try:
            yield
        except ValueError as error:  # azure-keyvault: the challenge's resource is of another domain
            raise WrongSettings("the vault asks for a token of another domain: check TANDEM_VAULT_URL") from error


def _inner(error: HttpResponseError) -> str:
    """The vault's finer code (Key Vault: error.innererror.code), "" without one."""
    inner = getattr(error.error, "innererror", None) or {}
    return str(inner.get("code", ""))


def _is_deleted(error: HttpResponseError) -> bool:
    return error.status_code == 409 and _inner(error) == "ObjectIsDeletedButRecoverable"
