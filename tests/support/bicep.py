"""The Bicep compiler, kept running: the first answer takes seconds, each one after that a fraction of one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
TENANT, SUBSCRIPTION = "00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000001"
NO_COMPILER = (
    "no Bicep compiler: name it in TANDEM_BICEP, or install it (https://aka.ms/bicep/install; `azd` and `az bicep` keep"
    " theirs in ~/.azd/bin and ~/.azure/bin)"
)
BESIDE = (ROOT.parent / "shared" / "tools", Path.home() / ".azd" / "bin", Path.home() / ".azure" / "bin")


def find_bicep() -> str | None:
    """What TANDEM_BICEP names (conftest.py renames it), or else the first that is found on the PATH, beside the
    project, or where Azure's own tools keep theirs."""
    if named := os.environ.get("TANDEM_BICEP", "") or os.environ.get("BICEP_OF_TANDEM", ""):
        return named
    return shutil.which("bicep") or next((str(at / "bicep") for at in BESIDE if (at / "bicep").is_file()), None)


@dataclass(frozen=True, slots=True)
class Compiled:
    """`complaints`: errors and warnings, a line for each. `template`: ARM's JSON; empty after an error."""

    template: dict[str, Any]
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment would ask for, with loops, conditions and names resolved; what only Azure knows stays an
    expression in brackets."""

    resources: tuple[dict[str, Any], ...]
    outputs: dict[str, Any]

    def of_type(self, type: str) -> list[dict[str, Any]]:
        return [resource for resource in self.resources if resource["type"] == type]


class Bicep:
    """From `with` to its end. By the compiler's JSON-RPC (bicep jsonrpc --stdio)."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [program, "jsonrpc", "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def compile(self, folder: Path = INFRA) -> Compiled:
        answer = self._call("bicep/compile", path=str(folder / "main.bicep"))
        complaints = tuple(
            f"{Path(one['source']).name}:{one['range']['start']['line'] + 1}: {one['code']}: {one['message']}"
            for one in answer["diagnostics"]
        )
        return Compiled(json.loads(answer.get("contents") or "{}"), complaints)

    def deployment(self, values: Mapping[str, Any], scratch: Path, folder: Path = INFRA) -> Deployment:
        """What is deployed with these parameters; `scratch` is a folder to write to."""
        file = scratch / "given.bicepparam"
        lines = [f"using '{os.path.relpath(folder.resolve() / 'main.bicep', scratch.resolve())}'"]
        lines += [f"param {name} = {_literal(value)}" for name, value in values.items()]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        where = {
            "tenantId": TENANT,
            "subscriptionId": SUBSCRIPTION,
            "resourceGroup": None,
            "location": "eastasia",
            "deploymentName": "main",
        }
        told = json.loads(self._call("bicep/getSnapshot", path=str(file), metadata=where)["snapshot"])
        assert told["diagnostics"] == [], told["diagnostics"]
        return Deployment(tuple(told["predictedResources"]), told.get("outputs", {}))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._asked += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params}).encode()
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        stdin.flush()
        length = 0
        while line := stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        answer: dict[str, Any] = json.loads(stdout.read(length))
        assert "error" not in answer, answer["error"]
        result: dict[str, Any] = answer["result"]
        return result


def _literal(value: object) -> str:
    """In Bicep's notation."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
        return f"'{escaped}'"
    if isinstance(value, Mapping):
        inner = "\n".join(f"{_literal(name)}: {_literal(one)}" for name, one in value.items())
        return f"{{\n{inner}\n}}"
    return str(value).lower() if isinstance(value, bool) else str(value)
