"""Removal of the index of events by install on SQLite.

The entries of the index were spread over the file, so each event wrote a page of its own for it: about a third of the time of a commit. Reads of
one install's events take a little longer instead.
"""

from server.storage.migrations import piccolo_migration

ID = "2026-11-21T05:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "no index of events by install on SQLite"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return ["DROP INDEX event_install"] if engine == "sqlite" else []


forwards = piccolo_migration(ID, DESCRIPTION, statements)
