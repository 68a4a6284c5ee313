"""Removal of the unique key on ids of events on PostgreSQL, so that events can be distributed by install (Citus)."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-26T00:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "events that can be spread by install"


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    if engine == "sqlite":
        return []
    # The server that receives an event gives it a unique id; lookups by id still need an index.
    return ["ALTER TABLE event DROP CONSTRAINT event_pkey", "CREATE INDEX event_id ON event (id)"]


forwards = piccolo_migration(ID, DESCRIPTION, statements)
