"""Planning (pure) and reconciling (drives replicas and ledger). Knows the vendors only by the Replica port."""
