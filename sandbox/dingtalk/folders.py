"""Folders over REST (Alimail: folders)."""

from __future__ import annotations

from dataclasses import replace

from sandbox.dingtalk import render
from sandbox.dingtalk.calls import Call, Route, ok
from sandbox.dingtalk.errors import Refusal, invalid
from sandbox.dingtalk.records import ROLES, TOP
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
    parent = _parent(call, str(body.get(key) or TOP))
    made = call.store.make_folder(_name(call, body.get("displayName"), parent), parent)
    return ok({"folder": render.folder(call.store, made)})


def rename(call: Call) -> Response:
    call.query()
    folder = call.store.folders[_personal(call)]
    name = _name(call, call.body("displayName").get("displayName"), folder.parent)
    call.store.folders[folder.id] = replace(folder, name=name)
    return ok({})


def move(call: Call) -> Response:
    call.query()
    folder = call.store.folders[_personal(call)]
    target = _parent(call, str(call.body("destinationFolderId").get("destinationFolderId")))
    if target != TOP and folder in call.store.line(call.store.folders[target]):
        raise invalid("a folder can't be moved into itself")
    _name(call, folder.name, target)
    call.store.folders[folder.id] = replace(folder, parent=target)
    return ok({})


def delete(call: Call) -> Response:
    """Its messages go into the trash; one that has folders of its own stays."""
    call.query()
    id = _personal(call)
    if call.store.children(id):
        raise Refusal(400, "folder.notEmpty", "the folder has folders of its own")
    call.store.drop_folder(call.store.folders[id])
    return ok({})


def _parent(call: Call, id: str) -> str:
    return id if id == TOP else call.folder(id)


def _personal(call: Call) -> str:
    id = call.folder(call.params[0])
    if id in ROLES:
        raise Refusal(403, "folder.forbidden", "a system folder can't be changed")
    return id


def _name(call: Call, name: object, parent: str) -> str:
    if not isinstance(name, str) or not name.strip() or "/" in name:
        raise invalid("displayName")
    if any(folder.name == name for folder in call.store.children(parent)):
        raise Refusal(400, "folder.exists", "a folder of this name is there already")
    return name


ROUTES = (
    Route("GET", ("mailFolders",), list_folders),
    Route("POST", ("mailFolders",), create),
    Route("PATCH", ("mailFolders", "*"), rename),
    Route("DELETE", ("mailFolders", "*"), delete),
    Route("POST", ("mailFolders", "*", "move"), move),
)
