"""Any question by the command and over HTTP with the same options: tables, files, and errors that name the condition."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from server import cli
from server.settings import Settings
from server.storage.engine import Store
from server.storage.projects import saved_questions
from server.transfer.ask_command import ask_command
from server.transfer.import_sources import Source
from server.transfer.question_commands import question_group
from tests.conftest import rows_of
from tests.transfer.conftest import import_file, where

ENGINES = ("sqlite", "postgres")
SPAN = ("--from", "2026-06-01", "--to", "2026-10-27")
WORDS = {"from": "2026-06-01", "to": "2026-10-27"}
EXAMPLES = [line.strip() for line in (ask_command.help or "").splitlines() if line.strip().startswith("footfall ask ")]


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_help_has_five_examples() -> None:
    assert len(EXAMPLES) == 5


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_in_the_help_works(run: Any, example: str) -> None:
    ran = run(ask_command, *shlex.split(example.replace("mytool", "default"))[2:])
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout


def test_the_table_has_groups_and_their_figures(run: Any) -> None:
    ran = run(ask_command, "default", *SPAN, "--measure", "events,installs", "--by", "version")
    assert ran.exit_code == 0, ran.stderr
    head, *rows = ran.stdout.splitlines()
    assert head.split() == ["version", "events", "installs"]
    assert {row.split()[0] for row in rows} == {"(none)", "1.0.0", "=2", "3.1.4-beta"}
    assert sum(int(row.split()[-2].replace(",", "")) for row in rows) == 3_000
    assert ran.stderr == ""


def test_people_are_a_part_of_everything(run: Any) -> None:
    def events(*options: str) -> int:
        return int(run(ask_command, "default", *SPAN, *options).stdout.splitlines()[-1].replace(",", ""))

    assert 0 < events("--people") < events() == 3_000


def test_a_comparison_has_the_change_in_percent(run: Any) -> None:
    period = ("--from", "2026-09-01", "--to", "2026-10-01")
    ran = run(ask_command, "default", *period, "--compare", "previous", "--measure", "events,failure_rate")
    head, row = (line.split() for line in ran.stdout.splitlines())
    assert head == ["events", "before", "change", "failure", "rate", "before", "change"]
    now, before = (int(cell.replace(",", "")) for cell in row[:2])
    assert row[2:4] == [f"{(now - before) / before * 100:+.1f}", "%"]
    assert row[-1] == "pp"


def test_steps_and_segments_stand_side_by_side(run: Any) -> None:
    segments = ("--segment", "linux: os=linux", "--segment", "elsewhere: os!=linux")
    ran = run(ask_command, "default", "--from", "2026-09-01", "--to", "2026-10-15", "--over", "month", *segments)
    rows = [line.split() for line in ran.stdout.splitlines()]
    assert rows[0] == ["month", "segment", "events"]
    assert [row[:2] for row in rows[1:]] == [
        ["2026-09", "linux"], ["2026-09", "elsewhere"], ["2026-10", "linux"], ["2026-10", "elsewhere"],
    ]  # fmt: skip


def test_a_condition_that_nothing_meets_is_a_warning_beside_the_table(run: Any) -> None:
    ran = run(ask_command, "default", *SPAN, "--where", "os=linus")
    assert ran.exit_code == 0
    assert ran.stdout.split() == ["events", "0"]
    assert "Did you mean `linux`?" in ran.stderr


def test_a_first_step_that_the_period_cuts_is_marked(run: Any) -> None:
    cut = run(ask_command, "default", "--from", "2026-09-10", "--to", "2026-10-15", "--over", "month")
    assert "The month that begins at 2026-09-01 00:00 UTC counts only from 2026-09-10 00:00 UTC" in " ".join(cut.stderr.split())
    whole = run(ask_command, "default", "--from", "2026-09-01", "--to", "2026-10-15", "--over", "month")
    assert "counts only from" not in whole.stderr


def test_steps_of_the_compared_period_that_it_cuts_are_marked(run: Any) -> None:
    dates = ("--from", "2026-09-01", "--to", "2026-11-01", "--over", "month")
    cut = " ".join(run(ask_command, "default", *dates, "--compare", "2026-07-10..2026-08-20").stderr.split())
    assert (
        "The compared month that begins at 2026-07-01 00:00 UTC counts only from 2026-07-10 00:00 UTC, when the compared period begins."
        in cut
    )
    assert (
        "The compared month that begins at 2026-08-01 00:00 UTC counts only until 2026-08-20 00:00 UTC, when the compared period ends."
        in cut
    )
    assert "The month that" not in cut
    assert "compared month" not in run(ask_command, "default", *dates, "--compare", "2026-07-01..2026-09-01").stderr


def test_a_last_step_that_the_period_cuts_is_marked(run: Any) -> None:
    cut = run(ask_command, "default", "--from", "2026-09-01", "--to", "2026-10-15", "--over", "month")
    assert "The month that begins at 2026-10-01 00:00 UTC counts only until 2026-10-15 00:00 UTC" in " ".join(cut.stderr.split())
    for over, end in (("month", "2026-10-01"), ("week", "2026-09-28"), ("day", "2026-09-13")):
        whole = run(ask_command, "default", "--from", "2026-08-31", "--to", end, "--over", over)
        assert "counts only until" not in whole.stderr


def test_the_current_step_is_marked(run: Any) -> None:
    ran = run(ask_command, "default", "--to-date", "month", "--over", "day")
    assert "has not ended" in ran.stderr
    week = run(ask_command, "default", "--over", "week")
    assert "has not ended" in week.stderr
    assert "counts only until" not in week.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--where", "os=linux", "--where", "colour=red"), "--where[1].field must be one of"),
        (("--where", "os"), "--where[0] must be a field, a comparison and values"),
        (("--measure", "joy"), "--measure must be one of"),
        (("--to-date", "year"), "--to-date must be one of week, month"),
        (("--last", "0"), "--last must be from 1"),
        (("--first", "0"), "--first must be from 1"),
        (("--over", "hour", "--last", "1000"), "--over cuts this period"),
    ],
)
def test_an_error_names_the_condition(run: Any, options: tuple[str, ...], message: str) -> None:
    ran = run(ask_command, "default", *options)
    assert ran.exit_code == 1
    assert message in ran.stderr


def test_text_of_clients_cannot_run_in_a_spreadsheet_or_a_terminal(run: Any) -> None:
    ran = run(ask_command, "default", *SPAN, "--by", "target", "--first", "50", "--format", "csv")
    cells = [row["target"] for row in csv.DictReader(io.StringIO(ran.stdout, newline=""))]
    assert "'=1+1" in cells
    table = run(ask_command, "default", *SPAN, "--by", "target", "--first", "50").stdout
    assert "line\ufffdbreak" in table


def test_json_says_how_complete_the_answer_is(run: Any) -> None:
    document = json.loads(run(ask_command, "default", *SPAN, "--format", "json").stdout)
    assert document["rows"] == [{"events_all": 3_000, "events_people": document["rows"][0]["events_people"]}]
    assert (document["complete"], document["since"], document["warnings"]) == (True, None, [])


async def test_every_format_over_http_has_the_same_rows(client: httpx.AsyncClient, reader: dict[str, str], tmp_path: Any) -> None:
    asked: dict[str, Any] = {**WORDS, "measure": ["events", "installs"], "by": "version,os", "over": "month", "compare": "previous"}
    answers = {
        form: await client.get("/v1/export/ask", params={**asked, "format": form}, headers=reader)
        for form in ("csv", "jsonl", "json", "parquet")
    }
    rows = lines(answers["jsonl"])
    assert sum(row["events_all"] for row in rows) == 1_200
    assert {"start", "start_before", "version", "os", "is_other", "installs_people_before"} <= rows[0].keys()
    assert answers["json"].json()["rows"] == rows
    assert len(list(csv.DictReader(io.StringIO(answers["csv"].text, newline="")))) == len(rows)
    file = tmp_path / "answer.parquet"
    file.write_bytes(answers["parquet"].content)
    with Source(file) as source:
        assert len(list(source.rows())) == len(rows)
    assert answers["csv"].headers["content-disposition"] == 'attachment; filename="default-ask.csv"'


async def test_conditions_over_http_all_hold_and_values_are_alternatives(client: httpx.AsyncClient, reader: dict[str, str]) -> None:
    async def events(*where: str) -> int:
        answer = await client.get("/v1/export/ask", params={**WORDS, "where": list(where)}, headers=reader)
        return int(lines(answer)[0]["events_all"])

    build, deploy = await events("name=build"), await events('name="=deploy"')
    assert await events("name=build,=deploy") == build + deploy
    assert await events("name=build", "os missing") + await events("name=build and os exists") == build
    assert await events("name=build", 'name="=deploy"') == 0


async def test_an_error_over_http_names_the_parameter_and_repeats_no_value(client: httpx.AsyncClient, reader: dict[str, str]) -> None:
    for words, path in (
        ({"where": ["os=linux", "secret_thing=1"]}, "where[1].field"),
        ({"measure": "secret_thing"}, "measure"),
        ({"over": "secret_thing"}, "over"),
        ({"colour": "secret_thing"}, "colour"),
        ({"format": "secret_thing"}, "format"),
        ({"last": ["1", "2"]}, "last"),
        ({"where": ["os=linux"] * 26}, "where"),
        ({"where": "os=\0"}, "where"),
    ):
        answer = await client.get("/v1/export/ask", params=words, headers=reader)
        assert answer.status_code == 400, answer.text
        assert [error["path"] for error in answer.json()["errors"]] == [path]
        assert "secret_thing" not in answer.text


async def test_a_saved_question_that_this_version_cannot_read_is_an_error_of_its_parameter(
    client: httpx.AsyncClient, reader: dict[str, str], store: Store
) -> None:
    for question in ('{"report": "of a newer version"}', '{"report": "funnel"}', ""):
        await saved_questions.save(store, 1, "Unreadable", question, 1)
        answer = await client.get("/v1/export/ask", params={"saved": "Unreadable"}, headers=reader)
        assert answer.status_code == 400
        assert [error["path"] for error in answer.json()["errors"]] == ["saved"]


async def test_a_question_over_http_needs_a_key_that_may_read(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/export/ask")).status_code == 401


def test_the_command_gives_the_same_answer_as_the_route(run: Any, origin: Settings) -> None:
    options = ("--measure", "p50,p95,mean", "--by", "name", "--where", "outcome=success", "--format", "jsonl")
    rows = [json.loads(line) for line in run(ask_command, "default", *SPAN, *options).stdout.splitlines()]
    assert {row["name"] for row in rows} == {"build", "=deploy", "run"}
    assert all(0 < row["p50_all"] <= row["p95_all"] for row in rows)
    assert all(re.fullmatch(r"(p50|p95|mean)_(all|people)|name|is_other", column) for column in rows[0])


def test_a_question_is_saved_shown_listed_asked_and_deleted(run: Any, origin: Settings) -> None:
    options = ("--by", "os,version.major", "--last", "7", "--where", "name=build and os exists", "--segment", "ci: environment=ci")
    assert run(question_group, "save", "default", "My builds", *options).exit_code == 0
    shown = run(question_group, "show", "default", "My builds").stdout.strip()
    assert shlex.split(shown)[:3] == ["footfall", "ask", "default"]
    assert "'ci: environment=ci'" in shown
    assert "My builds" in run(question_group, "list", "default").stdout
    by_name = run(ask_command, "default", "--saved", "My builds", "--format", "csv")
    assert by_name.exit_code == 0, by_name.stderr
    assert by_name.stdout == run(ask_command, *shlex.split(shown)[2:], "--format", "csv").stdout
    assert run(question_group, "delete", "default", "My builds").exit_code == 0
    assert "name is not the name of a saved question" in run(ask_command, "default", "--saved", "My builds").stderr
    actions = [action for (action,) in rows_of(where(origin), "SELECT action FROM audit_entry ORDER BY id")]
    assert actions == ["question.save", "question.delete"]


def test_the_command_of_a_question_asks_its_project_even_if_the_project_has_the_name_of_a_report(run: Any) -> None:
    assert run(cli.project, "create", "retention").exit_code == 0
    assert run(question_group, "save", "question", "retention", "Builds", "--last", "7").exit_code == 0
    shown = run(question_group, "show", "retention", "Builds").stdout.strip()
    assert shown == "footfall ask question retention --last 7"
    assert run(ask_command, *shown.split()[2:]).stdout.split() == ["events", "0"]


def test_an_invalid_question_is_not_saved(run: Any) -> None:
    for options, message in ((("--by", "colour"), "--by[0].field"), (("--last", "0"), "--last")):
        ran = run(question_group, "save", "default", "bad", *options)
        assert (ran.exit_code, message in ran.stderr) == (1, True)
    assert "bad" not in run(question_group, "list", "default").stdout
    assert "cannot be combined" in run(ask_command, "default", "--saved", "bad", "--by", "os").stderr
    assert run(ask_command, "default", "--saved", "").exit_code == 1  # an empty variable of a script


def test_the_table_has_the_intervals_of_estimates(run: Any, origin: Settings, tmp_path: Path) -> None:
    row = {"name": "sampled", "timestamp": "2026-10-01T00:00:00Z", "weight": 10}
    file = tmp_path / "sampled.jsonl"
    file.write_text("".join(json.dumps({**row, "id": f"{number}"}) + "\n" for number in range(100)), encoding="utf-8")
    assert import_file(origin, file).stored == 100
    ran = run(ask_command, "default", *SPAN, "--where", "name=sampled", "--measure", "events,installs")
    head, line = ran.stdout.splitlines()
    assert re.split(r"\s{2,}", head.strip()) == ["events", "95 % interval", "installs"]
    assert re.split(r"\s{2,}", line.strip()) == ["1,000", "814 to 1,186", "0"]
    assert "Counts of events are estimates" in ran.stderr
