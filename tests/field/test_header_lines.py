"""Promises about headers on several lines: they form one list on every path."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from server.headers import combine_lines
from server.ingest.gate import Gate
from server.settings import load
from server.shared import Limits
from server.storage.projects import Projects
from tests.conftest import Server
from tests.field.conftest import TOKEN

PATH_MATTERS = True  # the paths read headers and bodies differently
BEHIND_A_PROXY = {"FOOTFALL_TRUSTED_PROXIES": "loopback,10.0.0.0/8", "FOOTFALL_RATE_LIMIT": "2/hour", "FOOTFALL_ADMIN_TOKEN": TOKEN}
EVENT = json.dumps({"name": "build", "installation_id": "i1"}).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("proxied"), BEHIND_A_PROXY)
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture(params=["fast", "ordinary"])
def post(server: Server, request: pytest.FixtureRequest) -> Any:
    """Posts an event with header lines, with its length or in chunks."""

    def send(*lines: tuple[str, str], path: str = "/v1/events") -> httpx.Response:
        content: Any = EVENT if request.param == "fast" else iter([EVENT[:3], EVENT[3:]])
        return server.client.post(path, content=content, headers=list(lines))

    return send


def test_an_address_forwarded_on_two_lines_has_a_limit_of_its_own(post: Any, request: pytest.FixtureRequest) -> None:
    base = "198.51.100" if "fast" in request.node.callspec.id else "203.0.113"
    for number in range(4):  # more than one shared limit would allow
        forwarded = (("x-forwarded-for", f"1.1.1.1, {base}.{number}"), ("x-forwarded-for", "10.0.0.7"))
        assert post(*forwarded).status_code == 202
        assert post(*forwarded).status_code == 202
        assert post(*forwarded).status_code == 429


def test_an_opt_out_on_either_line_counts(post: Any, server: Server) -> None:
    before = stored(server)
    for name in ("dnt", "sec-gpc"):
        assert post((name, "0"), (name, "1"), ("x-forwarded-for", f"192.0.2.{time.time_ns() % 250}")).status_code == 202
    assert stored(server) == before


def stored(server: Server) -> int:
    answer = server.client.get("/v1/export/events", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return len(answer.text.splitlines())


def test_two_different_keys_are_refused_and_a_repeated_one_counts_once(post: Any, server: Server) -> None:
    key = server.footfall("key", "create", "default", "--scope", "ingest").stdout.split()[-1]
    address = ("x-forwarded-for", f"192.0.2.{time.time_ns() % 250}")
    for name, start in (("authorization", "Bearer "), ("x-footfall-key", "")):
        assert post((name, start + key), (name, start + "ff_another"), address).status_code == 401
        assert post((name, start + "ff_another"), (name, start + key), address).status_code == 401
    assert post(("authorization", f"Bearer {key}"), ("authorization", f"Bearer {key}"), address).status_code == 202
    assert post(("x-footfall-key", ""), ("x-footfall-key", key), address).status_code == 202


def test_an_etag_on_the_second_line_is_seen(server: Server) -> None:
    etag = server.client.get("/counts").headers["etag"]
    assert server.client.get("/counts", headers=[("if-none-match", '"other"'), ("if-none-match", etag)]).status_code == 304
    openapi = server.client.get("/openapi.json").headers["etag"]
    assert server.client.get("/openapi.json", headers=[("if-none-match", '"other"'), ("if-none-match", openapi)]).status_code == 304


def test_two_different_keys_do_not_authenticate_a_reader(server: Server) -> None:
    lines = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer ff_another")]
    assert server.client.get("/v1/export/events", headers=lines).status_code == 401
    assert server.client.post("/graphql", json={"query": "{ me { kind } }"}, headers=lines).status_code == 401


def test_lines_of_one_name_become_one_list() -> None:
    once = [(b"host", b"x"), (b"accept", b"*/*")]
    assert combine_lines(once) is once
    lines = [(b"accept", b"a"), (b"cookie", b"a=1"), (b"accept", b" b, c"), (b"cookie", b"b=2"), (b"accept", b""), (b"accept", b"a")]
    assert combine_lines(lines) == [(b"accept", b"a, b, c"), (b"cookie", b"a=1; b=2")]


def test_a_client_header_on_two_lines_is_the_one_added_nearest() -> None:
    settings = load({"FOOTFALL_CLIENT_IP_HEADER": "Fly-Client-IP", "FOOTFALL_TRUSTED_PROXIES": "private"})
    gate = Gate(settings, Projects(max_targets=1, public=()), Limits())
    lines = combine_lines([(b"fly-client-ip", b"1.1.1.1"), (b"fly-client-ip", b"198.51.100.7")])
    assert gate.address("10.1.2.3", dict(lines)) == "198.51.100.7"
