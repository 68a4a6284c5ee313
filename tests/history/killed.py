"""A build of a history in a process that is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

from server.settings import Settings

_BUILD = """
import asyncio, os, sys
from server.history import History, building
from server.settings import load
from server.storage.engine import open_store
building.PIECE = 50

async def main():
    settings = load({name: value for name, value in os.environ.items() if name.startswith("FOOTFALL_")})
    store = await open_store(settings)
    history = History(store, settings, now=lambda: %d)
    pieces = 0
    def progress(_):
        nonlocal pieces
        pieces += 1
        print(pieces, flush=True)
    await history.build(progress)
    print("done", flush=True)

asyncio.run(main())
"""


async def kill_build(settings: Settings, database: dict[str, str], now: int, after: int) -> bool:
    """Build the history of a store as of `now` (epoch ms), 50 events at a time, and kill the process after a number of pieces of work.

    Return False if there were fewer.
    """
    env = {**os.environ, "FOOTFALL_DATA_DIR": str(settings.data_dir), **database}

    def build() -> bool:
        with subprocess.Popen([sys.executable, "-c", _BUILD % now], env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip() != "done" and int(line) >= after:
                    with contextlib.suppress(ProcessLookupError):
                        process.send_signal(signal.SIGKILL)
                    return True
        return False

    return await asyncio.to_thread(build)
