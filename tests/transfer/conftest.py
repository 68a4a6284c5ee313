"""Shared fixtures of export, import and erasure: filled stores, commands on them, and readers of their tables."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from litestar import Litestar
from litestar.exceptions import HTTPException

from server import app as the_app
from server.event import CONTEXT_FIELDS, DAY, Context, Environment, Incoming, Outcome
from server.event_id import EventIds
from server.front import Front
from server.history import History
from server.ingest.gate import Gate
from server.ingest.privacy import Privacy
from server.ingest.routing import Routes
from server.problems import Problem
from server.settings import Settings, load
from server.shared import Limits
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store, open_store, server_secret
from server.storage.history.imports import ImportStore
from server.storage.history.streaming import Span
from server.storage.projects import LiveProject, Projects, create_key, ensure_default
from server.transfer import ask_route, report_routes
from server.transfer.data_routes import HANDLERS
from server.transfer.exporting import encoder_for, export
from server.transfer.import_sources import Source
from server.transfer.importing import Importer, Summary
from tests.conftest import rows_of
from tests.postgres import Postgres, name_of

NOW = 1_793_000_000_000  # 2026-10-26
# Texts that break careless readers, without texts that scrubbing changes.
HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\tx", "'quoted", "'=x", 'say "hi", twice', "line\nbreak", "naïve ☃ 漢字 \U0001f600", "  spaces  ", "null", "true",
    "a,b;c", "\\n", "{}", "\uff1d1", "0012", "1e5", "x;=1+1",
]  # fmt: skip
# The rows of each table of counts, without the numbers that differ between two stores.
COUNTED = {
    "hourly": "SELECT hour, n.text, environment, events, successes, failures, timed, duration_us FROM rollup_hour r JOIN event_name n ON n.id = name_id",
    "durations": "SELECT day, n.text, environment, bucket, events FROM rollup_name_duration r JOIN event_name n ON n.id = name_id",
    "dimensions": "SELECT day, n.text, dimension, value, environment, events, successes, failures FROM rollup_dimension r"
    " JOIN event_name n ON n.id = name_id",
    "target_days": "SELECT day, t.type, t.external_id, n.text, environment, events, successes, failures, timed, duration_us"
    " FROM rollup_target_day r JOIN event_name n ON n.id = name_id JOIN target t ON t.id = target_id",
    "target_durations": "SELECT day, t.external_id, n.text, environment, bucket, events"
    " FROM rollup_target_duration r JOIN event_name n ON n.id = name_id JOIN target t ON t.id = target_id",
    "target_totals": "SELECT t.type, t.external_id, n.text, environment, events, successes, failures, timed, duration_us"
    " FROM rollup_target_total r JOIN event_name n ON n.id = name_id JOIN target t ON t.id = target_id",
    "errors": "SELECT day, e.text, n.text, version, environment, events FROM rollup_error r JOIN event_name n ON n.id = name_id"
    " JOIN error_type e ON e.id = error_id",
    "errors_seen": "SELECT e.text, environment, first_seen, last_seen FROM error_seen s JOIN error_type e ON e.id = error_id",
    "error_installs": "SELECT day, e.text, version, install_id, environment FROM error_install s JOIN error_type e ON e.id = error_id",
    "hourly_spread": "SELECT hour, n.text, environment, spread, success_spread, failure_spread FROM rollup_hour_spread r"
    " JOIN event_name n ON n.id = name_id",
    "dimension_spreads": "SELECT day, n.text, dimension, value, environment, spread, success_spread, failure_spread FROM rollup_dimension_spread r"
    " JOIN event_name n ON n.id = name_id",
    "target_spreads": "SELECT day, t.external_id, n.text, environment, spread FROM rollup_target_day_spread r"
    " JOIN event_name n ON n.id = name_id JOIN target t ON t.id = target_id",
    "activity": "SELECT day, install_id, environment, version FROM activity",
    "installs": "SELECT id, first_seen, last_seen, environment, reason, os, arch, runtime, version, package_manager, dialect FROM install",
    "ledger": "SELECT day, sum(events) FROM ledger WHERE entry = 'stored' GROUP BY day",
    "events": "SELECT v.id, n.text, occurred_at, install_id, session, outcome, duration_us, error_type, error_message, skewed, properties, weight, environment,"
    f" reason, c.dialect, {', '.join(CONTEXT_FIELDS)}, t.type, t.external_id FROM event v JOIN event_name n ON n.id = name_id"
    " JOIN context c ON c.id = context_id LEFT JOIN target t ON t.id = target_id",
}


def counted(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """The counts of a store, with texts in place of numbers."""
    return {table: sorted(rows_of(where(settings), sql), key=repr) for table, sql in COUNTED.items()}


def where(settings: Settings) -> Path | str:
    """The location of the store of these settings: a file or a URL."""
    return settings.database_url or settings.sqlite_path


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment variables of the settings of a store."""
    found = {"FOOTFALL_DATA_DIR": str(settings.data_dir), "FOOTFALL_SECRET": str(settings.secret)}
    return {**found, "FOOTFALL_DATABASE_URL": settings.database_url} if settings.database_url else found


def settings_in(folder: Path, postgres: Postgres | None = None, template: str | None = None) -> Settings:
    """Settings of a new store: a file in a folder, or a database, which may be a copy of another one."""
    url = {} if postgres is None else {"FOOTFALL_DATABASE_URL": postgres.fresh() if template is None else postgres.copy(template)}
    return load({"FOOTFALL_DATA_DIR": str(folder), "FOOTFALL_SECRET": "the same secret everywhere", **url})


async def project_of(settings: Settings, slug: str = "default") -> LiveProject:
    projects = Projects(max_targets=settings.max_targets, public=settings.public)
    return (await projects.find({}, slug))[0]


def with_store(settings: Settings, work: Callable[[Store, LiveProject], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        store = await open_store(settings)
        try:
            await ensure_default()
            return await work(store, await project_of(settings))
        finally:
            await store.close()

    return asyncio.run(run())


def incoming(count: int, seed: int = 7, weights: tuple[float, ...] = (1,)) -> Iterable[tuple[int, Incoming]]:
    """Pairs of arrival time and event: all kinds, over two months, with hostile texts."""
    chance = random.Random(seed)
    at = NOW - 60 * DAY
    for number in range(count):
        at += chance.randrange(2 * 55 * DAY // count)
        failed = chance.random() < 0.2
        context = Context(
            chance.choice(list(Environment)), chance.choice(["", "ci"]), chance.choice(["native", "sonicjs"]), chance.choice([None, "linux"]),
            chance.choice([None, "x64"]), None, chance.choice([None, "1.0.0", "=2", "3.1.4-beta"]), "npm", chance.choice([None, "cursor"]), "brew",
            chance.choice([None, "true", "false"]),
        )  # fmt: skip
        properties = {"n": number, "text": chance.choice(HOSTILE), chance.choice(HOSTILE): [None, 1.5, {"deep": True}]}
        yield (
            at,
            Incoming(
                name=chance.choice(["build", "=deploy", "run"]),
                install=chance.choice([None, *(f"install-{one}" for one in range(20))]),
                occurred_at=at - chance.randrange(DAY),
                id=f"client-{number + 10_000 * (seed - 7)}",
                session=chance.choice([None, "session-1", "session-2"]),
                target=chance.choice([None, ("pack", "peon"), ("tool", chance.choice(HOSTILE))]),
                outcome=Outcome.FAILURE if failed else chance.choice([Outcome.NONE, Outcome.SUCCESS]),
                duration_us=chance.choice([None, chance.randrange(10**9)]),
                error_type=chance.choice(["TypeError", "@Error"]) if failed else None,
                error_message=chance.choice(HOSTILE) if failed else None,
                context=context,
                properties=properties if chance.random() < 0.8 else {},
                weight=chance.choice(weights),
            ),
        )


async def fill(settings: Settings, store: Store, project: LiveProject, events: Iterable[tuple[int, Incoming]]) -> None:
    """Store events as if they had arrived at their times."""
    privacy, ids = Privacy(server_secret(settings)), EventIds(1)
    iterator = iter(events)
    while some := list(itertools.islice(iterator, 1_000)):
        batch = Batch(target_rules={project.id: TargetRules(False, 10_000)})
        batch.events = [
            privacy.event(one, id=ids.take(1, at)[0], project=project.id, dialect="native", received_at=at, picked=()) for at, one in some
        ]
        await store.commit(batch)


async def exported(store: Store, project: LiveProject, path: Path, form: str, what: str = "events", span: Span = Span()) -> Path:  # noqa: B008
    with path.open("wb") as file:
        async for part in export(store, what, project.id, span, encoder_for(what, form)):
            file.write(part)
    return path


async def imported(settings: Settings, store: Store, project: LiveProject, path: Path, form: str | None = None) -> Summary:
    with Source(path) as source:
        return await Importer(ImportStore(store), Privacy(server_secret(settings)), project, now=lambda: NOW).run(source, form)


def import_file(settings: Settings, path: Path, form: str | None = None) -> Summary:
    found: Summary = with_store(settings, lambda store, project: imported(settings, store, project, path, form))
    return found


def lines(*documents: Any) -> bytes:
    return msgspec.json.Encoder().encode_lines(documents)


@pytest.fixture
def placed(engine: str, request: pytest.FixtureRequest) -> Postgres | None:
    """The PostgreSQL of this test's stores, or None for SQLite."""
    server: Postgres | None = None if engine == "sqlite" else request.getfixturevalue("postgres")
    return server


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder on SQLite with 3,000 events, to copy."""
    settings = settings_in(tmp_path_factory.mktemp("filled") / "data")
    with_store(settings, lambda store, project: fill(settings, store, project, incoming(3_000)))
    return settings.data_dir


@pytest.fixture(scope="session")
def filled_database(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> str:
    """The name of a database with 3,000 events, to copy."""
    settings = settings_in(tmp_path_factory.mktemp("filled"), postgres)
    with_store(settings, lambda store, project: fill(settings, store, project, incoming(3_000)))
    return name_of(settings.database_url or "")


@pytest.fixture
def origin(tmp_path: Path, placed: Postgres | None, request: pytest.FixtureRequest) -> Settings:
    """A store with 3,000 events."""
    if placed is not None:
        return settings_in(tmp_path / "origin", placed, request.getfixturevalue("filled_database"))
    settings = settings_in(tmp_path / "origin")
    shutil.copytree(request.getfixturevalue("filled"), settings.data_dir)
    return settings


@pytest.fixture
def fresh(tmp_path: Path, placed: Postgres | None) -> Settings:
    """An empty store."""
    return settings_in(tmp_path / "fresh", placed)


class Always(Projects):
    """A cache of projects that is always stale, so that a new key works immediately."""

    STALE_AFTER = -1.0


@pytest.fixture(scope="session")
def filled_for_routes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder on SQLite with 1,200 events and a secret of its own, to copy."""
    settings = load({"FOOTFALL_DATA_DIR": str(tmp_path_factory.mktemp("filled-for-routes") / "data")})
    with_store(settings, lambda store, project: fill(settings, store, project, incoming(1_200)))
    return settings.data_dir


@pytest.fixture
def migrated(migrated: Path, request: pytest.FixtureRequest) -> Path:
    """The data folder that `store` copies. Tests of routes have events in it."""
    return request.getfixturevalue("filled_for_routes") if "served" in request.fixturenames else migrated


@cache
def application() -> Litestar:
    """The routes, without the state that their handlers need. It takes as much time as most tests of them, so they share it."""
    return Litestar(
        route_handlers=[*HANDLERS, *ask_route.HANDLERS, *report_routes.HANDLERS],
        exception_handlers={Problem: the_app._problem, HTTPException: the_app._http_exception, Exception: the_app._unexpected},
        openapi_config=None,
        logging_config=None,
    )


@pytest.fixture
async def served(store: Store, settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, Gate]]:
    """A client of the routes on a store with events, and the gate with their limits."""
    if settings.database_url:
        await fill(settings, store, await project_of(settings), incoming(1_200))
    projects = Always(max_targets=settings.max_targets, public=settings.public)
    gate = Gate(settings, projects, Limits())
    history = History(store, settings)
    litestar = application()
    litestar.state.update(
        {
            "store": store,
            "history": History(store, settings),
            "projects": projects,
            "gate": gate,
            "privacy": Privacy(server_secret(settings)),
            "settings": settings,
        }
    )
    front: Any = Front(Routes(), litestar)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://footfall.example") as client:
        yield client, gate
    history.close()


@pytest.fixture
async def client(served: tuple[httpx.AsyncClient, Gate]) -> httpx.AsyncClient:
    return served[0]


async def key_of(scope: str = "read", project: int = 1) -> dict[str, str]:
    return {"Authorization": f"Bearer {(await create_key(project, name='', scopes=(scope,)))[1]}"}


@pytest.fixture
async def reader(served: Any) -> dict[str, str]:
    """Headers with a key that may read."""
    return await key_of()


@pytest.fixture
def run(origin: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that runs a command on the store with events."""
    for name, value in environment_of(origin).items():
        monkeypatch.setenv(name, value)
    return lambda command, *arguments: CliRunner().invoke(command, [str(argument) for argument in arguments])
