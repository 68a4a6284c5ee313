"""The PostgreSQL schema can be distributed over machines by install and project, as docs/scale.md describes. Checked in the database's catalog."""

from __future__ import annotations

import psycopg
import pytest

from server.storage import rollups
from tests.conftest import rows_of
from tests.postgres import Postgres

# The distribution column of each table that commits write to. Rows with the same value are on one machine.
SPREAD = {
    "event": "install_id",
    "install": "id",
    "activity": "install_id",
    "error_install": "install_id",
    "mark": "key",
    "imported": "key",
    "rejected": "id",
    "error_seen": "project_id",
    **{rollup.table: "project_id" for rollup in (*rollups.ROLLUPS, *rollups.OF_ACTIVITY, *rollups.TALLIES)},
}
# Small tables, replicated to each machine and read once by each server.
DICTIONARIES = {"event_name", "context", "target", "error_type", "unused_context"}
# Written by admins, jobs, startup or imports of counts, not by commits.
ASIDE = {
    "project", "api_key", "session", "audit_entry", "alert_rule", "alert_delivery", "job_run", "lease", "note", "trending", "partial_day",
    "imported_count", "migration", "changed_day", "saved_question", "question_share", "forwarded_day", "picked_property",
}  # fmt: skip

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
UNIQUE = """
    SELECT pg_class.relname, ARRAY(
        SELECT attname::text FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey::smallint[])
    ) FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE indisunique AND relnamespace = current_schema()::regnamespace"""
COUNTED = """
    SELECT table_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND (is_identity = 'YES' OR column_default LIKE 'nextval%')"""
BOUND = "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype IN ('f', 'x') AND connamespace = current_schema()::regnamespace"


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.fresh()


def partition_of(table: str) -> str:
    return "event" if table.startswith("event_") and table not in DICTIONARIES else table


def test_every_table_has_its_place(url: str) -> None:
    tables = {table for (table,) in rows_of(url, TABLES)}
    assert tables == set(SPREAD) | DICTIONARIES | ASIDE
    for table, column in SPREAD.items():
        assert rows_of(url, f"SELECT 1 FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = '{column}'"), table


def test_no_unique_key_spans_machines(url: str) -> None:
    spanning = {
        (table, tuple(columns))
        for table, columns in rows_of(url, UNIQUE)
        if (column := SPREAD.get(partition_of(table))) and column not in columns
    }
    assert spanning == set()
    with psycopg.connect(url) as connection:  # the query finds a row
        connection.execute("CREATE UNIQUE INDEX spanning ON install (project_id, first_seen)")
        found = connection.execute(UNIQUE).fetchall()
    assert ("install", ["first_seen", "project_id"]) in [(table, sorted(columns)) for table, columns in found]


def test_tables_written_with_each_event_use_no_sequence(url: str) -> None:
    counted = {table for (table,) in rows_of(url, COUNTED)}
    assert counted & set(SPREAD) == set()
    assert counted <= DICTIONARIES | ASIDE


def test_no_table_is_bound_to_another(url: str) -> None:
    assert rows_of(url, BOUND) == []
