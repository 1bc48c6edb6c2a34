"""The product, for triggers that may fire before the app is set up, as right after it was deployed."""

from __future__ import annotations

import logging
import time

from shared.model.errors import WrongSettings
from shared.wiring.product import Product, get_product

QUIET = 300.0
"""Seconds in which the same is said once: the timer alone fires every few seconds."""

logger = logging.getLogger(__name__)
_said = ("", -QUIET)


def ready() -> Product | None:
    """None while the settings can't be used: the log says which, and what to do. StoreUnavailable as `get_product`."""
    try:
        return get_product()
    except WrongSettings as error:
        _tell(str(error))
        return None


def _tell(text: str) -> None:
    global _said
    before, at = _said
    if text != before or time.monotonic() - at >= QUIET:
        _said = (text, time.monotonic())
        logger.error("nothing is served until the settings are right:\n%s", text)
