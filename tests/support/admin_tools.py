"""az, azd and pwsh as far as setting up needs them: programs on a PATH of their own, which keep what they are told in a
file beside them. Strict: what isn't known here is refused, with the status of a usage error.

`state.json` holds the tenant, the apps, azd's environment, `calls` in order, and `fail`: what is to be refused, by the
start of its words."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.entra_token import token

ROOT = Path(__file__).resolve().parents[2]
USAGE = 2
GRAPH = "00000003-0000-0000-c000-000000000000"
Options = dict[str, list[str]]
State = dict[str, Any]


class Refused(Exception):
    """Ends the program with status 1 and this text."""


def _new_id() -> str:
    digits = os.urandom(16).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def install(folder: Path, tenant: str, *tools: str, azd: Mapping[str, str]) -> Path:
    """-> the folder, which is all of a PATH. `azd`: what its environment holds."""
    folder.mkdir(parents=True, exist_ok=True)
    for tool in tools:
        program = folder / tool
        program.write_text(
            f"#!{sys.executable} -SE\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"from tests.support.admin_tools import main\nsys.exit(main({tool!r}, {str(folder)!r}))\n"
        )
        program.chmod(0o755)
    state = {
        "tenant": tenant,
        "signed_in": True,
        "password": "graph-secret",
        "apps": {},
        "azd": dict(azd),
        "up": 0,
        "module": True,
        "exchange": False,
        "calls": [],
        "fail": [],
    }
    save(folder, state)
    return folder


def load(folder: Path) -> State:
    state: State = json.loads((folder / "state.json").read_text())
    return state


def save(folder: Path, state: State) -> None:
    (folder / "state.json").write_text(json.dumps(state, indent=1))


def main(tool: str, folder: str) -> int:
    words, place = sys.argv[1:], Path(folder)
    state = load(place)
    state["calls"].append([tool, *words])
    try:
        if any(" ".join([tool, *words]).startswith(start) for start in state["fail"]):
            raise Refused(f"ERROR: {tool} can't do that now")
        answer = TOOLS[tool](state, words)
    except LookupError:
        print(f"{tool}: '{' '.join(words)}' is misspelled or not recognized by the system.", file=sys.stderr)
        return USAGE
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    finally:
        save(place, state)
    if answer is not None:
        print(answer)
    return 0


# ---- az
def _az(state: State, words: Sequence[str]) -> str | None:
    command, options = _parsed(words)
    act, wanted = AZ[command]
    if set(options) not in wanted:
        raise LookupError(command)
    if command not in ("login",) and not state["signed_in"]:
        raise Refused("ERROR: Please run 'az login' to setup account.")
    return act(state, options)


def _parsed(words: Sequence[str]) -> tuple[str, Options]:
    command: list[str] = []
    options: Options = {}
    for word in words:
        if word.startswith("--"):
            options[word] = []
        elif options:
            options[next(reversed(options))].append(word)
        else:
            command.append(word)
    return " ".join(command), options


def _login(state: State, options: Options) -> None:
    state["signed_in"], state["tenant"] = True, options["--tenant"][0]


def _token(state: State, options: Options) -> str:
    """What Azure's libraries ask for on an administrator's machine."""
    until = int(time.time()) + 3600
    stamp = time.strftime("%Y-%m-%d %H:%M:%S.000000", time.localtime(until))
    held = token(options["--resource"][0], until)
    return json.dumps({"accessToken": held, "expiresOn": stamp, "expires_on": until, "tokenType": "Bearer"})


def _account(state: State, options: Options) -> str:
    return str(state["tenant"])


def _create_app(state: State, options: Options) -> str:
    if options["--sign-in-audience"] != ["AzureADMyOrg"]:
        raise LookupError("audience")
    id = state.get("next_app") or _new_id()
    state["apps"][id] = {"name": options["--display-name"][0], "sp": "", "federated": [], "asked": [], "granted": []}
    return str(id)


def _list_apps(state: State, options: Options) -> str:
    return "\n".join(id for id, app in state["apps"].items() if app["name"] == options["--display-name"][0])


def _app(state: State, options: Options) -> dict[str, Any]:
    app: dict[str, Any] | None = state["apps"].get(options["--id"][0])
    if app is None:
        raise Refused(f"ERROR: Resource '{options['--id'][0]}' does not exist.")
    return app


def _create_sp(state: State, options: Options) -> str:
    app = _app(state, options)
    if app["sp"]:
        raise Refused("ERROR: The service principal is already in use.")
    app["sp"] = _new_id()
    return str(app["sp"])


def _show_sp(state: State, options: Options) -> str:
    app = _app(state, options)
    if not app["sp"]:
        raise Refused("ERROR: Resource does not exist or one of its reference-property objects are not present.")
    if "--query" in options:
        return str(app["sp"])
    return json.dumps({"id": app["sp"], "appId": options["--id"][0], "signInAudience": "AzureADMyOrg"})


def _create_federated(state: State, options: Options) -> str:
    app, held = _app(state, options), json.loads(options["--parameters"][0])
    if set(held) != {"name", "issuer", "subject", "audiences"}:
        raise LookupError("parameters")
    if any(one["name"] == held["name"] for one in app["federated"]):
        raise Refused("ERROR: FederatedIdentityCredential with name tandem already exists.")
    app["federated"].append(held)
    return json.dumps(held)


def _list_federated(state: State, options: Options) -> str:
    return json.dumps(_app(state, options)["federated"])


def _ask_permission(state: State, options: Options) -> None:
    if options["--api"] != [GRAPH] or not all(word.endswith("=Role") for word in options["--api-permissions"]):
        raise LookupError("permission")
    _app(state, options)["asked"] += [word.removesuffix("=Role") for word in options["--api-permissions"]]


def _consent(state: State, options: Options) -> None:
    app = _app(state, options)
    app["granted"] = sorted({*app["granted"], *app["asked"]})


def _reset(state: State, options: Options) -> str:
    if options["--query"] != ["password"] or options["--append"]:
        raise LookupError("reset")
    _app(state, options)["secret"] = state["password"]
    return str(state["password"])


def _rest(state: State, options: Options) -> str:
    start, end = "https://graph.microsoft.com/v1.0/servicePrincipals/", "/appRoleAssignments"
    url = options["--url"][0]
    if options["--method"] != ["GET"] or not (url.startswith(start) and url.endswith(end)):
        raise LookupError("rest")
    object = url.removeprefix(start).removesuffix(end)
    for app in state["apps"].values():
        if app["sp"] == object:
            return json.dumps({"value": [{"appRoleId": id, "resourceDisplayName": "Graph"} for id in app["granted"]]})
    raise Refused("Not Found")


TSV = {"--query", "--output"}
AZ: dict[str, tuple[Callable[[State, Options], str | None], list[set[str]]]] = {
    "login": (_login, [{"--tenant"}]),
    "account get-access-token": (_token, [{"--output", "--resource"}, {"--output", "--resource", "--tenant"}]),
    "account show": (_account, [TSV]),
    "ad app create": (_create_app, [{"--display-name", "--sign-in-audience", *TSV}]),
    "ad app list": (_list_apps, [{"--display-name", *TSV}]),
    "ad sp create": (_create_sp, [{"--id", *TSV}]),
    "ad sp show": (_show_sp, [{"--id", *TSV}, {"--id", "--output"}]),
    "ad app federated-credential create": (_create_federated, [{"--id", "--parameters"}]),
    "ad app federated-credential list": (_list_federated, [{"--id", "--output"}]),
    "ad app permission add": (_ask_permission, [{"--id", "--api", "--api-permissions"}]),
    "ad app permission admin-consent": (_consent, [{"--id"}]),
    "ad app credential reset": (_reset, [{"--id", "--append", "--display-name", "--years", *TSV}]),
    "rest": (_rest, [{"--method", "--url", "--output"}]),
}


# ---- azd and PowerShell
def _azd(state: State, words: Sequence[str]) -> str | None:
    match tuple(words):
        case ("env", "get-values"):
            return "\n".join(f"{name}={json.dumps(value)}" for name, value in state["azd"].items())
        case ("env", "set", name, value):
            state["azd"][name] = value
        case ("up",):
            state["up"] += 1
        case _:
            raise LookupError(words)
    return None


CMDLETS = {
    "Connect-ExchangeOnline",
    "Get-DistributionGroup",
    "New-DistributionGroup",
    "Get-ServicePrincipal",
    "New-ServicePrincipal",
    "Get-ManagementScope",
    "New-ManagementScope",
    "Get-ManagementRoleAssignment",
    "New-ManagementRoleAssignment",
    "Test-ServicePrincipalAuthorization",
    "Format-Table",
}


def _pwsh(state: State, words: Sequence[str]) -> str | None:
    if list(words[:2]) != ["-NoProfile", "-Command"] or len(words) != 3:
        raise LookupError(words)
    if "Get-Module" in words[2]:
        if not state["module"]:
            raise Refused("")
        return None
    if unknown := set(re.findall(r"\b[A-Z][a-z]+-[A-Z][A-Za-z]+\b", words[2])) - CMDLETS:
        raise LookupError(unknown)
    state["exchange"] = True
    return "InScope"


TOOLS: dict[str, Callable[[State, Sequence[str]], str | None]] = {"az": _az, "azd": _azd, "pwsh": _pwsh}
