"""Comparisons: today so far is compared with the same time of yesterday, and equals a recount of the export."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.field.conftest import Field

pytestmark = pytest.mark.one_path

DAY = 86_400_000  # ms
OVERVIEW = """query ($slug: String!, $period: PeriodInput, $filter: EventFilter) { project(slug: $slug) {
  overview(period: $period, filter: $filter) { comparedUntil
    events { value before } successRate { value before } medianDuration { value before }
    active { all { value before } people { value before } } new { all { value before } people { value before } } } } }"""


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def recount(events: list[dict[str, Any]], start: int, end: int) -> dict[str, Any]:
    """Figures of the exported events from one moment up to another."""
    found = [event for event in events if start <= moment(event["occurred_at"]) < end]
    first: dict[str, int] = {}
    for event in events:
        install, at = event["install"], moment(event["occurred_at"])
        first[install] = min(at, first.get(install, at))
    ended = [event["outcome"] for event in found if event["outcome"]]
    active = {event["install"] for event in found}
    people = {event["install"] for event in found if event["environment"] == "person"}
    return {
        "events": len(found),
        "successRate": ended.count("success") / len(ended) if ended else None,
        "active": (len(active), len(people)),
        "new": tuple(len([each for each in group if first[each] >= start]) for group in (active, people)),
    }


def shown(overview: dict[str, Any], part: str) -> dict[str, Any]:
    return {
        "events": overview["events"][part],
        "successRate": overview["successRate"][part],
        **{name: (overview[name]["all"][part], overview[name]["people"][part]) for name in ("active", "new")},
    }


def fill(field: Field, now: int) -> None:
    """Events before and after the same time of the day, on this day, the day before and a week before that."""
    midnight = now // DAY * DAY
    so_far, rest = (now - midnight) // 2, (midnight + DAY - now) // 2
    sent = []
    for days in (0, 1, 2, 7, 8, 13):
        for number, at in enumerate((midnight - days * DAY + so_far, midnight - days * DAY + (now - midnight) + rest)):
            if at > now:
                continue
            sent += [
                {
                    "name": "build",
                    "id": f"{days}-{number}-{install}",
                    "installation_id": f"install-{install * (1 + days % 3)}",
                    "timestamp": at,
                    "os": "linux" if install % 2 else "darwin",
                    "outcome": "failure" if (install + days) % 3 == 0 else "success",
                    "environment": "ci" if install % 3 == 0 else "person",
                    "duration_ms": 10 + install,
                }
                for install in range(3 + days % 4 + number)
            ]
    answer = field.post(sent)
    assert answer.json()["accepted"] == len(sent), answer.text


@pytest.mark.parametrize("days", [1, 7])
def test_a_period_so_far_is_compared_with_the_same_time_of_the_one_before(field: Field, days: int) -> None:
    now = time.time_ns() // 1_000_000
    fill(field, now)
    stored = field.events()
    start = (now // DAY - days + 1) * DAY
    for filter_ in (None, {"os": "linux"}, {"names": ["build"]}):
        overview = field.ask(OVERVIEW, slug=field.slug, period={"last": days}, filter=filter_)["project"]["overview"]
        cut = moment(overview["comparedUntil"])
        assert 0 <= cut + days * DAY - now < 60_000, "the compared part is as long as the elapsed part of the period"
        counted = [event for event in stored if not filter_ or "os" not in filter_ or event["os"] == filter_["os"]]
        assert shown(overview, "before") == recount(counted, start - days * DAY, cut)
        assert shown(overview, "value") == recount(counted, start, start + days * DAY)
        assert overview["medianDuration"]["before"] is not None


def test_a_period_that_has_ended_is_compared_with_the_whole_one_before(field: Field) -> None:
    now = time.time_ns() // 1_000_000
    fill(field, now)
    midnight = now // DAY * DAY
    days = {name: datetime.fromtimestamp(at / 1000, UTC).isoformat() for name, at in (("from", midnight - DAY), ("to", midnight))}
    overview = field.ask(OVERVIEW, slug=field.slug, period=days)["project"]["overview"]
    assert moment(overview["comparedUntil"]) == midnight - DAY
    assert shown(overview, "before") == recount(field.events(), midnight - 2 * DAY, midnight - DAY)
