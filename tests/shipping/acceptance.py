"""The acceptance test of each form of Footfall: checkout, wheel, binary, image."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

from tests.conftest import Server

TOKEN = "ff_the-admin-token-of-the-acceptance-test-01"
SETTINGS = {"FOOTFALL_ADMIN_TOKEN": TOKEN}
BACKUP = "copy.sqlite3"
# One event of each dialect, with the status that its clients expect.
EVENTS: tuple[tuple[str, Any, int], ...] = (
    ("/dl/peon", None, 202),
    ("/v1/events", {"name": "build", "installation_id": "i-1", "version": "1.4.0", "os": "linux", "outcome": "success"}, 202),
    ("/v1/events", {"data": {"installation_id": "i-2", "event_type": "installation_started", "properties": {"os": "darwin"}}}, 201),
    ("/v1/engagement", {"targetType": "snippet", "targetId": "hello", "kind": "view", "sessionId": "s-1"}, 202),
    ("/v1/events", {"type": "deployment", "data": {"data": {"user_id": "abc", "version": "1.0.0", "os": "linux", "success": True}}}, 200),
    ("/api/track", {"tool_name": "search", "tool_category": "content", "duration_ms": 12, "status": "success"}, 200),
)
FILES = re.compile(r'(?:src|href)="(/[^"]+)"')


def accept(server: Server, restored: Server | None = None) -> None:
    """Run an operator's tasks on a server that is not started yet.

    `restored` is a second server of the same form with its own folder, which restores the backup; None if the store is not a file.
    """
    server.start()
    post_events(server)
    look_around(server)
    server.kill()
    server.start()
    assert ask_events(server) == len(EVENTS)
    exported = run(server, "export", "events", "--format", "jsonl")
    assert len({json.loads(line)["id"] for line in exported.splitlines()}) == len(EVENTS)
    built = run(server, "job", "build-history")
    assert f"{len(EVENTS)} events read" in built, built
    doctor = server.footfall("doctor")
    # The PostgreSQL of the tests runs without fsync, and doctor says so.
    assert [line for line in doctor.stdout.splitlines() if line.startswith("✗") and "fsync" not in line] == [], doctor.stdout
    if restored is not None:
        run(server, "backup", "--to", f"{server.env['FOOTFALL_DATA_DIR']}/{BACKUP}")
    assert server.stop() == 0
    if restored is not None:
        restore(server, restored)


def post_events(server: Server) -> None:
    """Post an event of each dialect, and check that it is acknowledged."""
    for path, body, status in EVENTS:
        answer = server.client.post(path, json=body) if body else server.client.post(path)
        assert answer.status_code == status, (path, answer.text)


def look_around(server: Server) -> None:
    """Open the dashboard with all its files, the reference, and the public answers."""
    assert server.client.get("/counts").json() == {"peon": {"total": 1, "last7d": 1, "today": 1}}
    assert "/v1/engagement" in server.client.get("/docs").text
    files = FILES.findall(server.client.get("/").text)
    assert any(file.startswith("/assets/") for file in files), files
    assert {file: server.client.get(file).status_code for file in files} == dict.fromkeys(files, 200)
    assert server.client.get("/health").json()["status"] == "ok"


def ask_events(server: Server) -> int:
    """The number of stored events, by GraphQL."""
    query = '{ project(slug: "default") { ledger { stored } } }'
    answer = server.client.post("/graphql", json={"query": query}, headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert "errors" not in answer, answer
    return sum(answer["data"]["project"]["ledger"]["stored"])


def run(server: Server, *arguments: str) -> str:
    """The output of a command that succeeds."""
    ran = server.footfall(*arguments)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def restore(server: Server, restored: Server) -> None:
    """Restore the backup of one server on another one, and query that one."""
    (restored.folder / "data").mkdir(mode=0o700, exist_ok=True)
    for name in (BACKUP, f"{BACKUP}.secret"):
        shutil.move(server.folder / "data" / name, restored.folder / "data" / name)
    run(restored, "restore", "--yes", f"{restored.env['FOOTFALL_DATA_DIR']}/{BACKUP}")
    restored.start()
    assert ask_events(restored) == len(EVENTS)
    assert restored.stop() == 0
