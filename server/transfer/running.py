"""Runs a command on an opened store, for one project."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import msgspec

from server.history import History
from server.ingest.privacy import Privacy
from server.problems import Problem
from server.settings import Settings
from server.storage.engine import Store, server_secret
from server.storage.projects import LiveProject, ProjectError, Projects
from server.terminal import exit_on_error, fail, with_store
from server.transfer.formats import FormatError
from server.transfer.import_sources import SourceError

T = TypeVar("T")


class Opened(msgspec.Struct):
    """The context of a command: settings, store and project."""

    settings: Settings
    store: Store
    project: LiveProject

    def privacy(self) -> Privacy:
        return Privacy(server_secret(self.settings))

    @contextlib.asynccontextmanager
    async def history(self) -> AsyncIterator[History]:
        history = History(self.store, self.settings)
        try:
            yield history
        finally:
            await asyncio.to_thread(history.close)


async def _open(store: Store, settings: Settings, slug: str) -> Opened:
    projects = Projects(max_targets=settings.max_targets, public=settings.public)
    await projects.refresh()
    project = next((each for each in projects.all() if each.slug == slug), None)
    if project is None:
        raise ProjectError(f"project {slug} does not exist; `footfall project list` lists all projects")
    return Opened(settings, store, project)


def run(slug: str, work: Callable[[Opened], Awaitable[T]], *, creates: bool = False) -> T:
    """Run a command on the opened store. Prints one line and exits with 1 on an expected error."""

    async def on_store(store: Store, settings: Settings) -> T:
        return await work(await _open(store, settings, slug))

    try:
        with exit_on_error(SourceError, FormatError):
            return with_store(on_store, creates=creates)
    except Problem as error:
        fail("; ".join(f"--{each.path.replace('_', '-')} {each.message}" for each in error.errors) or error.detail)
    except BrokenPipeError:
        # The reader of the pipe has closed it. Without this, Python would report the error again when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        fail(f"{error.filename or 'the file'}: {error.strerror}")
