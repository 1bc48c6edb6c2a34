"""The command line tools of whoever sets the app up."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from shared.model.errors import Unavailable
from shared.ops.setup.model import Ran, Tool

PATIENCE = 300.0
"""Seconds for a command that nobody watches; those that talk to a person take the time they take."""
MODULE = ("-NoProfile", "-Command", "if (-not (Get-Module -ListAvailable ExchangeOnlineManagement)) { exit 1 }")


class PathTools:
    """Those on the PATH. They inherit the environment, and get their words as they are, without a shell."""

    def __init__(self) -> None:
        self._has: dict[Tool, bool] = {}

    def has(self, tool: Tool) -> bool:
        """PowerShell counts when it has the module for Exchange Online too."""
        if tool not in self._has:
            found = shutil.which(tool) is not None
            self._has[tool] = found and (tool != "pwsh" or self.run("pwsh", MODULE).status == 0)
        return self._has[tool]

    def run(self, tool: Tool, words: Sequence[str], *, seen: bool = False) -> Ran:
        """Unavailable when it isn't there, can't be started, or doesn't end. Nothing is typed to it unless `seen`."""
        path = shutil.which(tool)
        if path is None:
            raise Unavailable(f"{tool} isn't installed here")
        try:
            if seen:
                return Ran(subprocess.run([path, *words], check=False).returncode)
            ran = subprocess.run(
                [path, *words],
                check=False,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{tool} didn't end within {PATIENCE:g} s: try the command by hand") from None
        except OSError as error:
            raise Unavailable(f"{tool} can't be started ({error.strerror})") from error
        return Ran(ran.returncode, ran.stdout, ran.stderr)
