"""Independent clients read and write the simulated Microsoft 365 over a real socket."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msal
import pytest
import requests
from kiota_abstractions.authentication import AuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.request_information import RequestInformation
from kiota_http.kiota_client_factory import KiotaClientFactory
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.followup_flag import FollowupFlag
from msgraph.generated.models.followup_flag_status import FollowupFlagStatus
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.models.single_value_legacy_extended_property import SingleValueLegacyExtendedProperty
from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient
from O365 import Account, MSGraphProtocol

from sandbox.microsoft import GraphMailbox, Microsoft365
from sandbox.microsoft.server import MicrosoftServer
from sandbox.microsoft.times import iso
from tests.support.certificates import certificate, key_pem, rsa_key
from tests.support.microsoft import ADDRESS, IMMUTABLE, mime

# Classes that the SDK's own request builders still use.
pytestmark = [
    pytest.mark.filterwarnings("ignore:GetQueryParameters is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This class is deprecated. Please use the generic:DeprecationWarning"),
]


@dataclass(frozen=True, slots=True)
class Running:
    server: MicrosoftServer
    vendor: Microsoft365
    mailbox: GraphMailbox
    token: str

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Prefer": IMMUTABLE}


@pytest.fixture
def running() -> Iterator[Running]:
    vendor = Microsoft365(
        clock=time.time, random=random.Random(1), tenant_id="tenant", client_id="client", client_secret="secret"
    )
    server = MicrosoftServer(vendor)
    mailbox = vendor.add_mailbox(ADDRESS, display_name="Ann")
    form = {
        "grant_type": "client_credentials",
        "client_id": "client",
        "client_secret": "secret",
        "scope": "https://graph.microsoft.com/.default",
    }
    token = requests.post(f"{server.url}/tenant/oauth2/v2.0/token", data=form, timeout=5).json()["access_token"]
    yield Running(server, vendor, mailbox, token)
    server.close()


# --------------------------------------------------------------------------------------------------------------- msal
class _Rewriting:
    """What msal needs of an HTTP client; it refuses plain HTTP, so the host is exchanged here."""

    def __init__(self, url: str) -> None:
        self._url = url

    def _local(self, url: str) -> str:
        return url.replace("https://login.microsoftonline.com", self._url)

    def get(self, url: str, **options: Any) -> requests.Response:
        return requests.get(self._local(url), timeout=5, **options)

    def post(self, url: str, **options: Any) -> requests.Response:
        return requests.post(self._local(url), timeout=5, **options)

    def close(self) -> None:
        """Nothing is kept open."""


PEM = key_pem(rsa_key()) + certificate(rsa_key())


@pytest.mark.parametrize("credential", ["secret", {"private_key": PEM, "public_certificate": PEM}])
def test_msal_gets_a_token(running: Running, credential: Any) -> None:
    running.vendor.app.certificates.append(PEM)
    app = msal.ConfidentialClientApplication(
        "client",
        authority="https://login.microsoftonline.com/tenant",
        client_credential=credential,
        instance_discovery=False,
        http_client=_Rewriting(running.server.url),
    )
    answer = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    assert answer["expires_in"] == 3599
    url = f"{running.server.graph_url}/users/{ADDRESS}/mailFolders/inbox"
    response = requests.get(url, headers={"Authorization": f"Bearer {answer['access_token']}"}, timeout=5)
    assert response.json()["displayName"] == "Inbox"


def test_msal_hears_of_a_wrong_secret(running: Running) -> None:
    app = msal.ConfidentialClientApplication(
        "client",
        authority="https://login.microsoftonline.com/tenant",
        client_credential="wrong",
        instance_discovery=False,
        http_client=_Rewriting(running.server.url),
    )
    answer = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [7000215])


# -------------------------------------------------------------------------------------------------------- msgraph-sdk
class _Bearer(AuthenticationProvider):  # type: ignore[misc, unused-ignore]  # some releases ship no types
    def __init__(self, token: str) -> None:
        self._token = token

    async def authenticate_request(
        self, request: RequestInformation, additional_authentication_context: dict[str, Any] | None = None
    ) -> None:
        request.headers.add("Authorization", f"Bearer {self._token}")
        request.headers.add("Prefer", IMMUTABLE)


def _with_sdk(running: Running, work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Run `work` with the user's request builder."""

    async def run() -> None:
        # The SDK's own client doesn't pass on that it is closed.
        transport = httpx.AsyncHTTPTransport()
        http = KiotaClientFactory.create_with_default_middleware(client=httpx.AsyncClient(transport=transport))
        adapter = GraphRequestAdapter(_Bearer(running.token), client=http)
        adapter.base_url = running.server.graph_url
        client = GraphServiceClient(request_adapter=adapter)
        client.path_parameters["baseurl"] = running.server.graph_url
        await work(client)
        await transport.aclose()

    asyncio.run(run())


def _imported() -> Message:
    return Message(
        subject="报价",
        body=ItemBody(content_type=BodyType.Html, content="<p>你好</p>"),
        from_=Recipient(email_address=EmailAddress(name="张三", address="zhang@fabrikam.example")),
        to_recipients=[Recipient(email_address=EmailAddress(address=ADDRESS))],
        internet_message_id="<offer@fabrikam.example>",
        attachments=[FileAttachment(odata_type="#microsoft.graph.fileAttachment", name="a.pdf", content_bytes=b"JVBE")],
        single_value_extended_properties=[
            SingleValueLegacyExtendedProperty(id="Integer 0x0E07", value="0"),
            SingleValueLegacyExtendedProperty(id="SystemTime 0x0E06", value="2025-01-02T03:04:05Z"),
        ],
    )


def test_the_sdk_reads_folders_and_pages_messages(running: Running) -> None:
    ids = {running.mailbox.deliver(mime()) for _ in range(12)}

    async def work(client: Any) -> None:
        user = client.users.by_user_id(ADDRESS)
        folders = await user.mail_folders.get()
        assert "Sent Items" in {folder.display_name for folder in folders.value}
        page = await user.mail_folders.by_mail_folder_id("inbox").messages.get()
        assert len(page.value) == 10
        more = await user.mail_folders.by_mail_folder_id("inbox").messages.with_url(page.odata_next_link).get()
        assert {m.id for m in (*page.value, *more.value)} == ids

    _with_sdk(running, work)


def test_the_sdk_writes_state_and_moves(running: Running) -> None:
    async def work(client: Any) -> None:
        user = client.users.by_user_id(ADDRESS)
        made = await user.mail_folders.by_mail_folder_id("inbox").messages.post(_imported())
        assert (made.is_draft, made.is_read) == (False, False)
        assert made.received_date_time.isoformat() == "2025-01-02T03:04:05+00:00"
        item = user.messages.by_message_id(made.id)
        flag = FollowupFlag(flag_status=FollowupFlagStatus.Flagged)
        changed = await item.patch(Message(is_read=True, flag=flag))
        assert (changed.is_read, changed.flag.flag_status) == (True, FollowupFlagStatus.Flagged)
        moved = await item.move.post(MovePostRequestBody(destination_id="archive"))
        assert (moved.id, moved.parent_folder_id) == (made.id, running.mailbox.role("archive"))
        (attachment,) = (await item.attachments.get()).value
        assert (attachment.name, attachment.content_bytes) == ("a.pdf", b"JVBE")
        assert b"Content-Type: multipart/mixed" in await item.content.get()
        with pytest.raises(ODataError) as caught:
            await user.messages.by_message_id(made.id[:-4]).get()
        assert caught.value.error is not None
        assert caught.value.error.code == "ErrorItemNotFound"

    _with_sdk(running, work)
    (stored,) = running.mailbox.messages()
    assert (stored.subject, stored.read, stored.flag, stored.by) == ("报价", True, "flagged", "client")


def test_the_sdk_filters_and_follows_delta(running: Running) -> None:
    first = running.mailbox.deliver(mime())

    async def work(client: Any) -> None:
        user = client.users.by_user_id(ADDRESS)
        query = type(user.messages).MessagesRequestBuilderGetQueryParameters(
            filter="internetMessageId eq '<one@mail.example>'", select=["subject", "internetMessageId"]
        )
        found = await user.messages.get(RequestConfiguration(query_parameters=query))
        assert [m.id for m in found.value] == [first]
        delta = user.mail_folders.by_mail_folder_id("inbox").messages.delta
        page = await delta.get()
        assert [m.id for m in page.value] == [first]
        running.mailbox.purge(first)
        second = running.mailbox.deliver(mime())
        page = await delta.with_url(page.odata_delta_link).get()
        assert {m.id: "@removed" in m.additional_data for m in page.value} == {first: True, second: False}

    _with_sdk(running, work)


# --------------------------------------------------------------------------------------------------------------- O365
def _account(running: Running) -> Any:
    class Local(MSGraphProtocol):  # type: ignore[misc, unused-ignore]  # the library ships no types
        _protocol_url = f"{running.server.url}/"

    account = Account(("client", "secret"), protocol=Local(default_resource=f"users/{ADDRESS}", timezone="UTC"))
    session = requests.Session()
    session.headers.update(running.headers())
    account.con.session = session
    account.con.naive_session = session
    return account


def test_o365_reads_and_writes_a_mailbox(running: Running) -> None:
    for _ in range(3):
        running.mailbox.deliver(mime())
    account = _account(running)
    mailbox = account.mailbox()
    assert "Inbox" in {folder.name for folder in mailbox.get_folders()}
    inbox = mailbox.inbox_folder()
    messages = list(inbox.get_messages(limit=3, batch=2))
    assert [m.subject for m in messages] == ["Hello"] * 3
    assert messages[0].mark_as_read()
    assert messages[1].move(mailbox.archive_folder())
    assert messages[2].delete()
    draft = mailbox.new_message()
    draft.subject, draft.body = "Draft", "<p>later</p>"
    draft.to.add("bob@fabrikam.example")
    assert draft.save_draft()
    account.con.session.close()
    by_folder = {m.folder: m for m in running.mailbox.messages()}
    assert by_folder[running.mailbox.role("inbox")].read is True
    assert by_folder[running.mailbox.role("drafts")].to == ("bob@fabrikam.example",)
    assert running.mailbox.role("archive") in by_folder
    assert running.mailbox.role("trash") in by_folder
    assert running.vendor.sent_mail == 0


# ------------------------------------------------------------------------------------------------------- notifications
class _Endpoint:
    """An app's notification URL: it shakes hands and keeps what it is told; the first POST after `refuse` fails."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.arrived = threading.Semaphore(0)
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                token = parse_qs(urlsplit(self.path).query).get("validationToken", [""])[0].encode()
                self.send_response(200 if token else 202)
                self.send_header("content-type", "text/plain")
                self.send_header("content-length", str(len(token)))
                self.end_headers()
                self.wfile.write(token)
                if not token:
                    endpoint.items += json.loads(body)["value"]
                    endpoint.arrived.release()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook?code=1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[_Endpoint]:
    endpoint = _Endpoint()
    yield endpoint
    endpoint.close()


def test_notifications_are_delivered_over_the_wire(running: Running, endpoint: _Endpoint) -> None:
    body = {
        "changeType": "created,updated",
        "notificationUrl": endpoint.url,
        "resource": f"users/{ADDRESS}/messages",
        "expirationDateTime": iso(time.time() + 86_400),
        "clientState": "state",
    }
    url = f"{running.server.graph_url}/subscriptions"
    made = requests.post(url, json=body, headers=running.headers(), timeout=5)
    assert made.status_code == 201, made.text
    id = running.mailbox.deliver(mime())
    assert endpoint.arrived.acquire(timeout=5)
    assert [(i["changeType"], i["clientState"], i["resourceData"]["id"]) for i in endpoint.items] == [
        ("created", "state", id)
    ]


def test_a_batch_over_the_wire(running: Running) -> None:
    parts = [{"id": str(n), "method": "GET", "url": f"/users/{ADDRESS}/mailFolders/inbox"} for n in range(20)]
    answer = requests.post(
        f"{running.server.graph_url}/$batch", json={"requests": parts}, headers=running.headers(), timeout=5
    )
    assert {r["status"] for r in answer.json()["responses"]} == {200}
    assert running.vendor.counts["POST /$batch"] == 1
