"""The package in a process of its own, where nothing else of the project can be imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.support import package_host
from tests.support.package import ROOT

SCRIPT = Path(package_host.__file__)
LIBRARIES = Path(sysconfig.get_path("purelib"))


def host_folder(folder: Path) -> Path:
    """A copy of the local Functions host alone in `folder`, which stands in for Azure's."""
    made = folder / "host"
    if not made.exists():
        shutil.copytree(ROOT / "sandbox" / "host", made / "sandbox" / "host", ignore=_compiled)
        for name in ("__init__.py", "web.py"):
            shutil.copy(ROOT / "sandbox" / name, made / "sandbox" / name)
    return made


def _compiled(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]


def command(app: Path, host: Path, *more: str) -> list[str]:
    """-I and -S: neither this folder, nor the environment, nor what is installed for development leads to the rest."""
    return [sys.executable, "-I", "-S", str(SCRIPT), str(app), str(host), str(LIBRARIES), *more]


def run_package_host(app: Path, host: Path) -> str:
    """What it prints when it is asked to index the package."""
    ran = subprocess.run(command(app, host), cwd=app, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()[-1]
