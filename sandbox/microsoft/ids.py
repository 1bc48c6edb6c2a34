"""Ids: opaque, case-sensitive text in two forms, made without chance so that a run can be repeated."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid

_FORM = re.compile(r"AA[MkQ][kA][A-Za-z0-9_-]+=*")

DEFAULT = "AAMk"
IMMUTABLE = "AAkA"


def make(form: str, *parts: object) -> str:
    """An id of the given form for these parts; equal parts give equal ids."""
    digest = hashlib.sha384(_joined(parts)).digest() + hashlib.sha256(_joined(parts)).digest()[:21]
    return form + base64.urlsafe_b64encode(digest).decode()


def guid(*parts: object) -> str:
    return str(uuid.UUID(bytes=hashlib.sha256(_joined(parts)).digest()[:16]))


def change_key(id: str, version: int) -> str:
    return "CQAAAB" + base64.b64encode(hashlib.sha256(_joined((id, version))).digest()[:15]).decode()


def well_formed(text: str) -> bool:
    """Whether the vendor would look it up at all; if not it says that the id is malformed."""
    return len(text) >= 40 and len(text) % 4 == 0 and _FORM.fullmatch(text) is not None


def _joined(parts: tuple[object, ...]) -> bytes:
    return "\0".join(map(str, parts)).encode()
