"""What the adapters on Azure have in common: how they connect, and what their errors mean.

Nothing here turns a check of TLS off: an address with a certificate of its own is trusted through the environment
(REQUESTS_CA_BUNDLE), like everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

import requests
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from shared.model.errors import StoreUnavailable

CONNECTIONS = 32
"""Kept open to one store: as many as an instance has threads for messages."""
CONNECT, ANSWER = 5.0, 10.0
"""Seconds for a connection and for a silence within an answer."""
READS: dict[str, Any] = {"retry_total": 3, "retry_backoff_factor": 0.2, "retry_backoff_max": 5}
"""azure-core: repeats of what may be done twice."""
STORAGE_READS: dict[str, Any] = {"retry_total": 3, "initial_backoff": 1, "increment_base": 1, "random_jitter_range": 1}
"""The same for azure-storage, whose own waits (15 s, 18 s, 24 s) are longer than a run."""
ONCE: dict[str, Any] = {"retry_read": 0, "retry_status": 0}
"""For a write that must not be done twice: it is repeated only if it never left this machine (azure-core: a connection
that was never made)."""

ADVICE = {
    401: "it doesn't know this app: check which identity it runs as",
    403: "it refused this app's identity: give it the role '{role}' there; new roles take minutes",
    404: "its address leads nowhere: check it",
    429: "it is busy: try again",
    503: "it is busy: try again",
}
"""What to do, by HTTP status."""


def transport() -> RequestsTransport:
    """Connections for many threads. azure-core's own keeps ten."""
    session = requests.Session()
    never = Retry(total=False, redirect=False, raise_on_status=False)  # azure-core repeats
    session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=never))
    return RequestsTransport(session=session, connection_timeout=CONNECT, read_timeout=ANSWER)


@contextmanager
def translated(store: str, role: str) -> Iterator[None]:
    """StoreUnavailable for whatever Azure's libraries raise, without their text: it holds addresses and keys.

    `store`: which one, for a person. `role`: what the app's identity must hold there."""
    try:
        yield
    except (AzureError, HTTPException) as error:  # HTTPException: the parts of a transaction's answer are no HTTP
        status = error.status_code if isinstance(error, HttpResponseError) else None
        raise StoreUnavailable(f"{store}: {_advice(error, status).format(role=role)}", code=code(error)) from error


def code(error: Exception) -> str:
    """The store's own code for what went wrong, else the name of the library's exception."""
    found: Any = getattr(error, "error_code", None) or getattr(getattr(error, "error", None), "code", None)
    return str(getattr(found, "value", found) or type(error).__name__)


def _advice(error: Exception, status: int | None) -> str:
    if status is not None:
        return ADVICE.get(status, f"it answered {status}: " + ("try again" if status >= 500 else "see the code"))
    if "Credential" in type(error).__name__ or "Authentication" in type(error).__name__:
        return "there is no identity to sign in with: give the app a managed identity"
    return "it gave no answer: check its address and the network"
