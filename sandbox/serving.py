"""The app alone, in the local Functions host, against the vendors that the settings name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from sandbox.host import AppError, Host
from sandbox.lock import InUse, only_one
from sandbox.running import APP, EVERY_SECOND, SandboxError
from shared.model.errors import TandemError, WrongSettings
from shared.state.queue import SqliteQueue
from shared.wiring.product import build, use
from shared.wiring.settings import load_settings

SCHEDULE = "TANDEM_TICK_SCHEDULE"


@contextmanager
def serving(env: Mapping[str, str], port: int = 0) -> Iterator[Host]:
    """The app as `env` says, from `with` to its end; it ends when what is running is done. `port` 0: any free one.

    The state is wherever the product keeps it: in the folder of the settings, which one process uses at a time, or
    with a service that many may share. WrongSettings; SandboxError when the port, the folder or the state can't be
    used."""
    with ExitStack() as stack:
        settings = load_settings(env)
        try:
            product = build(settings)
        except WrongSettings:
            raise
        except (TandemError, OSError) as error:
            raise SandboxError(f"the state can't be used: {error}") from error
        local = isinstance(product.queue, SqliteQueue)
        if local:
            try:
                stack.enter_context(only_one(settings.state))
            except InUse as error:
                raise SandboxError(
                    f"another process ({error.pid}) uses the state in {settings.state.resolve()}:"
                    " end it first, or set TANDEM_STATE to another folder"
                ) from None
        stack.callback(product.close)
        use(product)
        stack.callback(use, None)
        host = Host(APP, product.queue, {SCHEDULE: env.get(SCHEDULE, "").strip() or EVERY_SECOND}, port, local=local)
        try:
            host.start()
        except OSError as error:
            raise SandboxError(f"port {port} can't be used ({error.strerror}): choose another with --port") from error
        except AppError as error:
            raise SandboxError(str(error)) from error
        stack.callback(host.stop)
        yield host
