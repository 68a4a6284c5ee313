"""Installs by day, counted by the marks of events, against a recount from the store."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from server.analytics.filters import Filter
from server.analytics.installs import new_and_returning, version_adoption
from server.event import DAY, PEOPLE
from server.event_id import first_id
from server.history import DAY_MARK, UNMARKED, History, building
from server.history.day_marks import ALONE, SEVERAL, own_days
from server.history.manifest import Segment
from server.questions import reader
from server.questions.facts import Facts
from server.questions.history_facts import HistoryFacts, read_history
from server.questions.periods import Period, Step
from server.questions.places import Places
from server.questions.question import Condition, Measure, Op
from server.questions.sql import Sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store
from tests.history.conftest import NOW

ENGINES = ("sqlite", "postgres")
PIECE = 200  # events, so that files are merged
TODAY = NOW // DAY
PERIOD = Period((TODAY - 95) * DAY, (TODAY + 1) * DAY)
LINUX = Condition("os", Op.IS, ("linux",))
FILTERS = ((), (LINUX,), (LINUX, Condition("environment", Op.IS_NOT, ("ci",))), (Condition("agent", Op.MISSING, ()),))


def counted(rows: list[tuple[Any, ...]], where: tuple[Condition, ...], first: int, last: int) -> dict[int, tuple[int, int]]:
    """Installs by day and those of people, from rows of the store."""
    found: dict[int, dict[int, bool]] = {}
    for project, install, skewed, at, environment, os, agent in rows:
        day = at // DAY
        if project != 1 or install is None or skewed or not first <= day <= last:
            continue
        if (LINUX in where and os != "linux") or (len(where) == 2 and environment == 2) or (where and where[0].op is Op.MISSING and agent):
            continue
        installs = found.setdefault(day, {})
        installs[install] = installs.get(install, False) or environment in PEOPLE
    return {day: (len(installs), sum(installs.values())) for day, installs in found.items()}


async def answered(history: History, where: tuple[Condition, ...], period: Period, since: int = 0) -> dict[int, tuple[int, int]]:
    facts = HistoryFacts(project=1, period=period, where=where, by=(), over=Step.DAY, since=since)
    assert facts.is_daily

    def query(given: Facts, engine: SqlEngine) -> Sql:
        found = Places(None, frozenset()).counts(given, engine, [Measure.INSTALLS])
        assert DAY_MARK in found.text
        return found

    rows = await read_history(history, facts, query)
    assert rows is not None
    first = period.first_day
    return {first + row["step"]: (int(row["installs_all"]), int(row["installs_people"])) for row in rows if row["installs_all"]}


async def fill_marked(history: History, commit: Any, make_event: Any, rng: random.Random, fill: Any) -> None:
    """Several contexts for some installs and days, one for most; events up to 30 days late; files of months, files of days, and the tail."""
    contexts = [make_event().context for _ in range(4)]
    usual = {install: rng.choice(contexts) for install in range(100, 160)}

    def event(days: float) -> Any:
        install = rng.choice(list(usual))
        late = rng.choice((0, 0, 0, 0, DAY, 29 * DAY))
        context = usual[install] if rng.random() < 0.9 else rng.choice(contexts)
        at = NOW - int(days * DAY)
        return make_event(days, install=install, context=context, occurred_at=at - int(rng.random() * late))

    await commit(event(rng.uniform(5, 95)) for _ in range(3_000))
    await fill(500, 95)
    await history.build()
    await commit(event(rng.uniform(1, 4.9)) for _ in range(300))
    await history.build()
    await commit(event(rng.uniform(0, 0.5)) for _ in range(300))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "PIECE", PIECE)


@pytest.fixture
def recount(where: Path | str, rows_of: Any) -> Any:
    columns = "project_id, install_id, skewed, occurred_at, environment, os, agent"
    return lambda *chosen: counted(rows_of(where, f"SELECT {columns} FROM event JOIN context ON context.id = context_id"), *chosen)


@pytest.mark.slow
async def test_installs_by_day_are_those_of_a_recount(
    history: History, fill: Any, commit: Any, make_event: Any, rng: random.Random, recount: Any
) -> None:
    await fill_marked(history, commit, make_event, rng, fill)
    marks = await history.query(f"SELECT {DAY_MARK} AS mark, count(*) AS events FROM events GROUP BY 1", project_id=1)
    events = {row["mark"]: row["events"] for row in marks or ()}
    assert min(events[ALONE], events[SEVERAL], events[UNMARKED]) > 100
    for filters in FILTERS:
        assert await answered(history, filters, PERIOD) == recount(filters, PERIOD.first_day, PERIOD.last_day)
    month = Period((TODAY - 60) * DAY, (TODAY - 30) * DAY)
    since = (TODAY - 50) * DAY
    assert await answered(history, (LINUX,), month, since) == recount((LINUX,), TODAY - 50, TODAY - 31)


@pytest.mark.slow
async def test_versions_and_new_installs_are_those_of_the_store(
    history: History, store: Store, fill: Any, commit: Any, make_event: Any, rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    await fill_marked(history, commit, make_event, rng, fill)
    filter_ = Filter(project=1, period=PERIOD, where=(LINUX,))
    for step in (Step.DAY, Step.WEEK):
        versions = await version_adoption(store, filter_, step, limit=3, history=history)
        assert versions == await version_adoption(store, filter_, step, limit=3)
        assert sum(versions.versions[0].all) > sum(versions.versions[0].people) > 0
        assert await new_and_returning(store, filter_, step, history) == await new_and_returning(store, filter_, step)


@pytest.mark.slow
async def test_installs_by_day_are_right_after_an_erasure(history: History, store: Store, fill: Any, recount: Any) -> None:
    await fill(1_500, 95, install=7)
    await fill(1_500, 95)
    await history.build()
    await history.erase(1, 7)
    assert await answered(history, (LINUX,), PERIOD) == recount((LINUX,), PERIOD.first_day, PERIOD.last_day)


@pytest.mark.on_sqlite
def test_a_day_belongs_to_the_segment_in_which_it_begins() -> None:
    days = [TODAY * DAY, TODAY * DAY + 1, (TODAY + 1) * DAY, (TODAY + 3) * DAY - 1, (TODAY + 5) * DAY]
    ids = [0, *map(first_id, days), first_id((TODAY + 9) * DAY)]
    owned = [own_days(Segment(first, end, 0, 0)) for first, end in itertools.pairwise(ids)]
    assert owned[1:] == [(TODAY, TODAY), (TODAY + 1, TODAY), (TODAY + 1, TODAY + 2), (TODAY + 3, TODAY + 4), (TODAY + 5, TODAY + 8)]
    assert owned[0][1] == TODAY - 1


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    "change",
    [
        {"over": Step.WEEK},
        {"over": None},
        {"where": (Condition("name", Op.IS, ("build",)),)},
        {"where": (Condition("properties.flag", Op.IS, ("a",)),)},
        {"since": PERIOD.start + 1},
        {"period": Period(PERIOD.start, PERIOD.end - DAY // 24)},
    ],
)
def test_other_questions_do_not_use_the_marks(change: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"project": 1, "period": PERIOD, "where": (), "by": (), "over": Step.DAY}
    assert HistoryFacts(**asked).is_daily
    assert not HistoryFacts(**{**asked, **change}).is_daily
