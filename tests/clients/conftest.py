"""Shared fixtures: host programs in each language that use a client, and misbehaving servers."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from server.settings import bundled
from tests.clients import hosts
from tests.conftest import Server

CLIENTS = bundled("static") / "clients"
_folders = itertools.count()
WITHIN = 60.0  # seconds for an event to arrive, on a busy machine
TOKEN = "ff_the-admin-token-of-the-tests-of-clients-0123456789"


class Host(NamedTuple):
    """A small program that says hello, records the event `build`, and exits with 3. `bare` is the same without telemetry."""

    name: str
    command: list[str]
    bare: list[str]
    runtime: str

    def run(self, url: str, home: Path | str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it with its output in pipes. Returns when the pipes are closed, like `$(tool)`."""
        return subprocess.run(
            [*self.command, *words], env=environment(url, home, **env), capture_output=True, text=True, timeout=WITHIN, check=False
        )

    def telemetry(self, url: str, home: Path | str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run its `telemetry` command."""
        return self.run(url, home, "telemetry", *words, **env)


def environment(url: str, home: Path | str, **env: str) -> dict[str, str]:
    """The environment of a consenting user's shell outside CI, without the variables of the tests' environment."""
    plain = {"PATH": os.environ["PATH"], "HOME": str(home), "HOST_URL": url, "MYTOOL_TELEMETRY": "on", **env}
    return {name: value for name, value in plain.items() if value != "unset"}


@pytest.fixture(scope="session")
def make_host(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Host]:
    """A factory of host programs by language. Each is built once."""
    made: dict[str, Host] = {}

    def make(name: str) -> Host:
        if name not in made:
            folder = tmp_path_factory.mktemp(f"host-{name}")
            made[name] = Host(name, *hosts.WRITERS[name](CLIENTS, folder))
        return made[name]

    return make


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that uses `host` runs with each client: with one in `make test`, or with each language if it is marked `each_client`."""
    if "host" in metafunc.fixturenames:
        quick = set(hosts.NAMES) - hosts.SLOW if metafunc.definition.get_closest_marker("each_client") else {hosts.CHEAPEST}
        metafunc.parametrize(
            "host", [pytest.param(name, marks=[] if name in quick else [pytest.mark.slow]) for name in hosts.NAMES], indirect=True
        )


@pytest.fixture
def host(request: pytest.FixtureRequest, make_host: Callable[[str], Host]) -> Host:
    return make_host(request.param)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """A folder at a path that no other test has: pytest reuses the path of a passed test, and a late sender of that test would take the events of the next."""
    path = tmp_path / f"{next(_folders)}"
    path.mkdir()
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home folder."""
    path = tmp_path / "home"
    path.mkdir()
    return path


def queue_of(home: Path) -> Path:
    return home / ".config" / "mytool" / "telemetry" / "queue"


def queued(home: Path) -> list[str]:
    """Names of the queued events."""
    return sorted(path.name for path in queue_of(home).glob("*.json*") if not path.name.endswith(".tmp"))


def eventually(check: Callable[[], Any]) -> Any:
    """Return the first true value of `check`, or its last value after the time limit."""
    deadline = time.monotonic() + WITHIN
    while not (found := check()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def settled(home: Path) -> bool:
    """Wait until no process uses this home folder: senders may still change its files."""

    return bool(eventually(lambda: not processes_of(home)))


def processes_of(home: Path) -> list[psutil.Process]:
    """The processes that use this home folder."""
    return [process for process in psutil.process_iter() if _home_of(process) == str(home)]


def _home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("HOME")
    except psutil.Error:
        return None


class Wire:
    """A TCP server that records requests and responds with `answer`, which gets the connection after the request was read."""

    def __init__(self, answer: Callable[[socket.socket, Wire], None]) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.stopped = threading.Event()
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self.requests.append(_request(connection))
            self._answer(connection, self)
            connection.close()
        except OSError:
            pass

    def events(self) -> list[dict[str, Any]]:
        """All events that the server received."""
        bodies = [request.partition(b"\r\n\r\n")[2] for request in self.requests]
        return [event for body in bodies if body for event in json.loads(body)["events"]]

    def close(self) -> None:
        self.stopped.set()
        for one in [self._listener, *self._open]:
            one.close()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length and (piece := connection.recv(65536)):
        body += piece
    return head + b"\r\n\r\n" + body


def replying(status: str, body: str = "", *headers: str) -> Callable[[socket.socket, Wire], None]:
    """A fixed response to every request."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    text = "\r\n".join(lines).encode()
    return lambda connection, _: connection.sendall(text)


def hang(_: socket.socket, wire: Wire) -> None:
    """Accept the connection, and never respond."""
    wire.stopped.wait(WITHIN)


def drip(connection: socket.socket, wire: Wire) -> None:
    """Respond with one header at a time."""
    connection.sendall(b"HTTP/1.1 202 Accepted\r\n")
    while not wire.stopped.wait(1.5):
        connection.sendall(b"X-More: yes\r\n")


def garbage(connection: socket.socket, _: Wire) -> None:
    """Respond with bytes that are not HTTP."""
    connection.sendall(b"\x00\xff\x16\x03garbage\r\n\r\n" * 100)


ACCEPTED = replying("202 Accepted", '{"accepted":1,"duplicates":0,"rejected":[]}', "Content-Type: application/json")


@pytest.fixture
def make_wire() -> Iterator[Callable[..., Wire]]:
    """A factory of TCP servers, which accept events by default."""
    made: list[Wire] = []

    def make(answer: Callable[[socket.socket, Wire], None] = ACCEPTED) -> Wire:
        made.append(Wire(answer))
        return made[-1]

    yield make
    for wire in made:
        wire.close()


class Real:
    """A running Footfall server, with a project for each test."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._number = 0

    def project(self) -> Project:
        self._number += 1
        slug = f"client-{self._number}"
        query = "mutation ($s: String!) { createProject(slug: $s) { errors { message } } }"
        answer = self.ask(query, s=slug)
        assert answer["createProject"]["errors"] == []
        return Project(self, slug)

    def ask(self, query: str, **variables: Any) -> Any:
        headers = {"authorization": f"Bearer {TOKEN}"}
        document = self.server.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers).json()
        assert "errors" not in document, document
        return document["data"]


class Project:
    def __init__(self, real: Real, slug: str) -> None:
        self._real = real
        self.slug = slug
        self.url = f"{real.server.url}/p/{slug}"

    def events(self, at_least: int = 0) -> list[dict[str, Any]]:
        """The project's events, once it has `count` of them."""

        def found() -> list[dict[str, Any]]:
            headers = {"authorization": f"Bearer {TOKEN}"}
            text = self._real.server.client.get(f"/p/{self.slug}/v1/export/events?format=jsonl", headers=headers).text
            return [json.loads(line) for line in text.splitlines()]

        eventually(lambda: len(found()) >= at_least)
        return found()

    def ledger(self) -> dict[str, int]:
        query = "query ($s: String!) { project(slug: $s) { ledger { stored duplicates rejected } } }"
        return {name: sum(each) for name, each in self._real.ask(query, s=self.slug)["project"]["ledger"].items()}


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """One server for all client tests."""
    server = Server(tmp_path_factory.mktemp("clients"), {"FOOTFALL_ADMIN_TOKEN": TOKEN})
    try:
        yield Real(server.start())
    finally:
        server.close()


@pytest.fixture
def project(real: Real) -> Project:
    return real.project()


def node() -> str:
    """Node.js of this machine, or of the virtual environment, as the Makefile finds it."""
    beside = Path(sys.executable).with_name("node")
    return shutil.which("node") or str(beside)
