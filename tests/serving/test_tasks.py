"""Cancelled tasks end, even if a library swallows the cancellation."""

from __future__ import annotations

import asyncio
import contextlib

from server.tasks import cancel_and_wait


async def test_a_lost_cancellation_is_repeated() -> None:
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:  # as if it coincided with a library's own timeout
                lost += 1
                if lost == 3:
                    raise

    async def failing() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)
        raise LookupError

    async def tidy() -> None:
        try:
            await asyncio.sleep(3_600)
        finally:
            await asyncio.sleep(0.05)
            tidied.set()

    tidied = asyncio.Event()
    tasks = [asyncio.create_task(each()) for each in (deaf, failing, tidy)]
    await asyncio.sleep(0)
    await cancel_and_wait(tasks, again=0.1)
    assert all(task.done() for task in tasks)
    assert lost == 3
    assert tidied.is_set()


async def test_cancelling_finished_tasks_or_none_does_nothing() -> None:
    done = asyncio.create_task(asyncio.sleep(0))
    await done
    await cancel_and_wait([done])
    await cancel_and_wait([])
