"""Tasks and threads that end before what they use is closed."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

AGAIN = 3.0  # seconds
INTERRUPT_EVERY = 0.05  # seconds


class Stopped(Exception):
    """The work ended early because it was asked to stop. Nothing is left half done."""


class StopRequest:
    """A request to stop, made by a signal handler while a task starts something."""

    def __init__(self) -> None:
        self.is_requested = False
        self._cancel: Callable[[], object] | None = None

    def request(self) -> None:
        """Cancel the task under way, and every later one. May be called from a signal handler."""
        self.is_requested = True
        if self._cancel is not None:
            self._cancel()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Raises Stopped where the request was made before, or comes first."""
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        if self.is_requested:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            if self.is_requested:
                raise Stopped from None
            task.cancel()
            raise
        finally:
            self._cancel = None


async def in_thread(work: Callable[[Callable[[], bool]], T]) -> T:
    """Run `work(stopped)` in a thread. On cancellation `stopped()` becomes true, and the thread is waited for."""
    stop = threading.Event()
    return await run_in_thread(lambda: work(stop.is_set), interrupt=stop.set)


async def cancel_and_wait(tasks: Iterable[asyncio.Task[Any]], *, again: float = AGAIN) -> None:
    """Cancel tasks and wait until they have ended, in whatever way.

    A cancellation that arrives together with a library's own time-out may be taken for that and be lost, as in asyncio's `wait_for` before
    Python 3.12 (bpo-37658). So whoever has not ended after some time (`again`, seconds, which must be enough to tidy up) hears it again:
    otherwise one such moment could keep a server from stopping for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=again)
        for task in done:
            if not task.cancelled():
                task.exception()  # whoever started it has told of it, or does not care any more


async def run_in_thread(work: Callable[[], T], *, executor: Executor | None = None, interrupt: Callable[[], object] = lambda: None) -> T:
    """Run blocking work in a thread, and return or raise only when that thread has ended: then what it used can be closed.

    `asyncio.to_thread` leaves the thread running when its caller is cancelled; closing a SQLite connection that a thread still uses crashes
    the process. Here a cancellation calls `interrupt`, again and again since an interrupt between two statements is lost, until the work ends.
    """
    future = asyncio.get_running_loop().run_in_executor(executor, contextvars.copy_context().run, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            interrupt()
            with contextlib.suppress(asyncio.CancelledError):  # cancelled once more
                await asyncio.wait({future}, timeout=INTERRUPT_EVERY)
        if not future.cancelled():
            future.exception()  # of the interrupt; the caller has been cancelled
        raise
