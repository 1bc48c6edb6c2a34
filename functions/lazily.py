"""What triggers need of the product, imported at the first call.

Azure starts an instance by indexing the app, and tells nobody of any function until that is done; it has 30 seconds.
So indexing imports the triggers alone, and whatever is slow to import comes with the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.wiring.product import Product


def get_product() -> Product:
    """The product of this process."""
    from shared.wiring import product

    return product.get_product()
