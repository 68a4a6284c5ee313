"""Runs a command on an opened store, for one project."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import msgspec

from server.ingest.privacy import Privacy
from server.problems import Problem
from server.settings import Settings, SettingsError, load
from server.storage.engine import Store, open_store, server_secret
from server.storage.migrations import StoreError
from server.storage.projects import LiveProject, ProjectError, Projects, ensure_default
from server.terminal import err, fail
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
async def _opened(settings: Settings, slug: str) -> AsyncIterator[Opened]:
    store = await open_store(settings, progress=err.print)
    try:
        await ensure_default()
        projects = Projects(max_targets=settings.max_targets, public=settings.public)
        await projects.refresh()
        project = next((each for each in projects.all() if each.slug == slug), None)
        if project is None:
            raise ProjectError(f"project {slug} does not exist; `footfall project list` lists all projects")
        yield Opened(settings, store, project)
    finally:
        await store.close()


def run(slug: str, work: Callable[[Opened], Awaitable[T]]) -> T:
    """Run a command on the opened store. Prints one line and exits with 1 on an expected error."""

    async def on_store() -> T:
        async with _opened(load(os.environ), slug) as opened:
            return await work(opened)

    try:
        return asyncio.run(on_store())
    except (StoreError, ProjectError, SettingsError, SourceError, FormatError) as error:
        fail(str(error))
    except Problem as error:
        fail("; ".join(f"--{each.path.replace('_', '-')} {each.message}" for each in error.errors) or error.detail)
    except BrokenPipeError:
        # The reader of the pipe has closed it. Without this, Python would report the error again when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        fail(f"{error.filename or 'the file'}: {error.strerror}")
