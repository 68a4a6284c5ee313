"""Commits: one transaction for one batch of events, and the caches that keep it short.

transaction           the commit itself, the same for both engines
writer_connection     the connection that it runs on
duplicates            event ids and views that were seen before
rows                  the rows that it writes
fold                  the sums that events add to each rollup
activity              the counts of active installs
dictionaries          caches of the dictionary tables
bounded_dictionaries  dictionaries with a maximum size
sightings             the installs that were seen a moment ago
receipts              the ledger entries of a batch
"""

from server.storage.commit.duplicates import MARK_LIFETIME, VIEW_LIFETIME
from server.storage.commit.rows import REJECTED_LIFETIME
from server.storage.commit.transaction import Commit
from server.storage.commit.writer_connection import Connection

__all__ = ["MARK_LIFETIME", "REJECTED_LIFETIME", "VIEW_LIFETIME", "Commit", "Connection"]
