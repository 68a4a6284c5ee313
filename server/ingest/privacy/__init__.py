"""The privacy step: replaces identifiers with keyed hashes and scrubs text.

hashes      keyed hashes of identifiers
conversion  `Privacy`: from `Incoming` to `Event`
excerpt     excerpts of rejected bodies for an admin
sealing     rejected events for a replay
"""

from server.ingest.privacy.conversion import Privacy
from server.ingest.privacy.excerpt import excerpt
from server.scrubbing.scrub import scrub_json, scrub_text

__all__ = ["Privacy", "excerpt", "scrub_json", "scrub_text"]
