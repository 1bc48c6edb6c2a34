"""The rules of the house that no linter knows: who may touch the world, and what a file may hold."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = ("shared/state/", "shared/wiring/")
WORLD = {"asyncio", "random", "requests", "secrets", "select", "socket", "subprocess", "threading", "time"}
"""Modules that only adapters import: time, chance, threads and wires come through ports."""
CALLS = re.compile(r"\b(datetime|date)\.(now|today|utcnow)$|\buuid[14]$|\burandom$")
"""What they alone call: this machine's clock and chance, from modules that are good for other things too."""
TEXT = {".py", ".md", ".toml", ".json", ".txt", ".lock", ".yaml", ".yml", ".bicep", ".html", ".css", ".js", ".sh", ""}
GENERATED = {"__pycache__", "build", "dist", "node_modules"}


def files() -> list[Path]:
    """Every file of the project: what git knows, or, in a copy without git, all but what is hidden or generated."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not _aside(path)]


def _aside(path: Path) -> bool:
    return any(
        part in GENERATED or part.endswith(".egg-info") or (part.startswith(".") and part not in (".ci", ".github"))
        for part in path.relative_to(ROOT).parts[:-1]
    )


def texts() -> Iterator[tuple[str, str]]:
    """Every text file but this one, which names what is forbidden."""
    for path in files():
        if path.suffix in TEXT and path != Path(__file__).resolve():
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def modules(folder: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def test_only_adapters_touch_time_chance_threads_and_wires() -> None:
    found = [
        f"{name}:{line} imports {module}"
        for name, tree in modules("shared")
        if not name.startswith(ADAPTERS)
        for line, module in imports(tree)
        if module.partition(".")[0] in WORLD
    ]
    assert found == []


def test_only_adapters_read_a_clock_or_draw_lots() -> None:
    found = [
        f"{name}:{node.lineno} calls {ast.unparse(node.func)}"
        for name, tree in modules("shared")
        if not name.startswith(ADAPTERS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and CALLS.search(ast.unparse(node.func))
    ]
    assert found == []


def test_the_product_knows_nothing_of_azure_functions() -> None:
    found = [
        f"{name}:{line}"
        for name, tree in modules("shared")
        for line, module in imports(tree)
        if module.startswith(("azure.functions", "function_app"))
    ]
    assert found == []


@pytest.mark.parametrize("folder", ["shared", "functions", "sandbox"])
def test_functions_are_plain_def(folder: str) -> None:
    kinds = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    found = [
        f"{name}:{getattr(node, 'lineno', 0)}"
        for name, tree in modules(folder)
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]
    assert found == []


@pytest.mark.parametrize("folder", ["shared", "functions", "sandbox"])
def test_no_module_has_grown_to_two_subjects(folder: str) -> None:
    lengths = {name: (ROOT / name).read_text(encoding="utf-8").count("\n") for name, _ in modules(folder)}
    assert {name: length for name, length in lengths.items() if length > 420} == {}


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("unfinished work", r"\b(TODO|FIXME|XXX)\b"),
        ("the number of an issue", r"(?<![\w&/])#\d+\b|\bissues?[ /]\d+"),
        ("a path of the machine that it was written on", r"/work/|/home/\w+/|/Users/\w+/|/tmp/"),
        ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}"),
        ("a token", r"\b(ghp_|github_pat_|xox[abp]-|AKIA|eyJ[A-Za-z0-9_-]{20,}\.eyJ)[A-Za-z0-9_-]{10,}"),
        ("a storage key", r"AccountKey=(?!Eby8vdM02xNOcqF)[A-Za-z0-9+/=]{40,}"),
        ("a package registry's address", r"https?://[^\s/]*(pypi|npm)[^\s/]*/simple"),
    ],
)
def test_no_file_holds(what: str, pattern: str) -> None:
    found = [
        f"{name}:{number}"
        for name, text in texts()
        if not name.endswith((".lock", ".css", ".html"))
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert found == []


def test_the_lock_pins_what_azure_installs_at_the_same_versions() -> None:
    def pins(name: str) -> set[str]:
        return {line for line in (ROOT / name).read_text().splitlines() if "==" in line and not line.startswith(" ")}

    assert pins("requirements.txt") <= pins("requirements-dev.lock")
    assert any(pin.startswith("azure-functions-runtime==1.3.0") for pin in pins("requirements.txt"))


SKIPS = """
import pytest

@pytest.mark.skip(reason="no container: the server isn't installed")
def test_skipped(): ...

@pytest.mark.xfail(strict=True)
def test_expected(): assert False

def test_passes(): ...
"""


@pytest.mark.parametrize(
    ("ci", "allowed", "fails", "told"),
    [("true", "no container", False, False), ("true", "# no container", True, True), ("", "", False, True)],
)
def test_a_skip_that_nobody_explained_fails_the_run_of_ci(
    tmp_path: Path, ci: str, allowed: str, fails: bool, told: bool
) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "allowed_skips.txt").write_text(allowed)
    (tmp_path / "test_some.py").write_text(SKIPS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True, text=True)
    assert ran.returncode == fails, ran.stdout + ran.stderr
    assert ("isn't in allowed_skips.txt" in ran.stdout) == told
