"""What all triggers have around them: the product, which may not be set up yet, and a span that their work is part of.

Azure starts an instance by indexing the app, and tells nobody of any function until that is done; it has 30 seconds.
So indexing imports the triggers alone, and whatever is slow to import comes with the first call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import azure.functions as func

if TYPE_CHECKING:
    from shared.wiring.product import Product

QUIET = 300.0
"""Seconds in which the same is said once: the timer alone fires every few seconds."""

logger = logging.getLogger(__name__)
_said = ("", -QUIET)


@contextmanager
def triggered(name: str, context: func.Context, message: Mapping[str, Any] = {}) -> Iterator[Product | None]:
    """None while the settings can't be used, as right after the app was deployed: the log says which, and what to do.
    StoreUnavailable as `get_product`.

    The span goes on with the trace that the host began for this call. `message`: the one that the trigger was called
    with; where it says which span put it into its queue, the work goes on with that trace, and the host's is linked.

    The host's trace is taken from `context`: the worker says that it attaches it, but does so for `async def` alone
    (azure-functions-runtime 1.3.0)."""
    from shared.model.errors import WrongSettings

    try:
        product = get_product()
    except WrongSettings as error:
        _tell(str(error))
        yield None
        return
    from shared.wiring.watched import TRACE

    host, carried = context.trace_context.trace_parent or "", message.get(TRACE)
    parent, linked = (carried, host) if isinstance(carried, str) else (host, "")
    with product.telemetry.span(name, parent=parent, linked=linked):
        yield product


def get_product() -> Product:
    """The product of this process. WrongSettings or StoreUnavailable when there can be none."""
    from shared.wiring import product

    return product.get_product()


def _tell(text: str) -> None:
    global _said
    before, at = _said
    if text != before or time.monotonic() - at >= QUIET:
        _said = (text, time.monotonic())
        logger.error("nothing is served until the settings are right:\n%s", text)
