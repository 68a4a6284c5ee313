"""The server process: uvicorn with uvloop and Footfall's protocol, and the startup message."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import resource
import signal
import socket
import threading
from functools import partial
from types import FrameType
from typing import cast

import uvicorn
from rich.console import Console
from rich.markup import escape

from server import __version__, logs, machine_memory
from server.app import create_app
from server.front import Front
from server.listening import bind
from server.serving.open_connections import OpenConnections
from server.serving.protocol import Protocol
from server.settings import Settings, other_machine
from server.storage.migrations import StoreError
from server.tasks import Stopped, StopRequest

log = logs.get(__name__)

_BACKLOG = 2048
_FIRST_ANSWERS = 1.0  # seconds
_FILES = 65_536
_START_GRACE = 0.5  # seconds for a clean rollback if a stop is requested during startup


class _Server(uvicorn.Server):
    """A uvicorn server that prints a message once it is ready."""

    def __init__(self, config: uvicorn.Config, settings: Settings, console: Console, front: Front, stop: StopRequest) -> None:
        super().__init__(config)
        self._stop = stop
        self._settings = settings
        self._console = console
        self._front = front
        self._later: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            tune_garbage_collector()
            self._later = asyncio.create_task(self._load_later())
            _greet(self._settings, self._console, self._front.first_token)
            log.info("serving", version=__version__, port=self._settings.port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if not self.started and not self._stop.is_requested:
            self._stop.request()
            leaving = threading.Timer(_START_GRACE, self._leave_start)
            leaving.daemon = True
            leaving.start()

    def _leave_start(self) -> None:
        """Exit if startup does not stop by itself. No event was acknowledged yet, and an open transaction rolls back."""
        if not self.started:
            os._exit(0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._later is not None:
            self._later.cancel()
        await super().shutdown(sockets)

    async def _load_later(self) -> None:
        """Load the parts that startup defers. This takes CPU time, so the first requests take precedence."""
        await asyncio.sleep(_FIRST_ANSWERS)
        if self._front.later is None:
            return
        try:
            await self._front.later()
        except Exception as error:
            log.error("loading_failed", exc_info=error)
        gc.freeze()  # like at startup, without a collection, which would block every request


def serve(settings: Settings, console: Console) -> int:
    """Serve until a signal arrives, and return the exit status. Raises StoreError if the store cannot be opened or the port is in use."""
    with contextlib.suppress(OSError, RuntimeError):  # without a standard error stream
        faulthandler.enable()  # on a crash in native code, print the stacks of all threads, without values
    logs.configure(form=settings.log_format, level=settings.log_level)
    sockets = _listen(settings)
    raise_file_limit()
    machine_memory.share_one_arena()
    stop = StopRequest()
    app = create_app(settings, progress=lambda line: console.print(f"[dim]{line}[/dim]", soft_wrap=True), stop=stop)
    opened = OpenConnections(settings.trusted_proxies)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=cast("type[asyncio.Protocol]", partial(Protocol, patience=float(settings.body_timeout), opened=opened)),
        ws_max_size=100 * 1024,  # bytes of a message, like the limit of a POST
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        # The gate handles these headers, for trusted proxies only.
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=settings.shutdown_timeout,
    )
    server = _Server(config, settings, console, app, stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        # Uvicorn installs the same handler when its loop runs, and raises the signal again at the end, which must not be a failure.
        signal.signal(number, server.handle_exit)
    # A store that cannot be opened is reported in one line, without a traceback.
    logging.getLogger("uvicorn.error").addFilter(lambda _: not isinstance(app.failure, StoreError | Stopped))
    with contextlib.suppress(SystemExit):  # raised by uvicorn if startup failed
        server.run(sockets=sockets)
    if isinstance(app.failure, Stopped):
        log.info("stopped_at_start")
        return 0
    if app.failure is not None:
        raise StoreError(str(app.failure)) from app.failure
    return 0 if server.started else 3


def tune_garbage_collector() -> None:
    """Exclude the objects of a started server from garbage collection, and collect less often.

    Requests leave almost no garbage, but each collection would scan modules, routes and schemas: a tenth of an event's cost, and pauses of tens of
    milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def raise_file_limit() -> None:
    """Raise the limit of open files to the maximum. Each connection is one file, and the default is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # if the system refuses, the limit stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(settings: Settings) -> list[socket.socket]:
    try:
        sockets = bind(settings.hosts, settings.port)
    except (OSError, OverflowError) as error:
        raise StoreError(f"{settings.host}:{settings.port} is not available: {error}; set FOOTFALL_PORT or FOOTFALL_HOST") from error
    for each in sockets:
        each.listen(_BACKLOG)
        each.set_inheritable(True)
    return sockets


def _greet(settings: Settings, console: Console, token: str | None) -> None:
    base = settings.url
    console.print(f"[bold]Footfall {__version__}[/bold] is ready: {base}")
    console.print(f"  send an event   curl -X POST {base}/dl/hello && curl {base}/counts", soft_wrap=True)
    console.print(f"  reference       {base}/docs")
    console.print(f"  data            {settings.data_dir.resolve()}", soft_wrap=True)
    if token is not None:
        console.print(f"  log in          {base}/login#token={token}", soft_wrap=True)
        if settings.public_url is None:
            console.print(f"                  [dim]{escape(other_machine(settings))}[/dim]", soft_wrap=True)
        console.print("  admin token     shown only once; keep it, because only its hash is stored")
        console.print(f"                  [bold]{token}[/bold]")
    console.print("  stop            Ctrl-C")
