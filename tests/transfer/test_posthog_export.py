"""Imports of PostHog's export: events of real clients, hashed and scrubbed like received events."""

from __future__ import annotations

import contextlib
import gzip
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.ingest.privacy import Privacy
from server.settings import Settings
from server.storage.engine import server_secret
from server.transfer.formats import arrow_modules
from tests.conftest import rows_of
from tests.transfer.conftest import counted, import_file, lines, where

# Captured from posthog-python 7.91.1 and posthog-node 5.70.0.
PYTHON: dict[str, Any] = {
    "properties": {
        "command": "build", "$session_id": "s-1", "$os": "Linux", "$python_version": "3.11.7", "$lib": "posthog-python", "$lib_version": "7.91.1",
        "$geoip_disable": True, "$is_server": True, "app_version": "1.4.0", "isCI": True,
    },
    "timestamp": "2024-11-01T00:00:00+00:00", "distinct_id": "inst-1", "event": "cli command", "uuid": "28dd7555-b6fb-4cbb-94e6-8b71b52cf94c",
}  # fmt: skip
NODE: dict[str, Any] = {
    "event": "cli command", "distinct_id": "inst-2", "timestamp": "2024-11-01T00:00:01.250Z", "uuid": "0199-node",
    "properties": '{"$lib": "posthog-node", "$lib_version": "5.70.0", "path": "/home/jane/secret/project", "mail": "jane@example.com"}',
}  # fmt: skip
PER_EVENT: dict[str, Any] = {
    "event": "anonymous", "distinct_id": "7f0cf1a4-95f1-4e2f-8a70-b5a3fb1f4d3a", "timestamp": "2024-11-02T00:00:00Z", "uuid": "u3",
    "properties": {"$process_person_profile": False},
}  # fmt: skip
OWN = [
    {"event": "$identify", "distinct_id": "inst-1", "timestamp": "2024-11-01T00:00:00Z", "properties": {"$set": {"email": "a@b.example"}}},
    {"event": "$exception", "distinct_id": "inst-1", "timestamp": "2024-11-01T00:00:00Z", "properties": {"$exception_list": []}},
    {"event": "$my own", "distinct_id": "inst-1", "timestamp": "2024-11-01T00:00:00Z"},
]
BAD = [{"event": "x", "distinct_id": "i", "timestamp": "yesterday"}, {"event": "", "distinct_id": "i", "timestamp": 1730419200000}]
ALL = [PYTHON, NODE, PER_EVENT, *OWN, *BAD]
FILES = {
    "lines.jsonl": lines(*ALL),
    "array.json": msgspec.json.encode(ALL),
    "pretty.json": msgspec.json.format(msgspec.json.encode(ALL), indent=2),
    "lines.jsonl.gz": gzip.compress(lines(*ALL)),
}


@pytest.mark.parametrize("name", FILES)
def test_events_are_imported_once_and_posthogs_own_events_are_skipped(fresh: Settings, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(FILES[name])
    summary = import_file(fresh, file)
    assert (summary.form, summary.stored, summary.bad) == ("posthog", 3, 2)
    assert summary.skipped == {"$identify": 1, "$exception": 1, "$…": 1}
    assert [named.partition(":")[0] for named in summary.named] == ["row 7", "row 8"]
    once = counted(fresh)
    assert import_file(fresh, file).duplicates == 3
    assert counted(fresh) == once


def test_posthogs_batch_export_is_parquet_with_times(fresh: Settings, tmp_path: Path) -> None:
    arrow, parquet = arrow_modules()
    at = datetime(2025, 5, 1, 10, 0, 0, 123_000, tzinfo=UTC)
    rows = {
        "uuid": arrow.array(["0191-a", "0191-b"]),
        "event": arrow.array(["build", "deploy"]),
        "properties": arrow.array(['{"$os": "Linux", "version": "1.2"}', "{}"]),
        "distinct_id": arrow.array(["u1", "u2"]),
        "timestamp": arrow.array([at, at], arrow.timestamp("us", tz="UTC")),
        "_inserted_at": arrow.array([at.replace(tzinfo=None)] * 2, arrow.timestamp("us")),
    }
    file = tmp_path / "events.parquet"
    parquet.write_table(arrow.table(rows), file)
    summary = import_file(fresh, file)
    assert (summary.form, summary.stored, summary.bad) == ("posthog", 2, 0), summary.named
    found = rows_of(where(fresh), "SELECT occurred_at, os, version FROM event JOIN context ON context.id = context_id ORDER BY os")
    assert sorted(found, key=repr) == sorted([(1_746_093_600_123, "linux", "1.2"), (1_746_093_600_123, None, None)], key=repr)


def test_each_field_is_where_it_belongs(fresh: Settings, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(PYTHON, NODE, PER_EVENT))
    import_file(fresh, file)
    privacy = Privacy(server_secret(fresh))
    with contextlib.closing(sqlite3.connect(fresh.sqlite_path)) as connection, connection:
        connection.row_factory = sqlite3.Row
        python, node, anonymous = connection.execute("SELECT * FROM event JOIN context ON context.id = context_id ORDER BY occurred_at")
    assert python["install_id"] == privacy.install(1, "inst-1")
    assert python["session"] == privacy.session(1, "s-1")
    assert (python["os"], python["runtime"], python["version"], python["dialect"]) == ("linux", "python 3.11.7", "1.4.0", "posthog")
    assert (python["environment"], python["reason"], python["skewed"]) == (2, "properties.isCI", None)
    assert msgspec.json.decode(python["properties"]) == {"command": "build", "app_version": "1.4.0", "isCI": True}
    assert (node["occurred_at"], node["runtime"]) == (1730419201250, "posthog-node 5.70.0")
    assert "jane" not in node["properties"]
    assert anonymous["install_id"] is None


def test_no_raw_identifier_is_anywhere_in_the_store(fresh: Settings, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines({**PYTHON, "distinct_id": "the-very-raw-id"}, {**NODE, "uuid": None, "distinct_id": "the-very-raw-id"}))
    import_file(fresh, file)
    for part in fresh.data_dir.iterdir():
        assert b"the-very-raw-id" not in part.read_bytes(), part


def test_an_array_with_a_syntax_error_is_imported_up_to_it(fresh: Settings, tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_bytes(b"[" + msgspec.json.encode(PYTHON) + b"," + msgspec.json.encode(NODE)[:-20])
    summary = import_file(fresh, file)
    assert (summary.stored, summary.bad) == (1, 1)
