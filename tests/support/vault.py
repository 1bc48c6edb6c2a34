"""A key vault on this machine: secrets with their versions, soft deletion and Key Vault's errors.

By the data plane's REST reference (Key Vault: secrets, api-version 7.x and the dated ones after it). What a real vault
takes seconds for, deleting and recovering, takes `delay` here, and meanwhile it answers as a real one does."""

from __future__ import annotations

import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from sandbox.web import Request, Response
from tests.support.entra_token import claims_of

AUTHORITY = "https://login.microsoftonline.com/ab1f708d-50f6-404c-a006-d71b2ac7a606"
RESOURCE = "https://vault.azure.net"
NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
API = re.compile(r"7\.\d|20\d\d-\d\d-\d\d(-preview)?")
LARGEST = 25_600
DAYS = 90
ALL = ("get", "list", "set", "delete", "recover")
PAGE = 25


@dataclass(slots=True)
class Version:
    id: str
    value: str
    attributes: dict[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Secret:
    """`deleted`: since when, None while it lives; `until`: when what is being done to it will be done."""

    versions: list[Version] = field(default_factory=list)
    deleted: float | None = None
    until: float = 0.0


class Failure(Exception):
    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        super().__init__(message)
        error: dict[str, Any] = {"code": code, "message": message}
        if inner:
            error["innererror"] = {"code": inner}
        self.response = Response.of_json(status, {"error": error})


class Vault:
    """`may`: what the caller's role allows, of get, list, set, delete and recover. `counts`: requests by method."""

    def __init__(self, url: Callable[[], str], *, delay: float = 0.2) -> None:
        self._url, self._delay = url, delay
        self._secrets: dict[str, Secret] = {}
        self._lock = RLock()
        self.may = set(ALL)
        self.counts: Counter[str] = Counter()

    def handle(self, request: Request) -> Response:
        with self._lock:
            self.counts[request.method] += 1
            try:
                if not self._is_authorized(request):
                    return self._challenge()
                if not API.fullmatch(request.query.get("api-version", "")):
                    raise Failure(400, "BadParameter", "The api-version is missing or unknown.")
                return self._act(request)
            except Failure as failure:
                return failure.response

    def empty(self) -> None:
        """A new vault, whose caller may do everything."""
        with self._lock:
            self._secrets.clear()
            self.may = set(ALL)

    def put(self, name: str, value: str) -> None:
        """As an administrator does in the portal: a new version of the secret."""
        with self._lock:
            now = int(time.time())
            attributes: dict[str, Any] = {"enabled": True, "created": now, "updated": now}
            attributes |= {"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": DAYS}
            self._secrets.setdefault(name, Secret()).versions.append(Version(uuid.uuid4().hex, value, attributes))

    def versions(self, name: str) -> list[str]:
        """The values that a secret ever had."""
        with self._lock:
            return [version.value for version in self._secrets[name].versions]

    # ---- who asks
    def _is_authorized(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            claims = claims_of(token)
        except ValueError:
            return False
        return scheme == "Bearer" and claims["aud"] == RESOURCE and int(str(claims["exp"])) > time.time()

    def _challenge(self) -> Response:
        error = {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer or PoP token."}
        headers = {"www-authenticate": f'Bearer authorization="{AUTHORITY}", resource="{RESOURCE}"'}
        return Response.of_json(401, {"error": error}, headers)

    def _allow(self, act: str) -> None:
        if act not in self.may:
            message = "Caller is not authorized to perform action on resource."
            raise Failure(403, "Forbidden", message, "ForbiddenByRbac")

    # ---- what is asked
    def _act(self, request: Request) -> Response:
        match (request.method, *request.segments):
            case ("GET", "secrets"):
                return self._list(request)
            case ("PUT", "secrets", name):
                return self._set(_checked(name), request)
            case ("GET", "secrets", name, "versions"):
                return self._list_versions(name)
            case ("GET", "secrets", name, *version) if len(version) < 2:
                return self._get(name, *version)
            case ("PATCH", "secrets", name, *version) if len(version) < 2:
                return self._update(name, request, *version)
            case ("DELETE", "secrets", name):
                return self._delete(name)
            case ("GET", "deletedsecrets", name):
                return self._get_deleted(name)
            case ("POST", "deletedsecrets", name, "recover"):
                return self._recover(name)
        raise Failure(405, "MethodNotAllowed", "The request isn't one of a vault's secrets.")

    def _list(self, request: Request) -> Response:
        self._allow("list")
        names = sorted(name for name, secret in self._secrets.items() if secret.deleted is None)
        query = request.query
        size = int(query.get("maxresults", PAGE))
        if not 1 <= size <= PAGE:
            raise Failure(400, "BadParameter", f"maxresults must be 1 to {PAGE}.")
        rest = [name for name in names if name > query.get("$skiptoken", "")]
        items = [self._shown(name, self._secrets[name].versions[-1], with_version=False) for name in rest[:size]]
        more = None
        if len(rest) > size:
            more = f"{self._url()}/secrets?api-version={query['api-version']}&maxresults={size}"
            more += f"&$skiptoken={rest[size - 1]}"
        return Response.of_json(200, {"value": items, "nextLink": more})

    def _list_versions(self, name: str) -> Response:
        self._allow("list")
        items = [self._shown(name, version) for version in self._living(name).versions]
        return Response.of_json(200, {"value": items, "nextLink": None})

    def _get(self, name: str, version: str = "") -> Response:
        self._allow("get")
        found = self._version(name, version)
        if not found.attributes["enabled"]:
            message = "Operation get is not allowed on a disabled secret."
            raise Failure(403, "Forbidden", message, "SecretDisabled")
        return Response.of_json(200, self._shown(name, found) | {"value": found.value})

    def _set(self, name: str, request: Request) -> Response:
        self._allow("set")
        body = _json(request)
        if not isinstance(body.get("value"), str):
            raise Failure(400, "BadParameter", "Property value is required.")
        if len(body["value"].encode()) > LARGEST:
            raise Failure(400, "BadParameter", f"Property value has a length over {LARGEST}.")
        secret = self._secrets.setdefault(name, Secret())
        if secret.deleted is not None:
            state, inner = ("deleted but recoverable", "ObjectIsDeletedButRecoverable")
            if time.time() < secret.until:
                state, inner = ("being deleted", "ObjectIsBeingDeleted")
            raise Failure(409, "Conflict", f"Secret {name} is currently {state}.", inner)
        self._refuse_while_recovering(name, secret)
        now = int(time.time())
        attributes = {"enabled": True, **body.get("attributes", {}), "created": now, "updated": now}
        attributes |= {"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": DAYS}
        secret.versions.append(Version(uuid.uuid4().hex, body["value"], attributes, body.get("tags", {})))
        return self._get_shown(name, secret.versions[-1])

    def _update(self, name: str, request: Request, version: str = "") -> Response:
        self._allow("set")
        found = self._version(name, version)
        found.attributes |= {**_json(request).get("attributes", {}), "updated": int(time.time())}
        return Response.of_json(200, self._shown(name, found))

    def _delete(self, name: str) -> Response:
        self._allow("delete")
        secret = self._living(name)
        secret.deleted, secret.until = time.time(), time.time() + self._delay
        return Response.of_json(200, self._shown_deleted(name, secret))

    def _get_deleted(self, name: str) -> Response:
        self._allow("get")
        secret = self._secrets.get(name)
        if secret is None or secret.deleted is None or time.time() < secret.until:
            raise Failure(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        return Response.of_json(200, self._shown_deleted(name, secret))

    def _recover(self, name: str) -> Response:
        self._allow("recover")
        secret = self._secrets.get(name)
        if secret is None or secret.deleted is None or time.time() < secret.until:
            raise Failure(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        secret.deleted, secret.until = None, time.time() + self._delay
        return Response.of_json(200, self._shown(name, secret.versions[-1]))

    # ---- what there is
    def _living(self, name: str) -> Secret:
        secret = self._secrets.get(name)
        if secret is None or secret.deleted is not None or time.time() < secret.until:
            message = f"A secret with (name/id) {name} was not found in this key vault."
            raise Failure(404, "SecretNotFound", message)
        return secret

    def _refuse_while_recovering(self, name: str, secret: Secret) -> None:
        if time.time() < secret.until:
            raise Failure(409, "Conflict", f"Secret {name} is currently being recovered.", "ObjectIsBeingRecovered")

    def _version(self, name: str, id: str) -> Version:
        versions = self._living(name).versions
        found = next((version for version in versions if version.id == id), None) if id else versions[-1]
        if found is None:
            raise Failure(
                404, "SecretNotFound", f"A secret with (name/id) {name}/{id} was not found in this key vault."
            )
        return found

    def _get_shown(self, name: str, version: Version) -> Response:
        return Response.of_json(200, self._shown(name, version) | {"value": version.value})

    def _shown(self, name: str, version: Version, *, with_version: bool = True) -> dict[str, Any]:
        id = f"{self._url()}/secrets/{name}" + (f"/{version.id}" if with_version else "")
        return {"id": id, "attributes": version.attributes, "tags": version.tags}

    def _shown_deleted(self, name: str, secret: Secret) -> dict[str, Any]:
        at = int(secret.deleted or 0)
        return self._shown(name, secret.versions[-1]) | {
            "recoveryId": f"{self._url()}/deletedsecrets/{name}",
            "deletedDate": at,
            "scheduledPurgeDate": at + DAYS * 86_400,
        }


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Failure(400, "BadParameter", "The request URI contains an invalid name.")
    return name


def _json(request: Request) -> dict[str, Any]:
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Failure(400, "BadParameter", "The request's body is no JSON object.")
    return body
