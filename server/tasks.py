"""Tasks and threads that end before the resources they use are closed."""

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
    """The work was interrupted by a request to stop. It left nothing half done."""


class StopRequest:
    """A request to stop, made by a signal handler during startup."""

    def __init__(self) -> None:
        self.is_requested = False
        self._cancel: Callable[[], object] | None = None

    def request(self) -> None:
        """Cancel the current task and every later one. Safe to call from a signal handler."""
        self.is_requested = True
        if self._cancel is not None:
            self._cancel()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`. Raises Stopped if a stop was requested before or during it."""
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
    """Run `work(stopped)` in a thread. On cancellation, `stopped()` becomes True, and this waits for the thread."""
    stop = threading.Event()
    return await run_in_thread(lambda: work(stop.is_set), interrupt=stop.set)


async def cancel_and_wait(tasks: Iterable[asyncio.Task[Any]], *, again: float = AGAIN) -> None:
    """Cancel tasks and wait until they end.

    A cancellation that coincides with a timeout of a library may be lost, as in asyncio's `wait_for` before Python 3.12 (bpo-37658). Therefore a
    task that is still running after `again` seconds, which must be enough for its cleanup, is cancelled again.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=again)
        for task in done:
            if not task.cancelled():
                task.exception()  # retrieve the exception, which the task's owner handles


async def run_while_connected(app: Callable[[Any, Any, Any], Coroutine[Any, Any, None]], scope: Any, receive: Any, send: Any) -> None:
    """Run an ASGI application, and cancel it if the client disconnects before the response begins. A response that has begun handles this itself."""
    messages: asyncio.Queue[Any] = asyncio.Queue(1)  # bounded, so that a body that nothing reads does not fill the memory
    has_begun = False

    async def watch() -> None:
        while (message := await receive())["type"] != "http.disconnect":
            await messages.put(message)

    async def receive_watched() -> Any:
        waiting = asyncio.create_task(messages.get())
        try:
            await asyncio.wait({waiting, watching}, return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else {"type": "http.disconnect"}
        finally:
            waiting.cancel()

    async def note_begin(message: Any) -> None:
        nonlocal has_begun
        has_begun = True
        await send(message)

    watching = asyncio.create_task(watch())
    running = asyncio.create_task(app(scope, receive_watched, note_begin))
    try:
        await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
        if running.done() or has_begun:
            await running
    finally:
        await cancel_and_wait({running, watching})


async def run_in_thread(work: Callable[[], T], *, executor: Executor | None = None, interrupt: Callable[[], object] = lambda: None) -> T:
    """Run blocking work in a thread. Returns or raises only after the thread has ended, so that its resources can be closed.

    `asyncio.to_thread` leaves the thread running when its caller is cancelled, and closing a SQLite connection that a thread still uses crashes the
    process. Here, a cancellation calls `interrupt` until the work ends; an interrupt between two statements is lost, hence the repetition.
    """
    future = asyncio.get_running_loop().run_in_executor(executor, contextvars.copy_context().run, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            interrupt()
            with contextlib.suppress(asyncio.CancelledError):  # cancelled again
                await asyncio.wait({future}, timeout=INTERRUPT_EVERY)
        if not future.cancelled():
            future.exception()  # raised by the interrupt; the caller is cancelled
        raise
