"""The queries of infra/alerts.json and infra/workbook.json, and what Microsoft's own parser says of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.insights_tables import schemas

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
PARSER = ROOT / "node_modules" / "@kusto" / "language-service-next"
PAIR = "pair-1"


@dataclass(frozen=True, slots=True)
class Verdict:
    errors: tuple[str, ...]
    tables: frozenset[str]
    columns: frozenset[str]


def alerts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((INFRA / "alerts.json").read_text(encoding="utf-8"))
    return found


def queries() -> dict[str, str]:
    """By the name of the alert, or of the workbook's item."""
    found = {f"alert {alert['name']}": str(alert["query"]) for alert in alerts()}
    workbook = json.loads((INFRA / "workbook.json").read_text(encoding="utf-8"))
    return found | {f"workbook {name}": text.replace("{PairId}", PAIR) for name, text in _queries(workbook, "")}


def _queries(node: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for child in node:
            yield from _queries(child, name)
    elif isinstance(node, dict):
        name = node.get("name", name)
        if "query" in node:
            yield name, node["query"]
        for child in node.values():
            yield from _queries(child, name)


def literals(query: str, column: str) -> set[str]:
    """The texts that a column is compared with."""
    compared = re.findall(rf"\b{column} (?:==|has|in) (\([^)]*\)|'[^']*')", query)
    return {text for part in compared for text in re.findall(r"'([^']*)'", part)}


def parse(queries: dict[str, str]) -> dict[str, Verdict] | None:
    """None where the parser, or Node.js, isn't installed."""
    node = shutil.which("node")
    if node is None or not PARSER.is_dir():
        return None
    ran = subprocess.run(
        [node, str(Path(__file__).with_name("kql.js")), str(PARSER)],
        input=json.dumps({"tables": schemas(), "queries": queries}),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return {
        name: Verdict(tuple(one["errors"]), frozenset(one["tables"]), frozenset(one["columns"]))
        for name, one in json.loads(ran.stdout).items()
    }
