"""Promises to operators who import: values are read by the type of their column, and implausible ones are reported."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from server.event_id import first_id, to_uuid
from server.settings import Settings
from server.transfer.importing import Summary
from tests.conftest import rows_of
from tests.transfer.conftest import import_file

HEADER = "name,installation_id,timestamp,ci,duration_ms,version"
TIME = 1_792_910_399_000
NOT_UTF8 = "is not UTF-8: convert the file first, as with `iconv -f latin1 -t utf-8`"


def imported(settings: Settings, path: Path, content: bytes) -> Summary:
    path.write_bytes(content)
    return import_file(settings, path)


def csv_of(*rows: str) -> bytes:
    return "\n".join([HEADER, *rows, ""]).encode()


def test_a_csv_is_typed_by_its_columns(settings: Settings, tmp_path: Path) -> None:
    ci = ("true", "1", "yes", "TRUE", "t", "on")
    people = ("false", "0", "no", "False", "f", "off")
    rows = [f"build,i{n},{TIME},{word},12.5,2.10" for n, word in enumerate(ci + people)]
    summary = imported(settings, tmp_path / "events.csv", csv_of(*rows, f"build,last,{TIME}.0,,,", "build,iso,2026-10-01 10:00:00,,,"))
    assert (summary.stored, summary.named) == (14, [])
    found = rows_of(
        settings.sqlite_path,
        "SELECT environment, version, occurred_at, duration_us, count(*) FROM event JOIN context ON context.id = context_id"
        f" WHERE occurred_at = {TIME} AND duration_us IS NOT NULL GROUP BY 1 ORDER BY 1",
    )
    assert [(version, at, duration, events) for _, version, at, duration, events in found] == [("2.10", TIME, 12_500, 6)] * 2
    assert rows_of(settings.sqlite_path, f"SELECT count(*) FROM event WHERE occurred_at = {TIME}") == [(13,)]


def test_implausible_values_are_reported_by_row(settings: Settings, tmp_path: Path) -> None:
    rows = (
        "build,a,2099-01-01T00:00:00Z,,,", "build,b,4070908800000,,,", f"build,c,{TIME},perhaps,,", f"build,d,{TIME},,nan,",
        "build,e,1792910399,,,", "build,f,20261001,,,", f"build,g,{TIME},,,",
    )  # fmt: skip
    summary = imported(settings, tmp_path / "events.csv", csv_of(*rows))
    assert (summary.stored, summary.bad) == (1, 6)
    assert [named.partition(": ")[2].partition(":")[0] for named in summary.named] == [
        "timestamp", "timestamp", "ci", "duration_ms", "timestamp", "timestamp",
    ]  # fmt: skip
    assert summary.named[0] == "row 2: timestamp: must not be in the future"


@pytest.mark.parametrize("shape", ["csv", "csv.gz", "array", "jsonl"])
def test_bytes_that_are_not_utf8_are_reported_by_row_and_never_replaced(settings: Settings, tmp_path: Path, shape: str) -> None:
    broken: dict[str, Any] = {"name": "café", "installation_id": "a", "timestamp": TIME}
    whole = {**broken, "name": "naïve"}
    if shape.startswith("csv"):
        content = csv_of("@,a,1792910399000,,,", "naïve,a,1792910399000,,,").replace(b"@", b"caf\xe9")
    else:
        latin, utf8 = json.dumps(broken, ensure_ascii=False).encode("latin-1"), json.dumps(whole, ensure_ascii=False).encode()
        content = b"[" + latin + b"," + utf8 + b"]" if shape == "array" else latin + b"\n" + utf8 + b"\n"
    summary = imported(settings, tmp_path / "events", gzip.compress(content) if shape.endswith("gz") else content)
    assert (summary.stored, summary.bad) == (1, 1)
    if shape != "jsonl":
        assert summary.named == [f"row {2 if shape.startswith('csv') else 1}: {NOT_UTF8}"]
    assert rows_of(settings.sqlite_path, "SELECT text FROM event_name") == [("naïve",)]


def test_posthogs_and_our_own_exports_are_typed_and_checked_alike(settings: Settings, tmp_path: Path) -> None:
    event = {"event": "build", "distinct_id": "a", "timestamp": str(TIME), "uuid": "0190d8a6-0000-7000-8000-000000000001"}
    later = {**event, "timestamp": "2099-01-01T00:00:00Z", "uuid": "0190d8a6-0000-7000-8000-000000000002"}
    lines = "".join(json.dumps(each) + "\n" for each in (event, later))
    summary = imported(settings, tmp_path / "posthog.jsonl", lines.encode())
    assert (summary.stored, summary.named) == (1, ["row 2: timestamp: must not be in the future"])
    own = "id,name,occurred_at,skewed\n" + "".join(
        f"{to_uuid(first_id(TIME) + n)},run,{at},{skewed}\n"
        for n, (at, skewed) in enumerate(((TIME, "1"), ("2026-10-01T00:00:00Z", "FALSE"), ("2099-01-01T00:00:00Z", "")), 3)
    )
    summary = imported(settings, tmp_path / "own.csv", own.encode())
    assert (summary.stored, summary.named) == (2, ["row 4: occurred_at: must not be in the future"])
    assert rows_of(settings.sqlite_path, "SELECT skewed FROM event JOIN event_name n ON n.id = name_id WHERE text = 'run' ORDER BY 1") == [
        (None,),
        (1,),
    ]


@pytest.mark.parametrize("shape", ["array", "jsonl"])
def test_a_text_that_was_cut_inside_an_emoji_is_imported(settings: Settings, tmp_path: Path, shape: str) -> None:
    rows = [f'{{"name":"build","installation_id":"n{n}","timestamp":{TIME},"error":{{"message":"cut \\ud83c"}}}}' for n in range(2)]
    content = f"[{','.join(rows)}]" if shape == "array" else "\n".join(rows)
    summary = imported(settings, tmp_path / ("events.json" if shape == "array" else "events.jsonl"), content.encode())
    assert (summary.stored, summary.named) == (2, [])
    assert rows_of(settings.sqlite_path, "SELECT DISTINCT error_message FROM event") == [("cut \N{REPLACEMENT CHARACTER}",)]
