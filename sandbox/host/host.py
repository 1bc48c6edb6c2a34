"""The host: puts routes, timers and queue listeners around an app, and stops them in order."""

from __future__ import annotations

import logging
import os
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.host import config
from sandbox.host.app import AppError, Function, problems, resolve
from sandbox.host.cron import Cron
from sandbox.host.engine import Engine, best_engine
from sandbox.host.http import Routes
from sandbox.host.invoker import Invoker
from sandbox.host.queues import Listener, QueueSource
from sandbox.host.timers import Timer
from sandbox.web import Server

logger = logging.getLogger(__name__)


class Host:
    """Serves the app in `appdir`. `settings` go before environment variables where a binding names a %SETTING%.

    `local`: the queues are on this machine. One host at a time in a process, because the worker library keeps its
    registry in module globals."""

    def __init__(
        self,
        appdir: Path,
        queues: QueueSource[Any],
        settings: Mapping[str, str],
        port: int = 0,
        engine: Engine | None = None,
        local: bool = True,
    ) -> None:
        self._appdir, self._queues, self._port = appdir.resolve(), queues, port
        self._settings = ChainMap(dict(settings), dict(os.environ))
        self._engine, self._local = engine, local
        self._listeners: list[Listener] = []
        self._timers: list[Timer] = []
        self.functions: list[Function] = []

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end; only while it is started."""
        return self._server.url

    def start(self) -> None:
        """Indexes the app and serves it. AppError, naming every mistake, when it can't be served."""
        settings = config.load(self._appdir)
        prefix = settings.extensions.http.routePrefix
        engine = self._engine or best_engine()
        try:
            self.functions = engine.index(self._appdir)
            if found := problems(self.functions, self._settings, prefix):
                raise AppError(found)
            self._invoker = Invoker(engine)
            self._server = Server(Routes(self._of("httpTrigger"), prefix, self._invoker), self._port)
        except BaseException:
            engine.close()
            raise
        self._listeners = [self._listener(f, settings.extensions.queues) for f in self._of("queueTrigger")]
        self._timers = [self._timer(f) for f in self._of("timerTrigger")]
        for listener in self._listeners:
            listener.start()
        for timer in self._timers:
            timer.start()
        logger.info("%s serves %d functions at %s", engine.name, len(self.functions), self.url)

    def wake(self) -> None:
        """A message was just put into a queue: look now."""
        for listener in self._listeners:
            listener.wake()

    def stop(self) -> None:
        """Takes nothing new, waits for what is running, and leaves no thread behind."""
        for timer in self._timers:
            timer.close()
        for listener in self._listeners:
            listener.close()
        self._server.close()
        self._invoker.close()

    def _of(self, trigger: str) -> list[Function]:
        return [function for function in self.functions if function.trigger["type"] == trigger]

    def _listener(self, function: Function, queues: config.Queues) -> Listener:
        queue = resolve(function.trigger["queueName"], self._settings)
        return Listener(function, queue, self._queues, queues, self._invoker, self._local)

    def _timer(self, function: Function) -> Timer:
        return Timer(function, Cron.parse(resolve(function.trigger["schedule"], self._settings)), self._invoker)
