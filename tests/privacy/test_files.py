"""A search for personal data in every file and log line of a server."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from tests.conftest import SECRET
from tests.files import contents
from tests.postgres import Postgres
from tests.redis_server import running_redis

ADDRESS = "203.0.113.77"
PLANTED = {
    "identifier": "9b1deb4d-3b7d-4bad-9bdd-plantedident",
    "user": "plantedusername",
    "session": "plantedsession42",
    "mail": "planted.person@example.org",
    "address": ADDRESS,
    "ipv6": "2001:db8:77:88::99",
    "home": "/home/plantedhome/project",
    "mac home": "/Users/plantedmac/project",
    "windows home": "C:\\Users\\plantedwin\\project",
    "token": "ghp_plantedPlantedPlantedPlantedPlanted12",
    "password": "plantedpassw0rd",
    "bearer": "plantedbearer0123456789",
    "agent": "planted-agent/1.0",
}
# The texts that no file may contain. Of paths, only the user's name is forbidden.
FORBIDDEN = [text for name, text in PLANTED.items() if "home" not in name and name != "agent"] + ["plantedhome", "plantedmac", "plantedwin"]
TEXT = (
    f"failed for {PLANTED['mail']} at {PLANTED['home']}/a.py and {PLANTED['mac home']} and {PLANTED['windows home']} from {ADDRESS} "
    f"and {PLANTED['ipv6']} with {PLANTED['token']} via https://user:{PLANTED['password']}@host/x"
)
IDENTITY = PLANTED["identifier"]
OWN = f"{TEXT} for {IDENTITY}"  # an event that repeats its own identifier


def bodies() -> list[tuple[str, Any]]:
    properties = {"text": OWN, "nested": [{"deep": OWN}], "id": IDENTITY, PLANTED["mail"]: "as a key", "password": PLANTED["password"]}
    native = {
        "name": "x",
        "installation_id": IDENTITY,
        "session_id": PLANTED["session"],
        "id": IDENTITY,
        "error": {"type": TEXT[:180], "message": OWN},
        "properties": properties,
        "stray": OWN,
    }
    return [
        ("/v1/events", native),
        ("/v1/events", [native, {**native, "name": 5}, {**native, "id": "other", "os": PLANTED["home"]}]),
        ("/v1/events", {**native, "name": None}),
        ("/v1/events", {**native, "id": "third", "name": f"opened {PLANTED['home']}", "target": {"type": "file", "id": PLANTED["home"]}}),
        ("/v1/events", {"data": {"installation_id": IDENTITY, "event_type": "e", "properties": {**properties, "errorType": TEXT}}}),
        ("/v1/events", {"data": {"installation_id": IDENTITY, "properties": properties}}),
        ("/v1/installs", {"data": {"installation_id": IDENTITY, "os": TEXT[:60]}}),
        ("/v1/installs", {"data": {"installation_id": IDENTITY, "first_seen": "never", "note": TEXT}}),
        ("/v1/events", {"type": "heartbeat", "data": {"data": {"user_id": PLANTED["user"], "note": TEXT + PLANTED["user"]}}}),
        ("/v1/events", {"type": "heartbeat", "data": {"data": {"user_id": PLANTED["user"], "version": 5, "note": TEXT}}}),
        ("/v1/engagement", {"targetType": "snippet", "targetId": "a", "kind": "view", "metadata": {"ip": ADDRESS, "referrer": TEXT}}),
        (
            "/v1/engagement",
            {"targetType": "snippet", "targetId": "b", "kind": "view", "userId": PLANTED["user"], "sessionId": PLANTED["session"]},
        ),
        ("/v1/engagement", {"targetType": "snippet", "kind": "view", "userId": PLANTED["user"], "metadata": {"ip": ADDRESS}}),
        ("/api/track", {"tool_name": "t", "status": "error", "error_type": "E", "error_message": TEXT, "metadata": {"note": TEXT}}),
        ("/api/track", {"tool_name": "t", "status": "success", "metadata": f'{{"note": "{PLANTED["mail"]}"}}'}),
        ("/api/track", {"tool_name": 5, "error_message": TEXT, "metadata": TEXT}),
        ("/api/track/batch", [{"tool_name": "t", "status": "error", "error_message": TEXT}, {"error_message": TEXT}]),
    ]


def leave_traces(server: Any) -> None:
    headers = {
        "Authorization": f"Bearer {PLANTED['bearer']}",
        "Mcp-Session-Id": PLANTED["session"],
        "User-Agent": PLANTED["agent"],
        "X-Forwarded-For": ADDRESS,
        "Idempotency-Key": IDENTITY + "-key",
    }
    for path, body in bodies():
        for sent in (headers, {**headers, "Authorization": "", "Mcp-Session-Id": ""}):
            answer = server.client.post(path, json=body, headers={name: value for name, value in sent.items() if value})
            assert answer.status_code < 500, answer.text
    broken = (
        f'{{"installation_id": "{IDENTITY}", "text": "{PLANTED["mail"]} {PLANTED["home"]}", "session_id": {PLANTED["session"]}'.encode()
    )
    for path in ("/v1/events", "/api/track", "/v1/engagement", "/v1/installs"):
        server.client.post(path, content=broken, headers=headers)
        server.client.post(path + f"?mail={PLANTED['mail']}", content=broken + b"\xff\x00", headers=headers)
    server.client.post(f"/dl/{PLANTED['mail']}", headers=headers)
    server.client.get(f"/nothing/{IDENTITY}?token={PLANTED['token']}", headers=headers)
    server.client.get(f"/counts/{IDENTITY}", headers=headers)


def found_in(content: bytes) -> list[str]:
    lowered = content.lower()
    encoded = [
        (text, form) for text in FORBIDDEN for form in (text.encode(), text.encode("utf-16-le"), base64.b64encode(text.encode())[:-4])
    ]
    return [text for text, form in encoded if form.lower() in lowered]


def test_no_file_log_or_metric_holds_what_must_not_be_kept(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_TRUSTED_PROXIES="loopback", FOOTFALL_LOG_LEVEL="debug", FOOTFALL_RATE_LIMIT="60/minute").start()
    leave_traces(server)
    time.sleep(1.3)  # refusals are written within a second
    said = server.client.get("/metrics").content + server.client.get("/counts").content + server.client.get("/health").content
    assert found_in(said) == []
    assert found_in(b"".join(contents(server.database.parent).values())) == []
    assert server.stop() == 0
    content = contents(server.database.parent) | {server.log.name: server.log.read_bytes()}
    assert {name: found_in(text) for name, text in content.items() if found_in(text)} == {}
    # The search works: it finds scrubbed text, and an event of each family.
    assert b"[email]" in content["footfall.sqlite3"]
    assert b"tool_call" in content["footfall.sqlite3"]


def test_only_the_owner_may_read_what_is_kept(make_server: Callable[..., Any]) -> None:
    server = make_server().start()
    server.client.post("/dl/peon")
    folder = server.database.parent
    assert folder.stat().st_mode & 0o077 == 0
    assert [(file.name, oct(file.stat().st_mode)) for file in folder.iterdir() if file.stat().st_mode & 0o077] == []


def copied(connection: psycopg.Connection[Any], table: str) -> bytes:
    """The content of a table in PostgreSQL's binary format."""
    with connection.cursor() as cursor, cursor.copy(f'COPY "{table}" TO STDOUT WITH (FORMAT binary)'.encode()) as copy:
        return b"".join(bytes(part) for part in copy)


@pytest.mark.slow
def test_postgresql_and_redis_hold_nothing_that_must_not_be_kept(
    make_server: Callable[..., Any], postgres: Postgres, tmp_path: Path
) -> None:
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as redis:
        url = postgres.fresh()
        server = make_server(
            FOOTFALL_DATABASE_URL=url,
            FOOTFALL_SECRET=SECRET,
            FOOTFALL_REDIS_URL=redis.url,
            FOOTFALL_TRUSTED_PROXIES="loopback",
            FOOTFALL_LOG_LEVEL="debug",
            FOOTFALL_RATE_LIMIT="60/minute",
        ).start()
        # Events with a target are refused and kept as a whole: these must be clean, too.
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE project SET lists_targets = true")
        time.sleep(2.1)  # until the server has refreshed its projects
        leave_traces(server)
        time.sleep(1.3)
        with psycopg.connect(url) as connection:
            tables = [
                name
                for (name,) in connection.execute(
                    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                )
            ]
            content = {name: copied(connection, name) for name in tables}
        assert {name: found_in(text) for name, text in content.items() if found_in(text)} == {}
        assert b"[email]" in b"".join(content.values())
        assert b"unknown_target" in content["rejected"]
        with Redis(port=redis.port) as client:
            keys = client.keys("*")
            assert keys
            assert found_in(b" ".join([*keys, *(client.get(key) or b"" for key in keys)])) == []
        assert server.stop() == 0
        assert found_in(server.log.read_bytes()) == []
