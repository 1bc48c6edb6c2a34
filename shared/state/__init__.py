"""Adapters of the state ports. Those here keep everything in one folder of one machine; they need no account."""
