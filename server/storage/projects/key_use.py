"""When keys were last used, written down once a minute: at each request it would cost more than the request."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from server import logs
from server.storage.projects.live_projects import Projects
from server.storage.tables import ApiKey
from server.tasks import cancel_and_wait

log = logs.get(__name__)

EVERY = 60.0  # seconds


async def record(projects: Projects) -> None:
    """Write down which keys were used since the last time. One that fails is tried again with the next."""
    used, projects.used_keys = projects.used_keys, set()
    if not used:
        return
    try:
        await ApiKey.update({ApiKey.last_used_at: time.time_ns() // 1_000_000}).where(ApiKey.id.is_in(sorted(used)))
    except Exception as error:
        projects.used_keys |= used
        log.warning("key_use_not_written", exc_info=error)


@contextlib.asynccontextmanager
async def record_periodically(projects: Projects) -> AsyncIterator[None]:
    """Write it down each minute while this is open, and once more at its end."""

    async def ever() -> None:
        while True:
            await asyncio.sleep(EVERY)
            await record(projects)

    task = asyncio.create_task(ever())
    try:
        yield
    finally:
        await cancel_and_wait([task])
        await record(projects)
