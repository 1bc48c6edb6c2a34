"""The mistakes in a Functions app that would show in Azure as no functions, or as functions that never run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.host import AppError, Host
from sandbox.host.config import load
from sandbox.host.converters import ConverterEngine
from sandbox.host.engine import Engine, has_runtime
from tests.support.memory_queue import MemoryQueue

HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"
SETTINGS = {"EVERY": "*/10 * * * * *"}
ENGINES = ["converters", *(["runtime"] if has_runtime() else [])]


def make_engine(name: str) -> Engine:
    if name == "converters":
        return ConverterEngine()
    from sandbox.host.runtime import RuntimeEngine

    return RuntimeEngine()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = make_engine(request.param)
    yield engine
    engine.close()


def app_in(directory: Path, script: str, host: str = '{"version": "2.0"}') -> Path:
    (directory / "function_app.py").write_text(HEAD + script)
    (directory / "host.json").write_text(host)
    return directory


def start(directory: Path, engine: Engine) -> None:
    host = Host(directory, MemoryQueue(), SETTINGS, engine=engine)
    host.start()
    host.stop()


QUEUE = '@app.queue_trigger(arg_name="message", queue_name="q", connection="C")\n'
TIMER = '@app.timer_trigger(arg_name="timer", schedule="{}")\ndef f(timer: func.TimerRequest) -> None: ...\n'


@pytest.mark.parametrize(
    ("mistake", "script"),
    [
        ("no app", "app = None"),
        ("two apps", "other = func.FunctionApp()"),
        ("the import fails", "import no_such_module"),
        ("the same name twice", f"{QUEUE}def f(message): ...\n{QUEUE}def f(message): ..."),
        ("no trigger", '@app.function_name("f")\ndef f(): ...'),
        ("an optional parameter", f"{QUEUE}def f(message: func.QueueMessage | None) -> None: ..."),
        ("the wrong type", f"{QUEUE}def f(message: dict) -> None: ..."),
        ("one parameter too many", f"{QUEUE}def f(message: func.QueueMessage, store=None) -> None: ..."),
        ("no parameter for the binding", f"{QUEUE}def f() -> None: ..."),
        ("an output in place of an input", f"{QUEUE}def f(message: func.Out[str]) -> None: ..."),
        ("an answer that is none", '@app.route("r")\ndef f(req: func.HttpRequest) -> dict: ...'),
        ("a schedule that is none", TIMER.format("* * * *")),
        ("a setting that isn't there", TIMER.format("%NOT_SET%")),
        ("a queue named by a setting that isn't there", QUEUE.replace('"q"', '"%NOT_SET%"') + "def f(message): ..."),
        (
            "the same route twice",
            '@app.route("r/{a}")\ndef f(req): ...\n@app.route("R/{b}", methods=["GET"])\ndef g(req): ...',
        ),
        ("a route constraint that nobody knows", '@app.route("r/{a:prime}")\ndef f(req): ...'),
        ("half a parameter in a route", '@app.route("r/x{a}")\ndef f(req): ...'),
        (
            "a binding that this host doesn't serve",
            '@app.blob_trigger(arg_name="blob", path="b/{name}", connection="C")\ndef f(blob: func.InputStream): ...',
        ),
    ],
)
def test_a_mistake_is_found_before_anything_is_served(
    tmp_path: Path, engine: Engine, mistake: str, script: str
) -> None:
    with pytest.raises(AppError, match=r"\w"):
        start(app_in(tmp_path, script), engine)


@pytest.mark.parametrize(
    "script",
    [
        f"{QUEUE}def f(message: func.QueueMessage) -> None: ...",
        f"{QUEUE}def f(message): ...",
        TIMER.format("%EVERY%"),
        '@app.route("r/{a:int}/{b?}")\ndef f(req: func.HttpRequest) -> str: return ""',
        '@app.route("r", methods=["GET"])\ndef f(req): ...\n@app.route("r", methods=["POST"])\ndef g(req): ...',
    ],
)
def test_an_app_without_mistakes_is_served(tmp_path: Path, engine: Engine, script: str) -> None:
    start(app_in(tmp_path, script), engine)


def test_every_mistake_is_named_at_once(tmp_path: Path, engine: Engine) -> None:
    script = TIMER.format("* * * *") + TIMER.format("%NOT_SET%").replace("def f", "def g")
    with pytest.raises(AppError) as raised:
        start(app_in(tmp_path, script), engine)
    assert len(raised.value.problems) == 2


def test_async_functions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AppError, match="async def"):
        start(app_in(tmp_path, f"{QUEUE}async def f(message): ..."), ConverterEngine())


def test_a_directory_without_an_app_is_named(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    with pytest.raises(AppError, match=r"no function_app\.py"):
        start(tmp_path, engine)


@pytest.mark.parametrize(
    ("queues", "says"),
    [
        ({"newBatchSize": 8}, "newBatchSize"),
        ({"batchSize": 33}, "batchSize"),
        ({"visibilityTimeout": "soon"}, "visibilityTimeout"),
        ({"messageEncoding": "base46"}, "messageEncoding"),
        ({"maxDequeueCount": 0}, "maxDequeueCount"),
    ],
)
def test_a_wrong_key_of_host_json_is_named(tmp_path: Path, queues: dict[str, object], says: str) -> None:
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": queues}}))
    with pytest.raises(AppError, match=says):
        load(tmp_path)


def test_a_missing_host_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(AppError, match=r"host\.json can't be read"):
        load(tmp_path)
