"""The WorkQueue port on Azure's queue storage, and the receiving side that a local Functions host reads.

A repeated send puts a message twice, which every reader must bear anyway, so the library may repeat."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.queue import QueueClient, QueueMessage, QueueServiceClient

from shared.model.errors import Conflict
from shared.ports.state import Poisoned, Received
from shared.state.azure import STORAGE_READS, code, translated, transport
from shared.state.limits import check_message

ROLE = "Storage Queue Data Contributor"
AT_ONCE = 32
"""Messages of one request (Azure)."""
LONGEST = 7 * 86_400
"""Seconds that a message can be hidden (Azure)."""
SEARCH = 30.0
"""Seconds for which poisoned messages are hidden while one of them is looked for."""
STALE = {"MessageNotFound", "PopReceiptMismatch"}


class AzureQueue:
    """Queues of the account at `url`, made when something is first sent to them. Bodies are base64, as the Functions
    host expects them (host.json: messageEncoding)."""

    def __init__(self, url: str, credential: TokenCredential) -> None:
        self._service = QueueServiceClient(url, credential=credential, transport=transport(), **STORAGE_READS)

    def send(self, queue: str, message: Mapping[str, Any], delay: float = 0.0) -> None:
        self._put(queue, check_message(message), delay)

    def receive(self, queue: str, count: int, visibility: float) -> list[Received]:
        messages = self._asked(
            queue,
            lambda client: client.receive_messages(
                messages_per_page=min(count, AT_ONCE), visibility_timeout=_seconds(visibility)
            ).by_page(),
        )
        return [_received(message) for message in messages]

    def delete(self, queue: str, received: Received) -> None:
        with self._held(queue, received.id) as client:
            client.delete_message(received.id, received.receipt)

    def release(self, queue: str, received: Received, delay: float) -> None:
        self._hide(queue, received, delay)

    def poison(self, queue: str, received: Received) -> None:
        """Held first, copied, and then deleted: it may be there twice when this is interrupted, and is never lost."""
        self._move(queue, f"{queue}-poison", received)

    def depth(self, queue: str) -> int:
        with translated(f"queue {queue}", ROLE):
            try:
                return int(self._client(queue).get_queue_properties().approximate_message_count or 0)
            except HttpResponseError as error:
                if code(error) == "QueueNotFound":
                    return 0
                raise

    def poisoned(self, queue: str) -> list[Poisoned]:
        messages = self._asked(f"{queue}-poison", lambda client: iter([client.peek_messages(AT_ONCE)]))
        return [Poisoned(message.id, _body(message), _epoch(message.inserted_on)) for message in messages]

    def replay(self, queue: str, id: str) -> None:
        """Hides what it looks through for a moment; several who replay at once may miss a message, and are told so."""
        source, seen, wanted = f"{queue}-poison", list[Received](), list[Received]()
        while not wanted and (batch := self.receive(source, AT_ONCE, SEARCH)):
            wanted = [received for received in batch if received.id == id]
            seen += [received for received in batch if received.id != id]
        for received in seen:
            self.release(source, received, 0.0)
        if not wanted:
            raise Conflict(f"message {id} of queue {source} is held by somebody else, or is gone")
        self._move(source, queue, wanted[0])

    def close(self) -> None:
        """End the connections that are kept."""
        self._service.close()

    def _move(self, source: str, target: str, received: Received) -> None:
        held = self._hide(source, received, SEARCH)
        self._put(target, received.body, 0.0)
        self.delete(source, held)

    def _hide(self, queue: str, received: Received, seconds: float) -> Received:
        """-> with the receipt that is good from now on."""
        with self._held(queue, received.id) as client:
            hidden = client.update_message(received.id, received.receipt, visibility_timeout=_seconds(seconds))
            return Received(
                received.id, received.body, received.dequeue_count, str(hidden.pop_receipt), received.inserted
            )

    def _put(self, queue: str, body: bytes, delay: float) -> None:
        client, text = self._client(queue), base64.b64encode(body).decode()
        with translated(f"queue {queue}", ROLE):
            try:
                client.send_message(text, visibility_timeout=_seconds(delay), time_to_live=-1)
            except HttpResponseError as error:
                if code(error) != "QueueNotFound":
                    raise
                _make(client)
                client.send_message(text, visibility_timeout=_seconds(delay), time_to_live=-1)

    def _asked(self, queue: str, ask: Callable[[QueueClient], Iterator[Any]]) -> list[QueueMessage]:
        """The messages of one request; none of a queue that isn't there."""
        with translated(f"queue {queue}", ROLE):
            try:
                return list(next(ask(self._client(queue)), ()))
            except HttpResponseError as error:
                if code(error) == "QueueNotFound":
                    return []
                raise

    @contextmanager
    def _held(self, queue: str, id: str) -> Iterator[QueueClient]:
        with translated(f"queue {queue}", ROLE):
            try:
                yield self._client(queue)
            except HttpResponseError as error:
                if code(error) not in STALE:
                    raise
                raise Conflict(f"message {id} of queue {queue} is held by somebody else, or is gone") from error

    def _client(self, queue: str) -> QueueClient:
        return self._service.get_queue_client(queue)


def _make(client: QueueClient) -> None:
    try:
        client.create_queue()
    except ResourceExistsError:  # somebody else was quicker
        return


def _received(message: QueueMessage) -> Received:
    return Received(
        message.id,
        _body(message),
        int(message.dequeue_count or 0),
        str(message.pop_receipt),
        _epoch(message.inserted_on),
    )


def _body(message: QueueMessage) -> bytes:
    """What was sent; the text itself where somebody else put one that is no base64, for its function to refuse."""
    try:
        return base64.b64decode(message.content, validate=True)
    except binascii.Error:
        return str(message.content).encode()


def _epoch(time: datetime | None) -> float:
    return time.timestamp() if time else 0.0


def _seconds(delay: float) -> int:
    """Whole seconds, no fewer."""
    return min(max(0, math.ceil(delay)), LONGEST)
