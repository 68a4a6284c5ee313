"""The migrations, loaded from files for both engines."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from server.settings import bundled

APP = "footfall"


class StoreError(Exception):
    """The store cannot be opened or used. The message gives the reason and the remedy."""


def check_not_newer(done: set[str], known: list[Migration]) -> None:
    """Raise StoreError if the store has a migration that this version does not have."""
    if newer := sorted(done - {migration.id for migration in known}):
        raise StoreError(f"the store was written by a newer Footfall (migration {newer[-1]}); run that version, or restore a backup")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file in `migrations/`."""

    id: str
    name: str
    statements: Callable[[str], list[str]]
    forwards: Callable[[], Awaitable[Any]]


def migrations() -> list[Migration]:
    """Load all migrations, oldest first."""
    modules = [_load(path) for path in sorted(bundled("migrations").glob("footfall_*.py"))]
    return sorted((Migration(m.ID, m.__name__, m.statements, m.forwards) for m in modules), key=lambda migration: migration.id)


def _load(path: Path) -> ModuleType:
    # Loaded by path: Piccolo would put the folder first on sys.path and import by bare name.
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
