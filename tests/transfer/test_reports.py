"""Funnels, retention and paths from a terminal and over HTTP, with the same parameters."""

from __future__ import annotations

import csv
import io
import json
import shlex
from typing import Any

import click
import httpx
import pytest

from server import terminal
from server.transfer.ask_command import ask_command
from server.transfer.import_sources import Source
from server.transfer.report_commands import REPORT_COMMANDS

ENGINES = ("sqlite", "postgres")
SPAN = ("--from", "2026-06-01", "--to", "2026-10-27")
WORDS: dict[str, Any] = {"from": "2026-06-01", "to": "2026-10-27"}
REPORTS: dict[str, dict[str, Any]] = {
    "funnel": {"step": ["run", "build"], "within": "90d", "by": "version"},
    "retention": {"by": "os", "over": "month"},
    "paths": {"event": "build", "within": "day", "length": "2", "by": "os"},
}
EXAMPLES = [
    line.strip() for command in REPORT_COMMANDS for line in (command.help or "").splitlines() if line.strip().startswith("footfall ask ")
]


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_in_the_help_works(run: Any, example: str) -> None:
    ran = run(ask_command, *shlex.split(example.replace("mytool", "default"))[2:])
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout


@pytest.mark.parametrize("name", REPORTS)
async def test_every_format_over_http_has_the_same_rows(
    client: httpx.AsyncClient, reader: dict[str, str], tmp_path: Any, name: str
) -> None:
    answers = {
        form: await client.get(f"/v1/export/{name}", params={**WORDS, **REPORTS[name], "format": form}, headers=reader)
        for form in ("csv", "jsonl", "json", "parquet")
    }
    rows = lines(answers["jsonl"])
    assert rows
    document = answers["json"].json()
    assert document["rows"] == rows
    assert document["complete"]
    assert len(list(csv.DictReader(io.StringIO(answers["csv"].text, newline="")))) == len(rows)
    file = tmp_path / "answer.parquet"
    file.write_bytes(answers["parquet"].content)
    with Source(file) as source:
        assert len(list(source.rows())) == len(rows)
    assert answers["csv"].headers["content-disposition"] == f'attachment; filename="default-{name}.csv"'


@pytest.mark.parametrize("name", REPORTS)
def test_the_command_writes_a_table_and_files_with_its_split(run: Any, name: str) -> None:
    options = [
        option
        for each, texts in REPORTS[name].items()
        for text in ([texts] if isinstance(texts, str) else texts)
        for option in (f"--{each}", text)
    ]
    table = run(ask_command, name, "default", *SPAN, *options)
    assert table.exit_code == 0, table.stderr
    head, *body = table.stdout.splitlines()
    assert head.split()[0] == REPORTS[name]["by"]
    assert body
    rows = [json.loads(line) for line in run(ask_command, name, "default", *SPAN, *options, "--format", "jsonl").stdout.splitlines()]
    assert {REPORTS[name]["by"], "is_other", "installs_all", "installs_people"} <= rows[0].keys()
    assert any(row["installs_all"] for row in rows)


@pytest.mark.parametrize("options", [("--by", "os"), ()])
def test_retention_in_a_narrow_terminal_has_fewer_steps_and_whole_figures(
    run: Any, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setattr(terminal.out, "width", 80)
    ran = run(ask_command, "retention", "default", *SPAN, *options)
    head, *rows = (line.split() for line in ran.stdout.splitlines())
    assert head[2:] == [f"+{after}" for after in range(5)]
    assert "…" not in ran.stdout
    assert all(len(row) <= 12 for row in rows)
    assert "The table ends after 5 weeks" in ran.stderr


def test_a_table_of_one_step_ends_after_a_week(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.out, "width", 40)
    assert "The table ends after 1 week;" in run(ask_command, "retention", "default", *SPAN).stderr


def test_retention_by_os_adds_up_to_retention_of_all(run: Any) -> None:
    def rows(*options: str) -> list[dict[str, Any]]:
        ran = run(ask_command, "retention", "default", *SPAN, "--over", "month", "--format", "jsonl", *options)
        assert ran.exit_code == 0, ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()]

    whole, split = rows(), rows("--by", "os")
    for row in whole:
        own = [each for each in split if (each["start"], each["after"]) == (row["start"], row["after"])]
        assert sum(each["installs_all"] for each in own) == row["installs_all"]
        assert sum(each["returned_all"] for each in own) == row["returned_all"]
    assert any(row["returned_all"] for row in whole if row["after"])


def test_an_event_is_named_or_described_by_conditions(run: Any) -> None:
    def rows(*steps: str) -> str:
        options = [option for step in steps for option in ("--step", step)]
        ran = run(ask_command, "funnel", "default", *SPAN, "--within", "90d", "--format", "csv", *options)
        assert ran.exit_code == 0, ran.stderr
        return str(ran.stdout)

    assert rows("build", '"=deploy"') == rows("build: name=build", '"=deploy": name="=deploy"')
    assert rows("build", "run") != rows("build", "run: name=run and os=plan9")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("funnel", "default", "--step", "build"), "--step must be 2 to 10 steps"),
        (("funnel", "default", "--step", "a", "--step", "b: os"), "--step[1] must be"),
        (("funnel", "default", "--step", "a", "--step", "b", "--within", "1"), "--within must be a number with a unit"),
        (("funnel", "default", "--step", "a", "--step", "b", "--order", "some"), "--order must be one of steps, any"),
        (("retention", "default", "--over", "hour"), "--over must be a day, a week or a month"),
        (("retention", "default", "--return", "colour=red"), "--return[0].field must be one of"),
        (("retention", "default", "--over", "day", "--last", "400"), "--from must have at most 104 days"),
        (("paths", "default"), "--event must have at least one condition"),
        (("paths", "default", "--event", "build", "--length", "9"), "--length must be from 1 to 5"),
    ],
)
def test_an_error_names_the_option(run: Any, arguments: tuple[str, ...], message: str) -> None:
    ran = run(ask_command, *arguments)
    assert ran.exit_code == 1
    assert message in ran.stderr


async def test_an_error_over_http_names_the_parameter_and_repeats_no_value(client: httpx.AsyncClient, reader: dict[str, str]) -> None:
    for name, words, path in (
        ("funnel", {"step": ["build", "b: secret_thing=1"]}, "step[1].field"),
        ("funnel", {"colour": "secret_thing"}, "colour"),
        ("retention", {"over": "secret_thing"}, "over"),
        ("retention", {"start": "error_type secret_thing"}, "start[0]"),
        ("paths", {"event": "build", "direction": "secret_thing"}, "direction"),
        ("paths", {"event": ["build"] * 26}, "event"),
    ):
        answer = await client.get(f"/v1/export/{name}", params=words, headers=reader)
        assert answer.status_code == 400, answer.text
        assert [error["path"] for error in answer.json()["errors"]] == [path]
        assert "secret_thing" not in answer.text


async def test_reports_over_http_need_a_key_that_may_read(client: httpx.AsyncClient) -> None:
    for name in REPORTS:
        assert (await client.get(f"/v1/export/{name}")).status_code == 401


def test_a_condition_that_nothing_meets_is_a_warning_beside_the_table(run: Any) -> None:
    for arguments in (("funnel", "--step", "build", "--step", "bild"), ("retention", "--start", "bild"), ("paths", "--event", "bild")):
        ran = run(ask_command, arguments[0], "default", *SPAN, *arguments[1:])
        assert "Did you mean `build`?" in ran.stderr


def test_the_help_of_ask_is_that_of_a_question(run: Any) -> None:
    shown = run(ask_command, "--help").stdout
    assert "--measure" in shown
    assert "footfall ask funnel" in shown
    assert isinstance(ask_command, click.Group)
