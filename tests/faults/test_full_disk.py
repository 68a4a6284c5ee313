"""A full disk: clients get an error immediately, probes and the log report it, stored events stay, and ingest resumes once there is space."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from typing import Any

from server.ingest.event_writer import REFUSAL_SECONDS
from tests.conftest import rollup_differences, rows_of


def batch(number: int) -> list[dict[str, Any]]:
    return [{"name": f"n{number}", "installation_id": f"i{number}-{each}", "properties": {"text": "x" * 500}} for each in range(200)]


def test_a_full_disk_is_reported_everywhere_and_survived(make_server: Callable[..., Any]) -> None:
    server = make_server().start()
    post = server.client.post
    assert post("/v1/events", json=batch(0)).status_code == 202
    log = server.folder / "data" / "footfall.sqlite3-wal"
    # No file can grow, which looks like a full disk to the writer.
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))

    began = time.monotonic()
    answers = [post("/v1/events", json=batch(number)) for number in range(1, 30)]
    refused = [answer for answer in answers if answer.status_code != 202]
    assert {answer.status_code for answer in refused} == {503}
    assert all(answer.headers["retry-after"] == "5" for answer in refused)
    health = server.client.get("/health")
    assert (health.status_code, health.json()["store"]["writable"]) == (503, False)
    assert server.client.get("/ready").status_code == 200  # reads still work
    assert server.client.get("/counts").status_code == 200
    said = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    said = [line for line in said if line["event"] == "commit_refused"]
    assert 1 <= len(said) <= 1 + (time.monotonic() - began) / REFUSAL_SECONDS  # not one line for each request
    assert "SQLITE_" in said[0]["error"]

    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert post("/v1/events", json=batch(99)).status_code == 202
    assert server.client.get("/health").status_code == 200
    acknowledged = sum(answer.json()["accepted"] for answer in answers if answer.status_code == 202) + 400
    assert server.stop() == 0
    assert rows_of(server.database, "SELECT count(*) FROM event") == [(acknowledged,)]
    assert rows_of(server.database, "PRAGMA integrity_check") == [("ok",)]
    assert rollup_differences(server.database) == {}
    lost = rows_of(server.database, "SELECT sum(events) FROM ledger WHERE entry = 'rejected' AND reason = 'busy'")
    assert lost == [(200 * len(refused),)]
