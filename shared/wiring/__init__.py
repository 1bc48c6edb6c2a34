"""Builds the product: which adapter stands behind which port, as the settings say."""
