"""Cached public responses: the same as fresh ones, and never those of another project."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.admin.conftest import Asker
from tests.serving.test_bounds import resident
from tests.serving.test_protocol import Wire, post

PATHS = ("/counts", "/counts/glados", "/badge/glados.svg", "/badge/glados.json", "/api/public/counters/pack/glados", "/api/public/trending")
SLOWLY = "If-None-Match: nothing"
TOKEN = "ff_an-admin-token-of-this-test-only"


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", *headers)).encode() + b"\r\n\r\n"


@pytest.fixture(scope="module")
def shared(server_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    server = server_class(tmp_path_factory.mktemp("ready"), {}).start()
    yield server
    server.close()


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_that_was_ready_is_the_same_as_the_first(shared: Any, path: str) -> None:
    with Wire(shared.port) as wire:
        wire.send(post("/dl/glados", b""))
        assert wire.answer()[0] == 202
        answers = []
        for headers in ((SLOWLY,), (), (), (SLOWLY,)):
            wire.send(get(path, *headers))
            status, told, body = wire.answer()
            assert (status, bool(body)) == (200, True)
            answers.append(({name: value for name, value in told.items() if name != "date"}, body))
        assert all(answer == answers[0] for answer in answers)


def test_a_cached_answer_is_never_older_than_the_last_stored_event(server: Any) -> None:
    with Wire(server.port) as wire:
        for number in range(1, 50):
            wire.send(post("/dl/glados", b""))
            assert wire.answer()[0] == 202
            for _ in range(3):
                wire.send(get("/counts"))
                assert json.loads(wire.answer()[2])["glados"]["total"] == number


def test_a_key_or_a_path_of_another_project_gets_its_own_answer(make_server: Callable[..., Any]) -> None:
    server = make_server()
    assert server.footfall("project", "create", "tool").returncode == 0
    key = server.footfall("key", "create", "tool", "--scope", "read").stdout.split()[-1]
    server.start()
    with Wire(server.port) as wire:
        wire.send(post("/dl/glados", b""))
        assert wire.answer()[0] == 202
        for _ in range(3):
            for path, header, packs in (
                ("/counts", "X-Other: y", ["glados"]),
                ("/counts", f"X-Footfall-Key: {key}", []),
                ("/p/tool/counts", "X-Other: y", []),
                ("/p/default/counts", "X-Other: y", ["glados"]),
                ("//counts/", "X-Other: y", ["glados"]),
            ):
                wire.send(get(path, header))
                assert list(json.loads(wire.answer()[2])) == packs, path
            wire.send(get("/counts", "X-Footfall-Key: ff_unknown"))
            assert wire.answer()[0] == 401


def test_a_part_that_is_no_longer_public_is_not_served_from_the_cache(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()
    with Wire(server.port) as wire:
        for _ in range(2):
            wire.send(get("/counts"))
            assert wire.answer()[0] == 200
        change = 'mutation {updateProject(slug: "default", changes: {public: []}) {errors {code}}}'
        asker = Asker(server.url, TOKEN)
        assert asker.ask(change) == {"updateProject": {"errors": []}}
        asker.client.close()
        for _ in range(2):
            wire.send(get("/counts"))
            assert wire.answer()[0] == 401


def test_heads_bodies_pipelining_and_closing_follow_http(server: Any) -> None:
    with Wire(server.port) as wire:
        wire.send(get("/counts"))
        assert wire.answer()[2] == b"{}"
        wire.send(
            get("/counts", "Content-Length: 3") + b"abc" + get("/counts") + post("/dl/glados", b"") + get("/counts") + get("/nowhere")
        )
        assert [wire.answer()[0] for _ in range(5)] == [200, 200, 202, 200, 404]
        wire.send(get("/counts"))
        length = len(wire.answer()[2])
        wire.send(get("/counts").replace(b"GET", b"HEAD", 1))
        while not wire.received.endswith(b"\r\n\r\n"):
            wire.received += wire.socket.recv(65536)
        assert f"content-length: {length}" in wire.received.decode().lower()
        wire.received = b""
        wire.send(get("/counts", "Connection: close"))
        status, headers, _ = wire.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert wire.closed()


@pytest.mark.slow
@pytest.mark.parametrize(("targets", "megabytes"), [(2_500, 60), pytest.param(4_000, 100, marks=pytest.mark.slow)])
def test_thousands_of_long_targets_are_not_remembered(server: Any, targets: int, megabytes: int) -> None:
    with Wire(server.port) as wire:
        before = resident(server)
        for number in range(targets):
            wire.send(get(f"/counts/{number:016000}"), post(f"/dl/{number:016000}", b""))
            assert [wire.answer()[0] for _ in range(2)] in ([404, 404], [404, 400])
        assert resident(server) - before < megabytes  # Litestar remembers a thousand


@pytest.mark.slow
def test_clients_that_never_read_do_not_fill_the_memory(server: Any) -> None:
    """A client that sends a thousand requests and does not read only delays itself."""
    with Wire(server.port) as filler, Wire(server.port) as wire:
        for number in range(300):
            filler.send(post(f"/dl/pack-{number}", b""))
            assert filler.answer()[0] == 202
        filler.send(get("/counts"))
        size = len(filler.answer()[2])
        before = resident(server)
        wire.send(get("/counts") * 3000)
        filler.send(get("/counts"))
        assert filler.answer()[0] == 200
        assert resident(server) - before < 3000 * size / 2**20 / 3
        for _ in range(3000):
            status, _, body = wire.answer()
            assert (status, len(body)) == (200, size)
