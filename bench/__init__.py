"""Benchmarks: each a ratio against a reference that was measured in the same run. `make bench` runs them all."""
