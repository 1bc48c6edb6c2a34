"""The package that is deployed: what is in it, what is not, and that it is whole."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from sandbox.host.engine import best_engine
from sandbox.vendors import ALI_SECRET, APP_SECRET, CALLBACK_KEY, CALLBACK_TOKEN, SECRET
from tests.support.package import ROOT, contents, unpack, write
from tests.support.packaged import LIBRARIES, host_folder, run_package_host

MOST = 1024 * 1024
"""Bytes of the packed package: it holds only our own code, libraries are installed in Azure."""
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[A-Za-z0-9+/]{16}")
SECRETIVE = re.compile(
    r"AccountKey=|SharedAccessKey=|[?&]sig=[A-Za-z0-9%]{10}|eyJ[A-Za-z0-9_-]{10,}\.eyJ"
    r"|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,}={0,2}(?![A-Za-z0-9+/])"
)
"""Keys of storage accounts, signed addresses, tokens, and any long run of letters and digits as a key is one."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("package"))


def test_the_package_holds_the_app_and_nothing_else() -> None:
    names = contents()
    assert {name.split("/")[0] for name in names} == {
        "function_app.py",
        "host.json",
        "requirements.txt",
        "functions",
        "shared",
    }
    ours = (path for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.py"))
    data = {"shared/ops/measured.json", "shared/ops/prices.toml"}
    assert {path.relative_to(ROOT).as_posix() for path in ours} | data == {name for name in names if "/" in name}


@pytest.fixture
def working(tmp_path: Path) -> Path:
    """A folder in which somebody works."""
    (tmp_path / ".funcignore").write_bytes((ROOT / ".funcignore").read_bytes())
    for name in (
        "function_app.py",
        "shared/a.py",
        "shared/__pycache__/a.cpython-313.pyc",
        "functions/b.py",
        "functions/notes.md",
        "functions/.env",
        "README.md",
        "tests/t.py",
        "sandbox/host/host.py",
        "infra/main.bicep",
        "node_modules/x/index.js",
        ".venv-3.13/lib/site.py",
        ".env",
        ".azure/dev/.env",
        ".tandem/secrets.json",
        "local.settings.json",
        "dist/tandem.zip",
        "tandem.egg-info/PKG-INFO",
        "requirements-dev.lock",
        "package-lock.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def test_what_lies_about_in_a_working_folder_is_left_out(working: Path) -> None:
    assert contents(working) == ["function_app.py", "functions/b.py", "shared/a.py"]


def test_the_core_tools_would_make_the_same_package(working: Path) -> None:
    """They read .funcignore in their own way (Core Tools: GitIgnoreParser): a line is matched from the top folder on,
    `*` is all but a slash, `**` is anything, and it ends where a word does."""
    lines = (ROOT / ".funcignore").read_text("utf-8").splitlines()
    lines = [line.removeprefix("/") for line in lines if line and not line.startswith("#")]
    words = {"**": ".+", "*": "[^/]+"}
    patterns = ["".join(words.get(w, re.escape(w)) for w in re.split(r"(\*\*|\*)", line)) for line in lines]
    ignored = re.compile(f"({'|'.join(patterns)})\\b", re.ASCII)
    for root in (working, ROOT):
        names = [path.relative_to(root).as_posix() for path in _files(root)]
        assert sorted(name for name in names if not ignored.match(name)) == contents(root)


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in ("node_modules", ".git") and ".venv" not in name]
        yield from (Path(folder) / name for name in names)


def test_the_same_content_is_the_same_package_and_a_small_one(tmp_path: Path) -> None:
    write(tmp_path / "one.zip")
    write(tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert (tmp_path / "one.zip").stat().st_size < MOST
    with zipfile.ZipFile(tmp_path / "one.zip") as package:
        assert package.namelist() == contents()


def test_no_secret_and_no_private_key_is_in_the_package() -> None:
    known = (SECRET, ALI_SECRET, APP_SECRET, CALLBACK_TOKEN, CALLBACK_KEY)
    for name in contents():
        text = (ROOT / name).read_text("utf-8")
        assert not PRIVATE_KEY.search(text), name
        assert not SECRETIVE.search(text), name
        assert not any(secret in text for secret in known), name


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n",
        "AccountKey=abc",
        "https://x.example/c?sv=1&sig=abcdefghijkl",
        "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy",
    ],
)
def test_a_secret_would_be_found(secret: str) -> None:
    assert PRIVATE_KEY.search(secret) or SECRETIVE.search(secret)


def test_every_library_that_the_package_imports_is_pinned(app: Path) -> None:
    lines = (app / "requirements.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and line[0] not in " #"]
    assert all(str(pin.specifier).startswith("==") for pin in pins)
    pinned = {pin.name.lower() for pin in pins if pin.marker is None or pin.marker.evaluate()}
    owners = packages_distributions()
    for module in sorted(imported(app)):
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top in ("shared", "functions"):
            continue
        candidates = {name.lower() for name in owners.get(top, [])}
        if top == "azure":  # shared by many: the name says which
            candidates = {c for c in candidates if module.startswith(OWNS.get(c, "-"))}
        assert candidates & pinned, f"{module} is imported and not pinned"


OWNS = {
    "azure-core": "azure.core",
    "azure-data-tables": "azure.data.tables",
    "azure-functions": "azure.functions",
    "azure-identity": "azure.identity",
    "azure-keyvault-secrets": "azure.keyvault.secrets",
    "azure-monitor-opentelemetry-exporter": "azure.monitor.opentelemetry.exporter",
    "azure-storage-blob": "azure.storage.blob",
    "azure-storage-queue": "azure.storage.queue",
}


def imported(app: Path) -> set[str]:
    """The modules that any line of the package imports, also those in functions."""
    return {name for file in app.rglob("*.py") for name in _imports(ast.parse(file.read_text("utf-8")))}


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield f"{node.module}.{node.names[0].name}" if node.module == "azure" else node.module


def test_azures_worker_finds_every_function_in_the_package_without_the_sandbox(app: Path) -> None:
    found = json.loads(run_package_host(app, host_folder(app.parent)))
    assert found == {
        "engine": best_engine().name,
        "triggers": {
            "graph_notifications": "httpTrigger",
            "dingtalk_callback": "httpTrigger",
            "health": "httpTrigger",
            "tick": "timerTrigger",
            "poll": "queueTrigger",
            "work": "queueTrigger",
            "bulk": "queueTrigger",
        },
        "sandbox": [],
        "shared": str(app / "shared"),
    }


EVERYTHING = """
import importlib, pkgutil, sys
sys.path[:] = [*(p for p in sys.path if "site-packages" not in p), sys.argv[1], sys.argv[2]]
import function_app, functions, shared
for package in (functions, shared):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
print(importlib.util.find_spec("sandbox"), importlib.util.find_spec("tests"))
"""


def test_every_module_of_the_package_can_be_imported_where_nothing_else_of_the_project_is(app: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", EVERYTHING, str(app), str(LIBRARIES)]
    ran = subprocess.run(command, cwd=app, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, "None None"), ran.stderr
