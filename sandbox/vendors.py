"""Both simulated vendors on free ports of this machine, with people who each have a mailbox at both."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from sandbox.demo.meter import Meter
from sandbox.demo.office import Person, furnish
from sandbox.dingtalk import DingTalkMail, DingTalkOpen, ImapServer, OpenServer
from sandbox.dingtalk import Switches as DingTalkSwitches
from sandbox.faults import Door, Faults, ImapDoor
from sandbox.microsoft import Microsoft365
from sandbox.microsoft import Switches as MicrosoftSwitches
from sandbox.microsoft.server import MicrosoftServer
from sandbox.people import PeopleDoor
from sandbox.web import Request, Response, Server, Vendor

TENANT, CLIENT, SECRET = "0f8f0c1e-5a57-4a0b-9d7e-3a1c5f0e7d10", "3b2f6d44-91c8-4c53-8a52-6f1de9a4b7c2", "sandbox-graph"
ALI_CLIENT, ALI_SECRET = "sandbox-alimail-app", "sandbox-alimail"
CORP_ID, APP_KEY, APP_SECRET = "dingsandboxcorp", "dingsandboxapp", "sandbox-dingtalk"
CALLBACK_TOKEN, CALLBACK_KEY = "sandboxtoken", "sandboxsandboxsandboxsandboxsandboxsandbox1"
NAMES = ("Chan Man 陳敏", "Wong Kit 黃傑", "Lau Ying 劉瑩", "Ho Ming 何明")


@dataclass(frozen=True, slots=True)
class SandboxPair:
    """One person's two mailboxes, and what is needed to use them."""

    name: str
    outlook: str
    dingtalk: str
    union_id: str
    user_id: str
    client_password: str


class Vendors:
    """Run from `with` to its end. `pairs`: how many people; `faults`: what goes wrong on the way to them once somebody
    says that it may begin; `clock`: in epoch seconds. All they hold is gone afterwards."""

    def __init__(
        self,
        *,
        pairs: int = 2,
        faults: Faults | None = None,
        clock: Callable[[], float] = time.time,
        microsoft: MicrosoftSwitches | None = None,
        dingtalk: DingTalkSwitches | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self._clock, self._microsoft, self._dingtalk = clock, microsoft, dingtalk
        self._stack = ExitStack()
        self.pairs = [_pair(number) for number in range(1, pairs + 1)]
        self.people: list[Person] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    # ---- starting
    def _start(self) -> None:
        self._start_vendors()
        self._furnish()

    def _start_vendors(self) -> None:
        chance, clock = random.Random(), self._clock
        self.microsoft = Microsoft365(
            clock=clock,
            random=chance,
            switches=self._microsoft,
            tenant_id=TENANT,
            client_id=CLIENT,
            client_secret=SECRET,
        )
        self.dingtalk = DingTalkMail(
            clock=clock, random=chance, switches=self._dingtalk, client_id=ALI_CLIENT, client_secret=ALI_SECRET
        )
        self.open_platform = DingTalkOpen(
            clock=clock, random=chance, corp_id=CORP_ID, app_key=APP_KEY, app_secret=APP_SECRET
        )
        self._open = OpenServer(self.open_platform)
        self._stack.callback(self._open.close)
        self.meter = Meter(self.microsoft, self.dingtalk, self.microsoft.part_counts)
        self._tap, faults, tokens = Tap(self.dingtalk), self.faults, self.microsoft.tokens.revoke
        front = Door("microsoft", self.microsoft, faults, tokens, self.microsoft.expire_delta_tokens)
        self._graph = MicrosoftServer(self.microsoft, front=front, post_office=faults.post_office)
        self._stack.callback(self._graph.close)
        self._alimail = Server(Door("dingtalk", self._tap, faults, self.dingtalk.revoke_tokens))
        self._stack.callback(self._alimail.close)
        self._imap = ImapServer(ImapDoor(self.dingtalk, faults))
        self._stack.callback(self._imap.close)
        self._door = Server(PeopleDoor(self.people, self.meter))
        self._stack.callback(self._door.close)

    def _furnish(self) -> None:
        for number, pair in enumerate(self.pairs):
            outlook = self.microsoft.add_mailbox(
                pair.outlook, display_name=pair.name, language=("zh-TW", "en")[number % 2]
            )
            dingtalk = self.dingtalk.add_mailbox(pair.dingtalk, client_password=pair.client_password)
            self.open_platform.hire(pair.user_id, pair.union_id, pair.name)
            person = Person(pair.name, {"outlook": outlook, "dingtalk": dingtalk})
            furnish(person)
            self.people.append(person)

    # ---- while they run
    def settings(self) -> dict[str, str]:
        """The product's settings with which it works against these vendors."""
        return {
            "TANDEM_GRAPH_URL": self._graph.graph_url,
            "TANDEM_LOGIN_URL": self._graph.url,
            "TANDEM_GRAPH_TENANT_ID": TENANT,
            "TANDEM_GRAPH_CLIENT_ID": CLIENT,
            "TANDEM_GRAPH_CLIENT_SECRET": SECRET,
            "TANDEM_ALIMAIL_URL": self._alimail.url,
            "TANDEM_ALIMAIL_CLIENT_ID": ALI_CLIENT,
            "TANDEM_ALIMAIL_CLIENT_SECRET": ALI_SECRET,
            "TANDEM_IMAP_HOST": self._imap.host,
            "TANDEM_IMAP_PORT": str(self._imap.port),
            "TANDEM_IMAP_TLS": "false",
            "TANDEM_DINGTALK_URL": self._open.api_url,
            "TANDEM_DINGTALK_OAPI_URL": self._open.oapi_url,
            "TANDEM_DINGTALK_CORP_ID": CORP_ID,
            "TANDEM_DINGTALK_APP_KEY": APP_KEY,
            "TANDEM_DINGTALK_APP_SECRET": APP_SECRET,
            "TANDEM_DINGTALK_TOKEN": CALLBACK_TOKEN,
            "TANDEM_DINGTALK_AES_KEY": CALLBACK_KEY,
        }

    def ready(self) -> dict[str, Any]:
        """What a client needs to use them: addresses, apps, pairs, and the product's settings. Doors that aren't there
        are None. `people`: where whoever plays the people does what they do (`sandbox.people`)."""
        return {
            "graph": self._graph.graph_url,
            "login": self._graph.url,
            "alimail": self._alimail.url,
            "dingtalk": self._open.api_url,
            "dingtalk_oapi": self._open.oapi_url,
            "functions": None,
            "imap": {"host": self._imap.host, "port": self._imap.port, "tls": False},
            "people": self._door.url,
            "apps": {
                "graph": {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET},
                "alimail": {"client_id": ALI_CLIENT, "client_secret": ALI_SECRET},
                "dingtalk": {
                    "corp_id": CORP_ID,
                    "app_key": APP_KEY,
                    "app_secret": APP_SECRET,
                    "token": CALLBACK_TOKEN,
                    "aes_key": CALLBACK_KEY,
                },
            },
            "pairs": [asdict(pair) for pair in self.pairs],
            "settings": self.settings(),
        }

    def call_back(self, url: str) -> None:
        """Have DingTalk tell its events to this address, which it tries at once."""
        self._open.configure(url, CALLBACK_TOKEN, CALLBACK_KEY)

    def polls(self, address: str) -> Sequence[float]:
        """When the app's looks at this DingTalk mailbox began, in epoch seconds."""
        return self._tap.looks[address]


class Tap:
    """A vendor with an ear: notes when someone asked for a mailbox's folders, with which each look begins."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self.looks: Mapping[str, list[float]] = defaultdict(list)

    def handle(self, request: Request) -> Response:
        parts = request.segments
        if request.method == "GET" and parts[:2] == ("v2", "users") and parts[3:] == ("mailFolders",):
            self.looks[parts[2]].append(time.time())
        return self._vendor.handle(request)


def _pair(number: int) -> SandboxPair:
    name = NAMES[number - 1] if number <= len(NAMES) else f"Person {number}"
    local = name.split(" ")[0].lower() if number <= len(NAMES) else f"person{number}"
    return SandboxPair(
        name,
        f"{local}@office.example",
        f"{local}@factory.example",
        f"union-{number:03d}",
        f"user-{number:03d}",
        f"client-password-{number:03d}",
    )
