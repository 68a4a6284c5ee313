"""Footfall: self-hosted, privacy-first telemetry for command-line tools."""

__version__ = "0.1.0"
