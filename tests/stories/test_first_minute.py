"""A new operator starts the server, uses five families of clients, restarts it, and loses nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import httpx


def post_like_plain_curl(server: Any, path: str) -> tuple[bytes, bytes]:
    """Send a request like `curl -X POST`, without body, length or type. Returns the status line and the response body."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n".encode())
        head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], body


def test_every_family_is_answered_as_its_clients_expect_and_a_restart_forgets_nothing(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_PUBLIC="counters").start()
    post = server.client.post

    assert post_like_plain_curl(server, "/dl/peon") == (b"HTTP/1.1 202 Accepted", b"")
    assert post("/preview/peon").status_code == 202
    assert post("/registry").status_code == 202

    sent = {
        "installation_id": "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d",
        "event_type": "installation_started",
        "properties": {"os": "darwin", "nodeVersion": "v20.10", "packageManager": "npm"},
        "timestamp": "2026-11-20T10:00:00.000Z",
    }
    answer = post("/v1/events", json={"data": sent})
    assert answer.status_code == 201
    assert answer.json()["success"] is True
    assert {**answer.json()["data"], "id": ""} == {**sent, "id": ""}
    install = {"installation_id": sent["installation_id"], "os": "darwin", "node_version": "v20.10", "package_manager": "npm"}
    assert post("/v1/installs", json={"data": install}).status_code == 200
    assert post("/v1/installs", json={"data": {**install, "installation_id": "another"}}).status_code == 201

    view = {"targetType": "snippet", "targetId": "hello", "kind": "view", "sessionId": "s-1"}
    assert [post("/v1/engagement", json=view).json() for _ in range(2)] == [{"counted": True}, {"counted": False}]

    flakedrop = {"type": "deployment", "data": {"data": {"user_id": "abc", "version": "1.0.0", "os": "linux", "success": True}}}
    answer = post("/v1/events", json=flakedrop)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    tool = {"tool_name": "search", "tool_category": "content", "duration_ms": 12, "status": "success"}
    answer = post("/api/track", json=tool)
    assert (answer.status_code, answer.json()) == (200, {"success": True, "message": "Event tracked"})

    native = {"name": "build", "installation_id": "i-1", "duration_ms": 1.5, "outcome": "success"}
    for body in (native, {"data": native}, [native], {"events": [native, {"name": 5}]}):
        answer = post("/v1/events", json=body)
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)

    counted = {"peon": {"total": 1, "last7d": 1, "today": 1}}
    assert server.client.get("/counts").json() == counted
    assert server.stop() == 0
    server.start()
    assert server.client.get("/counts").json() == counted
    assert server.client.get("/counts/peon").json() == counted["peon"]
    assert server.client.get("/counts/none").status_code == 404


def test_counts_are_answered_with_304_until_something_changes(server: Any) -> None:
    server.client.post("/dl/peon")
    first = server.client.get("/counts")
    assert first.headers["cache-control"] == "public, max-age=60"
    assert first.headers["access-control-allow-origin"] == "*"
    again = server.client.get("/counts", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    server.client.post("/dl/peon")
    changed = server.client.get("/counts", headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["peon"]["total"]) == (200, 2)


def test_the_startup_message_names_the_address_and_shows_the_login_link_once(make_server: Callable[..., Any]) -> None:
    server = make_server().start()
    server.stop()
    first = server.log.read_text()
    assert server.url in first
    token = next(word for word in first.split() if word.startswith("ff_"))
    server.start()
    assert "ff_" not in server.log.read_text()[len(first) :]
    assert server.client.get("/metrics", headers={"X-Forwarded-For": "1.2.3.4"}).status_code == 401
    assert server.client.get("/metrics", headers={"X-Forwarded-For": "1.2.3.4", "Authorization": f"Bearer {token}"}).status_code == 200


def test_a_doubled_or_trailing_slash_is_served_and_never_redirected(server: Any) -> None:
    body = {"name": "x", "installation_id": "i"}
    for path in ("//v1/events", "/v1//events", "/v1/events/", "/p/default//v1/events"):
        with httpx.Client() as client:
            assert client.post(server.url + path, json=body).status_code == 202, path


def test_health_tells_the_version_and_the_store(server: Any) -> None:
    for path in ("/health", "/v1/health", "/api/v1/health"):
        body = server.client.get(path).json()
        assert body["status"] == "ok"
        assert body["store"]["writable"] is True
        assert body["version"]


def test_metrics_count_received_events(server: Any) -> None:
    server.client.post("/dl/peon")
    server.client.post("/dl/UPPER")
    server.client.post("/v1/events", content=b"{")
    text = server.client.get("/metrics").text
    assert 'footfall_events_total{project="default",result="stored"} 1.0' in text
    assert 'footfall_events_total{project="default",result="rejected"} 2.0' in text
    assert 'footfall_refusals_total{reason="malformed"} 1.0' in text
    assert "footfall_commit_seconds_bucket" in text
    assert "footfall_queue_depth 0.0" in text
    assert "footfall_store_bytes" in text
