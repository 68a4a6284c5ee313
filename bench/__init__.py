"""Benchmarks, each a ratio against a reference that is measured in the same run. `make bench` runs them all."""
