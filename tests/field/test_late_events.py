"""Events with a wrong clock are stored, counted as late, and do not affect their install."""

from __future__ import annotations

import time
from typing import Any

from server.event import DAY
from tests.conftest import rollup_differences
from tests.field.conftest import Field

OWN_SERVER = True  # its recount would include events that other modules erase

OVERVIEW = """query ($slug: String!, $filter: EventFilter) { project(slug: $slug) {
  overview(filter: $filter) { events { value } active { all { value } } } } }"""


def event(install: str, version: str, *, days_ago: float = 0, os: str = "linux") -> dict[str, Any]:
    at = int(time.time() * 1000 - days_ago * DAY)
    return {"name": "build", "installation_id": install, "version": version, "os": os, "timestamp": at}


def installs(field: Field) -> list[tuple[Any, ...]]:
    where = f"WHERE project_id = (SELECT id FROM project WHERE slug = '{field.slug}')"
    rows = field.rows(f"SELECT version, os, active_day FROM install {where} ORDER BY first_seen, id")
    return [(version, os, active is not None) for version, os, active in rows]


def test_a_late_event_counts_and_its_install_is_not_active_today(field: Field) -> None:
    assert field.post(event("install-one", "1.0", days_ago=60)).status_code == 202
    assert field.post([event("install-one", "1.0", days_ago=-2), event("install-two", "2.0")]).status_code == 202
    assert len(field.events()) == 3
    assert field.ledger()["stored"] == 3
    for filter_ in (None, {"names": ["build"]}, {"os": "linux"}):
        overview = field.ask(OVERVIEW, slug=field.slug, filter=filter_)["project"]["overview"]
        assert (overview["events"]["value"], overview["active"]["all"]["value"]) == (3, 1), filter_


def test_an_old_version_never_becomes_an_installs_newest(field: Field) -> None:
    for body in (event("install-one", "2.0"), event("install-one", "1.0", days_ago=60, os="windows")):
        assert field.post(body).status_code == 202
    assert installs(field) == [("2.0", "linux", True)]


def test_an_install_with_only_late_events_is_known_without_details(field: Field) -> None:
    assert field.post(event("install-one", "1.0", days_ago=60)).status_code == 202
    assert installs(field) == [(None, None, False)]
    # Its next event, which was queued for an hour, reports its version and system.
    assert field.post(event("install-one", "2.0", days_ago=1 / 24)).status_code == 202
    assert installs(field) == [("2.0", "linux", True)]
    assert rollup_differences(field.server.store) == {}


def test_the_ledger_counts_events_with_wrong_clocks(field: Field) -> None:
    assert field.post([event("install-one", "1.0", days_ago=60), event("install-one", "1.0")]).status_code == 202
    reasons = {row["reason"]: row["events"] for row in field.ledger()["reasons"]}
    assert reasons["clock_not_believed"] == 1
