"""Scrubbing: removes secrets, addresses, people and machines from text and from JSON values.

patterns   the table of patterns in text
tokens     the part of that table for secrets with known prefixes
key_rules  the table of property names that mark a value as sensitive
traces     a client's own identifiers in its text
hints      a fast test for text that may contain anything sensitive
opaque     random identifiers, recognized by their form
scrub      scrubbing of text and of JSON
"""

from server.scrubbing.opaque import without_identifiers
from server.scrubbing.scrub import Scrubber, beginning, scrub_json, scrub_label, scrub_text

__all__ = ["Scrubber", "beginning", "scrub_json", "scrub_label", "scrub_text", "without_identifiers"]
