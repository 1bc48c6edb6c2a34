"""Two offices at work in the sandbox, and what became of their mail.

What is measured here is read from the simulated vendors' stores; nothing in this package imports the product.
"""
