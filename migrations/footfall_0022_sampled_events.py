"""Weights of sampled events, and the spread of the sums that count them."""

from server.storage.migrations import piccolo_migration

ID = "2026-11-29T15:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "sampled events"

# The tables, with the key columns between the project and the environment.
_TABLES = {
    "rollup_hour_spread": {"hour": "INTEGER", "name_id": "INTEGER"},
    "rollup_day_spread": {"day": "INTEGER", "name_id": "INTEGER"},
    "rollup_dimension_spread": {"day": "INTEGER", "name_id": "INTEGER", "dimension": "TEXT", "value": "TEXT"},
    "rollup_target_day_spread": {"day": "INTEGER", "target_id": "INTEGER", "name_id": "INTEGER"},
}


def statements(engine: str) -> list[str]:
    """Return the SQL of this migration for `sqlite` or `postgres`, to run in one transaction."""
    return ["ALTER TABLE event ADD COLUMN weight SMALLINT", *(_table(engine, name, between) for name, between in _TABLES.items())]


def _table(engine: str, name: str, between: dict[str, str]) -> str:
    columns = ", ".join(f"{column} {kind} NOT NULL" for column, kind in between.items())
    return f"""CREATE TABLE {name} (
        project_id INTEGER NOT NULL, {columns}, environment SMALLINT NOT NULL,
        spread BIGINT NOT NULL, success_spread BIGINT NOT NULL, failure_spread BIGINT NOT NULL,
        PRIMARY KEY (project_id, {", ".join(between)}, environment)) {"WITHOUT ROWID" if engine == "sqlite" else ""}"""


forwards = piccolo_migration(ID, DESCRIPTION, statements)
