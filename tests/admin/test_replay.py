"""Replay of refused events, once the project accepts their targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.admin.conftest import Asker
from tests.conftest import rollup_differences, rows_of

ENGINES = ("sqlite", "postgres")
TOKEN = "ff_an-admin-token-of-this-test-only"


def event(number: int, target: str = "wanted", install: str = "laptop") -> dict[str, Any]:
    return {"name": "run", "installation_id": install, "id": f"e{number}", "target": {"type": "tool", "id": target}, "outcome": "success"}


def ledger(asker: Asker) -> dict[str, int]:
    told = asker.run("Ledger", slug="picky", period={"last": 1})["project"]["ledger"]
    return {name: sum(told[name]) for name in ("received", "stored", "duplicates", "rejected")}


def test_refused_events_are_replayed_once_their_target_is_listed(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()
    asker = Asker(server.url, TOKEN)
    asker.run("CreateProject", slug="picky", changes={"listsTargets": True})
    answer = server.client.post("/p/picky/v1/events", json=[event(1), event(2), event(3, "unwanted"), {"name": 5}]).json()
    assert answer["accepted"] == 0
    assert ledger(asker) == {"received": 4, "stored": 0, "duplicates": 0, "rejected": 4}
    shown = asker.run("Ledger", slug="picky")["project"]["rejected"]
    assert sorted(each["replayable"] for each in shown) == [True] * 4
    assert "laptop" not in str(rows_of(server.store, "SELECT * FROM rejected"))

    again = {"stored": 0, "duplicates": 0, "refused": 4, "errors": []}
    assert asker.run("ReplayRejected", slug="picky")["replayRejected"] == again
    assert ledger(asker) == {"received": 4, "stored": 0, "duplicates": 0, "rejected": 4}

    asker.run("SetTarget", slug="picky", type="tool", id="wanted", visibility="PUBLIC")
    assert asker.run("ReplayRejected", slug="picky")["replayRejected"] == {"stored": 2, "duplicates": 0, "refused": 2, "errors": []}
    assert ledger(asker) == {"received": 4, "stored": 2, "duplicates": 0, "rejected": 2}
    assert rollup_differences(server.store) == {}

    # An event that was sent again meanwhile is a duplicate.
    left = next(each["id"] for each in asker.run("Ledger", slug="picky")["project"]["rejected"] if each["reason"] != "INVALID")
    asker.run("SetTarget", slug="picky", type="tool", id="unwanted", visibility="PUBLIC")
    assert server.client.post("/p/picky/v1/events", json=event(3, "unwanted")).json()["accepted"] == 1
    assert asker.run("ReplayRejected", slug="picky", ids=[left])["replayRejected"]["duplicates"] == 1
    assert asker.run("ReplayRejected", slug="picky", ids=[left])["replayRejected"] == {
        "stored": 0,
        "duplicates": 0,
        "refused": 0,
        "errors": [],
    }
    assert asker.run("ReplayRejected", slug="picky", ids=["nonsense"])["replayRejected"]["errors"][0]["field"] == "ids"
    asker.client.close()


def test_an_erased_install_is_erased_from_refused_events_too(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()
    asker = Asker(server.url, TOKEN)
    assert server.client.post("/p/default/v1/events", json=event(1, install="gone")).status_code == 202
    asker.run("UpdateProject", slug="default", changes={"listsTargets": True})
    assert server.client.post("/p/default/v1/events", json=event(2, "other", install="gone")).status_code == 422
    assert rows_of(server.store, "SELECT count(*) FROM rejected") == [(1,)]
    assert server.client.delete("/v1/installs/gone").status_code == 200
    assert rows_of(server.store, "SELECT count(*) FROM rejected") == [(0,)]
    asker.client.close()
