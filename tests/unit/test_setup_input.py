"""What setup is told, and what it draws itself: everything is checked before it is used, and no value is shown."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sandbox.main import app
from shared.dingtalk.callback import Keys, aes_key, decrypted, seal
from shared.model.errors import WrongSettings
from shared.ops.setup import keys
from shared.ops.setup.env_file import read_env
from shared.ops.setup.facts import FACTS, Facts
from shared.ops.setup.model import Command
from shared.ops.setup.progress import Progress
from shared.ops.setup.rights import ID_OF, IN_ENTRA
from shared.ops.setup.steps import STEPS
from shared.state.files import FileSecrets
from shared.wiring.key import deployment_key

GUID = "6f1d6a0c-0f5e-4f0e-9a53-0d6a5d1c2b3e"


class SeededRandom:
    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def uniform(self) -> float:
        return self._chance.random()

    def token(self) -> str:
        return f"{self._chance.getrandbits(128):032x}"


def setup(folder: Path, *words: str, typed: str = "", **env: str) -> Result:
    bare: dict[str, str | None] = {"TANDEM_VAULT_URL": None, "PATH": str(folder), **env}
    command = ["setup", *words, "--progress", str(folder / "progress.json")]
    return CliRunner().invoke(app, command, input=typed, env=bare)


# ---- what it draws
def test_what_is_drawn_has_the_form_that_dingtalk_and_the_product_ask_for(tmp_path: Path) -> None:
    seen = set()
    for seed in range(200):
        chance = SeededRandom(seed)
        token, key = keys.draw_token(chance), keys.draw_aes_key(chance)
        assert re.fullmatch(r"[A-Za-z0-9]{3,32}", token)
        assert base64.b64encode(aes_key(key)).decode() == key + "=", "each end of a key means something"
        seen.add(key)
        callback = Keys(keys.checked(keys.TOKEN, token), keys.checked(keys.AES_KEY, key), "app", "corp")
        sealed = seal(callback, "success", "app", now=1.0, nonce="n", salt=b"0" * 16)
        assert decrypted(callback, sealed["encrypt"]) == ("success", "app")
    assert len(seen) == 200
    secrets = FileSecrets(tmp_path / "secrets.json")
    made = secrets.add(keys.DEPLOYMENT, keys.draw_key(SeededRandom(1)))
    assert deployment_key(secrets, SeededRandom(2)).hex() == made, "the product takes the key that setup made"


# ---- secrets
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (keys.AES_KEY, "a" * 42, "is not an AES key of 43 letters and digits"),
        (keys.AES_KEY, "a" * 42 + "+", "is not an AES key of 43 letters and digits"),
        (keys.TOKEN, "ab", "is not 3 to 32 letters and digits"),
        (keys.ALIMAIL, "", "nothing was given"),
        (keys.GRAPH, "with a\tblank", "holds a blank or a sign that no secret has"),
        (keys.DINGTALK, " leading", "holds a blank"),
    ],
)
def test_a_secret_that_can_not_be_one_is_refused_unseen(tmp_path: Path, name: str, value: str, told: str) -> None:
    result = setup(tmp_path, "--secret", name, "--stdin", typed=f"{value}\n")
    assert result.exit_code == 1
    assert told in result.output
    assert not value.strip() or value.strip() not in result.output


def test_only_the_secrets_of_the_app_can_be_put_into_the_vault(tmp_path: Path) -> None:
    result = setup(tmp_path, "--secret", "deployment-key", "--stdin", typed="x\n")
    assert result.exit_code == 2
    assert "is none of" in result.output


# ---- what is known
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TANDEM_GRAPH_TENANT_ID", "6f1d6a0c-0f5e-4f0e-9a53", "TANDEM_GRAPH_TENANT_ID: is not an ID such as"),
        ("TANDEM_GRAPH_CLIENT_ID", "x'; Remove-Mailbox", "TANDEM_GRAPH_CLIENT_ID: is not an ID such as"),
        ("TANDEM_PUBLIC_URL", "app.example.net", "TANDEM_PUBLIC_URL: is not an address"),
        ("GRAPH_SIGN_IN", "password", "is none of managed-identity, client-secret"),
    ],
)
def test_a_value_that_can_not_be_used_is_named_and_not_shown(tmp_path: Path, name: str, value: str, told: str) -> None:
    file = tmp_path / "settings.env"
    file.write_text(f'{name}="{value}"\n')
    result = setup(tmp_path, "--check", "--env-file", str(file))
    assert result.exit_code == 1
    assert told in result.output
    assert value not in result.output


@pytest.mark.parametrize("value", ["a'; rm -rf ~'@b.cc", '$(id)@b.cc"', "a@b", "", "a b@c.dd", "a@b.cc\n"])
def test_nothing_that_is_no_address_gets_into_a_command(value: str) -> None:
    facts = Facts({}, {})
    if value.strip() == "a@b.cc":
        assert facts.learn("inside", value) == "a@b.cc"
        return
    with pytest.raises(WrongSettings):
        facts.learn("inside", value)


def test_every_place_in_a_command_stands_for_a_fact_that_holds_no_quote() -> None:
    known = {fact.key for fact in FACTS}
    for step in STEPS:
        for act in step.acts:
            words: Sequence[str] = (*act.words, *act.done_if, act.says) if isinstance(act, Command) else ()
            assert {key for word in words for key in re.findall(r"<([a-z-]+)>", word)} <= known
    for fact in FACTS:
        assert not fact.pattern.fullmatch("aa'aa")
        assert not fact.pattern.fullmatch('aa"$aa')


def test_what_azd_prints_is_read_back() -> None:
    text = '# azd\nA="x"\nB="quoted \\"x\\" and \\\\ and \\$y"\n\nexport C=plain\nD=\'single\'\nE=""\n'
    assert read_env(text) == {"A": "x", "B": 'quoted "x" and \\ and $y', "C": "plain", "D": "single", "E": ""}
    with pytest.raises(WrongSettings, match="line 2 of the settings") as caught:
        read_env("A=1\nsecret words\n")
    assert "secret words" not in str(caught.value)


def test_standard_input_is_read_only_where_nothing_is_asked(tmp_path: Path) -> None:
    assert setup(tmp_path, "--env-file", "-", typed="").exit_code == 2
    told = setup(tmp_path, "sign-in", "--print", "--env-file", "-", typed=f'AZURE_TENANT_ID="{GUID}"\n')
    assert told.exit_code == 0
    assert f"https://login.microsoftonline.com/{GUID}/v2.0" in told.output


@pytest.mark.parametrize("words", [["nonsense"], ["--show", "secrets"], ["--env-file", "not there"]])
def test_wrong_words_end_with_a_usage_error(tmp_path: Path, words: list[str]) -> None:
    assert setup(tmp_path, *words).exit_code == 2


# ---- what is noted
@pytest.mark.parametrize("text", ["", "[]", '{"facts": {"client": 1}}', '{"said": {"callback": "yes"}}'])
def test_a_file_that_holds_something_else_is_not_written_over(tmp_path: Path, text: str) -> None:
    file = tmp_path / "progress.json"
    file.write_text(text)
    result = setup(tmp_path, "--check")
    assert result.exit_code == 1
    assert "isn't a file of `tandem setup`" in result.output
    assert file.read_text() == text


def test_what_is_noted_is_found_again(tmp_path: Path) -> None:
    first = Progress(tmp_path / "progress.json")
    first.learn({"client": GUID})
    first.say("callback", 5.0)
    second = Progress(tmp_path / "progress.json")
    assert (second.facts, second.said("callback"), second.begun("callback")) == ({"client": GUID}, 5.0, None)
    assert json.loads((tmp_path / "progress.json").read_text())["facts"] == {"client": GUID}
    with pytest.raises(WrongSettings, match="--progress"):
        Progress(tmp_path / "no folder" / "progress.json").learn({})


# ---- what is asked of Microsoft 365
def test_no_right_to_send_is_ever_asked_for() -> None:
    asked = " ".join(word for step in STEPS for act in step.acts if isinstance(act, Command) for word in act.words)
    assert "Send" not in asked
    assert ID_OF["Mail.Send"] not in asked
    assert all(not any("Send" in name for name in names) for names in IN_ENTRA.values())
