"""Routes of mail folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.microsoft import names
from sandbox.microsoft.calls import WRITE, Call, Route
from sandbox.microsoft.errors import GraphError, bad_body
from sandbox.microsoft.query import check_options, page, parse_select
from sandbox.microsoft.records import Folder
from sandbox.microsoft.render import FOLDER_NAMES, folder_json
from sandbox.web import Response

_LIST_OPTIONS = frozenset({"$top", "$skip", "$select", "$filter", "$count", "includeHiddenFolders"})
_WRITABLE = {"displayName": str, "isHidden": bool}
_READ_ONLY = frozenset(
    ["id", "parentFolderId", "childFolderCount", "totalItemCount", "unreadItemCount", "wellKnownName"]
)


def _context(call: Call, tail: str = "") -> dict[str, Any]:
    return {
        "@odata.context": f"{call.world.base_url}/$metadata#users('{call.args['u']}')/mailFolders{tail}",
    }


def _answer(call: Call, status: int, folder: Folder) -> Response:
    select = parse_select(call.query.get("$select"), FOLDER_NAMES, "mailFolder")
    return Response.of_json(status, _context(call, "/$entity") | folder_json(call.mailbox, folder, select))


def _listing(call: Call, parent: str) -> Response:
    check_options(call, _LIST_OPTIONS)
    hidden = call.query.get("includeHiddenFolders", "").lower() == "true"
    found: Sequence[Folder] = [f for f in call.mailbox.children(parent) if hidden or not f.hidden]
    if wanted := call.query.get("$filter"):
        found = [f for f in found if _test(wanted)(f)]
    select = parse_select(call.query.get("$select"), FOLDER_NAMES, "mailFolder")
    return Response.of_json(200, page(call, found, lambda f: folder_json(call.mailbox, f, select), _context(call)))


def _test(text: str) -> Callable[[Folder], bool]:
    field, _, literal = text.strip().partition(" eq ")
    if field.strip().lower() != "displayname" or not (literal.strip().startswith("'") and len(literal.strip()) > 1):
        raise GraphError(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
    wanted = literal.strip()[1:-1].replace("''", "'").casefold()
    return lambda folder: folder.name.casefold() == wanted


def list_folders(call: Call) -> Response:
    return _listing(call, call.mailbox.folder(names.ROOT).id)


def list_children(call: Call) -> Response:
    return _listing(call, call.mailbox.folder(call.args["f"]).id)


def get_folder(call: Call) -> Response:
    check_options(call, frozenset({"$select"}))
    return _answer(call, 200, call.mailbox.folder(call.args["f"]))


def _members(call: Call, allowed: frozenset[str]) -> dict[str, Any]:
    found = {}
    for name, value in call.object().items():
        if "@odata." in name:
            continue
        if name in _READ_ONLY or (name in _WRITABLE and name not in allowed):
            call.world.ignore(call.route, name)
        elif name not in _WRITABLE or not isinstance(value, _WRITABLE[name]):
            raise bad_body(
                f"The property '{name}' does not exist on type 'microsoft.graph.mailFolder' or is not valid."
            )
        else:
            found[name] = value
    return found


def make_folder(call: Call) -> Response:
    members = _members(call, frozenset({"displayName", "isHidden"}))
    parent = call.mailbox.folder(call.args.get("f", names.ROOT), use=True)
    folder = call.mailbox.make_folder(members.get("displayName", ""), parent, members.get("isHidden", False))
    return _answer(call, 201, folder)


def rename_folder(call: Call) -> Response:
    folder = call.mailbox.folder(call.args["f"])
    members = _members(call, frozenset({"displayName"}))
    if "displayName" in members:
        folder = call.mailbox.rename_folder(folder, members["displayName"])
    return _answer(call, 200, folder)


def move_folder(call: Call) -> Response:
    folder = call.mailbox.folder(call.args["f"])
    target = call.mailbox.folder(call.argument("destinationId"), use=True)
    return _answer(call, 201, call.mailbox.move_folder(folder, target))


def delete_folder(call: Call) -> Response:
    call.mailbox.delete_folder(call.mailbox.folder(call.args["f"]))
    return Response(204)


def purge_folder(call: Call) -> Response:
    call.mailbox.purge_folder(call.mailbox.folder(call.args["f"]))
    return Response(204)


def copy_folder(call: Call) -> Response:
    """The folder, what lies in it and the folders below."""
    store = call.mailbox
    target = store.folder(call.argument("destinationId"), use=True)
    return _answer(call, 201, _copied(call, store.folder(call.args["f"]), target))


def _copied(call: Call, source: Folder, target: Folder) -> Folder:
    store = call.mailbox
    children, messages = store.children(source.id), [m for m in store.items.values() if m.folder == source.id]
    made = store.make_folder(source.name, target, source.hidden)
    for message in messages:
        store.copy(message, made.id, "client")
    for child in children:
        _copied(call, child, made)
    return made


ROUTES = (
    Route("GET", "users/{u}/mailFolders", list_folders),
    Route("POST", "users/{u}/mailFolders", make_folder, WRITE),
    Route("GET", "users/{u}/mailFolders/{f}", get_folder),
    Route("PATCH", "users/{u}/mailFolders/{f}", rename_folder, WRITE),
    Route("DELETE", "users/{u}/mailFolders/{f}", delete_folder, WRITE),
    Route("GET", "users/{u}/mailFolders/{f}/childFolders", list_children),
    Route("POST", "users/{u}/mailFolders/{f}/childFolders", make_folder, WRITE),
    Route("POST", "users/{u}/mailFolders/{f}/move", move_folder, WRITE),
    Route("POST", "users/{u}/mailFolders/{f}/copy", copy_folder, WRITE),
    Route("POST", "users/{u}/mailFolders/{f}/permanentDelete", purge_folder, WRITE),
)
