"""Indexing an app and calling its functions, by whichever library this Python has.

Azure runs `azure-functions-runtime` on Python 3.13, so there we run exactly that. On older Pythons it isn't offered;
there the converters of `azure-functions`, which the worker uses too, do the same work.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from azure.functions.meta import Datum

from sandbox.host.app import AppError, Function

SCRIPT = "function_app"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error` says what was raised when the call failed; `returned` is the encoded answer of an HTTP function."""

    ok: bool
    returned: Datum | None = None
    error: str = ""


class Engine(Protocol):
    name: str

    def index(self, appdir: Path) -> list[Function]:
        """The functions of `appdir`/function_app.py, imported anew. AppError when Azure would find none."""
        ...

    def invoke(self, function: Function, value: Datum, metadata: Mapping[str, Datum]) -> Outcome:
        """Call a function with its trigger's value, and wait. From any thread; never raises an Exception."""
        ...

    def close(self) -> None: ...


def has_runtime() -> bool:
    """Whether Azure's own worker library is installed."""
    return importlib.util.find_spec("azure_functions_runtime") is not None


def best_engine() -> Engine:
    if has_runtime():
        from sandbox.host.runtime import RuntimeEngine

        return RuntimeEngine()
    from sandbox.host.converters import ConverterEngine

    return ConverterEngine()


@contextmanager
def importing(appdir: Path) -> Iterator[None]:
    """`import function_app` means the one in `appdir`, and a fresh one: a FunctionApp can be indexed only once."""
    if not (appdir / f"{SCRIPT}.py").is_file():
        raise AppError([f"there is no {SCRIPT}.py in {appdir}"])
    sys.modules.pop(SCRIPT, None)
    sys.path.insert(0, str(appdir))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(appdir))
