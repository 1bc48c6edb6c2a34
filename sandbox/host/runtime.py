"""The engine that Azure runs on Python 3.13: azure-functions-runtime, without the gRPC channel to the host.

The library builds its replies from a module of protobuf classes that the caller hands in, so plain objects serve.
`native_invocation` is there from 1.3.0 on, which is why that release is pinned; everything that depends on it stands
here.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import azure_functions_runtime as worker
from azure.functions.meta import Datum
from azure_functions_runtime import native_invocation

from sandbox.host.app import AppError, Function
from sandbox.host.engine import Outcome, importing

THREADS = "32"
"""As deployed: at least batchSize + newBatchThreshold, with room for HTTP."""

MESSAGES = (
    "FunctionMetadataResponse",
    "RpcException",
    "RpcFunctionMetadata",
    "RpcRetryOptions",
    "WorkerInitResponse",
    "WorkerMetadata",
)


class _Message(SimpleNamespace):
    pass


class _StatusResult(_Message):
    Failure, Success = 0, 1


class _BindingInfo(_Message):
    undefined, out, inout = 0, 1, 2


PROTOS = SimpleNamespace(
    StatusResult=_StatusResult,
    BindingInfo=_BindingInfo,
    **{name: type(name, (_Message,), {}) for name in MESSAGES},
)


class RuntimeEngine:
    """One per process at a time: the library keeps its registry and thread pool in module globals."""

    name = "azure-functions-runtime"

    def __init__(self) -> None:
        os.environ.setdefault("PYTHON_THREADPOOL_THREAD_COUNT", THREADS)
        worker.start_threadpool_executor()

    def index(self, appdir: Path) -> list[Function]:
        start = SimpleNamespace(capabilities={}, function_app_directory=str(appdir))
        request = SimpleNamespace(
            request=SimpleNamespace(worker_init_request=start), properties={"host": "127.0.0.1", "protos": PROTOS}
        )
        with importing(appdir):
            reply = asyncio.run(worker.worker_init_request(request))
        if reply.result.status != _StatusResult.Success:
            raise AppError([reply.result.exception.message])
        found = asyncio.run(worker.functions_metadata_request(None)).function_metadata_results or []
        return [Function(f.function_id, f.name, tuple(map(json.loads, f.raw_bindings))) for f in found]

    def invoke(self, function: Function, value: Datum, metadata: Mapping[str, Datum]) -> Outcome:
        inputs = [(function.trigger["name"], value)]
        # handled is False for `async def`, which this house doesn't write.
        handled, ok, returned, _, error, _ = native_invocation.run_invocation_sync(
            str(uuid.uuid4()), function.id, inputs, dict(metadata)
        )
        if not handled:
            return Outcome(False, error=f"{function.name} is `async def`; write it as plain `def`")
        return Outcome(ok, returned, error or "")

    def close(self) -> None:
        worker.stop_threadpool_executor()
