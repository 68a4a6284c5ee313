"""An export that is imported into an empty store gives the same counts, even if it is imported twice."""

from __future__ import annotations

import csv
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis.strategies import text as hypothesis_text

from server.history import History
from server.ingest.privacy import Privacy
from server.jobs.rollup_jobs import check_rollups
from server.jobs.run import Run
from server.settings import Settings
from server.storage.engine import Store, server_secret
from server.storage.history.streaming import Span
from server.transfer import install_data
from server.transfer.formats import FORMATS, as_written, harmless
from tests.conftest import change_in, rows_of
from tests.transfer.conftest import (
    HOSTILE,
    NOW,
    counted,
    environment_of,
    exported,
    fill,
    import_file,
    imported,
    incoming,
    lines,
    where,
    with_store,
)

ENGINES = ("sqlite", "postgres")
EACH_FORMAT = [pytest.param(form, marks=[] if form == "jsonl" else [pytest.mark.slow]) for form in FORMATS]


@pytest.mark.parametrize("form", EACH_FORMAT)
def test_a_store_moves_with_all_that_it_counted_and_a_second_time_changes_nothing(
    origin: Settings, fresh: Settings, tmp_path: Path, form: str
) -> None:
    sampled = [(at, msgspec.structs.replace(each, install=None)) for at, each in incoming(100, seed=8, weights=(1, 10, 3.3))]
    with_store(origin, lambda store, project: fill(origin, store, project, sampled))
    file = with_store(origin, lambda store, project: exported(store, project, tmp_path / f"events.{form}", form))
    summary = import_file(fresh, file)
    assert (summary.form, summary.stored, summary.duplicates, summary.bad, summary.named) == ("footfall", 3_100, 0, 0, [])
    once, there = counted(fresh), counted(origin)
    assert all(there[table] for table in ("hourly_spread", "dimension_spreads", "target_spreads"))
    assert [table for table in there if once[table] != there[table]] == []
    again = import_file(fresh, file)
    assert (again.stored, again.duplicates) == (0, 3_100)
    assert counted(fresh) == once


@pytest.mark.parametrize("form", FORMATS)
def test_installs_move_with_their_times(origin: Settings, fresh: Settings, tmp_path: Path, form: str) -> None:
    file = with_store(origin, lambda store, project: exported(store, project, tmp_path / f"installs.{form}", form, "installs"))
    assert import_file(fresh, file).installs == 20
    assert import_file(fresh, file).bad == 0
    assert counted(fresh)["installs"] == counted(origin)["installs"]


def test_an_import_into_its_own_source_counts_nothing_twice(origin: Settings, tmp_path: Path) -> None:
    before = counted(origin)

    async def there_and_back(store, project):
        return await imported(origin, store, project, await exported(store, project, tmp_path / "events.jsonl", "jsonl"))

    assert with_store(origin, there_and_back).duplicates == 3_000
    assert counted(origin) == before


@pytest.mark.slow
def test_two_servers_whose_ids_clash_are_both_counted(origin: Settings, fresh: Settings, tmp_path: Path) -> None:
    file = with_store(origin, lambda store, project: exported(store, project, tmp_path / "events.jsonl", "jsonl"))
    # Events of another server with the same ids.
    import_file(fresh, file)
    change_in(where(fresh), "UPDATE event SET occurred_at = occurred_at + 1", "DELETE FROM imported")
    summary = import_file(fresh, file)
    assert (summary.stored, summary.duplicates) == (3_000, 0)
    assert _events(fresh) == 6_000


@pytest.mark.slow
def test_an_import_that_was_killed_is_started_again_and_counts_once(origin: Settings, fresh: Settings, tmp_path: Path) -> None:
    file = with_store(origin, lambda store, project: exported(store, project, tmp_path / "events.csv", "csv"))
    env = {**os.environ, **environment_of(fresh)}
    program = "from server.transfer.commands import import_command; import_command()"
    process = subprocess.Popen([sys.executable, "-c", program, str(file)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while _events(fresh) == 0:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.wait()
    there = _events(fresh)
    assert 0 < there < 3_000
    summary = import_file(fresh, file)
    assert (summary.stored, summary.duplicates) == (3_000 - there, there)
    assert counted(fresh) == counted(origin)


def _events(settings: Settings) -> int:
    if settings.database_url is None and not settings.sqlite_path.exists():
        return 0
    try:
        ((count,),) = rows_of(where(settings), "SELECT count(*) FROM event")
    except sqlite3.OperationalError:
        return 0  # its tables are being created
    return int(count)


def test_an_export_of_a_span_has_only_the_events_that_occurred_in_it(origin: Settings, tmp_path: Path) -> None:
    times = sorted(row[2] for row in counted(origin)["events"])
    span = Span(times[500], times[2_000])
    file = with_store(origin, lambda store, project: exported(store, project, tmp_path / "e.jsonl", "jsonl", span=span))
    assert len(file.read_bytes().splitlines()) == sum(span.first <= at < span.end for at in times)


def test_an_install_of_another_project_is_not_mixed_with_ours(origin: Settings, tmp_path: Path) -> None:
    file = with_store(origin, lambda store, project: exported(store, project, tmp_path / "installs.jsonl", "jsonl", "installs"))
    change_in(where(origin), "UPDATE install SET project_id = 77")
    summary = import_file(origin, file)
    assert (summary.installs, summary.bad) == (0, 20)
    assert "another project" in summary.named[0]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_and_every_cell_is_read_as_it_was(text: str) -> None:
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert as_written(harmless(text)) == text


@given(hypothesis_text(alphabet="=+-@'\t\r\n;＝a\"", max_size=12))  # noqa: RUF001
def test_no_part_of_a_cell_is_a_formula_where_semicolons_part_cells(text: str) -> None:
    cell = harmless(text)
    assert as_written(cell) == text
    assert not [part for part in re.split(r"[;\t\r\n]", cell) if part.startswith(("=", "+", "-", "@", "＝"))]  # noqa: RUF001


def test_no_cell_of_a_file_begins_a_formula(origin: Settings, tmp_path: Path) -> None:
    file = with_store(origin, lambda store, project: exported(store, project, tmp_path / "events.csv", "csv"))
    with file.open(newline="", encoding="utf-8") as text:
        cells = [cell for row in csv.reader(text) for cell in row]
    assert any(cell.startswith("'=") for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]


def test_invalid_rows_are_reported_and_do_not_stop_the_import(fresh: Settings, tmp_path: Path) -> None:
    good = (
        b'{"id":"018cc251-f400-7000-8000-000000000000","name":"run","occurred_at":"2026-01-02T00:00:00Z","install":null,'
        b'"properties":{"a":1}}'
    )
    file = tmp_path / "events.jsonl"
    file.write_bytes(
        b"\n".join(
            [
                good, b"{broken", b'{"id":"x","name":"run","occurred_at":"2026-01-02T00:00:00Z"}', b"7", b"",
                good.replace(b"null", b'"secret-raw-id"'), good.replace(b"2026-01-02", b"1969-01-02"),
                good.replace(b'{"a":1}', b'{"a":"' + b"x" * (5 << 20) + b'"}'), good.replace(b"8000-000000000000", b"8010-000000000000"),
            ]
        )
    )  # fmt: skip
    summary = import_file(fresh, file)
    assert (summary.stored, summary.bad) == (2, 6)
    assert [named.partition(":")[0] for named in summary.named] == ["row 2", "row 3", "row 4", "row 6", "row 7", "row 8"]
    assert "secret-raw-id" not in "".join(summary.named)


def test_events_of_before_2024_keep_their_times_and_go_with_retention(fresh: Settings, tmp_path: Path) -> None:
    file = tmp_path / "old.jsonl"
    file.write_bytes(
        b'{"event":"build","distinct_id":"i","timestamp":"2019-05-06T07:08:09Z","uuid":"u1","properties":{}}\n'
        b'{"event":"build","distinct_id":"i","timestamp":"2025-05-06T07:08:09Z","uuid":"u2","properties":{}}\n'
    )
    assert import_file(fresh, file).stored == 2
    rows = [(row[0] >> 22, row[2]) for row in counted(fresh)["events"]]
    assert sorted(rows) == [(0, 1557126489000), (1746515289000 - 1704067200000, 1746515289000)]
    span = Span(1557126489000, 1557126489001)
    out = with_store(fresh, lambda store, project: exported(store, project, tmp_path / "e.jsonl", "jsonl", span=span))
    assert b"2019-05-06T07:08:09.000Z" in out.read_bytes()


async def _checked(settings: Settings, store: Store) -> str:
    return await check_rollups(Run(store, settings, by_hand=True, now=lambda: NOW))


@pytest.mark.slow
def test_the_nightly_recount_agrees_with_what_was_imported_and_erased(origin: Settings, fresh: Settings, tmp_path: Path) -> None:
    file = with_store(origin, lambda store, project: exported(store, project, tmp_path / "events.jsonl", "jsonl"))
    old = tmp_path / "old.jsonl"
    old.write_bytes(lines({"event": "build", "distinct_id": "i", "timestamp": "2019-05-06T07:08:09Z", "uuid": "u1", "properties": {}}))
    dump = tmp_path / "dump.txt"
    dump.write_text("dl:peon:total 50\ndl:peon:2026-09-20 7\n")
    for each in (file, old):
        import_file(fresh, each)
        assert "all agree" in with_store(fresh, lambda store, _: _checked(fresh, store))
    import_file(fresh, dump)
    assert "all agree" in with_store(fresh, lambda store, _: _checked(fresh, store))
    install = Privacy(server_secret(fresh)).install(1, "install-7")
    assert with_store(fresh, lambda store, project: install_data.erase(History(store, fresh), project.id, install)) is not None
    assert "all agree" in with_store(fresh, lambda store, _: _checked(fresh, store))
