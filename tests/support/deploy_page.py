"""The tables of docs/deploy.md, made from the template and from the list of roles:
`python -m tests.support.deploy_page` writes them between their marks and leaves the rest of the page alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tests.support.bicep import INFRA, NO_COMPILER, ROOT, Bicep, find_bicep
from tests.support.template_roles import INSIGHTS, ROLES, STORAGE, VAULT

PAGE = ROOT / "docs" / "deploy.md"
ON = {STORAGE: "the storage account", VAULT: "the key vault", INSIGHTS: "Application Insights"}
PLACEHOLDER = re.compile(r"\$\{(\w+)(?:=.*)?\}")


def parameters_table(template: Mapping[str, Any]) -> str:
    """Of a compiled template."""
    given = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
    rows = [
        (f"`{name}`", _set_by(given.get(name, {}).get("value")), _takes(spec), spec["metadata"]["description"])
        for name, spec in template["parameters"].items()
    ]
    return _table(("Parameter", "Set it by", "Takes", "What it is, its default, and what it costs"), rows)


def roles_table() -> str:
    rows = [(role.to, role.name, ON[role.on], role.why) for role in ROLES]
    return _table(("Who", "Role", "On", "Why"), rows)


def _set_by(value: object) -> str:
    found = PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return "-" if value is None else "`infra/main.parameters.json`"
    return f"`{found[1]}`" if found[1].startswith("AZURE_") else f"`azd env set {found[1]} ...`"


def _takes(spec: Mapping[str, Any]) -> str:
    if "allowedValues" in spec:
        return ", ".join(f"`{value}`" for value in spec["allowedValues"])
    if "maxValue" in spec:
        return f"{spec['minValue']} to {spec['maxValue']}"
    return {"int": "a whole number", "bool": "`true`, `false`", "object": "an object"}.get(spec["type"], "text")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [" | ".join(heads), "|".join("---" for _ in heads), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" if "---|" not in line else f"|{line}|" for line in lines)


def written(page: str, name: str, table: str) -> str:
    """`page` with `table` between the marks of `name`."""
    start, end = f"<!-- made: {name} -->", f"<!-- end: {name} -->"
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{table}\n{end}{after}"


def main() -> None:
    program = find_bicep()
    if program is None:
        raise SystemExit(NO_COMPILER)
    with Bicep(program) as bicep:
        template = bicep.compile().template
    page = written(PAGE.read_text("utf-8"), "parameters", parameters_table(template))
    PAGE.write_text(written(page, "roles", roles_table()), "utf-8")


if __name__ == "__main__":
    main()
