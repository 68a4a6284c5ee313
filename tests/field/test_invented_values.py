"""A client that sends a new value with each event takes a bounded number of rows, and displaces no value of other users."""

from __future__ import annotations

import time
from typing import Any

import pytest

from server.event import DAY
from server.storage.commit.dictionaries import MAX_ERROR_TYPES, MAX_NAMES
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


NAMES = """query ($slug: String!) { project(slug: $slug) {
  breakdown(by: NAME, first: 200) { rows { value events } } errors(first: 200) { groups { type events } } } }"""


def honest(user: str, number: int, at: int | None = None, **fields: Any) -> dict[str, Any]:
    return {"name": "build", "installation_id": f"{user}-{number}", **({} if at is None else {"timestamp": at}), **fields}


def post(field: Any, address: str, events: list[dict[str, Any]]) -> None:
    for first in range(0, len(events), 1_000):
        assert field.post(events[first : first + 1_000], x_forwarded_for=address).status_code == 202


@pytest.mark.slow
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


@pytest.mark.slow
def test_new_names_of_users_find_room_beside_a_client_that_invents_names(field: Any) -> None:
    """One address sends more names, error types and targets than a project may have; then each of three users sends new ones."""

    def failed(who: str, word: str) -> dict[str, Any]:
        return honest(who, 0) | {"name": word, "outcome": "failure", "error": {"type": word}, "target": {"type": "tool", "id": word}}

    for first in range(0, MAX_NAMES + 1_000, 1_000):
        field.post([failed("x", f"invented-{number}") for number in range(first, first + 1_000)], x_forwarded_for=FLOOD)
    words = {table: taken(field, table) for table in ("event_name", "error_type", "target")}
    for table, most in (("event_name", MAX_NAMES), ("error_type", MAX_ERROR_TYPES), ("target", 10_000)):
        assert words[table] <= most // 2 + 2, table
    answers = []
    for user in USERS:
        events = [honest(user, 0) | {"name": "deploy", "outcome": "failure", "error": {"type": "Timeout"}}]
        events.append(honest(user, 0) | {"name": "invented-0", "target": {"type": "tool", "id": "deploy"}})
        answers.append(field.post(events, x_forwarded_for=user).json()["accepted"])
    assert answers == [1, 2, 2]  # words wait for a second sender; until then, targets are refused
    found = field.ask(NAMES, slug=field.slug)["project"]
    assert [row["events"] for row in found["breakdown"]["rows"] if row["value"] == "deploy"] == [2]
    assert [group["events"] for group in found["errors"]["groups"] if group["type"] == "Timeout"] == [2]
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"]) == (MAX_NAMES + 1_006, words["target"] + 5)


def taken(field: Any, table: str) -> int:
    ((words,),) = field.rows(f"SELECT count(*) FROM {table} WHERE project_id = {project(field)}")
    return int(words)
