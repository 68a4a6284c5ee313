"""The migrations, loaded from files, and the loop that runs pending ones on either engine."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from piccolo.engine import engine_finder
from piccolo.querystring import QueryString

from server.settings import bundled

if TYPE_CHECKING:
    from piccolo.apps.migrations.auto.migration_manager import MigrationManager

APP = "footfall"

Statements = Callable[[str], list[str]]  # of one migration, for `sqlite` or `postgres`


class StoreError(Exception):
    """The store cannot be opened or used. The message gives the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file in `migrations/`."""

    id: str
    name: str
    statements: Statements


class MigrationTarget(Protocol):
    """A connection to a store that is migrated, on either engine."""

    engine: str
    identity: str
    """The definition of a column with ascending numbers."""

    def transaction(self) -> AbstractContextManager[object]:
        """Begin a transaction, which other processes that migrate wait for. Raises Stopped."""

    def execute(self, statement: str, /) -> Iterable[tuple[Any, ...]]:
        """Run a statement and return its rows."""


def migrate(target: MigrationTarget, *, progress: Callable[[str], None], prepare: Callable[[], None]) -> list[str]:
    """Run pending migrations and return their names. `prepare` is called before the first one, if the store is in use.

    Each migration and its record are one transaction. Piccolo's own command uses two, and a crash between them makes every later start fail
    with `table already exists`. Raises StoreError if the store is newer than this version.
    """
    known, ran = migrations(), list[str]()
    with target.transaction():
        target.execute(
            f"CREATE TABLE IF NOT EXISTS migration (id {target.identity}, name VARCHAR(200) NOT NULL DEFAULT '',"
            " app_name VARCHAR(200) NOT NULL DEFAULT '', ran_on TIMESTAMP NOT NULL DEFAULT current_timestamp)"
        )
        done = _recorded(target, known)
    is_new = not done
    if is_new:
        progress("creating the store")
    for migration in known:
        if migration.id in done:
            continue
        with target.transaction():
            done = _recorded(target, known)  # another process may have run it meanwhile
            if migration.id in done:
                continue
            if done and not ran:
                prepare()  # inside the transaction, so that nothing is written between a backup and the migration
            if not is_new:
                progress(f"migrating: {migration.name}")
            for statement in migration.statements(target.engine):
                target.execute(statement)
            target.execute(f"INSERT INTO migration (name, app_name) VALUES ('{migration.id}', '{APP}')")
            ran.append(migration.name)
    return ran


def _recorded(target: MigrationTarget, known: list[Migration]) -> set[str]:
    """Return the ids of migrations that the store has. Raises StoreError if this version does not have one of them."""
    done = {row[0] for row in target.execute(f"SELECT name FROM migration WHERE app_name = '{APP}'")}
    if newer := sorted(done - {migration.id for migration in known}):
        raise StoreError(f"the store was written by a newer Footfall (migration {newer[-1]}); run that version, or restore a backup")
    return done


def piccolo_migration(migration_id: str, description: str, statements: Statements) -> Callable[[], Awaitable[MigrationManager]]:
    """Return a migration for Piccolo's own command. The server itself runs `statements`, see `migrate`."""

    async def forwards() -> MigrationManager:
        from piccolo.apps.migrations.auto.migration_manager import MigrationManager  # noqa: PLC0415 - the server does not need it

        manager = MigrationManager(migration_id=migration_id, app_name=APP, description=description)

        async def run() -> None:
            engine = engine_finder()
            assert engine is not None
            for statement in statements(engine.engine_type):
                await engine.run_querystring(QueryString(statement.replace("{", "{{").replace("}", "}}")))

        manager.add_raw(run)
        return manager

    return forwards


def migrations() -> list[Migration]:
    """Load all migrations, oldest first."""
    modules = [_load(path) for path in sorted(bundled("migrations").glob("footfall_*.py"))]
    return sorted((Migration(m.ID, m.__name__, m.statements) for m in modules), key=lambda migration: migration.id)


def _load(path: Path) -> ModuleType:
    # Loaded by path: Piccolo would put the folder first on sys.path and import by bare name.
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
