"""Query plans read raw events once, in order, and never once for each row of another table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.analytics import lists
from server.analytics.breakdown import By, breakdown
from server.analytics.errors import errors, failures
from server.analytics.experiments import experiment
from server.analytics.filters import Filter, equals
from server.analytics.installs import active_users, new_and_returning, version_adoption
from server.analytics.overview import overview, series
from server.analytics.sequences import funnel, retention
from server.analytics.targets import targets
from server.analytics.timings import Of, medians, timings
from server.event import DAY, Environment, Outcome
from server.questions.periods import Period, Step
from server.storage.engine import Store

BASE = Filter(project=1, period=Period(20_700 * DAY, 20_790 * DAY), where=equals(names=("build", "view")))
FILTERS = {
    "people": BASE.people(),
    "ci": BASE.only(*equals(environments=(Environment.CI,))),
    "linux": BASE.only(*equals(os="linux")),
    "people on linux with npm": BASE.only(*equals(os="linux", package_manager="npm")).people(),
    "a target": BASE.only(*equals(target=("tool", "x"), environments=(Environment.CI,))),
    "failures of a version": BASE.only(*equals(outcome=Outcome.FAILURE, version="1.0")).people(),
}
Ask = Callable[[Any, Filter], Awaitable[Any]]
QUESTIONS: dict[str, Ask] = {
    "overview": overview,
    "series": lambda store, asked: series(store, asked, Step.HOUR),
    "series by week": lambda store, asked: series(store, asked, Step.WEEK),
    **{f"by {by.value}": lambda store, asked, by=by: breakdown(store, asked, by, property_name="variant") for by in By},  # type: ignore[misc]
    "active": active_users,
    "new": lambda store, asked: new_and_returning(store, asked, Step.MONTH),
    "retention": retention,
    "versions": lambda store, asked: version_adoption(store, asked, Step.WEEK),
    "durations by name": lambda store, asked: timings(store, asked, Of.NAME),
    "durations by target": lambda store, asked: timings(store, asked, Of.TARGET),
    "medians": medians,
    "errors": errors,
    "failures": failures,
    "targets": targets,
    "funnel": lambda store, asked: funnel(store, asked, ["init", "build", "deploy"]),
    "experiment": lambda store, asked: experiment(store, asked, "variant", goal="deploy"),
    "events": lambda store, asked: lists.events(store, asked, limit=50),
    "count": lists.count_events,
}


class Explained:
    """A store that records the query plans for raw events."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.plans: list[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def rows_within(self, seconds: float, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        plan = await self._store.rows(f"EXPLAIN QUERY PLAN {sql}", *arguments)
        self.plans.append([row["detail"] for row in plan])
        return await self._store.rows_within(seconds, sql, *arguments)


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
async def test_events_are_read_in_a_row_and_all_else_is_looked_up_for_them(store: Store, ask: Ask) -> None:
    for name, filter_ in FILTERS.items():
        explained = Explained(store)
        await ask(explained, filter_)
        for plan in explained.plans:
            tables = [step for step in plan if step.startswith(("SEARCH ", "SCAN "))]
            assert "SCAN event" not in tables, (name, plan)
            looked_up = [step for step in tables if step.split()[1] == "context"]
            assert all("INTEGER PRIMARY KEY (rowid=?)" in step for step in looked_up), (name, plan)
