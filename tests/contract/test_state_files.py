"""What every adapter of the Blobs and Secrets ports does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.model.errors import StoreUnavailable, WrongSettings
from shared.ports.state import Blobs, Secrets
from shared.state.files import FileBlobs, FileSecrets
from tests.contract.test_state_table import race


class BlobsContract:
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        raise NotImplementedError

    @pytest.mark.parametrize("content", [b"", b"\0\r\n\xff", os.urandom(3 << 20)], ids=["empty", "binary", "3 MiB"])
    def test_a_blob_is_read_as_it_was_put(self, blobs: Blobs, content: bytes) -> None:
        blobs.put("pair-1/mail/before.eml", content)
        assert blobs.get("pair-1/mail/before.eml") == content

    def test_a_blob_is_replaced(self, blobs: Blobs) -> None:
        blobs.put("a", b"a long first content")
        blobs.put("a", b"second")
        assert blobs.get("a") == b"second"

    def test_what_is_not_there_reads_as_none(self, blobs: Blobs) -> None:
        blobs.put("a/b", b"")
        assert (blobs.get("a"), blobs.get("a/c"), blobs.get("z/b")) == (None, None, None)

    def test_a_blob_that_was_deleted_is_gone(self, blobs: Blobs) -> None:
        blobs.put("a/b", b"1")
        blobs.put("a/c", b"2")
        blobs.delete("a/b")
        blobs.delete("a/b")
        assert (blobs.get("a/b"), blobs.get("a/c")) == (None, b"2")

    def test_a_reader_sees_the_old_or_the_new_and_nothing_between(self, blobs: Blobs) -> None:
        contents = {letter * 500_000 for letter in (b"a", b"b", b"c")}
        blobs.put("k", b"a" * 500_000)

        def write(content: bytes) -> None:
            for _ in range(5):
                blobs.put("k", content)

        def read() -> None:
            for _ in range(50):
                assert blobs.get("k") in contents

        race(*(lambda content=content: write(content) for content in contents), read)

    @pytest.mark.parametrize(
        "name",
        ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a/./b", "a\\b", "a\0", "C:a", "~a", ".a", "A"],
    )
    @pytest.mark.parametrize("act", ["get", "put", "delete"])
    def test_a_name_that_might_lead_elsewhere_is_refused(self, blobs: Blobs, name: str, act: str) -> None:
        acts: dict[str, Callable[[], object]] = {
            "get": lambda: blobs.get(name),
            "put": lambda: blobs.put(name, b""),
            "delete": lambda: blobs.delete(name),
        }
        with pytest.raises(ValueError, match="blob's name"):
            acts[act]()


class TestFileBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return FileBlobs(tmp_path / "blobs")

    def test_only_its_owner_can_read_them_and_nothing_else_is_left(self, blobs: Blobs, tmp_path: Path) -> None:
        blobs.put("a/b", b"1")
        blobs.put("a/b", b"2")
        assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {
            "blobs",
            "blobs/a",
            "blobs/a/b",
        }
        assert (tmp_path / "blobs").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "blobs/a/b").stat().st_mode & 0o777 == 0o600

    def test_a_failed_write_leaves_the_old_content_and_says_what_to_do(
        self, blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(fd: int) -> None:
            raise OSError(28, "No space left on device")

        blobs.put("a", b"old")
        monkeypatch.setattr("shared.state.files.os.fsync", fail)
        with pytest.raises(StoreUnavailable, match="No space left on device; check"):
            blobs.put("a", b"new")
        assert [path.name for path in (tmp_path / "blobs").iterdir()] == ["a"]
        assert blobs.get("a") == b"old"


class SecretsContract:
    @pytest.fixture
    def another(self, tmp_path: Path) -> Callable[[], Secrets]:
        raise NotImplementedError

    @pytest.fixture
    def secrets(self, another: Callable[[], Secrets]) -> Secrets:
        return another()

    def test_a_secret_is_read_as_it_was_set(self, another: Callable[[], Secrets]) -> None:
        another().set("imap-pair-1", "pässword \n 密")
        another().set("imap-pair-2", "x" * 25_000)
        assert another().get("imap-pair-1") == "pässword \n 密"
        assert another().get("imap-pair-2") == "x" * 25_000

    def test_a_secret_is_replaced(self, secrets: Secrets) -> None:
        secrets.set("a", "1")
        secrets.set("a", "2")
        assert secrets.get("a") == "2"

    def test_what_is_not_there_reads_as_none(self, secrets: Secrets) -> None:
        assert secrets.get("a") is None

    def test_a_secret_that_was_deleted_is_gone(self, secrets: Secrets) -> None:
        secrets.set("a", "1")
        secrets.set("b", "2")
        secrets.delete("a")
        secrets.delete("a")
        assert (secrets.get("a"), secrets.get("b")) == (None, "2")

    @pytest.mark.parametrize("name", ["", "A", "a_b", "a b", "a/b", "é", "a\n", "a" * 128])
    def test_names_are_lower_case_letters_digits_and_dashes(self, secrets: Secrets, name: str) -> None:
        acts: list[Callable[[], object]] = [
            lambda: secrets.get(name),
            lambda: secrets.set(name, "s"),
            lambda: secrets.delete(name),
        ]
        for act in acts:
            with pytest.raises(ValueError, match="secret's name"):
                act()

    @pytest.mark.parametrize("value", ["", "x" * 25_001, "密" * 9_000])
    def test_a_value_that_a_vault_would_not_take_is_refused_and_not_shown(self, secrets: Secrets, value: str) -> None:
        secrets.set("a", "1")
        acts: list[Callable[[], object]] = [lambda: secrets.set("a", value), lambda: secrets.add("b", value)]
        for act in acts:
            with pytest.raises(ValueError, match="25000") as caught:
                act()
            assert "xx" not in str(caught.value)
        assert (secrets.get("a"), secrets.get("b")) == ("1", None)

    def test_what_was_deleted_can_be_set_or_added_again(self, another: Callable[[], Secrets]) -> None:
        for name in ("a", "b"):
            another().set(name, "old")
            another().delete(name)
        another().set("a", "new")
        kept = another().add("b", "new")
        assert another().get("a") == "new"
        assert another().get("b") == kept

    def test_what_is_there_is_kept_by_who_adds(self, secrets: Secrets) -> None:
        secrets.set("a", "1")
        assert secrets.add("a", "2") == "1"
        assert secrets.add("b", "3") == "3"
        assert (secrets.get("a"), secrets.get("b")) == ("1", "3")

    def test_all_who_add_at_once_get_the_same(self, another: Callable[[], Secrets]) -> None:
        got = list[str]()
        race(*(lambda n=n: got.append(another().add("key", str(n))) for n in range(8)))
        assert len(got) == 8
        assert set(got) == {another().get("key")}

    def test_of_eight_who_set_at_once_none_is_lost(self, another: Callable[[], Secrets]) -> None:
        def keep(number: int) -> None:
            for part in range(3):
                another().set(f"s-{number}-{part}", str(number))

        race(*(lambda number=number: keep(number) for number in range(8)))
        names = [(number, f"s-{number}-{part}") for number in range(8) for part in range(3)]
        assert all(another().get(name) == str(number) for number, name in names)


class TestFileSecrets(SecretsContract):
    @pytest.fixture
    def another(self, tmp_path: Path) -> Callable[[], Secrets]:
        return lambda: FileSecrets(tmp_path / "state" / "secrets.json")

    def test_only_its_owner_can_read_it(self, tmp_path: Path) -> None:
        FileSecrets(tmp_path / "state" / "secrets.json").set("a", "1")
        FileSecrets(tmp_path / "state" / "secrets.json").set("b", "2")
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()} == {0o600}
        assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
    def test_a_file_that_others_can_read_is_refused(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "secrets.json"
        path.write_text('{"a": "hush"}')
        path.chmod(mode)
        acts: list[Callable[[], object]] = [lambda: FileSecrets(path).get("a"), lambda: FileSecrets(path).set("b", "2")]
        for act in acts:
            with pytest.raises(WrongSettings, match=r"can be read by others.*chmod 600") as caught:
                act()
            assert "hush" not in str(caught.value)
        assert json.loads(path.read_text()) == {"a": "hush"}

    @pytest.mark.parametrize("text", ["", "hush", "[1]", '{"a": 1}'])
    def test_a_file_that_holds_something_else_is_refused_and_not_shown(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "secrets.json"
        path.touch(0o600)
        path.write_text(text)
        with pytest.raises(WrongSettings, match="not a JSON object") as caught:
            FileSecrets(path).set("b", "2")
        assert "hush" not in str(caught.value)
        assert path.read_text() == text
