"""The command `footfall ledger`, on events that a real server stored and refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ENGINES = ("sqlite", "postgres")


def row_of(text: str, name: str) -> list[int]:
    (line,) = [line for line in text.splitlines() if line.startswith(name)]
    return [int(word.replace(",", "")) for word in line.removeprefix(name).split()]


def test_everything_that_arrived_is_accounted_for(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_RATE_LIMIT="8/minute").start()
    event = {"name": "build", "installation_id": "one-of-many"}
    post = server.client.post
    for headers in ({}, {}, {"DNT": "1"}):
        assert post("/v1/events", json=event, headers=headers).status_code == 202
    for _ in range(2):
        assert post("/v1/events", json={**event, "id": "the-same"}).status_code == 202
    assert post("/v1/events", json={"name": "[red]build[/red]", "os": 7}).status_code == 422
    assert post("/v1/events", content=b"{ \x1b]0;mine\x07").status_code == 400
    assert post("/p/unknown/v1/events", json=event).status_code == 404
    assert [post("/v1/events", json=event).status_code for _ in range(2)][-1] == 429
    assert server.stop() == 0

    ran = server.footfall("ledger", "--days", "1", "--rejected")
    assert ran.returncode == 0, ran.stderr
    received, stored, duplicates, rejected, limited, opted_out = row_of(ran.stdout, "1 days")
    assert received == stored + duplicates + rejected + limited + opted_out
    assert (duplicates, rejected, opted_out) == (1, 2, 1)
    assert stored >= 3
    assert limited >= 1
    assert "os: expected a string, got a number" in ran.stdout
    assert "[red]build[/red]" in ran.stdout  # shown literally, not as a color
    assert "\x1b" not in ran.stdout
    assert "most limited addresses" in ran.stdout
    assert "127.0.0.1" not in ran.stdout
    assert "one-of-many" not in ran.stdout

    unknown = server.footfall("ledger", "-", "--days", "1")
    assert row_of(unknown.stdout, "1 days") == [1, 0, 0, 1, 0, 0]


def test_the_ledger_of_an_unknown_project_is_an_error(make_server: Callable[..., Any]) -> None:
    server = make_server()
    assert server.footfall("migrate").returncode == 0
    ran = server.footfall("ledger", "unknown")
    assert ran.returncode == 1
    assert "project unknown does not exist" in ran.stderr
