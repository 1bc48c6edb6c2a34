"""Records, pairs, links and plans: frozen data, no I/O."""
