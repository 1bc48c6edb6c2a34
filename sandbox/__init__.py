"""Tandem on one machine: simulated vendors, a local Functions host, the simulation and the demo."""
