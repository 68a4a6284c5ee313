"""Answers of the history equal those of the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.event import DAY, HOUR
from server.event_id import first_id
from server.history import History
from server.history.event_columns import COLUMNS
from server.problems import TooBroad
from server.settings import Settings, load
from server.storage.engine import Store

NOW = 1_795_262_400_000
ENGINES = ("sqlite", "postgres")

Rows = Callable[[Path | str, str], list[Any]]


async def test_before_the_first_build_everything_is_the_tail(history: History, fill: Any, check: Any) -> None:
    await fill(300)
    assert await check(history) > 100


async def test_segments_and_the_tail_together_are_the_store(history: History, fill: Any, check: Any, commit: Any, make_event: Any) -> None:
    await fill(2_000)
    built = await history.build()
    assert built.events == 2_000
    await commit(make_event(at) for at in (0.0001, 0.0002, 0))
    for project in (1, 2):
        assert await check(history, project) > 300
    assert (await history.build()).events == 0  # the last minute stays in the store


async def test_groups_equal_those_of_the_store(history: History, fill: Any, where: Path | str, rows_of: Rows) -> None:
    await fill(2_000)
    await history.build()
    first = NOW - 60 * DAY
    sql = (
        "SELECT os, version, count(*), count(DISTINCT install_id), sum(duration_us) FROM {} WHERE occurred_at >= {} AND outcome = 2"
        " GROUP BY os, version"
    )
    found = await history.query(sql.format("events", "?"), [first], project_id=1, since_id=first_id(first - HOUR))
    assert found is not None
    stored = rows_of(where, sql.format("event JOIN context ON context.id = context_id AND event.project_id = 1", first))
    assert sorted((tuple(row.values()) for row in found), key=repr) == sorted(stored, key=repr)


async def test_a_range_of_ids_skips_files_but_none_of_its_events(history: History, fill: Any, where: Path | str, rows_of: Rows) -> None:
    await fill(1_000)
    await history.build()
    first, end = first_id(NOW - 50 * DAY), first_id(NOW - 10 * DAY)
    ids = await history.query("SELECT id FROM events ORDER BY id", project_id=1, since_id=first, until_id=end)
    assert ids is not None
    stored = [row[0] for row in rows_of(where, "SELECT id FROM event WHERE project_id = 1 ORDER BY id")]
    found = [row["id"] for row in ids]
    assert [each for each in found if first <= each < end] == [each for each in stored if first <= each < end]
    assert set(found) < set(stored)


async def test_a_project_without_events_has_none(history: History, fill: Any) -> None:
    await fill(100)
    await history.build()
    assert await history.query("SELECT count(*) AS n FROM events", project_id=77) == [{"n": 0}]


async def test_late_events_are_in_the_next_answer_and_in_the_next_segments(
    history: History, fill: Any, check: Any, commit: Any, make_event: Any
) -> None:
    await fill(1_000)
    await history.build()
    before = await check(history)
    await commit([make_event(40, project=1), make_event(80, project=1)])
    assert await check(history) == before + 2
    assert (await history.build()).events > 2
    assert await check(history) == before + 2
    assert (await history.build()).events == 0


async def test_more_than_the_bound_in_the_tail_is_not_ready(history: History, fill: Any) -> None:
    history.tail = 100
    await fill(500, project=1)
    assert await history.query("SELECT count(*) AS n FROM events", project_id=1) is None
    assert await history.query("SELECT count(*) AS n FROM events", project_id=2) == [{"n": 0}]
    await history.build()
    assert await history.query("SELECT count(*) AS n FROM events", project_id=1) == [{"n": 500}]


async def test_months_become_one_file(history: History, fill: Any, check: Any, segments: Callable[[], list[Path]]) -> None:
    await fill(1_000, 90)
    await history.build()
    assert len(segments()) <= 4
    assert await check(history) > 500


async def test_a_history_that_is_off_answers_nothing_and_writes_nothing(
    store: Store, settings: Settings, fill: Any, database: dict[str, str]
) -> None:
    off = History(store, load({"FOOTFALL_DATA_DIR": str(settings.data_dir), "FOOTFALL_HISTORY": "off", **database}), now=lambda: NOW)
    await fill(100)
    assert (await off.build()).events == 0
    assert await off.query("SELECT 1 AS one", project_id=1) is None
    assert not settings.history_dir.exists()


async def test_a_question_beyond_its_time_is_interrupted(history: History, fill: Any) -> None:
    await fill(100)
    await history.build()
    history.seconds = 0.3
    with pytest.raises(TooBroad, match="seconds"):
        await history.query("SELECT count(*) FROM range(100000000) AS a, range(100000000) AS b", project_id=1)
    assert await history.query("SELECT 1 AS one", project_id=1) == [{"one": 1}]


async def test_a_question_beyond_its_memory_is_refused(store: Store, settings: Settings, database: dict[str, str]) -> None:
    little = load({"FOOTFALL_DATA_DIR": str(settings.data_dir), "FOOTFALL_HISTORY_MEMORY": "20MB", **database})
    history = History(store, little, now=lambda: NOW)
    with pytest.raises(TooBroad, match="FOOTFALL_HISTORY_MEMORY"):
        await history.query("SELECT list(repeat('x', 1000) || i) FROM range(1000000) AS t(i)", project_id=1)
    history.close()


@pytest.mark.slow
async def test_a_small_machine_builds_its_history_and_reads_the_newest_events(
    store: Store, settings: Settings, database: dict[str, str], fill: Any
) -> None:
    little = load({"FOOTFALL_DATA_DIR": str(settings.data_dir), "FOOTFALL_HISTORY_MEMORY": "30MB", **database})
    history = History(store, little, now=lambda: NOW)
    await fill(1_000)
    assert (await history.build()).events
    await fill(1_000)
    found = await history.query("SELECT count(*) AS n FROM events", project_id=1)
    assert found is not None
    assert found[0]["n"] > 1_000
    history.close()


@pytest.mark.on_sqlite
async def test_sql_reaches_no_file_outside_the_folder(history: History, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "outside.csv").write_text("a\n1\n")
    for sql in (
        f"SELECT * FROM read_csv('{tmp_path / 'outside.csv'}')",
        f"SELECT * FROM read_text('{settings.data_dir / 'secret'}')",
        f"COPY (SELECT 1) TO '{tmp_path / 'written.csv'}'",
        f"ATTACH '{tmp_path / 'other.db'}'",
        "SET enable_external_access = true",
        "SET memory_limit = '1TB'",
        "INSTALL httpfs",
    ):
        with pytest.raises(Exception, match=r"(?i)permission|disabled|locked|not allowed"):
            await history.query(sql, project_id=1)


@pytest.mark.on_sqlite
def test_each_column_is_declared_once() -> None:
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
