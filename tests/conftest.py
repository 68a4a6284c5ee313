"""Shared fixtures: a real server process over a socket, and a store for each test."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from server.settings import Settings, load
from server.storage.engine import Store, open_store
from server.storage.projects import ensure_default
from tests import certificates, forked, hour_boundaries, leftovers, memory
from tests.postgres import Postgres, running
from tests.quick import is_second_run
from tests.start_order import group_of, start_order

START_WITHIN = 30.0
CHECKOUT = (sys.executable, "-m", "server")
SECRET = "a secret that all servers of a test share"


class Server:
    """`footfall serve` in a process of its own, on a data folder that outlives it.

    `command` starts the program: that of this checkout, unless a test is about another form.
    """

    def __init__(self, folder: Path, env: dict[str, str], command: Sequence[str] = CHECKOUT) -> None:
        self.folder = folder
        self.command = command
        self.log = folder / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FOOTFALL_")},
            "FOOTFALL_DATA_DIR": str(folder / "data"),
            "FOOTFALL_PORT": str(self.port),
            "FOOTFALL_RATE_LIMIT": "off",
            "FOOTFALL_EVENT_LIMIT": "off",
            **env,
        }
        self.process: subprocess.Popen[bytes] | forked.Forked | None = None
        self.client = httpx.Client(base_url=self.url, timeout=20, verify=False)  # plain HTTP: certificates take 20 ms to load

    @property
    def _is_forked(self) -> bool:
        """True for this checkout with Python's own environment: then the imports of an earlier process can be shared."""
        changed = {name for name in {*self.env, *os.environ} if name.startswith("PYTHON") and self.env.get(name) != os.environ.get(name)}
        return forked.is_supported and self.command == CHECKOUT and not changed

    @property
    def database(self) -> Path:
        return self.folder / "data" / "footfall.sqlite3"

    @property
    def store(self) -> Path | str:
        """The location of its store: a file or a URL."""
        return self.env.get("FOOTFALL_DATABASE_URL") or self.database

    def start(self, cwd: Path | None = None) -> Server:
        if self._is_forked:
            self.process = forked.start(["serve"], self.env, self.log, self.log, cwd)
        else:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen([*self.command, "serve"], env=self.env, stdout=log, stderr=log, cwd=cwd)
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server stopped with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                if self.client.get("/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def footfall(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Another footfall command on the same data."""
        if self._is_forked:
            return forked.run(arguments, self.env, timeout)
        return subprocess.run([*self.command, *arguments], env=self.env, capture_output=True, text=True, timeout=timeout, check=False)

    def stop(self) -> int:
        """Stop it like an operator, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=30)

    def close(self) -> None:
        self.client.close()
        if self.process is not None and self.process.poll() is None:
            self.kill()


WEIGHT = "coalesce(weight, 1)"
OUTCOMES = f"sum({WEIGHT}), sum(CASE WHEN outcome = 1 THEN {WEIGHT} ELSE 0 END), sum(CASE WHEN outcome = 2 THEN {WEIGHT} ELSE 0 END)"
MEASURES = f"{OUTCOMES}, sum(CASE WHEN duration_us IS NULL THEN 0 ELSE {WEIGHT} END), sum({WEIGHT} * coalesce(duration_us, 0))"
SPREAD = "cast(weight AS bigint) * (weight - 1)"
SPREADS = f"sum({SPREAD}), sum(CASE WHEN outcome = 1 THEN {SPREAD} ELSE 0 END), sum(CASE WHEN outcome = 2 THEN {SPREAD} ELSE 0 END)"
JOINED = "FROM event JOIN context ON context.id = event.context_id"
EACH_DAY = f"""SELECT DISTINCT project_id, install_id, occurred_at / 86400000 AS day, -1 AS audience {JOINED} WHERE install_id IS NOT NULL AND skewed IS NULL
    UNION SELECT project_id, install_id, occurred_at / 86400000, environment {JOINED} WHERE install_id IS NOT NULL AND skewed IS NULL
    UNION SELECT project_id, install_id, occurred_at / 86400000, -2 {JOINED} WHERE install_id IS NOT NULL AND skewed IS NULL AND environment IN (0, 1)"""
# What each rollup must hold, written down a second time, in plain SQL over raw events.
RECOUNTS = {
    "rollup_hour": f"SELECT project_id, occurred_at / 3600000, name_id, environment, {MEASURES} {JOINED} GROUP BY 1, 2, 3, 4",
    "rollup_day": f"SELECT project_id, occurred_at / 86400000, name_id, environment, {MEASURES} {JOINED} GROUP BY 1, 2, 3, 4",
    "rollup_target_day": f"SELECT project_id, occurred_at / 86400000, target_id, name_id, environment, {MEASURES} {JOINED}"
    " WHERE target_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5",
    "rollup_target_total": f"SELECT project_id, target_id, name_id, environment, {MEASURES} {JOINED}"
    " WHERE target_id IS NOT NULL GROUP BY 1, 2, 3, 4",
    "rollup_dimension": " UNION ALL ".join(
        f"SELECT project_id, occurred_at / 86400000, name_id, '{name}', {name}, environment, {OUTCOMES}"
        f" {JOINED} WHERE {name} IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6"
        for name in ("os", "arch", "runtime", "version", "package_manager")
    ),
    "rollup_hour_spread": f"SELECT project_id, occurred_at / 3600000, name_id, environment, {SPREADS} {JOINED} WHERE weight > 1 GROUP BY 1, 2, 3, 4",
    "rollup_day_spread": f"SELECT project_id, occurred_at / 86400000, name_id, environment, {SPREADS} {JOINED} WHERE weight > 1 GROUP BY 1, 2, 3, 4",
    "rollup_target_day_spread": f"SELECT project_id, occurred_at / 86400000, target_id, name_id, environment, {SPREADS} {JOINED}"
    " WHERE weight > 1 AND target_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5",
    "rollup_dimension_spread": " UNION ALL ".join(
        f"SELECT project_id, occurred_at / 86400000, name_id, '{name}', {name}, environment, {SPREADS}"
        f" {JOINED} WHERE weight > 1 AND {name} IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6"
        for name in ("os", "arch", "runtime", "version", "package_manager")
    ),
    "rollup_active": "SELECT project_id, day, earlier, audience, count(*) FROM (SELECT project_id, day, audience,"
    f" coalesce(lag(day) OVER (PARTITION BY install_id, audience ORDER BY day), -1) AS earlier FROM ({EACH_DAY}) AS days) AS linked"
    " GROUP BY 1, 2, 3, 4",
    "activity": f"SELECT DISTINCT project_id, occurred_at / 86400000, install_id, environment {JOINED} WHERE install_id IS NOT NULL AND skewed IS NULL",
    "ledger": "SELECT project_id, (event.id / 4194304 + 1704067200000) / 86400000, count(*) FROM event GROUP BY 1, 2",
}
KEPT = {
    "rollup_dimension": "SELECT * FROM rollup_dimension WHERE dimension NOT LIKE 'property:%'",
    "rollup_active": "SELECT * FROM rollup_active WHERE installs <> 0",
    "activity": "SELECT project_id, day, install_id, environment FROM activity",
    "ledger": "SELECT project_id, day, sum(events) FROM ledger WHERE entry = 'stored' GROUP BY 1, 2",
}


Ask = Callable[[str], list[tuple[Any, ...]]]


@contextlib.contextmanager
def asking(database: Path | str) -> Iterator[Ask]:
    """Yield a function that queries one snapshot of a store: the file of a SQLite store, or the URL of one on PostgreSQL.

    Queries need a snapshot, because PostgreSQL may still be ending the last transaction of a server that was just killed.
    """
    if isinstance(database, Path):
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            yield lambda sql: connection.execute(sql).fetchall()
        return
    with psycopg.connect(database) as remote:
        remote.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        def ask(sql: str) -> list[tuple[Any, ...]]:
            found = remote.execute(sql.encode()).fetchall()
            return [tuple(int(value) if isinstance(value, Decimal) else value for value in row) for row in found]

        yield ask


def rows_of(database: Path | str, sql: str) -> list[tuple[Any, ...]]:
    """Return the content of a store."""
    with asking(database) as ask:
        return ask(sql)


def change_in(database: Path | str, *statements: str) -> None:
    """Change the tables of a store directly, without its server."""
    if isinstance(database, Path):
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        return
    with psycopg.connect(database) as remote:
        for statement in statements:
            remote.execute(statement.encode())


def rollup_differences(database: Path | str) -> dict[str, set[tuple[object, ...]]]:
    """Rows by which a store's rollups and a recount from its raw events differ, by table; empty if they agree."""
    with asking(database) as ask:
        found = {table: set(ask(KEPT.get(table, f"SELECT * FROM {table}"))) ^ set(ask(recount)) for table, recount in RECOUNTS.items()}
    return {table: rows for table, rows in found.items() if rows}


@pytest.fixture(name="rollup_differences")
def _rollup_differences() -> Callable[[Path | str], dict[str, set[tuple[object, ...]]]]:
    return rollup_differences


@pytest.fixture(name="rows_of")
def _rows_of() -> Callable[[Path | str, str], list[tuple[Any, ...]]]:
    return rows_of


def pytest_configure(config: pytest.Config) -> None:
    """Set the folders of temporary files, and declare our own marks. Examples of Hypothesis have no deadline: no test asserts a time."""
    gc.disable()  # until all tests are collected: collection creates almost no garbage
    config.option.loadscopereorder = False  # pytest_collection_finish orders groups by their time, and not by their number of tests
    unhurried = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    hypothesis_settings.register_profile("unhurried", unhurried)
    hypothesis_settings.load_profile("unhurried")
    certificates.share()
    leftovers.remove_dead()
    leftovers.use()
    if (folder := memory.folder()) and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)  # the root of `tmp_path`
    config.addinivalue_line("markers", "on_sqlite: is about SQLite itself")
    config.addinivalue_line("markers", "slow: a further combination, or a long fault, build or recount; runs with `make test-all` only")
    config.addinivalue_line("markers", "engine_matters: on PostgreSQL in `make test` too; otherwise the second engine is slow")
    config.addinivalue_line("markers", "each_client: with the client of each language in `make test` too (tests/clients)")
    config.addinivalue_line(
        "markers", "one_path: how the body arrives does not matter; over the fast path only, also with `make test-all` (tests/field)"
    )


# Packages whose tests go through the socket. Engines differ below it, in packages whose tests always run on both.
OVER_THE_SOCKET = frozenset({"admin", "demo", "field", "operations", "public", "stories", "transfer"})
# Seconds that a test takes on a busy machine, by package. These tests ask about today and this hour, so each must begin and end in the same hour.
BEFORE_THE_HOUR = {**dict.fromkeys((*OVER_THE_SOCKET, "contracts", "jobs", "sdks", "shipping"), 30.0), "dashboard": 60.0}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that share a fixture of a module to one worker, so that each server starts once. The engines may go to different workers.

    The second run of a test, on PostgreSQL, is slow unless it is marked `engine_matters`, since values, locks or SQL differ there.
    """
    collected = {item.nodeid for item in items}
    for item in items:
        if is_second_run(item, collected):
            item.add_marker(pytest.mark.slow)
        definitions = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009
        is_shared = any(definition.scope == "module" for each in definitions for definition in each)
        if is_shared and item.get_closest_marker("xdist_group") is None:
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            item.add_marker(pytest.mark.xdist_group(f"{item.nodeid.partition('::')[0]}-{parameters.get('field_engine', '')}"))


def time_before_the_hour(item: pytest.Item) -> float:
    """Return the time before the end of an hour, in seconds, in which a test does not begin."""
    return BEFORE_THE_HOUR.get(item.path.parent.name, 0.0)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Delay a test until the next hour if it could end in it. The delay does not count towards the time limit of the test."""
    hour_boundaries.wait_for_next_hour(time_before_the_hour(item))
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Order the tests for the workers, and refuse to run if groups have no effect.

    Each worker would start each server and browser again, and tests of one store would run side by side. pytest-xdist 3.8 adds the group to the
    node id, which it cannot change in pytest 9.2.
    """
    gc.freeze()  # a collection of garbage would otherwise look at every test again
    gc.enable()
    if getattr(session.config.option, "loadgroup", False):  # set by pytest-xdist in workers, whose option `dist` is always "no"
        session.items.sort(key=start_order(session.items))
        ignored = [item.nodeid for item in session.items if group_of(item) and "@" not in item.nodeid]
        if ignored:
            raise pytest.UsageError(f"pytest {pytest.__version__} and pytest-xdist do not group tests, such as {ignored[0]}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a module with `ENGINES` on each of these, except those marked `on_sqlite`; run all other tests on SQLite."""
    engines = getattr(metafunc.module, "ENGINES", None)
    if "engine" in metafunc.fixturenames and engines and metafunc.definition.get_closest_marker("on_sqlite") is None:
        metafunc.parametrize("engine", engines, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The engine of this test's store: `sqlite` or `postgres`."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, started on first use."""
    with running() as server:
        yield server


@pytest.fixture
def database(engine: str, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The settings for this test's store."""
    if engine == "sqlite":
        yield {}
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.fresh()
    yield {"FOOTFALL_DATABASE_URL": url, "FOOTFALL_SECRET": SECRET}
    postgres.drop(url)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def server_class() -> type[Server]:
    """The class of servers, for fixtures of a wider scope."""
    return Server


@pytest.fixture
def make_server(tmp_path: Path, database: dict[str, str]) -> Iterator[Callable[..., Server]]:
    """Makes servers that are not started yet; settings are given as FOOTFALL_NAME="…"."""
    made: list[Server] = []

    def make(**env: str) -> Server:
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        made.append(Server(folder, {**database, **env}))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    """A server that runs, without limits."""
    return make_server().start()


@pytest.fixture
def settings(tmp_path: Path, database: dict[str, str]) -> Settings:
    """Settings of a store of its own, without limits."""
    return load({"FOOTFALL_DATA_DIR": str(tmp_path / "data"), "FOOTFALL_RATE_LIMIT": "off", "FOOTFALL_EVENT_LIMIT": "off", **database})


@pytest.fixture
def where(settings: Settings) -> Path | str:
    """Return the location of the store of these settings: a file or a URL."""
    return settings.database_url or settings.sqlite_path


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a migrated SQLite store, to copy."""
    settings = load({"FOOTFALL_DATA_DIR": str(tmp_path_factory.mktemp("migrated") / "data")})
    asyncio.run(_open_and_close(settings))
    return settings.data_dir


async def _open_and_close(settings: Settings) -> None:
    await (await open_store(settings)).close()


@pytest.fixture
async def store(settings: Settings, migrated: Path) -> AsyncIterator[Store]:
    """An open store with the default project."""
    if not settings.database_url and not settings.data_dir.exists():
        shutil.copytree(migrated, settings.data_dir)
    opened = await open_store(settings)
    await ensure_default()
    yield opened
    await opened.close()
