"""Fixtures: a server filled by the demo, and clients of its GraphQL API."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from server.settings import bundled
from tests import demo_store

TOKEN = "ff_the-admin-token-of-the-tests-0123456789"
_addresses = itertools.count()
OPERATIONS = bundled("graphql") / "operations"


class Asker:
    """A GraphQL client over HTTP with fixed credentials."""

    def __init__(self, url: str, token: str | None) -> None:
        # Without a token each asks from an address of its own, which has a budget of refused operations.
        address = f"198.51.100.{next(_addresses) % 250 + 1}"
        headers = {"X-Forwarded-For": address} if token is None else {"Authorization": f"Bearer {token}"}
        self.client = httpx.Client(base_url=url, headers=headers, timeout=30, verify=False)  # plain HTTP: certificates take 20 ms to load

    def send(self, query: str, **variables: Any) -> httpx.Response:
        return self.client.post("/graphql", json={"query": query, "variables": variables})

    def ask(self, query: str, **variables: Any) -> Any:
        """Run a query that must succeed; return its data."""
        document = self.send(query, **variables).json()
        assert "errors" not in document, document
        return document["data"]

    def run(self, operation: str, **variables: Any) -> Any:
        """Run a persisted operation that must succeed; return its data."""
        return self.ask((OPERATIONS / f"{operation}.graphql").read_text(), **variables)

    def refused(self, query: str, **variables: Any) -> str:
        """Run a query that must fail; return the code of its first error."""
        document = self.send(query, **variables).json()
        assert document.get("errors"), document
        assert "extensions" in document["errors"][0], document
        return str(document["errors"][0]["extensions"]["code"])


@pytest.fixture(scope="session")
def filled(server_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with a month of demo data. Tests that change data create their own objects."""
    server = server_class(
        tmp_path_factory.mktemp("admin"),
        {
            "FOOTFALL_ADMIN_TOKEN": TOKEN,
            "FOOTFALL_RATE_LIMIT": "off",
            "FOOTFALL_EVENT_LIMIT": "off",
            "FOOTFALL_TRUSTED_PROXIES": "loopback",
        },
    )
    try:
        demo_store.fill(server, tmp_path_factory)
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def asker(filled: Any) -> Iterator[Callable[[str | None], Asker]]:
    """A factory of clients, with a token or without one."""
    made: list[Asker] = []

    def make(token: str | None) -> Asker:
        made.append(Asker(filled.url, token))
        return made[-1]

    yield make
    for each in made:
        each.client.close()


@pytest.fixture
def admin(asker: Callable[[str | None], Asker]) -> Asker:
    """A client with the admin token."""
    return asker(TOKEN)


@pytest.fixture
def anonymous(asker: Callable[[str | None], Asker]) -> Asker:
    """A client without a key."""
    return asker(None)


@pytest.fixture
def wait() -> Callable[[Callable[[], Any]], Any]:
    """A function that waits until a condition holds."""

    def until(what: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if found := what():
                return found
            time.sleep(0.05)
        raise AssertionError("it never was so")

    return until
