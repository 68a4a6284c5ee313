"""docs/questions.md: each example runs, and each option and condition exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.fields import FIELDS
from server.questions import text
from server.questions.question import Measure
from server.questions.report_text import FUNNEL, PATHS, RETENTION

DOC = (Path(__file__).parents[2] / "docs" / "questions.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in fences("sh") for line in block.splitlines() if line.startswith("footfall ")]


@pytest.fixture(scope="module")
def demo(server_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A running server with the demo's data. `key` may read it."""
    server = server_class(tmp_path_factory.mktemp("questions"), {})
    try:
        assert server.footfall("demo", "--events", "1000").returncode == 0
        server.key = server.footfall("key", "create", "demo", "--scope", "read").stdout.strip()
        yield server.start()
    finally:
        server.close()


@pytest.mark.slow
def test_each_command_is_answered_in_its_order(demo: Any) -> None:
    assert len(COMMANDS) >= 10
    for command in COMMANDS:
        ran = demo.footfall(*shlex.split(command)[1:])
        assert ran.returncode == 0, (command, ran.stderr)
        assert ran.stdout.strip(), command


@pytest.mark.slow
def test_the_request_over_http_gets_a_file(demo: Any) -> None:
    (request,) = (block for block in fences("sh") if block.startswith("curl"))
    ran = subprocess.run(
        ["sh", "-euc", request.replace(ADDRESS, demo.url)], env={"FOOTFALL_KEY": demo.key, "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    head, *rows = ran.stdout.splitlines()
    assert head == "version.minor,is_other,installs_all,installs_people"
    assert rows


@pytest.mark.slow
def test_the_queries_are_answered(demo: Any) -> None:
    headers = {"Authorization": f"Bearer {demo.key}"}
    queries = fences("graphql")
    answers = [httpx.post(f"{demo.url}/graphql", json={"query": query}, headers=headers).json() for query in queries]
    assert answers[0]["data"]["project"]["ask"]["rows"], answers
    reports = answers[1]["data"]["project"]
    assert [step["name"] for step in reports["askFunnel"]["total"]] == ["init", "build"], answers
    assert reports["askRetention"]["rows"], answers
    assert reports["askPaths"]["total"]["paths"], answers


def test_each_measure_field_and_option_is_named() -> None:
    for name in [*(measure.value for measure in Measure), *(field.name for field in FIELDS)]:
        assert f"`{name}`" in DOC, name
    for name in [*text.PARAMETERS, *(name for report in (FUNNEL, RETENTION, PATHS) for name in report.parameters)]:
        option = "people" if name == "audience" else name.replace("_", "-")
        assert f"`--{option}`" in DOC, name


def test_each_documented_condition_can_be_parsed() -> None:
    (table,) = re.findall(r"\| condition \|.*?\n\n", DOC, re.DOTALL)
    rows = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    conditions = [condition for row in rows for condition in re.findall(r"`([^`]+)`", row)]
    assert len(conditions) == 9
    for condition in conditions:
        assert len(text.conditions(condition, "where[0]")) == 1
