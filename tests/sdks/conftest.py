"""Shared fixtures: a server for the programs of other systems, and the folder of their packages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import leftovers
from tests.conftest import Server

TOKEN = "ff_the-admin-token-of-the-sdk-tests-0123456789"
FOLDER = Path(os.environ.get("FOOTFALL_SDKS", leftovers.disk / "footfall-sdks"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sdks"), {"FOOTFALL_ADMIN_TOKEN": TOKEN})
    try:
        server.start()
        # A key that names no project leads here, and is refused.
        assert server.footfall("project", "create", "strict", "--requires-key", "--host", "127.0.0.1").returncode == 0
        yield server
    finally:
        server.close()


def events(server: Server, slug: str) -> list[dict[str, Any]]:
    answer: httpx.Response = server.client.get(f"/p/{slug}/v1/export/events?format=jsonl", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return [httpx.Response(200, text=line).json() for line in answer.text.splitlines()]
