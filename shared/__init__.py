"""The product. Nothing here imports azure.functions, functions or sandbox."""
