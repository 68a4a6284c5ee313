"""Promises of shadow mode against an old system that is hostile, broken or Footfall itself: every request is decided, and none comes back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.field.conftest import accounted
from tests.field.test_shadow import EVENT, SETTINGS, counts, forward_to

__all__ = ["SETTINGS"]
SITES = "mutation ($s: String!, $c: ProjectChanges!) { updateProject(slug: $s, changes: $c) { errors { field message } } }"


@contextmanager
def raw_system(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A TCP server that reads the first data of a connection and passes the connection to `answer`."""
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def one(connection: socket.socket) -> None:
            with connection:
                heads.append(connection.recv(65536))
                with suppress(OSError):
                    answer(connection)

        def run() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heads


def site_event(domain: str) -> dict[str, Any]:
    return {"n": "build", "u": f"https://{domain}/", "d": domain}


@pytest.mark.one_path
def test_a_project_that_forwards_to_itself_counts_an_event_once(field: Any) -> None:
    domain = f"{field.slug}.example"
    assert field.ask(SITES, s=field.slug, c={"sites": [domain]})["updateProject"]["errors"] == []
    assert forward_to(field, field.server.url) == []
    assert field.post(site_event(domain), "/api/event").status_code == 202
    found = counts(field, 1)
    assert (found["stored"], found["refused"], found["errors"]) == (1, 1, "answered 508")
    ledger = accounted(field, 2)  # what came back is refused
    assert (ledger["stored"], ledger["rejected"]) == (1, 1)
    assert [each["reason"] for each in ledger["reasons"]] == ["loop"]


@pytest.mark.one_path
def test_of_an_endless_response_of_the_old_system_a_few_bytes_are_read(field: Any) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n")
        while True:
            sent += connection.send(b"x" * 65536)

    with raw_system(flood) as (url, _):
        assert forward_to(field, url) == []
        assert field.post({"batch": [EVENT]}, "/batch").status_code == 200
        assert counts(field, 1)["accepted"] == 1
    assert sent < 16 << 20  # what the sockets buffer
