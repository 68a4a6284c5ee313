"""Promises of shadow mode: what a project receives from SDKs also reaches the system that Footfall replaces, at no cost to clients."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import free_port

PATH_MATTERS = True  # the paths read headers and bodies differently
SETTINGS = {"FOOTFALL_ALERT_PRIVATE": "on"}
UPDATE = "mutation ($s: String!, $c: ProjectChanges!) { updateProject(slug: $s, changes: $c) { errors { field message } } }"
COUNTS = """query ($s: String!) { project(slug: $s) {
  forwarding(period: {last: 2}) { url events stored accepted refused failed dropped errors } } }"""
EVENT = {"event": "build", "distinct_id": "inst-1", "uuid": "28dd7555-b6fb-4cbb-94e6-8b71b52cf94c", "properties": {"a": 1}}


class OldSystem:
    """A system that keeps the requests that it gets, and answers them with `status`."""

    def __init__(self) -> None:
        self.status, self.requests = 200, list[tuple[str, dict[str, str], bytes]]()
        old = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                old.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(old.status)
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def old() -> Iterator[OldSystem]:
    system = OldSystem()
    yield system
    system.close()


def forward_to(field: Any, url: str | None) -> Any:
    return field.ask(UPDATE, s=field.slug, c={"forwardTo": url})["updateProject"]["errors"]


def counts(field: Any, events: int) -> dict[str, Any]:
    """The counts of today, once this many events have an outcome: the server writes them every two seconds."""
    deadline = time.monotonic() + 20
    while True:
        found = {name: value[-1] for name, value in field.ask(COUNTS, s=field.slug)["project"]["forwarding"].items() if name != "url"}
        if found["events"] == events == sum(found[name] for name in ("accepted", "refused", "failed", "dropped")):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_the_old_system_gets_the_same_body_without_the_clients_address(field: Any, old: OldSystem) -> None:
    assert forward_to(field, old.url + "/base/") == []
    assert forward_to(field, old.url) == []
    body = gzip.compress(json.dumps({"batch": [EVENT, EVENT, {"distinct_id": "nameless"}], "api_key": "phc_old-system"}).encode())
    sent = {"content_encoding": "gzip", "content_type": "application/json", "user_agent": "posthog-python/7"}
    private = {"x_forwarded_for": "198.51.100.7", "cookie": "secret", "x_footfall_note": "x", "posthog_attempt": "1"}
    assert field.post(body, "/batch/?v=1", **sent, **private).json() == {"status": 1}
    found = counts(field, 3)
    assert (found["stored"], found["accepted"], found["errors"]) == (1, 3, None)
    ((path, headers, received),) = old.requests
    assert (path, received) == ("/batch/?v=1", body)
    assert {name: headers[name] for name in ("content-encoding", "content-type", "user-agent", "posthog-attempt")} == {
        name.replace("_", "-"): value for name, value in {**sent, "posthog_attempt": "1"}.items()
    }
    assert not {"x-forwarded-for", "cookie", "x-footfall-note", "forwarded", "x-real-ip"} & headers.keys()
    assert "198.51.100.7" not in json.dumps(headers)


def test_each_sdk_reaches_the_old_system_and_other_clients_do_not(field: Any, old: OldSystem) -> None:
    assert forward_to(field, old.url) == []
    basic = {"authorization": "Basic d2tfb2xkOg=="}
    log = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "build"}]}]}]}
    for path, body, headers in (
        ("/v1/batch", {"batch": [{"type": "track", "event": "a", "anonymousId": "i"}]}, basic),
        ("/v1/logs", log, {"authorization": "Bearer of-the-old-system"}),
        ("/api/v0/event", {"eventName": "a"}, {"app_key": "A-SH-1234567890"}),
        ("/2/httpapi", {"api_key": "k" * 32, "events": [{"event_type": "a"}]}, {}),
        ("/track", {"type": "track", "payload": {"name": "a"}}, {"openpanel_client_id": "id-of-a-client", "openpanel_client_secret": "s"}),
        ("/v1/events", {"name": "native"}, {}),
        ("/flags", {"api_key": "k"}, {}),
    ):
        assert field.post(body, path, **headers).status_code in (200, 202), path
    assert counts(field, 5)["accepted"] == 5
    requests = {path: headers for path, headers, _ in old.requests}
    assert sorted(requests) == ["/2/httpapi", "/api/v0/event", "/track", "/v1/batch", "/v1/logs"]
    assert requests["/v1/batch"]["authorization"] == basic["authorization"]
    assert requests["/v1/logs"]["authorization"] == "Bearer of-the-old-system"
    assert requests["/api/v0/event"]["app-key"] == "A-SH-1234567890"
    assert requests["/track"]["openpanel-client-secret"] == "s"


@pytest.mark.one_path
def test_refusals_redirects_and_failures_of_the_old_system_are_counted(field: Any, old: OldSystem) -> None:
    assert forward_to(field, old.url) == []
    for status in (401, 302, 200):
        old.status = status
        assert field.post({"batch": [EVENT]}, "/batch").status_code == 200
        counts(field, {401: 1, 302: 2, 200: 3}[status])
    old.status = 503
    assert field.post({"batch": [EVENT]}, "/batch").status_code == 200
    found = counts(field, 4)
    assert (found["refused"], found["accepted"], found["failed"], found["errors"]) == (2, 1, 1, "answered 503")
    assert len(old.requests) == 6  # three attempts for the last, and no redirect was followed


@pytest.mark.one_path
def test_an_old_system_that_is_away_or_hangs_delays_no_answer(field: Any, old: OldSystem) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for url in (f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{silent.getsockname()[1]}"):
            assert forward_to(field, url) == []
            began = time.monotonic()
            for _ in range(20):
                assert field.post({"batch": [{**EVENT, "uuid": None}]}, "/batch").status_code == 200
            assert time.monotonic() - began < 10  # one attempt to reach the old system takes as long
    assert field.ledger()["stored"] == 40


@pytest.mark.one_path
def test_requests_opted_out_limited_or_with_our_own_key_are_not_forwarded(field: Any, make_project: Any, old: OldSystem) -> None:
    field.slug = make_project(rateLimit="3/hour", forwardTo=old.url)
    secret = field.ask('mutation ($p: String!) { createKey(slug: $p, scopes: [INGEST], rateLimit: "9/hour") { secret } }', p=field.slug)[
        "createKey"
    ]["secret"]
    assert field.post({"batch": [EVENT], "api_key": secret}, "/batch").status_code == 200
    assert field.post({"batch": [EVENT]}, "/batch", dnt="1").status_code == 200
    assert [field.post({"batch": [EVENT]}, "/batch").status_code for _ in range(3)] == [200, 200, 429]
    found = counts(field, 3)
    assert (found["accepted"], found["dropped"]) == (2, 1)
    assert all(secret.encode() not in body for _, _, body in old.requests)


@pytest.mark.one_path
def test_a_body_that_only_footfall_refuses_reaches_the_old_system(field: Any, old: OldSystem) -> None:
    assert forward_to(field, old.url) == []
    assert field.post(b'{"api_key": "k', "/batch").status_code == 200
    assert (counts(field, 1)["stored"], [body for _, _, body in old.requests]) == (0, [b'{"api_key": "k'])


@pytest.mark.one_path
def test_only_an_admin_of_all_projects_chooses_the_old_system(field: Any) -> None:
    for url in (
        "ftp://a.example",
        "https://user:pass@a.example",
        "http://169.254.169.254.nip/?q=1",
        "http://metadata.google.internal",
        "x",
    ):
        ((error),) = forward_to(field, url)
        assert error["field"] == "forwardTo", url
    key = field.ask("mutation ($p: String!) { createKey(slug: $p, scopes: [ADMIN]) { secret } }", p=field.slug)["createKey"]["secret"]
    answer = field.server.client.post(
        "/graphql",
        json={"query": UPDATE, "variables": {"s": field.slug, "c": {"forwardTo": "https://a.example"}}},
        headers={"authorization": f"Bearer {key}"},
    ).json()
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN", answer


@pytest.mark.slow
@pytest.mark.one_path
def test_the_command_line_shows_the_comparison(field: Any, old: OldSystem) -> None:
    assert field.server.footfall("forward", field.slug, "--to", old.url).returncode == 0
    deadline = time.monotonic() + 60
    while not old.requests:
        assert field.post({"batch": [{**EVENT, "uuid": None}]}, "/batch").status_code == 200
        assert time.monotonic() < deadline
        time.sleep(0.2)
    counts(field, len(old.requests))
    shown = field.server.footfall("forward", field.slug).stdout
    assert old.url in shown
    assert "accepted" in shown
    assert field.server.footfall("forward", field.slug, "--stop").returncode == 0
