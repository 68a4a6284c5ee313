"""Helpers that all commands share: consoles, errors, and opening the store."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from server.settings import Settings, SettingsError, load
from server.storage import projects
from server.storage.engine import Store, open_store
from server.storage.migrations import StoreError
from server.storage.projects import ProjectError

T = TypeVar("T")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def settings_or_exit() -> Settings:
    """Load the settings from the environment. Prints one line and exits with 1 if they are invalid."""
    try:
        return load(os.environ)
    except SettingsError as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Print an error and exit with 1."""
    err.print("[red]✗[/red] ", end="")
    err.print(message, soft_wrap=True, markup=False)
    sys.exit(1)


def with_store(work: Callable[[Store, Settings], Awaitable[T]]) -> T:
    """Open the store, run `work` on it and close it. Prints one line and exits with 1 on an expected error."""

    async def run(settings: Settings) -> T:
        store = await open_store(settings, progress=err.print)
        try:
            await projects.ensure_default()
            return await work(store, settings)
        finally:
            await store.close()

    try:
        return asyncio.run(run(settings_or_exit()))
    except (StoreError, ProjectError) as error:
        fail(str(error))


def as_text(text: str) -> str:
    """Make text from a client safe for a terminal: escape our markup and replace control characters."""
    return escape("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text))


def plain_table(*columns: str) -> Table:
    """Create a table without borders."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")
