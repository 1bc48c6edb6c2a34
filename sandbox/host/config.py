"""host.json: what this host acts on, and the rest of what we use, so that a misspelt key or word is found here and not
in Azure (Azure: host.json reference)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.host.app import AppError

Span = Annotated[timedelta, Field(ge=timedelta(0))]
"""Written hh:mm:ss."""
Level = Literal["Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"]
_TYPE = "(Dependency|Event|Exception|PageView|Request|Trace)"
TYPES = rf"^({_TYPE}(;{_TYPE})*)?$"


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


class Sampling(_Section):
    isEnabled: bool = True
    excludedTypes: str = Field(default="", pattern=TYPES)
    includedTypes: str = Field(default="", pattern=TYPES)
    maxTelemetryItemsPerSecond: float = Field(default=20.0, gt=0)


class Insights(_Section):
    samplingSettings: Sampling = Sampling()
    enableLiveMetrics: bool = True


class Logging(_Section):
    logLevel: dict[str, Level] = {}
    applicationInsights: Insights = Insights()


class HostJson(_Section):
    version: Literal["2.0"]
    functionTimeout: Span | None = None
    extensionBundle: Bundle | None = None
    logging: Logging = Logging()
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
