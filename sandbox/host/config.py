"""host.json, as far as this host acts on it; the rest is checked for misspelt keys."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.host.app import AppError

Span = Annotated[timedelta, Field(ge=timedelta(0))]
"""Written hh:mm:ss."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Http(_Section):
    routePrefix: str = "api"
    maxOutstandingRequests: int = Field(default=-1, ge=-1)
    maxConcurrentRequests: int = Field(default=-1, ge=-1)
    dynamicThrottlesEnabled: bool = False


class Queues(_Section):
    """`visibilityTimeout` is the delay between tries of a message that failed. An instance runs at most
    batchSize + newBatchThreshold messages at a time (Azure: host.json reference, storage queues)."""

    batchSize: int = Field(default=16, ge=1, le=32)
    newBatchThreshold: int = Field(default=8, ge=0)
    visibilityTimeout: Span = timedelta(0)
    maxDequeueCount: int = Field(default=5, ge=1)
    maxPollingInterval: Span = timedelta(minutes=1)
    messageEncoding: Literal["base64", "none"] = "base64"


class Extensions(_Section):
    http: Http = Http()
    queues: Queues = Queues()


class Bundle(_Section):
    id: str
    version: str


class HostJson(_Section):
    version: Literal["2.0"]
    functionTimeout: Span | None = None
    extensionBundle: Bundle | None = None
    logging: dict[str, Any] = {}
    extensions: Extensions = Extensions()


def load(appdir: Path) -> HostJson:
    """AppError, naming every wrong key, when host.json is missing or isn't right."""
    path = appdir / "host.json"
    try:
        return HostJson.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AppError([f"{path} can't be read: {error.strerror}"]) from None
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)
        raise AppError([f"host.json: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in wrong]) from None
