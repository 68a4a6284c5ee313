"""Rows of other collectors are imported like events of clients, at their original times."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.analytics.family_stats import flakedrop_stats, tool_callers, tools
from server.event import DAY
from server.ingest.privacy import Privacy
from server.questions.periods import Period
from server.settings import Settings
from server.storage.engine import server_secret
from tests.conftest import rows_of
from tests.transfer.conftest import NOW, counted, import_file, lines, where, with_store

ENGINES = ("sqlite", "postgres")

# The rows of a query of a Track-Skills database, with column names.
CALLS: list[dict[str, Any]] = [
    {"id": number, "name": "tool_call", "dialect": "trackskills", "installation_id": f"user-{number % 2}", "target_type": "tool",
     "target_id": "search", "timestamp": f"2026-02-{number + 1:02} 10:00:00", "duration_ms": 100 * number, "outcome": outcome,
     "error_type": None if outcome == "success" else "Timeout", "error_message": None, "properties": '{"query": "x"}'}
    for number, outcome in enumerate(["success", "failure", "success"])
]  # fmt: skip
# The stored events of a SonicJS collector, and the same events as its clients send them.
SONICJS: list[dict[str, Any]] = [
    {"id": "e1", "installation_id": "inst-1", "event_type": "installation_started", "created_at": "2025-12-10T10:00:01.000Z",
     "properties": '{"os": "darwin", "nodeVersion": "v20.10", "packageManager": "npm"}', "timestamp": "2025-12-10T10:00:00.000Z"},
    {"id": "e2", "installation_id": "inst-1", "event_type": "installation_completed", "properties": {"durationMs": 1500},
     "timestamp": "2025-12-10T10:00:30.000Z"},
]  # fmt: skip
FLAKEDROP: list[dict[str, Any]] = [
    {"name": name, "dialect": "flakedrop", "installation_id": user, "os": "linux", "version": "1.0.0", "outcome": outcome, "timestamp": at}
    for name, user, outcome, at in (
        ("deployment", "u1", "success", 1_750_000_000_000),
        ("deployment", "u1", "failure", 1_750_000_001_000),
        ("config_created", "u2", None, 1_750_000_002_000),
    )
]


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.mark.parametrize(
    ("name", "content"), [("calls.json", msgspec.json.encode(CALLS)), ("calls.jsonl", lines(*CALLS)), ("calls.csv", as_csv(CALLS))]
)
def test_imported_calls_of_track_skills_appear_once_in_its_tables(fresh: Settings, tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    summary = import_file(fresh, file)
    assert (summary.form, summary.stored, summary.bad) == ("wire", 3, 0), summary.named
    once = counted(fresh)
    assert import_file(fresh, file).duplicates == 3
    assert counted(fresh) == once
    february = Period(20_485 * DAY, 20_513 * DAY)
    (search,) = with_store(fresh, lambda store, project: tools(store, project.id, february))
    assert (search.tool, search.calls, search.mean_ms, round(search.success_rate, 3)) == ("search", 3, 100.0, 0.667)
    assert with_store(fresh, lambda store, project: tool_callers(store, project.id, february)) == 2


def test_a_sonicjs_collector_moves_and_its_clients_are_recognized(fresh: Settings, tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_bytes(msgspec.json.encode(SONICJS))
    assert import_file(fresh, file).stored == 2
    (install,) = rows_of(where(fresh), "SELECT id, first_seen, os, package_manager, dialect FROM install")
    assert install == (Privacy(server_secret(fresh)).install(1, "inst-1"), 1_765_360_800_000, "darwin", "npm", "sonicjs")
    assert rows_of(where(fresh), "SELECT occurred_at, outcome, duration_us FROM event ORDER BY occurred_at") == [
        (1_765_360_800_000, 0, None),
        (1_765_360_830_000, 1, 1_500_000),
    ]


def test_the_documented_query_imports_a_track_skills_database(fresh: Settings, tmp_path: Path) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "moving.md").read_text(encoding="utf-8")
    (query,) = re.findall(r"^```sql\n(.*?)^```", documented, re.MULTILINE | re.DOTALL)
    columns = "id, user_id_hash, tool_name, tool_category, timestamp, duration_ms, status, error_type, error_message, metadata"
    with closing(sqlite3.connect(":memory:")) as database:
        database.row_factory = sqlite3.Row
        database.execute(f"CREATE TABLE skill_usage_events ({columns})")
        database.executemany(
            f"INSERT INTO skill_usage_events ({columns}) VALUES ({', '.join('?' * 10)})",
            [
                (1, "ab12", "search", "content", "2026-02-09 10:00:00", 250, "success", None, None, '{"a": 1}'),
                (2, "ab12", "search", "content", "2026-02-09 10:00:00", 250, "timeout", "Timeout", "gave up", None),
            ],
        )
        rows = [dict(row) for row in database.execute(query)]
    file = tmp_path / "calls.json"
    file.write_bytes(msgspec.json.encode(rows))
    assert import_file(fresh, file).stored == 2
    (search,) = with_store(fresh, lambda store, project: tools(store, project.id, Period(20_485 * DAY, 20_513 * DAY)))
    assert (search.tool, search.calls, search.mean_ms, search.success_rate) == ("search", 2, 250.0, 0.5)


def test_flakedrops_statistics_have_what_came_from_before(fresh: Settings, tmp_path: Path) -> None:
    file = tmp_path / "flakedrop.jsonl"
    file.write_bytes(lines(*FLAKEDROP))
    assert import_file(fresh, file).stored == 3
    stats = with_store(fresh, lambda store, project: flakedrop_stats(store, project.id))
    assert (stats.unique_users, stats.total_deployments, stats.successful_deploys, stats.configs_created) == (2, 2, 1, 1)
    assert stats.os_breakdown == {"linux": 2}


def test_an_unusable_field_is_named_without_its_value(fresh: Settings, tmp_path: Path) -> None:
    good = {"name": "run", "installation_id": "i", "timestamp": "2026-01-01T00:00:00Z"}
    rows: list[Any] = [
        {**good, "note": "the good one"}, {**good, "timestamp": None}, {**good, "timestamp": "SECRET"}, {**good, "timestamp": 5},
        {**good, "dialect": "SECRET"}, {**good, "duration_ms": "SECRET"}, {**good, "properties": "SECRET"}, {"installation_id": "i"},
        {"events": [good, good]}, [good], "SECRET", {**good, "target_type": "tool"},
    ]  # fmt: skip
    file = tmp_path / "bad.jsonl"
    file.write_bytes(lines(*rows))
    summary = import_file(fresh, file, "wire")
    assert (summary.stored, summary.bad) == (1, len(rows) - 1)
    assert "SECRET" not in "".join(summary.named)
    for named, field in zip(
        summary.named, ("timestamp", "timestamp", "timestamp", "dialect", "duration_ms", "", "name", "name", "row", "row"), strict=True
    ):
        assert f": {field}" in named


def test_a_future_time_is_reported_and_nothing_is_stored_unscrubbed(fresh: Settings, tmp_path: Path) -> None:
    file = tmp_path / "ahead.jsonl"
    row = {"name": "run", "installation_id": "the-raw-id", "timestamp": NOW + 60_000, "properties": {"path": "/home/jane/x"}}
    file.write_bytes(lines(row, {**row, "timestamp": "2099-01-01T00:00:00Z"}))
    summary = import_file(fresh, file)
    assert (summary.stored, summary.named) == (1, ["row 2: timestamp: must not be in the future"])
    ((occurred_at,),) = rows_of(where(fresh), "SELECT occurred_at FROM event")
    assert occurred_at == NOW + 60_000
    kept = repr(counted(fresh))
    assert "the-raw-id" not in kept
    assert "jane" not in kept


def test_rows_of_a_sample_keep_their_weight(fresh: Settings, tmp_path: Path) -> None:
    rows = [
        {"name": "build", "id": "a", "timestamp": "2025-10-26T10:00:00Z", "sample_rate": "0.1", "weight": ""},
        {"name": "build", "id": "b", "timestamp": "2025-10-26T10:00:00Z", "sample_rate": "", "weight": "3"},
        {"name": "build", "id": "c", "timestamp": "2025-10-26T10:00:00Z", "sample_rate": "", "weight": "heavy"},
    ]
    file = tmp_path / "rows.csv"
    file.write_bytes(as_csv(rows))
    assert import_file(fresh, file).stored == 3
    assert rows_of(where(fresh), "SELECT COALESCE(weight, 1) FROM event ORDER BY 1") == [(1,), (3,), (10,)]
    assert rows_of(where(fresh), "SELECT events FROM rollup_day") == [(14,)]
