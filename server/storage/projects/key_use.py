"""Records when keys were last used, once a minute: a write per request would cost more than the request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from server import logs
from server.clock import epoch_ms
from server.storage.projects.live_projects import Projects
from server.storage.tables import ApiKey
from server.tasks import cancel_and_wait

log = logs.get(__name__)

EVERY = 60.0  # seconds


async def record(projects: Projects) -> None:
    """Record the keys that were used since the last call. If this fails, the next call records them."""
    used, projects.used_keys = projects.used_keys, set()
    if not used:
        return
    try:
        await ApiKey.update({ApiKey.last_used_at: epoch_ms()}).where(ApiKey.id.is_in(sorted(used)))
    except Exception as error:
        projects.used_keys |= used
        log.warning("key_use_not_written", exc_info=error)


@contextlib.asynccontextmanager
async def record_periodically(projects: Projects) -> AsyncIterator[None]:
    """Record the use of keys each minute while the context is open, and once more when it closes."""

    async def run() -> None:
        while True:
            await asyncio.sleep(EVERY)
            await record(projects)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        await cancel_and_wait([task])
        await record(projects)
