"""The package that is deployed: what is left of the project's folder once .funcignore has been read.

`python -m tests.support.package dist/tandem.zip` writes it, for whoever deploys without azd; azd and the Core Tools
make the same one by themselves."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

ROOT = Path(__file__).resolve().parents[2]
IGNORE = ".funcignore"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file, so that the same content is the same package."""


def contents(root: Path = ROOT) -> list[str]:
    """The paths of the package, sorted, relative to `root`."""
    ignored = GitIgnoreSpec.from_lines((root / IGNORE).read_text("utf-8").splitlines())
    return sorted(_kept(root, ignored))


def _kept(root: Path, ignored: GitIgnoreSpec) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        below = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not ignored.match_file(f"{(below / name).as_posix()}/")]
        yield from (path for name in names if not ignored.match_file(path := (below / name).as_posix()))


def write(target: Path, root: Path = ROOT) -> list[str]:
    """Make the package at `target`; -> what is in it."""
    names = contents(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name in names:
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            package.writestr(entry, (root / name).read_bytes())
    return names


def unpack(folder: Path, root: Path = ROOT) -> Path:
    """Make the package and unpack it to `folder`/app, as it lies in Azure; -> that folder."""
    write(folder / "tandem.zip", root)
    with zipfile.ZipFile(folder / "tandem.zip") as package:
        package.extractall(folder / "app")
    return folder / "app"


if __name__ == "__main__":
    made = Path(sys.argv[1])
    print(f"{made}: {len(write(made))} files, {made.stat().st_size // 1024} KiB")
