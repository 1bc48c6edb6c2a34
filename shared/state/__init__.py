"""Adapters of the state ports: in one folder of one machine, which needs no account, and on Azure (azure_*.py)."""
