"""The app as it is deployed: the package in a process of its own, with both vendors, and with a managed identity, a
storage account and a vault that stand in for Azure's."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import requests

from sandbox.demo.compare import differences
from sandbox.demo.post import Post
from sandbox.microsoft.credentials import EXCHANGE, Federated
from sandbox.microsoft.identities import Identity
from sandbox.vendors import ALI_SECRET, APP_SECRET, CALLBACK_KEY, CALLBACK_TOKEN, SECRET, TENANT, Vendors
from sandbox.web import Request, Response, Server
from tests.support.azure_services import AzureServices, azure_services
from tests.support.managed_identity import ManagedIdentity
from tests.support.package_host import QUEUES
from tests.support.packaged import command, host_folder
from tests.support.processes import Served, tandem, until

SECRETS = {
    "alimail-client-secret": ALI_SECRET,
    "dingtalk-app-secret": APP_SECRET,
    "dingtalk-token": CALLBACK_TOKEN,
    "dingtalk-aes-key": CALLBACK_KEY,
}
"""What an administrator puts into the vault."""
SECRET_SETTINGS = ("GRAPH_CLIENT_SECRET", "ALIMAIL_CLIENT_SECRET", "DINGTALK_APP_SECRET", "DINGTALK_TOKEN")
LEFT_OUT = {f"TANDEM_{name}" for name in (*SECRET_SETTINGS, "DINGTALK_AES_KEY")}
PRINCIPAL = "the-apps-principal"


class Endpoint:
    """The identity endpoint of one app: the directory's tokens for Entra, and those that the stores know."""

    def __init__(self, stores: ManagedIdentity, vendors: Vendors) -> None:
        self._stores, self._directory = stores, vendors.microsoft.identities

    def handle(self, request: Request) -> Response:
        resource = request.query.get("resource", "")
        return (self._directory if resource == EXCHANGE else self._stores).handle(request)


class Front:
    """The one address of the app: gives requests to its processes in turn."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self._server = Server(self)
        self.url, self.close = self._server.url, self._server.close

    def handle(self, request: Request) -> Response:
        if not self.urls:
            return Response(503)
        self.urls.append(url := self.urls.pop(0))
        headers = {name: value for name, value in request.headers.items() if name in ("content-type",)}
        try:
            answer = requests.request(
                request.method, url + request.target, data=request.body, headers=headers, timeout=30
            )
        except requests.RequestException:
            return Response(502)
        return Response(answer.status_code, {"content-type": answer.headers["content-type"]}, answer.content)


class Deployment:
    """`environment`: the app settings, in which no secret is. One person has a mailbox at both vendors."""

    def __init__(self, folder: Path, azure: AzureServices, vendors: Vendors, endpoint: str, front: Front) -> None:
        self._folder, self.azure, self.vendors, self.front = folder, azure, vendors, front
        settings = {name: value for name, value in vendors.settings().items() if name not in LEFT_OUT}
        self.environment = {
            **azure.environment,
            **settings,
            "IDENTITY_ENDPOINT": f"{endpoint}/msi/token",
            QUEUES: azure.environment["TANDEM_QUEUE_URL"],
            "TANDEM_GRAPH_FEDERATED": "managed-identity",
            "TANDEM_GRAPH_MANAGED_IDENTITY_CLIENT_ID": azure.environment["AZURE_CLIENT_ID"],
            "TANDEM_PUBLIC_URL": front.url,
            "TANDEM_TICK_SCHEDULE": "* * * * * *",
            "TANDEM_POLL_SECONDS": "1",
            "TANDEM_TWIN_HOLD_SECONDS": "1",
        }
        (self.person,) = vendors.people
        self._post = Post({box.address: box for box in self.person.boxes.values()})
        self.letters = 0

    # ---- an administrator
    def put_secrets(self) -> None:
        for name, value in SECRETS.items():
            self.azure.vault.put(name, value)

    def add_pair(self) -> None:
        one = self.vendors.pairs[0]
        facts = ["--name", one.name, "--outlook", one.outlook, "--dingtalk", one.dingtalk, "--union-id", one.union_id]
        added = tandem(
            *("pair", "add", *facts, "--client-password-stdin", "--yes"),
            input=one.client_password + "\n",
            settings=self.environment,
        )
        assert added.returncode == 0, added.stdout + added.stderr

    # ---- people
    def mail_arrives(self, times: int = 1) -> None:
        """A letter to each account, and one from each account to a customer."""
        for _ in range(times):
            for box in self.person.boxes.values():
                self._mail("li.na@supplier.example", box.address)
                self._mail(box.address, "ops@customs.example")

    def _mail(self, sender: str, recipient: str) -> None:
        self.letters += 1
        headers = (
            f"From: {sender}\r\nTo: {recipient}\r\nSubject: 訂單 {self.letters}\r\n"
            f"Message-ID: <letter-{self.letters}@mail.example>\r\n"
            f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime())}\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
        )
        self._post.send(f"{headers}\r\nPlease confirm {self.letters}.\r\n".encode())

    def is_in_step(self) -> bool:
        """Both sides are the same, and hold each letter once."""
        boxes = self.person.boxes
        return all(len(box.messages()) == self.letters for box in boxes.values()) and not differences(
            boxes["outlook"], boxes["dingtalk"]
        )

    def in_step(self, seconds: float = 90.0) -> None:
        until(self.is_in_step, seconds, self.told)

    def told(self) -> str:
        boxes = self.person.boxes
        lines = [f"{side}: {len(box.messages())} of {self.letters}" for side, box in boxes.items()]
        lines += [str(difference) for difference in differences(boxes["outlook"], boxes["dingtalk"])]
        logs = [f"--- {file.name}\n{file.read_text('utf-8')}" for file in sorted(self._folder.glob("*.log"))]
        return "\n".join([*lines, *logs])

    # ---- the app
    @contextmanager
    def running(self, app: Path, environment: Mapping[str, str] | None = None) -> Iterator[App]:
        """The package in `app` with these settings (default: all that it needs) and nothing else in its environment."""
        started = App(self._folder, app, self.environment if environment is None else environment)
        try:
            url = started.ready()["functions"]
            self.front.urls.append(url)
            yield started
            self.front.urls.remove(url)
        finally:
            started.close()


class App(Served):
    """A process of the package. Its whole environment is `settings`, and what the system needs to find programs. Once
    it is up it says where it serves, and the environment that it sees."""

    def __init__(self, folder: Path, app: Path, settings: Mapping[str, str]) -> None:
        ready = folder / f"app-{time.monotonic_ns()}.json"
        started = command(app, host_folder(folder), str(ready))
        super().__init__(ready, started, app, {"PATH": os.environ["PATH"], **settings})

    def health(self) -> tuple[int, dict[str, Any]]:
        answer = requests.get(f"{self.ready()['functions']}/api/health", timeout=30)
        return answer.status_code, answer.json()


def all_secrets() -> set[str]:
    """Every secret of the sandbox that an app may need."""
    return {SECRET, *SECRETS.values(), *(f"client-password-{number:03d}" for number in range(1, 4))}


@contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    with ExitStack() as stack:
        azure = stack.enter_context(azure_services())
        vendors = stack.enter_context(Vendors(pairs=1))
        microsoft, client_id = vendors.microsoft, azure.environment["AZURE_CLIENT_ID"]
        microsoft.app.client_secret = ""  # the app has none: it proves itself by its identity alone
        microsoft.app.federated.append(Federated(f"https://login.microsoftonline.com/{TENANT}/v2.0", PRINCIPAL))
        microsoft.identities.assigned.append(Identity(client_id, PRINCIPAL))
        microsoft.identities.header = azure.environment["IDENTITY_HEADER"]
        endpoint = Server(Endpoint(azure.identity, vendors))
        stack.callback(endpoint.close)
        front = stack.enter_context(closing(Front()))
        yield Deployment(folder, azure, vendors, endpoint.url, front)
