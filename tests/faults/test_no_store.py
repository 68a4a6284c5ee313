"""An unavailable store is reported in one line, without its password."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.conftest import SECRET, Server
from tests.quick import first

COMMANDS = (("serve",), ("migrate",), ("key", "list"), ("job", "retention"), ("ledger",), ("backup",))


@pytest.mark.parametrize("command", first(COMMANDS, 2), ids="-".join)
def test_an_unreachable_postgresql_is_reported(make_server: Callable[..., Server], command: tuple[str, ...]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = make_server(FOOTFALL_DATABASE_URL=f"postgres://user:open-sesame@127.0.0.1:{port}/footfall", FOOTFALL_SECRET=SECRET)
    ran = server.footfall(*command)
    said = ran.stdout + ran.stderr
    assert ran.returncode == 1
    assert "PostgreSQL" in said
    assert "open-sesame" not in said
    assert "Traceback" not in said
    assert not server.database.exists(), "the server must not continue with another store"


def test_a_data_folder_that_cannot_be(make_server: Callable[..., Server]) -> None:
    ran = make_server(FOOTFALL_DATA_DIR="/proc/nowhere").footfall("serve")
    assert ran.returncode == 1
    assert "set FOOTFALL_DATA_DIR" in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stdout + ran.stderr
