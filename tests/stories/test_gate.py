"""Admission: sizes, limits, opting out, projects, keys and other origins."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import rows_of

ENGINES = ("sqlite", "postgres")

BODY = {"name": "x", "installation_id": "i"}


def ledger(server: Any, events: int) -> dict[tuple[str, str], int]:
    """Return the ledger once it accounts for a number of events: refused ones are written a moment later."""
    deadline = time.monotonic() + 20
    while True:
        found = rows_of(server.store, "SELECT entry, reason, sum(events) FROM ledger GROUP BY 1, 2")
        if sum(count for _, _, count in found) >= events or time.monotonic() > deadline:
            return {(entry, reason): count for entry, reason, count in found}
        time.sleep(0.02)


def test_the_eleventh_request_of_a_minute_is_refused_with_retry_after(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_RATE_LIMIT="10/minute").start()
    answers = [server.client.post("/v1/events", json=BODY) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429] * 2
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == [str(left) for left in range(9, -1, -1)] + ["0", "0"]
    assert all(answer.headers["ratelimit-limit"] == "10" for answer in answers)
    assert all(0 < int(answer.headers["ratelimit-reset"]) <= 60 for answer in answers)
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert answers[-1].json()["detail"] == "Limit exceeded: 10 requests from one address in a minute."
    assert ledger(server, 12) == {("stored", ""): 10, ("limited", ""): 2}
    ((address, refused),) = rows_of(server.store, "SELECT address, events FROM refusal")
    assert address != 0
    assert refused == 2


def test_a_batch_is_one_request_and_as_many_events(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_EVENT_LIMIT="25/minute", FOOTFALL_RATE_LIMIT="10/minute").start()
    answers = [server.client.post("/v1/events", json=[BODY] * count) for count in (20, 10, 5, 1)]
    assert [answer.status_code for answer in answers] == [202, 429, 202, 429]
    assert ledger(server, 36) == {("stored", ""): 25, ("limited", ""): 11}


def test_a_client_that_asks_not_to_be_tracked_gets_the_same_answer_and_leaves_no_trace(server: Any) -> None:
    sent = {"data": {"installation_id": "secret-install", "event_type": "e"}}
    for header in ({"DNT": "1"}, {"Sec-GPC": "1"}):
        assert server.client.post("/v1/events", json=sent, headers=header).status_code == 201
        assert server.client.post("/dl/peon", headers=header).status_code == 202
        assert server.client.post("/v1/installs", json={"data": {"installation_id": "x"}}, headers=header).status_code == 201
        assert server.client.post("/v1/events", json=BODY, headers=header).json()["accepted"] == 1
    assert ledger(server, 6) == {("opted_out", ""): 6}
    for table in ("event", "install", "activity", "target", "event_name", "rejected"):
        assert rows_of(server.store, f"SELECT count(*) FROM {table}") == [(0,)], table


def test_a_single_event_has_ten_kibibytes_and_a_batch_a_mebibyte(server: Any) -> None:
    def event(size: int) -> dict[str, Any]:
        return {**BODY, "properties": {"text": "x" * size}}

    assert server.client.post("/v1/events", json=event(9_000)).status_code == 202
    assert server.client.post("/v1/events", json=event(11_000)).status_code == 413
    assert server.client.post("/v1/events", json=[event(9_000)] * 100).status_code == 202
    assert server.client.post("/v1/events", content=b" " * (1024 * 1024 + 1)).status_code == 413
    assert server.client.post("/api/track", content=b" " * 11_000).status_code == 413
    assert server.client.post("/v1/events", json=[BODY] * 1_001).status_code == 413


def chunked(server: Any, *chunks: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"POST /api/track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in chunks:
            connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        connection.sendall(b"0\r\n\r\n")
        return connection.recv(65536)


def test_a_body_without_a_length_is_read_up_to_the_limit(server: Any) -> None:
    body = json.dumps({"tool_name": "t", "status": "success"}).encode()
    assert chunked(server, body[:10], body[10:]).startswith(b"HTTP/1.1 200")
    assert chunked(server, body, b" " * 12_000).startswith(b"HTTP/1.1 413")


def test_a_body_that_takes_too_long_is_abandoned_while_others_are_served(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_BODY_TIMEOUT="1").start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
        slow.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
        assert server.client.post("/v1/events", json=BODY).status_code == 202
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"too-slow" in answer


def test_any_page_may_post_events_and_none_with_credentials(server: Any) -> None:
    asked = {"Origin": "https://tool.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for path in ("/v1/events", "/dl/peon", "/v1/engagement", "/api/track"):
        allowed = server.client.options(path, headers=asked)
        assert allowed.status_code == 204
        assert "content-length" not in allowed.headers
        assert allowed.headers["access-control-allow-origin"] == "*"
        assert allowed.headers["access-control-allow-methods"] == "POST, OPTIONS"
        assert allowed.headers["access-control-allow-headers"] == "Content-Type, Authorization, X-Footfall-Key, Idempotency-Key"
        assert "access-control-allow-credentials" not in allowed.headers
    answers = [server.client.post("/v1/events", json=BODY), server.client.post("/v1/events", content=b"?")]
    assert [answer.headers["access-control-allow-origin"] for answer in answers] == ["*", "*"]
    for path in ("/health", "/metrics"):
        assert "access-control-allow-origin" not in server.client.get(path, headers=asked).headers
    wrong = server.client.get("/v1/events")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST, OPTIONS")


def raw_post(server: Any, path: str, header: str) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
        return connection.recv(65536)


def test_the_project_is_found_by_key_then_path_then_host(make_server: Callable[..., Any]) -> None:
    server = make_server()
    assert server.footfall("project", "create", "peon", "--host", "dl.example.com").returncode == 0
    assert server.footfall("project", "create", "closed", "--requires-key").returncode == 0
    key = server.footfall("key", "create", "closed").stdout.strip()
    reading = server.footfall("key", "create", "closed", "--scope", "read").stdout.strip()
    server.start()
    post = server.client.post
    assert post("/dl/a").status_code == 202
    assert post("/p/peon/dl/b").status_code == 202
    assert post("/dl/c", headers={"Host": "DL.example.com:443"}).status_code == 202
    assert post("/p/closed/dl/d").status_code == 401
    assert post("/p/closed/dl/d", headers={"Authorization": f"Bearer {reading}"}).status_code == 403
    assert post("/p/peon/dl/d", headers={"Authorization": f"Bearer {key}"}).status_code == 403
    assert post("/dl/d", headers={"Authorization": f"Bearer {key}"}).status_code == 202
    assert post("/dl/e", headers={"X-Footfall-Key": key}).status_code == 202
    # Without a key, the shell client sends `Bearer ` and nothing after it.
    assert raw_post(server, "/dl/f", "Authorization: Bearer ").startswith(b"HTTP/1.1 202")
    assert post("/dl/f", headers={"Authorization": "Bearer another-service"}).status_code == 202
    assert post("/dl/g", headers={"Authorization": "Bearer ff_unknown"}).status_code == 401
    assert post("/p/none/dl/h").status_code == 404
    assert set(server.client.get("/counts").json()) == {"a", "f"}
    assert set(server.client.get("/p/peon/counts").json()) == {"b", "c"}
    assert set(server.client.get("/p/closed/counts").json()) == {"d", "e"}


@pytest.mark.slow
def test_a_project_and_a_key_may_have_limits_of_their_own(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_RATE_LIMIT="1/minute")
    assert server.footfall("project", "create", "busy", "--rate-limit", "3/minute").returncode == 0
    key = server.footfall("key", "create", "busy", "--rate-limit", "5/minute").stdout.strip()
    nonsense = server.footfall("project", "create", "other", "--rate-limit", "plenty")
    assert (nonsense.returncode, "10/minute" in nonsense.stderr) == (1, True)
    server.start()

    def accepted(path: str, **headers: str) -> int:
        return [server.client.post(path, headers=headers).status_code for _ in range(7)].count(202)

    assert [accepted("/dl/a"), accepted("/p/busy/dl/a"), accepted("/dl/a", **{"X-Footfall-Key": key})] == [1, 3, 5]


def test_a_key_works_soon_after_its_creation_and_not_after_its_revocation(server: Any) -> None:
    key = server.footfall("key", "create", "default").stdout.strip()
    listed = server.footfall("key", "list").stdout
    assert key not in listed
    assert key[:7] in listed
    time.sleep(2.1)
    post = server.client.post
    assert post("/dl/a", headers={"X-Footfall-Key": key}).status_code == 202
    number = next(line.split()[0] for line in listed.splitlines() if key[:7] in line)
    assert server.footfall("key", "revoke", number).returncode == 0
    time.sleep(2.1)
    assert post("/dl/a", headers={"X-Footfall-Key": key}).status_code == 401


def test_private_routes_require_a_read_key(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_PUBLIC="none")
    reading = server.footfall("key", "create", "default", "--scope", "read").stdout.strip()
    writing = server.footfall("key", "create", "default").stdout.strip()
    server.start()
    statuses = [server.client.get("/counts", headers={"X-Footfall-Key": key}).status_code for key in (reading, writing, "")]
    assert statuses == [200, 403, 401]


def test_a_proxy_is_believed_only_where_it_is_trusted(make_server: Callable[..., Any]) -> None:
    trusting = make_server(
        FOOTFALL_RATE_LIMIT="1/minute", FOOTFALL_TRUSTED_PROXIES="loopback", FOOTFALL_CLIENT_IP_HEADER="Fly-Client-IP"
    ).start()
    for address in ("198.51.100.1", "198.51.100.2"):
        assert trusting.client.post("/dl/a", headers={"Fly-Client-IP": address}).status_code == 202
    assert trusting.client.post("/dl/a", headers={"Fly-Client-IP": "198.51.100.1"}).status_code == 429
    wary = make_server(FOOTFALL_RATE_LIMIT="1/minute").start()
    statuses = [wary.client.post("/dl/a", headers={"X-Forwarded-For": f"198.51.100.{last}"}).status_code for last in (1, 2)]
    assert statuses == [202, 429]
