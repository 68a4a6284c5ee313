"""Promises about /metrics: this machine and each key get the metrics in their scope, under one path."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest

pytestmark = pytest.mark.one_path


def key_of(field: Any, slug: str | None, scope: str = "READ") -> dict[str, str]:
    query = "mutation ($s: String, $p: [Scope!]!) { createKey(slug: $s, scopes: $p) { secret } }"
    return {"authorization": f"Bearer {field.ask(query, s=slug, p=[scope])['createKey']['secret']}"}


def scrape(field: Any, path: str = "/metrics", **headers: str) -> Any:
    return field.server.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def projects_in(text: str) -> set[str]:
    return set(re.findall(r'project="([^"]*)"', text))


@pytest.fixture
def other(field: Any, make_project: Any) -> str:
    """Another project with an event; `field` has one, too."""
    slug: str = make_project()
    for each in (slug, field.slug):
        answer = field.server.client.post(f"/p/{each}/v1/events", content=json.dumps({"name": "build", "installation_id": "i"}))
        assert answer.status_code == 202
    return slug


def test_a_projects_key_sees_its_own_events_only(field: Any, other: str) -> None:
    for scope in ("READ", "ADMIN"):
        for more in ({}, {"x_forwarded_for": "1.2.3.4"}):
            answer = scrape(field, **key_of(field, field.slug, scope), **more)
            assert answer.status_code == 200
            assert projects_in(answer.text) == {field.slug}
            assert set(re.findall(r"^(footfall_\w+?)\{", answer.text, re.MULTILINE)) == {"footfall_build_info", "footfall_events_total"}
    assert projects_in(scrape(field, **key_of(field, None)).text) >= {field.slug, other}
    assert scrape(field, **key_of(field, field.slug, "INGEST")).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "1.2.3.4"}, {"forwarded": "for=1.2.3.4"}, {"via": "1.1 proxy"}, {"x_real_ip": "1.2.3.4"},
        {"x_forwarded_proto": "https"}, {"x_forwarded_host": "x"}, {"cf_ray": "1"}, {"x_client_ip": "1.2.3.4"}, {"true_client_ip": "1.2.3.4"},
        {"host": "telemetry.example.org"}, {"host": "telemetry.example.org:8000"}, {"host": "127.0.0.1.example.org"}, {"host": "10.0.0.1"},
    ],
)  # fmt: skip
def test_a_request_forwarded_by_a_proxy_is_not_local(field: Any, headers: dict[str, str]) -> None:
    assert scrape(field, **headers).status_code == 401


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8000"])
def test_a_local_request_needs_no_key(field: Any, other: str, host: str) -> None:
    answer = scrape(field, host=host)
    assert answer.status_code == 200
    assert projects_in(answer.text) >= {field.slug, other}


def test_a_request_through_nginx_with_its_defaults_is_not_local(field: Any) -> None:
    with socket.create_connection(("127.0.0.1", field.server.port), timeout=20) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).split(b" ", 2)[1] == b"401"


@pytest.mark.parametrize(
    "path", ["/p/default/metrics", "/metrics/", "//metrics", "/%6detrics", "/p/default//metrics", "/metrics//", "/p/default/metrics/"]
)
def test_other_spellings_of_a_path_are_not_found(field: Any, path: str) -> None:
    with socket.create_connection(("127.0.0.1", field.server.port), timeout=20) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(100).split(b" ", 2)[1] == b"404"


def test_no_route_of_the_server_has_a_second_path_under_a_project(field: Any) -> None:
    for method, path in (("POST", "/graphql"), ("GET", "/login"), ("POST", "/login"), ("POST", "/logout")):
        assert field.server.client.request(method, f"/p/default{path}").status_code == 404, path
