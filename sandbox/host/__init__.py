"""A local Azure Functions host: it indexes `function_app.py` with the real worker library and serves its triggers.

HTTP routes on the loopback interface, NCRONTAB timers, and queue triggers from any `QueueSource`. What it leaves out:
function keys (every route is open), output bindings other than the HTTP answer, `retry` policies, and timers that
remember over a restart.
"""

from __future__ import annotations

from sandbox.host.app import AppError, Function
from sandbox.host.host import Host
from sandbox.host.queues import QueueSource, Received

__all__ = ["AppError", "Function", "Host", "QueueSource", "Received"]
