"""What tests share: a real server process over a socket, and a store of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from server.settings import Settings, load
from server.storage.engine import Store, open_store
from server.storage.projects import ensure_default

START_WITHIN = 30.0


class Server:
    """`footfall serve` in a process of its own, on a data folder that outlives it."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FOOTFALL_")},
            "FOOTFALL_DATA_DIR": str(folder / "data"),
            "FOOTFALL_PORT": str(self.port),
            "FOOTFALL_RATE_LIMIT": "off",
            "FOOTFALL_EVENT_LIMIT": "off",
            **env,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(base_url=self.url, timeout=20)

    @property
    def database(self) -> Path:
        return self.folder / "data" / "footfall.sqlite3"

    def start(self) -> Server:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "server", "serve"], env=self.env, stdout=log, stderr=log)
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server stopped with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                if self.client.get("/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def footfall(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another footfall command on the same data."""
        return subprocess.run([sys.executable, "-m", "server", *arguments], env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def stop(self) -> int:
        """End it as an operator does; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=30)

    def close(self) -> None:
        self.client.close()
        if self.process is not None and self.process.poll() is None:
            self.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers that are not started yet; settings are given as FOOTFALL_NAME="…"."""
    made: list[Server] = []

    def make(**env: str) -> Server:
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        made.append(Server(folder, env))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    """A server that runs, without limits."""
    return make_server().start()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a store in a folder of its own, without limits."""
    return load({"FOOTFALL_DATA_DIR": str(tmp_path / "data"), "FOOTFALL_RATE_LIMIT": "off", "FOOTFALL_EVENT_LIMIT": "off"})


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """An open store with the default project."""
    opened = await open_store(settings)
    await ensure_default()
    yield opened
    await opened.close()
