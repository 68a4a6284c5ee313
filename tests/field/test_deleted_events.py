"""Promises about filtered figures after retention: an answer names the time from which on it counts events."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest

from server.event import DAY

pytestmark = pytest.mark.one_path

# Query: filtered and unfiltered figures of the last 60 days, and the times from which they count.
FIGURES = """query ($slug: String!, $period: PeriodInput!, $filter: EventFilter) { project(slug: $slug) {
  overview(period: $period, filter: $filter) { events { value } since }
  breakdown(by: OS, period: $period, filter: $filter) { rows { value events installs { all } } since }
  series(period: $period, filter: $filter) { events since }
  warnings(period: $period, filter: $filter) { path message nearest }
  ask(question: {
    period: $period, measures: [EVENTS, INSTALLS], by: [{field: "os"}],
    where: [{field: "version", values: ["1.0"]}, {field: "arch", values: ["arm64"]}]
  }) { since }
} }"""


def moment(ms: float) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat().replace("+00:00", "Z")


def test_filtered_figures_name_the_day_from_which_they_count_events(field: Any, make_project: Any) -> None:
    """An event that occurred before the retained days, but arrived within them, is counted in totals and not with a filter."""
    field.slug = make_project(retentionDays=7)
    now = time.time() * 1000
    for number, days in enumerate((20, 0)):
        event = {
            "name": "build", "installation_id": f"i{number}", "os": "linux", "arch": "arm64", "version": "1.0", "timestamp": moment(now - days * DAY),
        }  # fmt: skip
        assert field.post(event).status_code == 202
    assert field.server.footfall("job", "retention").returncode == 0
    today = int(now // DAY)
    period = {"from": moment((today - 59) * DAY), "to": moment((today + 1) * DAY)}
    whole = field.ask(FIGURES, slug=field.slug, period=period)["project"]
    assert (whole["overview"], whole["warnings"]) == ({"events": {"value": 2}, "since": None}, [])
    assert whole["series"]["since"] is None
    some = field.ask(FIGURES, slug=field.slug, period=period, filter={"version": "1.0", "arch": "arm64"})["project"]
    since = some["overview"]["since"]
    assert (today - 7) * DAY <= dt.datetime.fromisoformat(since).timestamp() * 1000 <= (today - 5) * DAY
    assert some["overview"]["events"] == {"value": 1}
    assert some["breakdown"] == {"rows": [{"value": "linux", "events": 1, "installs": {"all": 1}}], "since": since}
    # Without a filter, rollups have all events, and only the raw events that are left tell installs apart by system.
    assert whole["breakdown"] == {"rows": [{"value": "linux", "events": 2, "installs": {"all": 1}}], "since": since}
    assert (some["series"]["since"], some["ask"]["since"]) == (since, since)
    (warning,) = some["warnings"]
    assert (warning["path"], since[:10] in warning["message"]) == ("period", True)
