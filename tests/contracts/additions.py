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

CHART = '''"""Events by day of the week."""

import msgspec

from server.analytics.filters import Filter, to_question
from server.event import DAY
from server.history import History
from server.questions.figures import figures
from server.questions.periods import Step, starts
from server.questions.question import Measure
from server.storage.engine import Store


class Weekdays(msgspec.Struct, frozen=True):
    events: list[int]


async def weekdays(store: Store, filter_: Filter, history: History | None = None) -> Weekdays:
    found = (await figures(store, to_question(filter_, Measure.EVENTS, over=Step.DAY), history))[Measure.EVENTS]
    events = [0] * 7
    for start, number in zip(starts(filter_.period, Step.DAY), found.all, strict=True):
        events[(start // DAY + 3) % 7] += int(number or 0)
    return Weekdays(events)
'''
CHART_FIELD = """    @strawberry.field(graphql_type=answers.Weekdays, description="Events by day of the week.")
    async def weekdays(self, info: AnyInfo, period: Period = None, filter: Which = None) -> weekdays.Weekdays:
        reader(info, self.number)
        return await weekdays.weekdays(info.context.store, await self.to_filter(info, period, filter), info.context.history)

    @strawberry.field(graphql_type=answers.Trending,"""
CHART_TYPE = """@strawberry.type(description="Events by day of the week.")
class Weekdays:
    events: list[Count] = field("Number of events on each day of the week, from Monday.")


@strawberry.type(description="Percentiles of durations."""
CHANGE = '''"""The mood of a project."""

from server.storage.engine import Store
from server.storage.projects.validation import FieldProblem


async def set_mood(store: Store, project: int, mood: int) -> None:
    if not 0 <= mood <= 9:
        raise FieldProblem("mood", "must be from 0 to 9")
    await store.change(("INSERT INTO note (name, value) VALUES ({}, {})", (f"mood {project}", mood)))
'''
MUTATION = """
    @strawberry.mutation(description="Set the mood of a project.")
    async def set_mood(self, info: AnyInfo, slug: Slug, mood: Annotated[int, argument(description="The mood, from 0 to 9.")]) -> Result:
        async def work() -> Result:
            project = await find(info, slug)
            await moods.set_mood(info.context.store, project.id, mood)
            await record_audit(info, admin(info, project.id), "project.mood", project.id, str(mood))
            return Result()

        return await attempt(Result, work)
"""
OPERATIONS = {
    "Weekdays": "query Weekdays($slug: String!) { project(slug: $slug) { weekdays { events } } }",
    "SetMood": "mutation SetMood($slug: String!, $mood: Int!) { setMood(slug: $slug, mood: $mood) { errors { field } } }",
}

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
    """Add one dialect, setting, job and command, two fields of the context, a column of events, a public route, a chart and a mutation."""
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
    _add_chart_and_mutation(copy)


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


def _add_chart_and_mutation(copy: Path) -> None:
    server = copy / "server"
    (server / "analytics" / "weekdays.py").write_text(CHART, encoding="utf-8")
    charts = server / "admin" / "charts.py"
    edit(charts, "targets, timings, vocabulary\n", "targets, timings, vocabulary, weekdays\n")
    edit(charts, "    @strawberry.field(graphql_type=answers.Trending,", CHART_FIELD)
    edit(server / "admin" / "answers.py", '@strawberry.type(description="Percentiles of durations.', CHART_TYPE)
    edit(server / "admin" / "bounds.py", '"medians", "errors",', '"medians", "weekdays", "errors",')

    (server / "storage" / "projects" / "moods.py").write_text(CHANGE, encoding="utf-8")
    mutations = server / "admin" / "mutations" / "projects.py"
    edit(mutations, "ProblemKind, project_changes\n", "ProblemKind, moods, project_changes\n")
    mutations.write_text(mutations.read_text(encoding="utf-8") + MUTATION, encoding="utf-8")
    for name, operation in OPERATIONS.items():
        (copy / "graphql" / "operations" / f"{name}.graphql").write_text(operation, encoding="utf-8")
