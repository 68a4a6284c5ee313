"""What all commands share: where they write, how they give up, and how they open the store."""

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
    """The settings of this environment; where they cannot be used, that is said in one line and the command ends with 1."""
    try:
        return load(os.environ)
    except SettingsError as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Say what is wrong, and end with 1."""
    err.print("[red]✗[/red] ", end="")
    err.print(message, soft_wrap=True, markup=False)
    sys.exit(1)


def with_store(work: Callable[[Store, Settings], Awaitable[T]]) -> T:
    """Run something on the opened store, and close it; what goes wrong is said in one line."""

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
    """What a client sent, for a terminal: no markup of ours, and no sequence that moves a cursor or changes a title."""
    return escape("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text))


def plain_table(*columns: str) -> Table:
    """A table without lines."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")
