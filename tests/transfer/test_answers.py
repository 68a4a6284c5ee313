"""Answers as files, by the command and over HTTP, in each format; they equal those of the Python functions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.event import DAY
from server.settings import Settings
from server.storage.engine import Store
from server.transfer.commands import export_command
from server.transfer.import_sources import Source
from server.transfer.questions import QUESTIONS, parse_request
from tests.transfer.conftest import NOW

SPAN = {"from": "2026-06-01", "to": "2026-10-27"}
NEEDED = {"breakdown": {"by": "version"}, "experiment": {"property": "n"}}
MAYBE_NOTHING = {"trending", "experiment", "rejected", "limited"}  # these need a job, a property, or rejected events, which this data lacks


def parameters(what: str) -> dict[str, str]:
    return {**SPAN, **NEEDED.get(what, {})}


@pytest.mark.parametrize("what", QUESTIONS)
async def test_every_question_is_answered_in_every_format(
    client: httpx.AsyncClient, reader: dict[str, str], what: str, tmp_path: Path
) -> None:
    found: dict[str, list[dict[str, Any]]] = {}
    for form in ("csv", "jsonl", "parquet"):
        answer = await client.get(f"/v1/export/{what}", params={**parameters(what), "format": form}, headers=reader)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-disposition"] == f'attachment; filename="default-{what}.{form}"'
        if form == "csv":
            found[form] = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        elif form == "jsonl":
            found[form] = [json.loads(line) for line in answer.text.splitlines()]
        elif answer.content:
            file = tmp_path / "answer.parquet"
            file.write_bytes(answer.content)
            with Source(file) as source:
                found[form] = [row.document for row in source.rows()]
    assert len(found["csv"]) == len(found["jsonl"]) == len(found["parquet"])
    if what not in MAYBE_NOTHING:
        assert found["jsonl"]
    for row in found["jsonl"]:
        assert not [name for name, value in row.items() if isinstance(value, dict) and name != "reasons"], row
        assert row.keys() == found["jsonl"][0].keys()


async def test_a_series_has_all_events_and_keeps_to_its_filter(client: httpx.AsyncClient, reader: dict[str, str]) -> None:
    async def events(**words: str) -> int:
        answer = await client.get("/v1/export/series", params={**SPAN, **words}, headers=reader)
        rows = [json.loads(line) for line in answer.text.splitlines()]
        return sum(row["events"] for row in rows)

    everything = await events()
    assert everything == 1_200
    assert await events(step="month") == everything
    by_version = [
        json.loads(line)
        for line in (await client.get("/v1/export/breakdown", params={**SPAN, "by": "version"}, headers=reader)).text.splitlines()
    ]
    assert sum(row["events"] for row in by_version) == everything
    value = next(row for row in by_version if row["value"])
    assert await events(version=value["value"]) == value["events"]
    assert await events(audience="people") + await events(environment="ci,container,development,test") == everything


@pytest.mark.parametrize(
    ("what", "words", "path"),
    [
        ("breakdown", {}, "by"),
        ("breakdown", {"by": "colour"}, "by"),
        ("series", {"step": "second"}, "step"),
        ("series", {"by": "os"}, "by"),
        ("series", {"environment": "mars"}, "environment"),
        ("series", {"target": "x"}, "target_type"),
        ("series", {"outcome": "perhaps"}, "outcome"),
        ("series", {"from": "soon"}, "from"),
        ("series", {"from": "2026-10-01", "to": "2026-09-01"}, "to"),
        ("series", {"from": "1999-01-01"}, "from"),
        ("targets", {"limit": "0"}, "limit"),
        ("targets", {"limit": "many"}, "limit"),
        ("funnel", {}, "step"),
        ("funnel", {"step": "one"}, "step"),
        ("funnel", {"step": ["one", "two"], "within": "0h"}, "within"),
        ("trending", {"window": "1d"}, "window"),
        ("trending", {"os": "linux"}, "os"),
        ("medians", {"step": "hour"}, "step"),
        ("experiment", {}, "property"),
        ("ledger-days", {"os": "linux"}, "os"),
        ("overview", {"format": "xml"}, "format"),
    ],
)
async def test_an_invalid_query_is_refused_by_field(
    client: httpx.AsyncClient, reader: dict[str, str], what: str, words: dict[str, str], path: str
) -> None:
    answer = await client.get(f"/v1/export/{what}", params=words, headers=reader)
    assert answer.status_code == 400, answer.text
    assert [error["path"] for error in answer.json()["errors"]] == [path]


async def test_answers_require_a_key_too(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/export/series")).status_code == 401


def test_the_command_gives_the_same_answer_as_the_route(run: Any, tmp_path: Path, origin: Settings) -> None:
    file = tmp_path / "versions.csv"
    ran = run(export_command, "breakdown", "--by", "version", "--from", "2026-06-01", "--to", "2026-10-27", "--output", file)
    assert ran.exit_code == 0, ran.stderr
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert sum(int(row["events"]) for row in rows) == 3_000
    assert {"events", "success_rate", "installs_all", "installs_people"} <= rows[0].keys()
    assert next(iter(rows[0])) == "value"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("breakdown",), "--by is missing"),
        (("series", "--package-manager", "npm", "--by", "os"), "--by is not a parameter of series"),
        (("events", "--os", "linux"), "--os only applies to reports"),
        (("series", "--os", "\udcff"), "--os must be text"),
    ],
)
def test_the_command_names_the_invalid_option(run: Any, arguments: tuple[str, ...], message: str) -> None:
    ran = run(export_command, *arguments)
    assert ran.exit_code == 1
    assert message in ran.stderr


async def test_without_a_period_the_last_thirty_days_are_exported(store: Store) -> None:
    filter_ = parse_request(QUESTIONS["series"], 1, {}, now=NOW).filter
    assert filter_.period.end == (NOW // DAY + 1) * DAY
    assert filter_.period.end - filter_.period.start == 30 * DAY
