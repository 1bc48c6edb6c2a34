"""What setup reaches of the world: the vault, the vendors and the app, by the product's own clients."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from shared.dingtalk.openapi import OpenApi
from shared.dingtalk.openapi_tokens import AppTokens as DingTalkTokens
from shared.dingtalk.tokens import ClientCredentials
from shared.model.answers import parsed
from shared.model.errors import NotFound, NotPermitted, Unavailable
from shared.ops.setup.facts import Facts
from shared.outlook.tokens import AppTokens, Credential
from shared.outlook.transport import Graph, Part
from shared.ports.state import Secret, Secrets
from shared.ports.world import Clock, Executor, HttpRequest, Random, Transport, TransportError

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
NOBODY = "tandem-setup"
"""A userid that nobody has: asking for it shows whether the directory may be read, and reads nothing."""


@dataclass(frozen=True, slots=True)
class Addresses:
    login: str
    graph: str
    alimail: str
    dingtalk: str
    oapi: str


@dataclass(frozen=True, slots=True)
class World:
    """`vault`: the secrets at an address. `identity`: the managed identity as credential, None where there is none."""

    transport: Transport
    clock: Clock
    random: Random
    executor: Executor
    lock: Callable[[], AbstractContextManager[object]]
    addresses: Addresses
    vault: Callable[[str], Secrets]
    identity: Credential | None


class Uncounted:
    def count(self, *, metered: bool) -> None:
        """Nothing that setup asks for is metered."""


class Reach:
    """Every method raises a TandemError where it is refused or nothing answers."""

    def __init__(self, world: World, facts: Facts) -> None:
        self._world, self._facts = world, facts

    # ---- Microsoft 365
    def graph_tokens(self, secret: str) -> AppTokens:
        """By the secret, or by the identity of this machine when it is "". New ones each time: a token tells the rights
        of when it was given."""
        world, facts = self._world, self._facts
        credential = secret or world.identity
        assert credential is not None, "asked for only where there is an identity"
        place = world.transport, world.clock, world.addresses.login
        return AppTokens(*place, facts.get("tenant"), facts.get("client"), credential, world.lock())

    def opens(self, tokens: AppTokens, mailbox: str) -> int:
        """The status that Graph answers when the app asks for the mailbox's inbox: 200 it opens, 403 it doesn't, 404
        there is none. Nothing of its mail is read."""
        world = self._world
        graph = Graph(world.transport, world.clock, world.random, world.executor, tokens, world.addresses.graph)
        part = Part(f"/users/{quote(mailbox, safe='@')}/mailFolders/inbox?$select=id")
        return graph.batch([part], "a mailbox's inbox")[0].status

    # ---- DingTalk
    def alimail(self, secret: str) -> None:
        world = self._world
        place = world.transport, world.clock, world.addresses.alimail
        ClientCredentials(*place, self._facts.get("alimail"), _given(secret), world.lock()).token()

    def dingtalk(self, secret: str) -> None:
        """A token by AppKey and AppSecret, and one of the organisation by its CorpId (DingTalk: api-gettoken, which
        answers a CorpId that it doesn't know with 500 unknownError)."""
        self._dingtalk_tokens(secret).token()
        key, corp = self._facts.get("app-key"), self._facts.get("corp")
        body = {"client_id": key, "client_secret": secret, "grant_type": "client_credentials"}
        url = f"{self._world.addresses.dingtalk}/v1.0/oauth2/{quote(corp, safe='')}/token"
        headers = {"content-type": "application/json"}
        status, answer = self._send(HttpRequest("POST", url, headers, json.dumps(body).encode()), "DingTalk")
        if status != 200 or not answer.get("access_token"):
            raise NotPermitted(f"DingTalk knows the app and not with this CorpId (status {status}): compare the CorpId")

    def directory(self, secret: str) -> None:
        """NotPermitted when the app may not read the organisation's people."""
        world, tokens = self._world, self._dingtalk_tokens(secret)
        try:
            OpenApi(world.transport, tokens, Uncounted(), world.addresses.oapi, 30.0).user(NOBODY)
        except NotFound:
            return

    def _dingtalk_tokens(self, secret: str) -> DingTalkTokens:
        world, urls = self._world, self._world.addresses
        place = world.transport, world.clock, urls.dingtalk, urls.oapi
        return DingTalkTokens(*place, self._facts.get("app-key"), _given(secret), world.lock())

    # ---- the app
    def health(self) -> tuple[int, bool, list[str]]:
        """(status, whether it says that it is well, the settings and secrets that it names as missing or wrong)."""
        status, answer = self._send(HttpRequest("GET", f"{self._facts.get('url')}/api/health"), "the app")
        named = answer.get("settings")
        names = (
            [name for name in named if isinstance(name, str) and NAME.fullmatch(name)]
            if isinstance(named, list)
            else []
        )
        return status, answer.get("ok") is True, names

    def _send(self, request: HttpRequest, whom: str) -> tuple[int, dict[str, Any]]:
        try:
            response = self._world.transport.send(request)
        except TransportError as error:
            raise Unavailable(f"{whom} gave no answer: check the address and the network") from error
        try:
            answer = parsed(response.body)
        except ValueError:
            answer = None
        return response.status, answer if isinstance(answer, dict) else {}


def _given(value: str) -> Secret:
    return lambda fresh=False: value


def roles_of(token: str) -> Set[str] | None:
    """What a token of Graph says that the app may do in the whole organisation (the claim `roles`); None when it can't
    be read. It came from the sign-in service itself, so its signature isn't looked at."""
    try:
        _, claims, _ = token.split(".")
        found = parsed(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return frozenset(str(role) for role in found.get("roles") or ())
    except (ValueError, AttributeError, TypeError):
        return None
