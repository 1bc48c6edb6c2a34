"""What all triggers have around them: the product, and a span that their work is part of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import azure.functions as func

from shared.wiring.product import Product, get_product
from shared.wiring.watched import TRACE


@contextmanager
def triggered(name: str, context: func.Context, message: Mapping[str, Any] = {}) -> Iterator[Product]:
    """The span goes on with the trace that the host began for this call. `message`: the one that the trigger was called
    with; where it says which span put it into its queue, the work goes on with that trace, and the host's is linked.

    The host's trace is taken from `context`: the worker says that it attaches it, but does so for `async def` alone
    (azure-functions-runtime 1.3.0)."""
    product, host, carried = get_product(), context.trace_context.trace_parent or "", message.get(TRACE)
    parent, linked = (carried, host) if isinstance(carried, str) else (host, "")
    with product.telemetry.span(name, parent=parent, linked=linked):
        yield product
