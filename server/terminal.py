"""Helpers that all commands share: consoles, errors, and opening the store."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NoReturn, TypeVar

import rich_click as click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
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
    with exit_on_error():
        return load(os.environ)


def succeed(message: str, console: Console = out) -> None:
    """Print that a command succeeded: on `err` if the command writes data on standard output."""
    _print_marked("green", "✓", message, console)


def warn(message: str) -> None:
    """Print a warning on standard error."""
    _print_marked("yellow", "!", message, err)


def fail(message: str) -> NoReturn:
    """Print an error and exit with 1."""
    _print_marked("red", "✗", message, err)
    sys.exit(1)


def _print_marked(color: str, mark: str, message: str, console: Console) -> None:
    console.print(f"[{color}]{mark}[/{color}] ", end="")
    console.print(message, soft_wrap=True, markup=False, emoji=False)


def print_secret(message: str, secret: str) -> None:
    """Print a secret that is shown only once: alone on standard output, so that scripts can read it."""
    succeed(message, err)
    click.echo(secret)


@contextlib.contextmanager
def exit_on_error(*others: type[Exception]) -> Iterator[None]:
    """Print one line and exit with 1 on an expected error: of settings, store and projects, or one of `others`."""
    expected: tuple[type[Exception], ...] = (SettingsError, StoreError, ProjectError, *others)
    try:
        yield
    except expected as error:
        fail(str(error))


def require_store(settings: Settings) -> None:
    """Raise StoreError if the data folder has no store."""
    if not settings.database_url and not settings.sqlite_path.exists():
        raise StoreError(f"there is no store in {settings.data_dir}: run the command with the server's settings, such as FOOTFALL_DATA_DIR")


@contextlib.asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Store]:
    """Open the store of a command, with the default project, and close it."""
    store = await open_store(settings, progress=err.print)
    try:
        await projects.ensure_default()
        yield store
    finally:
        await store.close()


def with_store(work: Callable[[Store, Settings], Awaitable[T]], *, creates: bool = False) -> T:
    """Open the store, run `work` on it and close it. Prints one line and exits with 1 on an expected error.

    Without `creates`, a missing store is an error: an answer from a new, empty store in the wrong folder would look like lost data.
    """

    async def run() -> T:
        settings = load(os.environ)
        if not creates:
            require_store(settings)
        async with opened_store(settings) as store:
            return await work(store, settings)

    with exit_on_error():
        return asyncio.run(run())


def progress_bar(*counts: ProgressColumn, console: Console = err, transient: bool = False, disable: bool = False) -> Progress:
    """Create a progress bar with a description, the columns of a count, and the remaining time."""
    columns = (TextColumn("{task.description}"), BarColumn(), *counts, TimeRemainingColumn())
    return Progress(*columns, console=console, transient=transient, disable=disable)


def as_text(text: str) -> str:
    """Make text from a client safe for a terminal: escape our markup and replace control characters."""
    return escape("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text))


def plain_table(*columns: str) -> Table:
    """Create a table without borders."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")
