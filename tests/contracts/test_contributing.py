"""CONTRIBUTING.md lists the right files.

Changes to only these add a dialect, a setting, a job, a command, a context field, a column of events and a public route to a copy.
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

ROOT = Path(__file__).parents[2]
COPIED = ("server", "graphql", "migrations", "pyproject.toml")
DOCUMENTS = ("CONTRIBUTING.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))))
pytestmark = pytest.mark.timeout(600)  # copies of the code are built, and servers started from them

TOKEN = "ff_the-admin-token-of-the-copy-0123456789"
ASK_TERMINAL = """{ project(slug: "default") { fields { name label } events(first: 5) { nodes { terminal } }
  ask(question: {by: [{field: "terminal"}], where: [{field: "terminal", op: PREFIX, values: ["k"]}]}) { rows { keys } } } }"""
DIALECT = '''"""Hits: one name a request, in the path, without a body."""

from server.dialects.parsing import LikelyClient, Path, raise_refusal
from server.event import Answer, Context, Decoded, Incoming, Outcomes, Request

NAME = "hits"
CLIENT = LikelyClient("a hits client", "/hits?")
PATHS = (Path(template="/hit/{name}", body=False, summary="Count one hit", answers={202: "Counted."}),)


def claims(request: Request) -> bool:
    return True


def decode(request: Request) -> Decoded:
    return Decoded(events=[Incoming(name=request.params[0], context=Context(dialect=NAME))])


def answer(decoded: Decoded, outcomes: Outcomes) -> Answer:
    raise_refusal(outcomes.receipts[0])
    return Answer(202)
'''
JOB = '''"""A job that greets."""

from server.jobs.run import Run


async def greet(run: Run) -> str:
    return "hello to " + run.settings.greeting
'''
COMMAND = '''"""A command that greets."""

import rich_click as click

from server.terminal import out, settings_or_exit


@click.command(name="greet")
def greet_command() -> None:
    """Greet."""
    out.print("hello " + settings_or_exit().greeting)


COMMANDS = (greet_command,)
'''

FIELD = """    Field(
        name="exit_code",
        label="Exit code",
        description="Exit code of the command.",
        place=Place.EVENT,
        column="exit_code",
        kind=Kind.NUMBER,
    ),
"""
ROUTE = """@get("/v1/greeting", tags=["Reading"], summary="Greet")
async def greeting(state: Services) -> dict[str, str]:
    return {"greeting": state.settings.greeting}


HANDLERS = (counters_of_one, counters_of_many, trending, greeting)"""

CONTEXT_FIELD = """    terminal: Annotated[str | None, ContextField(label="Terminal", description="Terminal, such as `kitty`.", properties=("tty_name",))] = None


CONTEXT_FIELDS: dict"""


def edit(path: Path, old: str, new: str) -> None:
    """Replace the one occurrence of a text in a file."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), encoding="utf-8")


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
    server = copy / "server"

    (server / "dialects" / "hits.py").write_text(DIALECT, encoding="utf-8")
    edit(server / "dialects" / "__init__.py", "    flakedrop,\n    native,", "    flakedrop,\n    hits,\n    native,")
    edit(server / "dialects" / "__init__.py", " = (\n    sonicjs,", " = (\n    hits,\n    sonicjs,")

    setting = '    greeting: str = _setting("FOOTFALL_GREETING", str, "world", "the name that is greeted")\n'
    edit(
        server / "settings.py",
        "    log_format: str = _setting(",
        f"{setting}    log_format: str = _setting(",
    )

    (server / "jobs" / "greeting.py").write_text(JOB, encoding="utf-8")
    edit(
        server / "jobs" / "table.py",
        "from server.jobs.retention_job",
        "from server.jobs.greeting import greet\nfrom server.jobs.retention_job",
    )
    edit(server / "jobs" / "table.py", "JOBS = (\n", 'JOBS = (\n    Job("greet", greet, HOUR, 0, "greets"),\n')

    (server / "operations" / "greeting.py").write_text(COMMAND, encoding="utf-8")
    edit(
        server / "operations" / "__init__.py",
        "import copying, forward_command, hosting",
        "import copying, forward_command, greeting, hosting",
    )
    edit(
        server / "operations" / "__init__.py",
        "    *maintenance_commands.COMMANDS, *copying",
        "    *greeting.COMMANDS, *maintenance_commands.COMMANDS, *copying",
    )
    _add_context_field(copy)
    _add_event_column(copy)
    _add_public_route(copy)
    return copy


def _add_context_field(copy: Path) -> None:
    edit(copy / "server" / "event.py", "\n\nCONTEXT_FIELDS: dict", CONTEXT_FIELD)
    former = copy / "migrations" / "footfall_0016_agents.py"
    migration = re.sub(r'ID = ".*"', 'ID = "2030-01-01T00:00:00:000000"', former.read_text(encoding="utf-8"))
    migration = migration.replace('_ADDED = ("agent", "install_source", "interactive")', '_ADDED = ("terminal",)')
    migration = migration.replace('"package_manager", *', '"package_manager", "agent", "install_source", "interactive", *')
    (copy / "migrations" / "footfall_9999_terminal.py").write_text(migration, encoding="utf-8")


def _add_event_column(copy: Path) -> None:
    server = copy / "server"
    plain = server / "dialects" / "parsing" / "native_events.py"
    length = "    duration_ms: Number | None = None\n"
    edit(plain, length, f"{length}    exit_code: int | None = None\n")
    edit(plain, "target, length, error, rate,", "target, length, exit_code, error, rate,")
    edit(plain, "_plain_weight(weight, rate),\n", "_plain_weight(weight, rate),\n        exit_code,\n")
    edit(plain, "targets, lengths, errors, rates,", "targets, lengths, exit_codes, errors, rates,")
    edit(plain, "map(_plain_weight, weights, rates),\n", "map(_plain_weight, weights, rates),\n        exit_codes,\n")
    weight = "        weight=_weight(payload, ignored, prefix),\n"
    edit(server / "dialects" / "native.py", weight, f"{weight}        exit_code=payload.exit_code,\n")
    edit(
        server / "event.py",
        "    document: str | None = None\n    weight: float = 1\n",
        "    document: str | None = None\n    weight: float = 1\n    exit_code: int | None = None\n",
    )
    edit(
        server / "event.py",
        "    former: int | None = None\n    weight: int = 1\n",
        "    former: int | None = None\n    weight: int = 1\n    exit_code: int | None = None\n",
    )
    edit(
        server / "ingest" / "privacy" / "conversion.py",
        "                    former,\n",
        "                    former,\n                    exit_code=scrubbed.exit_code,\n",
    )
    storage = server / "storage"
    edit(storage / "statements.py", '"properties", "weight",\n', '"properties", "weight", "exit_code",\n')
    edit(
        storage / "commit" / "transaction.py",
        "None if weight == 1 else weight,\n",
        "None if weight == 1 else weight, event.exit_code,\n",
    )
    edit(storage / "history" / "streaming.py", "event.properties, event.weight\n", "event.properties, event.weight, event.exit_code\n")
    edit(
        server / "history" / "event_columns.py",
        '"event.weight"),\n',
        '"event.weight"),\n    Column("exit_code", "INTEGER", "event.exit_code"),\n',
    )
    edit(server / "fields.py", "        scale=1_000,\n    ),\n", "        scale=1_000,\n    ),\n" + FIELD)
    edit(server / "transfer" / "columns.py", '*CONTEXT, "properties", "weight",\n', '*CONTEXT, "properties", "weight", "exit_code",\n')
    edit(server / "transfer" / "columns.py", '"bucket", "weight",\n', '"bucket", "weight", "exit_code",\n')
    edit(server / "transfer" / "columns.py", 'row["weight"] or 1,\n', 'row["weight"] or 1, row["exit_code"],\n')
    edit(
        server / "transfer" / "footfall.py",
        "    weight: int | float | str | None = None\n",
        "    weight: int | float | str | None = None\n    exit_code: int | None = None\n",
    )
    edit(server / "transfer" / "footfall.py", '_WHOLE = ("duration_us",)', '_WHOLE = ("duration_us", "exit_code")')
    edit(
        server / "transfer" / "footfall.py",
        "        weight=weight_of(row.weight) or 1,\n",
        "        weight=weight_of(row.weight) or 1,\n        exit_code=row.exit_code,\n",
    )
    former = (copy / "migrations" / "footfall_0022_sampled_events.py").read_text(encoding="utf-8")
    migration = re.sub(r'ID = ".*"', 'ID = "2030-01-02T00:00:00:000000"', former)
    migration, replaced = re.subn(
        r"    return \[.*ADD COLUMN weight.*\n", '    return ["ALTER TABLE event ADD COLUMN exit_code INTEGER"]\n', migration
    )
    assert replaced == 1
    (copy / "migrations" / "footfall_9999_zz_exit_code.py").write_text(migration, encoding="utf-8")


def _add_public_route(copy: Path) -> None:
    module = copy / "server" / "public" / "target_counters.py"
    edit(module, "HANDLERS = (counters_of_one, counters_of_many, trending)", ROUTE)


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
