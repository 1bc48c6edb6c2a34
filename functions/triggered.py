"""What all triggers have around them: the product, and a span that their work is part of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shared.wiring.product import Product, get_product
from shared.wiring.watched import TRACE


@contextmanager
def triggered(name: str, message: Mapping[str, Any] = {}) -> Iterator[Product]:
    """`message`: the one that the trigger was called with; where it says which span put it into its queue, the work
    goes on with that trace. HTTP and timers go on with the trace that the host began."""
    product, parent = get_product(), message.get(TRACE)
    with product.telemetry.span(name, parent=parent if isinstance(parent, str) else ""):
        yield product
