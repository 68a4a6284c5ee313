"""Keys: their scopes, and the time of their last use."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

ENGINES = ("sqlite", "postgres")

EVENT = {"name": "run", "installation_id": "laptop"}


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def test_the_last_use_of_a_key_is_recorded(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN="ff_an-admin-token-of-this-test-only").start()
    used = server.footfall("key", "create", "default", "--name", "busy").stdout.strip()
    server.footfall("key", "create", "default", "--name", "idle")
    before = today()
    assert server.client.post("/v1/events", json=EVENT, headers={"X-Footfall-Key": used}).status_code == 202
    assert server.stop() == 0  # stopping records it; otherwise a job does every minute

    listed = server.footfall("key", "list").stdout
    server.start()
    answer = server.client.post(
        "/graphql",
        json={"query": '{project(slug: "default") {keys {name lastUsedAt}}}'},
        headers={"Authorization": "Bearer ff_an-admin-token-of-this-test-only"},
    ).json()
    keys = {key["name"]: key["lastUsedAt"] for key in answer["data"]["project"]["keys"]}
    assert keys["idle"] is None
    assert keys["busy"][:10] in (before, today())
    assert keys["busy"][:10] in next(line for line in listed.splitlines() if " busy " in line)
