"""docs/settings.md, made from the settings themselves: `python -m tests.support.settings_page` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from shared.wiring.fields import PREFIX, Group
from shared.wiring.settings import ALL_OR_NONE, EXACTLY_ONE, GROUPS, HOST, IN_VAULT, ON_AZURE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
HEAD = """\
# Settings

All settings are environment variables (in Azure: app settings of the function app). When the app starts, every wrong
one is named at once, with what to do about it, and no value is shown. A blank setting counts as left out; a name that
starts with `TANDEM_` and is not listed here is reported as a mistake. Plain `http://` addresses and plain IMAP are
taken for this machine only.

This page is made from the code: `python -m tests.support.settings_page`.
"""
TABLE = "\n| Setting | Default | What to do |\n|---|---|---|\n"


def page() -> str:
    return HEAD + "".join(_group(group) for group in GROUPS) + _host()


def _group(group: type[Group]) -> str:
    title, _, text = (group.__doc__ or "").partition("\n")
    about = " ".join(line.strip() for line in text.splitlines() if line.strip())
    rows = (_row(f"{PREFIX}{name.upper()}", field) for name, field in group.model_fields.items())
    return f"\n## {title}\n\n{about}\n{TABLE}{''.join(rows)}{''.join(_notes(group))}"


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{name}` | {_default(name, field)} | {_sentence(field.description or '')} |\n"


def _default(name: str, field: FieldInfo) -> str:
    if any(name in names for names in EXACTLY_ONE):
        return "one of these is needed"
    if name in IN_VAULT:
        return f"on Azure the vault's secret `{IN_VAULT[name]}`"
    if field.is_required():
        return "needed"
    if field.default is None:
        return "left out"
    shown = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
    return f"`{shown.lower() if isinstance(field.default, bool) else shown}`"


def _notes(group: type[Group]) -> Iterator[str]:
    for names in EXACTLY_ONE:
        if names[0].removeprefix(PREFIX).lower() in group.model_fields:
            yield f"\nExactly one of {_listed(names)} is set.{''.join(_one_in_vault(names))}\n"
    for what, together in ALL_OR_NONE.items():
        if together[0].removeprefix(PREFIX).lower() in group.model_fields:
            yield f"\nOf {what}, all are set or none: {_listed(together)}.\n"
    alone = [name for name in IN_VAULT if not any(name in names for names in EXACTLY_ONE)]
    if kept := [name for name in alone if name.removeprefix(PREFIX).lower() in group.model_fields]:
        yield (
            f"\nWith {ON_AZURE}, {_listed(kept)} can be left out: the vault's secret is used then. A new version of it"
            " is used within seconds once the old one is refused, and within 5 minutes in any case.\n"
        )


def _one_in_vault(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name in IN_VAULT:
            yield (
                f" With {ON_AZURE} all of them can be left out: the vault's secret `{IN_VAULT[name]}` is used then."
                " A new version of it is used within 5 minutes once the old one is refused."
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _host() -> str:
    rows = (f"| `{name}` | needed in Azure | {_sentence(mend)} |\n" for name, mend in HOST.items())
    return f"\n## Functions host\n\nRead by the host itself, because a trigger names it.\n{TABLE}{''.join(rows)}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
