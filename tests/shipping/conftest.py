"""Shared fixtures: servers of a form, each with its own folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SECRET, Server
from tests.redis_server import RedisServer
from tests.shipping.acceptance import SETTINGS


@pytest.fixture
def make_form(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """A factory of servers, from the command that starts a form and FOOTFALL_… settings. They are not started."""
    made: list[Server] = []

    def make(command: Sequence[str], **env: str) -> Server:
        folder = tmp_path / f"form{len(made)}"
        folder.mkdir()
        made.append(Server(folder, {**SETTINGS, **env}, command))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def scaled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of a new PostgreSQL database and a running Redis."""
    postgres: Any = request.getfixturevalue("postgres")
    redis = RedisServer(tmp_path)
    redis.start()
    yield {"FOOTFALL_DATABASE_URL": postgres.fresh(), "FOOTFALL_REDIS_URL": redis.url, "FOOTFALL_SECRET": SECRET}
    redis.kill()
