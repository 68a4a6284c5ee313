"""Cancellation of work whose client disconnects, for example because its user leaves a page or changes a filter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from server.ingest.asgi import ClientGone
from server.tasks import cancel_and_wait

CLIENT_GONE = 499  # the status that nginx logs for such a request; no client receives it

T = TypeVar("T")


async def while_connected(receive: Callable[[], Awaitable[Mapping[str, Any]]], work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`. If the client disconnects first, cancel `work` and raise ClientGone.

    `receive` is the ASGI function of a request whose body has arrived.
    """
    running = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnect(receive))
    try:
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise ClientGone
        return running.result()
    finally:
        await cancel_and_wait({running, gone})


async def _disconnect(receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
