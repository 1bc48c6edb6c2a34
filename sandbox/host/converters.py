"""The engine for Pythons without azure-functions-runtime: the converters of azure-functions, and the worker's checks.

The worker refuses an app whose signatures don't fit its decorators, and Azure then shows no functions at all; so the
same checks are made here (azure-functions-runtime 1.3.0, functions.py). Only what this host serves is covered: a
trigger, and an HTTP answer.
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum

from sandbox.host.app import AppError, Function
from sandbox.host.engine import SCRIPT, Outcome, importing

logger = logging.getLogger(__name__)
RETURN, CONTEXT = "$return", "context"
NO_TRACE = SimpleNamespace(trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}))
"""As of a host that traces nothing."""


class ConverterEngine:
    name = "azure-functions converters"

    def __init__(self) -> None:
        self._converters: Any = func.get_binding_registry()
        self._calls: dict[str, Callable[..., Any]] = {}

    def index(self, appdir: Path) -> list[Function]:
        self._calls.clear()
        try:
            with importing(appdir):
                module = importlib.import_module(SCRIPT)
            functions = [self._load(f) for f in _app(module).get_functions()]
        except AppError:
            raise
        except Exception as error:  # whatever the app's own code raises on import
            raise AppError([f"{type(error).__name__}: {error}"]) from error
        return functions

    def invoke(self, function: Function, value: Datum, metadata: Mapping[str, Datum]) -> Outcome:
        trigger = function.trigger
        try:
            argument = self._converters.get(trigger["type"]).decode(value, trigger_metadata=metadata)
            call = self._calls[function.id]
            more = {CONTEXT: NO_TRACE} if CONTEXT in inspect.signature(call).parameters else {}
            result = call(**{trigger["name"]: argument}, **more)
            return Outcome(True, self._encode(function, result))
        except Exception as error:  # the function's own, reported like the worker does
            logger.exception("%s failed", function.name)
            return Outcome(False, error=repr(error))

    def close(self) -> None:
        """Nothing is held."""

    def _encode(self, function: Function, result: Any) -> Datum | None:
        answer = next((b for b in function.bindings if b["name"] == RETURN), None)
        if answer is None:
            if result is not None:
                raise RuntimeError(f"{function.name} has no $return binding and returned a value")
            return None
        encoded: Datum = self._converters.get(answer["type"]).encode(result, expected_type=None)
        return encoded

    def _load(self, indexed: Any) -> Function:
        bindings = tuple(json.loads(b) for b in indexed.get_raw_bindings())
        function = Function(indexed.get_function_name(), indexed.get_function_name(), bindings)
        call = indexed.get_user_function()
        mistakes = list(self._mistakes(function, call))
        if mistakes:
            raise AppError([f"cannot load the {function.name} function: {mistake}" for mistake in mistakes])
        self._calls[function.id] = call
        return function

    def _mistakes(self, function: Function, call: Callable[..., Any]) -> typing.Iterator[str]:
        hints = typing.get_type_hints(call)
        parameters = set(inspect.signature(call).parameters)
        bound = {b["name"]: b for b in function.bindings if b["name"] != RETURN}
        if inspect.iscoroutinefunction(call):
            yield "it is `async def`; write it as plain `def`"
        if extra := parameters - set(bound) - {CONTEXT}:
            yield f"parameters without a binding: {sorted(extra)}"
        if missing := set(bound) - parameters:
            yield f"bindings without a parameter: {sorted(missing)}"
        for name in parameters & set(bound) & set(hints):
            converter = self._converters.get(bound[name]["type"])
            if converter and not _suits(hints[name], converter.check_input_type_annotation):
                yield f"the annotation of {name} doesn't suit the binding {bound[name]['type']}"
        for answer in (b for b in function.bindings if b["name"] == RETURN and "return" in hints):
            converter = self._converters.get(answer["type"])
            if converter and not _suits(hints["return"], converter.check_output_type_annotation):
                yield f"the return annotation doesn't suit the binding {answer['type']}"


def _suits(annotation: Any, check: Callable[[type], bool]) -> bool:
    return isinstance(annotation, type) and check(annotation)


def _app(module: object) -> Any:
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(apps) != 1:
        raise AppError([f"{SCRIPT}.py has {len(apps)} top level function apps; it must have one"])
    return apps[0]
