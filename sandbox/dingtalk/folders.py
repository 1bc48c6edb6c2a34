"""Folders over REST (Alimail: folders)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.dingtalk import render
from sandbox.dingtalk.calls import Call, Route, ok
from sandbox.dingtalk.errors import invalid
from sandbox.dingtalk.records import TOP, Folder
from sandbox.web import Response


def list_folders(call: Call) -> Response:
    """One level a call: the top, or the children of `folderId`."""
    parent = call.query("folderId").get("folderId") or TOP
    if parent != TOP:
        call.folder(parent)
    return ok({"folders": [render.folder(call.store, f) for f in call.store.children(parent)]})


def create(call: Call) -> Response:
    call.query()
    key = call.world.switches.folder_parent_key
    body = call.body("displayName", key, "extensions")
    made = call.store.make_folder(_name(body), _parent(call, str(body.get(key) or TOP)))
    return ok({"folder": render.folder(call.store, made)})


def rename(call: Call) -> Response:
    call.query()
    call.store.rename_folder(_folder(call), _name(call.body("displayName")))
    return ok({})


def move(call: Call) -> Response:
    call.query()
    folder = _folder(call)
    target = _parent(call, str(call.body("destinationFolderId").get("destinationFolderId")))
    call.store.move_folder(folder, target)
    return ok({})


def delete(call: Call) -> Response:
    call.query()
    call.store.delete_folder(_folder(call))
    return ok({})


def _parent(call: Call, id: str) -> str:
    return id if id == TOP else call.folder(id)


def _folder(call: Call) -> Folder:
    return call.store.folders[call.folder(call.params[0])]


def _name(body: Mapping[str, Any]) -> str:
    name = body.get("displayName")
    if not isinstance(name, str):
        raise invalid("displayName")
    return name


ROUTES = (
    Route("GET", ("mailFolders",), list_folders),
    Route("POST", ("mailFolders",), create),
    Route("PATCH", ("mailFolders", "*"), rename),
    Route("DELETE", ("mailFolders", "*"), delete),
    Route("POST", ("mailFolders", "*", "move"), move),
)
