"""Scrubbing: secrets, addresses, people and machines are taken out of text and of JSON values.

patterns  what is taken out of text, as a table
tokens    the part of that table that is about secrets of known issuers
keys      what the name of a property says about its value, as a table
traces    a client's own identifiers in its text
hints     a quick look whether there is anything to find
opaque    identifiers by their looks
scrub     does it, to text and to JSON
"""

from server.scrubbing.opaque import without_identifiers
from server.scrubbing.scrub import Scrubber, beginning, scrub_json, scrub_label, scrub_text

__all__ = ["Scrubber", "beginning", "scrub_json", "scrub_label", "scrub_text", "without_identifiers"]
