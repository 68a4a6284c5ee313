"""One transaction for one batch of events: what it writes, and what it knows without asking.

transaction    the commit itself, the same for both engines
fold           what events add to each rollup
activity       what days of activity add to the counts of active installs
dictionaries   words that are kept once, and known in memory
bounded_dictionaries  dictionaries that may become full
sightings      installs that were seen just now
receipts       what became of each event
"""

from server.storage.commit.transaction import MARK_LIFETIME, REJECTED_LIFETIME, VIEW_LIFETIME, Commit, Connection

__all__ = ["MARK_LIFETIME", "REJECTED_LIFETIME", "VIEW_LIFETIME", "Commit", "Connection"]
