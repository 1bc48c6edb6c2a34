"""Gives the messages of a queue to the function that it triggers."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from azure.functions.meta import Datum

from sandbox.host.app import Function
from sandbox.host.config import Queues
from sandbox.host.invoker import Invoker

INVISIBLE = 600.0
"""Seconds a message stays hidden while it is worked on: what Azure's host asks for, whatever host.json says."""
BUSY, IDLE, BROKEN = 0.01, 0.1, 1.0
"""Seconds between looks: right after a message, when nothing comes, after the queue refused."""

logger = logging.getLogger(__name__)


class Received(Protocol):
    """A message as handed out. `inserted` is in epoch seconds; `receipt` proves who holds it."""

    @property
    def id(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def dequeue_count(self) -> int:
        """How often it has been handed out, this time included."""
        ...

    @property
    def receipt(self) -> str: ...
    @property
    def inserted(self) -> float: ...


R = TypeVar("R", bound=Received)


class QueueSource(Protocol[R]):
    """Where messages come from. Called from several threads; may raise, and is then asked again."""

    def receive(self, queue: str, count: int, visibility: float) -> Sequence[R]:
        """At most `count` visible messages, hidden from everybody else for `visibility` seconds."""
        ...

    def delete(self, queue: str, received: R) -> None: ...
    def release(self, queue: str, received: R, delay: float) -> None:
        """Make it visible again after `delay` seconds."""
        ...

    def poison(self, queue: str, received: R) -> None:
        """Move it to `<queue>-poison`."""
        ...


class Listener:
    """One queue and the function that it triggers. `wake` says that a message was just put. `local`: looking costs
    nothing; elsewhere each look is a request, and they get as rare as host.json says while nothing comes."""

    def __init__(
        self, function: Function, queue: str, source: QueueSource[Any], config: Queues, invoker: Invoker, local: bool
    ) -> None:
        self._function, self._queue, self._source, self._config = function, queue, source, config
        self._invoker = invoker
        longest = config.maxPollingInterval.total_seconds()
        self._idle = min(IDLE, longest) if local else longest
        self._running = 0
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._stopping = False
        self._pool = ThreadPoolExecutor(config.batchSize + config.newBatchThreshold, f"queue {queue}")
        self._thread = threading.Thread(target=self._run, name=f"queue {queue}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._event.set()

    def close(self) -> None:
        """Takes no more messages, and waits until those in hand are done."""
        self._stopping = True
        self._event.set()
        self._thread.join()
        self._pool.shutdown(wait=True)

    def _run(self) -> None:
        pause = IDLE
        while True:
            self._event.clear()  # before the look, so that a message put during it is not waited for
            if self._stopping:
                return
            try:
                batch = self._take()
                pause = BUSY if batch else min(pause * 2, self._idle)
            except Exception:  # a queue that can't be reached now may be later; Azure's host goes on as well
                logger.exception("queue %s can't be read; trying again in %g s", self._queue, BROKEN)
                pause = BROKEN
            self._event.wait(pause)

    def _take(self) -> Sequence[Received]:
        """A batch, already under way; none while more than newBatchThreshold messages are running."""
        with self._lock:
            if self._running > self._config.newBatchThreshold:
                return ()
        batch = self._source.receive(self._queue, self._config.batchSize, INVISIBLE)
        with self._lock:
            self._running += len(batch)
        for received in batch:
            self._pool.submit(self._work, received)
        return batch

    def _work(self, received: Received) -> None:
        try:
            outcome = self._invoker.invoke(self._function, *_call(received))
            self._settle(received, outcome.ok)
        except Exception:  # the queue's; the message becomes visible again by itself
            logger.exception("message %s of queue %s can't be settled", received.id, self._queue)
        finally:
            with self._lock:
                self._running -= 1
            self._event.set()

    def _settle(self, received: Received, ok: bool) -> None:
        if ok:
            self._source.delete(self._queue, received)
        elif received.dequeue_count >= self._config.maxDequeueCount:
            logger.error("message %s of queue %s failed %d times", received.id, self._queue, received.dequeue_count)
            self._source.poison(self._queue, received)
        else:
            self._source.release(self._queue, received, self._config.visibilityTimeout.total_seconds())


def _call(received: Received) -> tuple[Datum, dict[str, Datum]]:
    """The trigger's value and metadata, in the shapes that Azure's host sends."""
    metadata = {
        "Id": Datum(received.id, "string"),
        "DequeueCount": Datum(json.dumps(received.dequeue_count), "json"),
        "InsertionTime": Datum(datetime.fromtimestamp(received.inserted, UTC).isoformat(), "string"),
        "PopReceipt": Datum(received.receipt, "string"),
    }
    return Datum(received.body.decode(errors="replace"), "string"), metadata
