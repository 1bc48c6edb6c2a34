"""The settings: environment variables whose names start with TANDEM_.

`Settings` is all groups together (`shared.wiring.groups`). docs/settings.md is made from them
(`python -m tests.support.settings_page`). Plain pydantic on a mapping, since pydantic-settings takes longer to import
than everything else here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from pydantic import ValidationError

from shared.model.errors import WrongSettings
from shared.wiring.fields import PREFIX, Group, wrong
from shared.wiring.groups import App, DingTalkApp, DingTalkMail, Graph, Mail, Times

GROUPS: tuple[type[Group], ...] = (Graph, DingTalkMail, DingTalkApp, App, Mail, Times)
"""In the order of docs/settings.md and of complaints."""


class Settings(Times, Mail, App, DingTalkApp, DingTalkMail, Graph):
    """Checked settings; made by `load_settings`. The description of each says what to put there."""


EXACTLY_ONE = (("TANDEM_GRAPH_CLIENT_SECRET", "TANDEM_GRAPH_CERTIFICATE", "TANDEM_GRAPH_FEDERATED"),)
"""Settings of which one and only one is given."""
ALL_OR_NONE = {
    "DingTalk's app": (
        "TANDEM_DINGTALK_CORP_ID",
        "TANDEM_DINGTALK_APP_KEY",
        "TANDEM_DINGTALK_APP_SECRET",
        "TANDEM_DINGTALK_TOKEN",
        "TANDEM_DINGTALK_AES_KEY",
    ),
    "state on Azure": ("TANDEM_TABLE_URL", "TANDEM_QUEUE_URL", "TANDEM_BLOB_URL", "TANDEM_VAULT_URL"),
}
"""Settings that make no sense without each other, by what they are together."""
HOST = {
    "TANDEM_TICK_SCHEDULE": "say how often to see what is due: NCRONTAB with seconds, in UTC, such as */30 * * * * *"
}
"""Settings that the Functions host reads and checks, because a binding names them."""
NAMES = tuple(f"{PREFIX}{name.upper()}" for group in GROUPS for name in group.model_fields)


def load_settings(env: Mapping[str, str]) -> Settings:
    """The settings in `env`; a blank one counts as left out. WrongSettings names every wrong one, a line for each:
    `TANDEM_X: what is wrong; what to do`. No value is shown."""
    given = {name: value.strip() for name, value in env.items() if name.startswith(PREFIX) and value.strip()}
    lines = [*_unknown(given), *_not_one(given), *_half(given), *_both_states(given)]
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        lines += _complaints(error)
    if lines:
        raise WrongSettings("\n".join(lines))
    return settings


def _complaints(error: ValidationError) -> list[str]:
    said = {}
    for one in error.errors(include_url=False, include_input=False):
        field = str(one["loc"][0]).removeprefix(PREFIX).lower()  # a default is named by its field
        said[PREFIX + field.upper()] = f"{wrong(one)}; {Settings.model_fields[field].description}"
    return [f"{name}: {said[name]}" for name in NAMES if name in said]


def _unknown(given: Mapping[str, str]) -> Iterator[str]:
    known = [name.removeprefix(PREFIX) for name in (*NAMES, *HOST)]
    for name in given:
        if (own := name.removeprefix(PREFIX)) not in known:
            close = get_close_matches(own, known, 1)
            mend = f"did you mean {PREFIX}{close[0]}?" if close else "remove it or correct it"
            yield f"{name}: is not a setting; {mend}"


def _not_one(given: Mapping[str, str]) -> Iterator[str]:
    for names in EXACTLY_ONE:
        found = [name for name in names if name in given]
        if not found:
            yield f"{', '.join(names)}: none of them is set; set exactly one of them (docs/settings.md says to what)"
        elif len(found) > 1:
            yield f"{', '.join(found)}: are set together; keep one of them"


def _half(given: Mapping[str, str]) -> Iterator[str]:
    for what, names in ALL_OR_NONE.items():
        missing = [name for name in names if name not in given]
        for name in missing if len(missing) < len(names) else ():
            mend = Settings.model_fields[name.removeprefix(PREFIX).lower()].description
            yield f"{name}: is missing although other settings of {what} are given; {mend}"


def _both_states(given: Mapping[str, str]) -> Iterator[str]:
    if "TANDEM_STATE" in given and any(name in given for name in ALL_OR_NONE["state on Azure"]):
        yield "TANDEM_STATE: is given beside addresses on Azure; leave it out"
