"""Charts of active installs and versions under conditions read the history, and equal those that read the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.analytics.filters import Filter
from server.analytics.installs import active_users, version_adoption
from server.event import DAY
from server.history import History
from server.questions import reader
from server.questions.periods import Period, Step
from server.questions.question import Audience, Condition, Op
from server.storage.engine import Store
from tests.questions.conftest import Filled
from tests.questions.dataset import END, START

ENGINES = ("sqlite", "postgres")
WHOLE_DAYS = Period(START // DAY * DAY + 40 * DAY, END // DAY * DAY)
FILTERS = {
    "a system": (Condition("os", values=("linux",)),),
    "two environments": (Condition("environment", values=("person", "ci")),),
    "versions and a name": (Condition("version", Op.EXISTS), Condition("name", Op.IS_NOT, ("nothing",))),
}


@pytest.fixture
async def history(filled: Filled, full: Store) -> AsyncIterator[History]:
    made = History(full, filled.settings)
    await made.build()
    yield made
    made.close()


@pytest.fixture
def readings(history: History, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Notes each read of the history."""
    found: list[Any] = []
    run = history.run

    async def noted(make: Any) -> bool:
        found.append(make)
        return await run(make)

    monkeypatch.setattr(history, "run", noted)
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    return found


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize("where", FILTERS.values(), ids=FILTERS)
async def test_installs_by_day_and_by_version_are_those_of_the_store(
    full: Store, history: History, readings: list[Any], audience: Audience, where: tuple[Condition, ...]
) -> None:
    filter_ = Filter(project=1, period=WHOLE_DAYS, where=where, audience=audience)
    active = await active_users(full, filter_, history)
    assert active == await active_users(full, filter_)
    assert any(active.monthly_all)
    needs_events = where != FILTERS["two environments"]  # days of activity have these, and are fewer
    assert bool(readings) is needs_events
    for step in (Step.DAY, Step.WEEK, Step.MONTH):
        readings.clear()
        versions = await version_adoption(full, filter_, step, limit=3, history=history)
        assert bool(readings) is needs_events
        assert versions == await version_adoption(full, filter_, step, limit=3)
        assert versions.versions[0].version
