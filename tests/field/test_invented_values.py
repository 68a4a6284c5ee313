"""A client that sends a new value with each event takes a bounded number of rows, and displaces no value of other users."""

from __future__ import annotations

import time
from typing import Any

import pytest

from server.event import DAY
from server.storage.rollups import VALUES_A_DAY

pytestmark = pytest.mark.one_path
SETTINGS = {"FOOTFALL_TRUSTED_PROXIES": "loopback", "FOOTFALL_RATE_LIMIT": "off", "FOOTFALL_EVENT_LIMIT": "off"}
OWN_SERVER = True

INVENTED = VALUES_A_DAY + 100
TIMES = 5
FLOOD, USERS = "198.51.100.9", ("203.0.113.1", "203.0.113.2", "203.0.113.3")
VALUES = """query ($slug: String!) { project(slug: $slug) {
  versions: breakdown(by: VERSION, period: {last: 1}, first: 200) { ...Values }
  themes: breakdown(by: PROPERTY, property: "theme", period: {last: 1}, first: 200) { ...Values }
  overview(period: {last: 1}) { events { value } } } }
fragment Values on Breakdown { rows { value events installs { all } } otherValues otherEvents }"""


def honest(user: str, number: int, at: int | None = None, **fields: Any) -> dict[str, Any]:
    return {"name": "build", "installation_id": f"{user}-{number}", **({} if at is None else {"timestamp": at}), **fields}


def post(field: Any, address: str, events: list[dict[str, Any]]) -> None:
    for first in range(0, len(events), 1_000):
        assert field.post(events[first : first + 1_000], x_forwarded_for=address).status_code == 202


def test_values_of_known_users_outlast_invented_values_that_are_sent_more_often(field: Any, make_project: Any) -> None:
    """Each of over a thousand invented versions and themes comes five times, from new installs; the honest ones come once from three users."""
    field.slug = make_project(properties=["theme"])
    yesterday = time.time_ns() // 1_000_000 - DAY
    for user in USERS:
        post(field, user, [honest(user, 0, yesterday, version="1.0.0")])
    flood = [
        honest("x", number * TIMES + time_, version=f"0.0.{number}", properties={"theme": f"t{number}"})
        for number in range(INVENTED)
        for time_ in range(TIMES)
    ]
    post(field, FLOOD, flood)
    for user in USERS:
        post(field, user, [honest(user, 0, version="2.0.0", properties={"theme": "dark"})])
    assert field.server.footfall("job", "fold_values").returncode == 0
    kept = {
        row[0]
        for row in field.rows(f"SELECT DISTINCT value FROM rollup_dimension WHERE project_id = {project(field)} AND dimension = 'version'")
    }
    assert {"2.0.0", "1.0.0"} <= kept
    assert len(kept) <= VALUES_A_DAY + 3  # of two days, with (other)
    found = field.ask(VALUES, slug=field.slug)["project"]
    assert found["overview"]["events"]["value"] == len(flood) + len(USERS)
    for name, value in (("versions", "2.0.0"), ("themes", "dark")):
        rows = found[name]["rows"]
        assert sum(row["events"] for row in rows) + found[name]["otherEvents"] == len(flood) + len(USERS), name
        kept = {
            row[0] for row in field.rows(f"SELECT value FROM rollup_dimension WHERE project_id = {project(field)} AND value = '{value}'")
        }
        assert kept == {value}, name


def project(field: Any) -> int:
    ((number,),) = field.rows(f"SELECT id FROM project WHERE slug = '{field.slug}'")
    return int(number)
