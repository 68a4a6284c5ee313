"""CONTRIBUTING.md lists the right files.

Changes to only these add a dialect, a setting, a job, a command, two context fields, a column of events, a public route, a chart and a mutation to a copy.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.additions import add_all

ROOT = Path(__file__).parents[2]
COPIED = ("server", "graphql", "migrations", "pyproject.toml")
DOCUMENTS = ("CONTRIBUTING.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))))
pytestmark = pytest.mark.timeout(600)  # copies of the code are built, and servers started from them

TOKEN = "ff_the-admin-token-of-the-copy-0123456789"
ASK_TERMINAL = """{ project(slug: "default") { fields { name label } events(first: 5) { nodes { terminal } }
  ask(question: {by: [{field: "terminal"}], where: [{field: "terminal", op: PREFIX, values: ["k"]}]}) { rows { keys } } } }"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with one addition of each kind."""
    copy = tmp_path_factory.mktemp("contributed")
    for name in COPIED:
        there = ROOT / name
        if there.is_dir():
            shutil.copytree(there, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(there, copy / name)
    for name in ("clients", "pages"):
        shutil.copytree(ROOT / "static" / name, copy / "static" / name)
    add_all(copy)
    return copy


@pytest.fixture
def new_server(changed: Path, server_class: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes servers of the copy, not started, each in a folder of its own."""
    servers: dict[str, Any] = {}
    env = {"PYTHONPATH": str(changed), "FOOTFALL_GREETING": "there", "FOOTFALL_ADMIN_TOKEN": TOKEN}

    def make(folder: str = "server") -> Any:
        (tmp_path / folder).mkdir(exist_ok=True)
        return servers.setdefault(folder, server_class(tmp_path / folder, env, (sys.executable, "-P", "-m", "server")))

    yield make
    for server in servers.values():
        server.close()


@pytest.fixture
def copied_server(new_server: Callable[..., Any]) -> Any:
    return new_server()


@pytest.mark.slow
def test_a_dialect_is_a_file_and_a_list_entry(copied_server: Any) -> None:
    copied_server.start()
    assert copied_server.client.post("/hit/welcome").status_code == 202
    exported = copied_server.footfall("export", "events", "--format", "jsonl").stdout
    assert '"name":"welcome"' in exported
    assert '"dialect":"hits"' in exported
    assert copied_server.client.post("/hits").status_code == 404
    deadline = time.monotonic() + 60  # it is counted after the response
    while 'footfall_unserved_total{client="hits"}' not in copied_server.client.get("/metrics").text:
        assert time.monotonic() < deadline
    assert "/hit/{name}" in copied_server.client.get("/openapi.json").json()["paths"]


@pytest.mark.slow
def test_a_setting_a_job_and_a_command_are_a_line_and_a_function(copied_server: Any) -> None:
    assert "hello there" in copied_server.footfall("greet").stdout
    assert re.search(r"FOOTFALL_GREETING\s+there", copied_server.footfall("doctor").stdout)
    assert copied_server.footfall("migrate").returncode == 0
    assert "greets" in copied_server.footfall("job").stdout
    assert "hello to there" in copied_server.footfall("job", "greet").stdout


@pytest.mark.slow
def test_a_context_field_is_a_declaration_and_a_migration(new_server: Callable[..., Any], tmp_path: Path) -> None:
    server = new_server().start()
    first = {"name": "build", "terminal": "kitty", "properties": {"n": 1}}
    assert (
        server.client.post("/v1/events", json={"events": [first, {"name": "build", "properties": {"tty_name": "xterm"}}]}).status_code
        == 202
    )
    assert server.client.post("/batch/", json={"event": "build", "properties": {"tty_name": "foot"}}).status_code == 200

    exported = [json.loads(line) for line in server.footfall("export", "events", "--format", "jsonl").stdout.splitlines()]
    assert [event["terminal"] for event in exported] == ["kitty", "xterm", "foot"]
    assert exported[0]["properties"] == {"n": 1}

    headers = {"authorization": f"Bearer {TOKEN}"}
    asked = server.client.post("/graphql", json={"query": ASK_TERMINAL}, headers=headers).json()
    assert "errors" not in asked, asked
    project = asked["data"]["project"]
    assert {"name": "terminal", "label": "Terminal"} in project["fields"]
    assert project["ask"]["rows"] == [{"keys": ["kitty"]}]
    assert [node["terminal"] for node in project["events"]["nodes"]] == ["foot", "xterm", "kitty"]
    assert "terminal" in str(server.client.get("/openapi.json").json()["components"]["schemas"])
    assert server.footfall("job", "build_history").returncode == 0
    answer = server.footfall("ask", "default", "--by", "terminal", "--where", "terminal^=k", "--format", "csv").stdout
    assert "kitty,false,1" in answer, answer

    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(event) + "\n" for event in exported), encoding="utf-8")
    assert new_server("other").footfall("import", str(tmp_path / "rows.jsonl")).returncode == 0
    again = new_server("other").footfall("export", "events", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in again] == exported


@pytest.mark.slow
def test_a_field_of_the_context_is_counted_by_rollups_and_shown_by_breakdowns(copied_server: Any) -> None:
    copied_server.start()
    event = {"name": "build", "shell": "fish", "os": "linux", "installation_id": "0d9b7f52-6a1e-4a43-b1c8-7e5f3f2a9c10"}
    assert copied_server.client.post("/v1/events", json=event).status_code == 202
    query = '{project(slug: "default") {breakdown(by: SHELL) {rows {value events installs {all}}}}}'
    asked = copied_server.client.post("/graphql", json={"query": query}, headers={"authorization": f"Bearer {TOKEN}"}).json()
    assert asked["data"]["project"]["breakdown"]["rows"] == [{"value": "fish", "events": 1, "installs": {"all": 1}}]
    (install,) = (json.loads(line) for line in copied_server.footfall("export", "installs", "--format", "jsonl").stdout.splitlines())
    assert (install["shell"], install["os"], install["dialect"]) == ("fish", "linux", "native")
    counted = [json.loads(line) for line in copied_server.footfall("export", "dimensions", "--format", "jsonl").stdout.splitlines()]
    assert {(row["dimension"], row["value"]) for row in counted} == {("shell", "fish"), ("os", "linux")}
    assert "all agree" in copied_server.footfall("job", "check_rollups").stdout


@pytest.mark.slow
def test_a_column_of_events_is_sent_stored_asked_exported_and_imported(new_server: Callable[..., Any], tmp_path: Path) -> None:
    server = new_server().start()
    assert server.client.post("/v1/events", json={"name": "build", "exit_code": 3}).status_code == 202
    ids = [{"installation_id": f"{number:08x}-3b7d-4bad-9bdd-2b0d7b3dcb6d"} for number in range(10)]
    batch = [{"name": "test", "exit_code": 127, **ids[0]}, *({"name": "lint", **install} for install in ids[1:])]
    assert server.client.post("/v1/events", json={"events": batch}).status_code == 202
    exported = server.footfall("export", "events", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["exit_code"] for line in exported] == [3, 127, *[None] * 9]
    question = ("ask", "default", "--by", "name", "--where", "exit_code>2", "--format", "csv")
    assert server.footfall("job", "build_history").returncode == 0
    answer = server.footfall(*question)
    assert ("build,false,1" in answer.stdout, "test,false,1" in answer.stdout, "lint" in answer.stdout) == (True, True, False), answer

    (tmp_path / "rows.jsonl").write_text("".join(line + "\n" for line in exported), encoding="utf-8")
    assert new_server("other").footfall("import", str(tmp_path / "rows.jsonl")).returncode == 0
    again = new_server("other").footfall("export", "events", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in again] == [json.loads(line) for line in exported]


@pytest.mark.slow
def test_a_public_route_is_a_handler_in_a_list(copied_server: Any) -> None:
    copied_server.start()
    answer = copied_server.client.get("/v1/greeting")
    assert (answer.status_code, answer.json()) == (200, {"greeting": "there"})
    assert "/v1/greeting" in copied_server.client.get("/openapi.json").json()["paths"]


@pytest.mark.slow
def test_a_chart_and_a_mutation_are_persisted_operations(copied_server: Any) -> None:
    copied_server.start()
    assert copied_server.client.post("/v1/events", json={"name": "build"}).status_code == 202

    def run(operation: str, **variables: Any) -> Any:
        body = {"operationName": operation, "variables": {"slug": "default", **variables}}
        return copied_server.client.post("/graphql", json=body, headers={"authorization": f"Bearer {TOKEN}"}).json()["data"]

    assert sum(run("Weekdays")["project"]["weekdays"]["events"]) == 1
    assert run("SetMood", mood=10)["setMood"] == {"errors": [{"field": "mood"}]}
    assert run("SetMood", mood=9)["setMood"] == {"errors": []}
    assert ("project.mood", "9") in {(each["action"], each["detail"]) for each in run("Operation", first=50)["auditLog"]}


@pytest.mark.slow
def test_the_changes_respect_the_import_contracts(changed: Path) -> None:
    command = [
        sys.executable,
        "-P",
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-logo",
        "--no-cache",
    ]
    linted = subprocess.run(command, cwd=changed, env={"PYTHONPATH": str(changed)}, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_a_document_names_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"`((?:server|tests|docs|static|graphql|migrations|bench|\.ci)/[\w./-]*)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / name).parent / link).exists()] == []


def test_every_name_is_in_the_file_that_contributing_names() -> None:
    """Checks `NAME` and `OTHER` in `path`."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    placed = re.findall(r"((?:`\w+`(?:, | and |, and )?)+)\s+in\s+`((?:server|tests|static)/[\w./-]+)`", text)
    named = [(name, path) for names, path in placed for name in re.findall(r"\w+(?=`)", names)]
    assert ("QUESTIONS", "server/admin/bounds.py") in named
    assert len(named) >= 25
    missing = [(name, path) for name, path in named if not re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8"))]
    assert missing == []
