"""Blobs and secrets as files that only their owner can read (POSIX)."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.model.errors import StoreUnavailable, WrongSettings
from shared.state.limits import check_blob_name, check_secret, check_secret_name


class FileBlobs:
    """A file for each blob under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> bytes | None:
        path = self._path(name)
        with _translated(path):
            return path.read_bytes() if path.is_file() else None

    def put(self, name: str, content: bytes) -> None:
        path = self._path(name)
        with _translated(path):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content)

    def delete(self, name: str) -> None:
        path = self._path(name)
        with _translated(path):
            path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder.joinpath(*check_blob_name(name))


class FileSecrets:
    """One JSON object in the file `path`. WrongSettings when others than its owner may read the file, or when it
    holds something else."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str, fresh: bool = False) -> str | None:
        return self._read().get(check_secret_name(name))

    def set(self, name: str, value: str) -> None:
        with self._changing() as held:
            held[check_secret_name(name)] = check_secret(value)

    def add(self, name: str, value: str) -> str:
        with self._changing() as held:
            return held.setdefault(check_secret_name(name), check_secret(value))

    def delete(self, name: str) -> None:
        with self._changing() as held:
            held.pop(check_secret_name(name), None)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        """What the file holds, written back at the end; one thread of one process at a time."""
        with _translated(self._path):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._path.with_name(self._path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                held = self._read()
                before = dict(held)
                yield held
                if held != before:
                    _replace(self._path, json.dumps(held, indent=1).encode())
            finally:
                os.close(lock)

    def _read(self) -> dict[str, str]:
        with _translated(self._path):
            try:
                file = self._path.open("rb")
            except FileNotFoundError:
                return {}
            with file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read()
        if mode & 0o077:
            raise WrongSettings(f"{self._path} can be read by others (mode {mode:o}): run chmod 600 on it")
        try:
            held = json.loads(text)
        except ValueError:
            held = None
        if not isinstance(held, dict) or not all(isinstance(value, str) for value in held.values()):
            raise WrongSettings(f"{self._path} is not a JSON object of texts: mend it or restore a copy")
        return held


def _replace(path: Path, content: bytes) -> None:
    """All of the new content or all of the old, also after a power cut; readable by the owner alone."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}; check its folder, its owner and the disk's room") from error
