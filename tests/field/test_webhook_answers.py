"""Promises about alerts: the server handles any response of a webhook, and one setting applies to every way of sending."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server.jobs.webhooks import Webhooks
from tests.conftest import Server
from tests.field.conftest import Field

SETTINGS = {"FOOTFALL_ALERT_PRIVATE": "on"}
SECRET = "a secret of this test"


@contextlib.contextmanager
def receiver(begin: bytes, repeat: bytes = b"", pause: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """A webhook that answers with some bytes, and then repeats others until the caller disconnects; yields its URL and the requests."""
    listening = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []
    closed = threading.Event()

    def answer() -> None:
        while not closed.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                got.append(connection.recv(1 << 16))
                connection.sendall(begin)
                while repeat and not closed.wait(pause):
                    connection.sendall(repeat)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook", got
    finally:
        closed.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


OK = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "repeat", "pause", "answered", "error"),
    [
        (CONTINUE, CONTINUE, 0.0, None, "no status in the first 16 KiB of the response"),
        (CONTINUE[:-2], b"X-More: 1\r\n", 0.0, None, "no status in the first 16 KiB of the response"),
        (b"HTTP/1.1 ", b"2", 0.0, None, "no status in the first 16 KiB of the response"),
        (OK, b"X-More: 1\r\n", 0.05, 200, None),
        (OK, b"X-More: 1\r\n", 0.0, 200, None),
        (OK + b"Content-Length: 99999999999\r\n\r\n", b"x" * 65_536, 0.0, 200, None),
        (CONTINUE + b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"\r\n", b"", 0.0, 200, None),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", b"", 0.0, 302, "answered 302: redirects are not followed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", b"", 0.0, None, "the response is not HTTP"),
        (b"", b"", 0.0, None, "the response is not HTTP"),
    ],
)
async def test_no_answer_of_a_webhook_is_read_without_end(
    begin: bytes, repeat: bytes, pause: float, answered: int | None, error: str | None
) -> None:
    with receiver(begin, repeat, pause) as (url, got):
        delivered = await Webhooks(private=True).deliver(url, SECRET, b'{"a": 1}', 0, attempts=1)
    assert delivered.answered == answered
    assert (delivered.error or "").startswith(error or "")
    assert (delivered.error is None) == (error is None)
    (request,) = got
    assert request.startswith(b"POST /hook HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"a": 1}')


@pytest.mark.one_path
def test_a_job_that_is_run_by_hand_delivers_where_the_scheduler_does(
    field: Field, field_server: Server, make_project: Callable[..., str]
) -> None:
    with receiver(OK + b"Content-Length: 0\r\n\r\n") as (url, got):
        alert = {"kind": "FAILURE_RATE", "url": url, "threshold": 10.0, "minimumEvents": 5}
        create = "mutation ($s: String!, $a: AlertInput!) { createAlert(slug: $s, alert: $a) { errors { field message } alert { id } } }"
        made = field.ask(create, s=field.slug, a=alert)["createAlert"]
        assert made["errors"] == []
        hour_ago = (int(time.time()) // 3600 * 3600 - 600) * 1000
        failed = [{"name": "run", "outcome": "failure", "timestamp": hour_ago + n} for n in range(20)]
        assert field.post([{"installation_id": f"i{n}", **one} for n, one in enumerate(failed)]).json()["accepted"] == 20
        assert field.ask('mutation { runJob(name: "alerts") { errors { message } } }') == {"runJob": {"errors": []}}
        until = time.monotonic() + 20
        while not got and time.monotonic() < until:
            time.sleep(0.02)
    documents: list[Any] = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in got]
    assert [document["project"] for document in documents] == [field.slug]
