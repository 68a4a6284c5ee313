"""Additions to a copy of the code, with edits to the files that CONTRIBUTING.md names and to no others."""

from __future__ import annotations

import re
from pathlib import Path

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


COUNTED_FIELD = (
    CONTEXT_FIELD.replace("terminal", "shell").replace("Terminal", "Shell").replace("kitty", "fish").replace("tty_name", "sh_name")
)
INSTALL_COLUMN = """        *(f"ALTER TABLE install ADD COLUMN {column} TEXT" for column in _ADDED),
        "DROP INDEX"""


def edit(path: Path, old: str, new: str) -> None:
    """Replace the one occurrence of a text in a file."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), encoding="utf-8")


def add_all(copy: Path) -> None:
    """Add one dialect, setting, job and command, two fields of the context, a column of events and a public route."""
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
    _add_counted_field(copy)
    _add_event_column(copy)
    _add_public_route(copy)


def _add_context_field(copy: Path) -> None:
    edit(copy / "server" / "event.py", "\n\nCONTEXT_FIELDS: dict", CONTEXT_FIELD)
    migration = _context_migration(copy, "2030-01-01", "terminal", '"agent", "install_source", "interactive"')
    (copy / "migrations" / "footfall_9999_terminal.py").write_text(migration, encoding="utf-8")


def _context_migration(copy: Path, day: str, added: str, former: str) -> str:
    """Return a migration that adds a column to contexts, which have the columns `former` already."""
    text = (copy / "migrations" / "footfall_0016_agents.py").read_text(encoding="utf-8")
    text = re.sub(r'ID = ".*"', f'ID = "{day}T00:00:00:000000"', text)
    text = text.replace('_ADDED = ("agent", "install_source", "interactive")', f'_ADDED = ("{added}",)')
    return text.replace('"package_manager", *', f'"package_manager", {former}, *')


def _add_counted_field(copy: Path) -> None:
    """Add a field of the context that rollups count and breakdowns show."""
    server = copy / "server"
    edit(server / "event.py", "\n\nCONTEXT_FIELDS: dict", COUNTED_FIELD)
    migration = _context_migration(copy, "2030-01-03", "shell", '"agent", "install_source", "interactive", "terminal"')
    assert migration.count('        "DROP INDEX') == 1
    migration = migration.replace('        "DROP INDEX', INSTALL_COLUMN)
    (copy / "migrations" / "footfall_9999_zzz_shell.py").write_text(migration, encoding="utf-8")
    edit(server / "storage" / "rollups.py", '"version", "package_manager"))', '"version", "package_manager", "shell"))')
    edit(server / "storage" / "commit" / "fold.py", "context.package_manager, ", "context.package_manager, context.shell, ")
    install = "    package_manager = Text(null=True)\n"
    edit(server / "storage" / "tables.py", install, f"{install}    shell = Text(null=True)\n")
    member = '    PACKAGE_MANAGER = "package_manager"\n'
    edit(server / "analytics" / "breakdown.py", member, f'{member}    SHELL = "shell"\n')
    member = '    PACKAGE_MANAGER="Package manager.",\n'
    edit(server / "admin" / "enums.py", member, f'{member}    SHELL="Shell.",\n')


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
