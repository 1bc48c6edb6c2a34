"""The vendor's limits per app and mailbox: requests at a time, requests in ten minutes, bytes in five."""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict, deque

from sandbox.microsoft.errors import throttled
from sandbox.microsoft.world import World

REQUESTS_WINDOW, UPLOAD_WINDOW = 600.0, 300.0


class Throttle:
    """Has a lock of its own: what is in flight is counted while the world's lock is waited for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._in_flight: Counter[str] = Counter()
        self._requests: defaultdict[str, deque[float]] = defaultdict(deque)
        self._uploads: defaultdict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._uploaded: Counter[str] = Counter()
        self._forced = 0
        self._forced_wait = 1
        self.most_in_flight: Counter[str] = Counter()

    def force(self, count: int, wait: int) -> None:
        """Refuse the next `count` requests (parts of a batch one by one), with this Retry-After."""
        with self._lock:
            self._forced, self._forced_wait = count, wait

    def enter(self, mailbox: str, want: int = 1) -> int:
        """Take up to `want` of the mailbox's places; -> how many were free."""
        with self._lock:
            got = max(0, min(want, self._world.switches.concurrent - self._in_flight[mailbox]))
            self._in_flight[mailbox] += got
            self.most_in_flight[mailbox] = max(self.most_in_flight[mailbox], self._in_flight[mailbox])
            return got

    def leave(self, mailbox: str, places: int) -> None:
        with self._lock:
            self._in_flight[mailbox] -= places

    def spend(self, mailbox: str, size: int) -> None:
        """Count one request with `size` bytes of body, or refuse it."""
        with self._lock:
            if self._forced:
                self._forced -= 1
                raise throttled("MailboxConcurrency", self._forced_wait)
            now, switches = self._world.now(), self._world.switches
            requests, uploads = self._requests[mailbox], self._uploads[mailbox]
            while requests and requests[0] <= now - REQUESTS_WINDOW:
                requests.popleft()
            while uploads and uploads[0][0] <= now - UPLOAD_WINDOW:
                self._uploaded[mailbox] -= uploads.popleft()[1]
            if len(requests) >= switches.requests_per_10_minutes:
                raise throttled("MailboxRequests", math.ceil(requests[0] + REQUESTS_WINDOW - now))
            if size and uploads and self._uploaded[mailbox] + size > switches.upload_per_5_minutes:
                raise throttled("MailboxUpload", math.ceil(uploads[0][0] + UPLOAD_WINDOW - now))
            requests.append(now)
            if size:
                uploads.append((now, size))
                self._uploaded[mailbox] += size
