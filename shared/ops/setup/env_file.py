"""What `azd env get-values` prints, read back."""

from __future__ import annotations

import re

from shared.model.errors import WrongSettings

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_ESCAPED = re.compile(r"\\(.)")


def read_env(text: str) -> dict[str, str]:
    """Names and values of lines such as NAME="value", in which a backslash says that a sign stands for itself.
    WrongSettings names a line that is something else, without its content."""
    values: dict[str, str] = {}
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise WrongSettings(f"line {number} of the settings isn't NAME=value: give what `azd env get-values` says")
        values[match[1]] = _plain(match[2].strip())
    return values


def _plain(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _ESCAPED.sub(lambda found: found[1], text[1:-1])
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == "'" else text
