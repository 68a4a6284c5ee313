"""Privacy: after this step no raw identifier exists, and no text that was not scrubbed.

hashes      keyed hashes in the place of identifiers
conversion  Privacy: from Incoming to Event
excerpt     what an admin may see of a body that was refused
"""

from server.ingest.privacy.conversion import Privacy
from server.ingest.privacy.excerpt import excerpt
from server.scrubbing.scrub import scrub_json, scrub_text

__all__ = ["Privacy", "excerpt", "scrub_json", "scrub_text"]
