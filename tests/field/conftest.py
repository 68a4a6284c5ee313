"""Shared fixtures: a server on each engine for all modules with the same settings, and a project per test."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.conftest import SECRET, Server, rows_of

TOKEN = "ff_the-admin-token-of-the-field-tests-0123456789"
ENGINES = ("sqlite", "postgres")
_numbers = itertools.count()

# Query: the ledger of today, and the newest refusals.
LEDGER = """query ($slug: String!) { project(slug: $slug) {
  ledger { received stored duplicates rejected limited optedOut reasons { entry reason events } }
  rejected(first: 50) { id route dialect reason errors { path message } excerpt size replayable } } }"""


class Field:
    """A project of a running server, and short ways to post to it and ask about it."""

    def __init__(self, server: Server, slug: str, *, in_parts: bool) -> None:
        self.server = server
        self.slug = slug
        self._in_parts = in_parts

    def post(self, body: Any, path: str = "/v1/events", **headers: str) -> httpx.Response:
        """Post bytes, text or a JSON document to a route of the project; header names are given with underscores.

        Over the fast path the body comes with its length, as one piece; over the ordinary path in chunks.
        """
        content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        parts: Any = iter([content[:3], content[3:]]) if self._in_parts else content
        return self.server.client.post(f"/p/{self.slug}{path}", content=parts, headers=names)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """GET a route of the project, as the admin unless another `authorization` is given."""
        names = {"authorization": f"Bearer {TOKEN}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.server.client.get(f"/p/{self.slug}{path}", headers=names)

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL answer without errors, asked by the admin."""
        document = self.server.client.post(
            "/graphql", json={"query": query, "variables": variables}, headers={"authorization": f"Bearer {TOKEN}"}
        ).json()
        assert "errors" not in document, document
        return document["data"]

    def ledger(self) -> dict[str, Any]:
        """The project's ledger of today with its newest refusals as `tray`; checks that received is the sum of the other columns."""
        project = self.ask(LEDGER, slug=self.slug)["project"]
        ledger = {**{name: _total(value) for name, value in project["ledger"].items()}, "tray": project["rejected"]}
        parts = ("stored", "duplicates", "rejected", "limited", "optedOut")
        assert ledger["received"] == sum(ledger[part] for part in parts), ledger
        return ledger

    def events(self) -> list[dict[str, Any]]:
        """The project's stored events as the export has them, oldest first."""
        answer = self.get("/v1/export/events?format=jsonl")
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the server's store."""
        return rows_of(self.server.store, sql)


def accounted(field: Any, events: int) -> Any:
    """The ledger, once it has this many events: refusals are written a moment later."""
    deadline = time.monotonic() + 60
    while (ledger := field.ledger())["received"] < events and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ledger["received"] == events, ledger
    return ledger


def _total(value: Any) -> Any:
    """The sum of a series of the ledger; other fields as they are."""
    return sum(value) if isinstance(value, list) and all(isinstance(one, int) for one in value) else value


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that uses `field` runs on both engines, and over both paths unless it is marked `one_path`.

    The ordinary path has the mark `slow` unless the module sets `PATH_MATTERS`: the paths meet in the ingest pipeline, before a body is decoded.
    """
    if "field" in metafunc.fixturenames:
        metafunc.parametrize("field_engine", ENGINES, scope="module")
        if "in_parts" in metafunc.fixturenames:
            one = metafunc.definition.get_closest_marker("one_path") is not None
            ordinary = pytest.param(
                True, id="ordinary", marks=[] if getattr(metafunc.module, "PATH_MATTERS", False) else [pytest.mark.slow]
            )
            metafunc.parametrize("in_parts", [pytest.param(False, id="fast"), *([] if one else [ordinary])])


@pytest.fixture(scope="session")
def field_servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts servers by engine and settings. Modules share them, and each test has a project of its own."""
    started: dict[Any, Server] = {}

    def find(engine: str, settings: Mapping[str, str], owner: str | None) -> Server:
        key = (engine, tuple(sorted(settings.items())), owner)
        if key not in started:
            env = {"FOOTFALL_ADMIN_TOKEN": TOKEN, **settings}
            if engine == "postgres":
                env = {"FOOTFALL_DATABASE_URL": request.getfixturevalue("postgres").fresh(), "FOOTFALL_SECRET": SECRET, **env}
            started[key] = Server(tmp_path_factory.mktemp("field"), env)
            started[key].start()
        return started[key]

    yield find
    for server in started.values():
        server.close()


@pytest.fixture(scope="module")
def field_server(field_engine: str, field_servers: Callable[..., Server], request: pytest.FixtureRequest) -> Server:
    """A running server. A module may set `SETTINGS`, a dictionary of FOOTFALL_… variables, and `OWN_SERVER`, to share it with no other module."""
    owner = request.module.__name__ if getattr(request.module, "OWN_SERVER", False) else None
    return field_servers(field_engine, getattr(request.module, "SETTINGS", {}), owner)


@pytest.fixture
def make_project(field_server: Server) -> Callable[..., str]:
    """Makes projects over GraphQL, with `ProjectChanges` as keyword arguments; returns the slug."""

    def make(**changes: Any) -> str:
        slug = f"field-{next(_numbers)}-{time.time_ns() % 100_000}"
        query = "mutation ($s: String!, $c: ProjectChanges) { createProject(slug: $s, changes: $c) { errors { field message } } }"
        answer = field_server.client.post(
            "/graphql",
            json={"query": query, "variables": {"s": slug, "c": changes or None}},
            headers={"authorization": f"Bearer {TOKEN}"},
        ).json()
        assert answer == {"data": {"createProject": {"errors": []}}}, answer
        return slug

    return make


@pytest.fixture
def field(field_server: Server, make_project: Callable[..., str], in_parts: bool) -> Field:
    """A new project on a running server."""
    return Field(field_server, make_project(), in_parts=in_parts)
