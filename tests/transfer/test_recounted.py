"""Active, new and returning installs equal a recount, with events in any order and after erasure."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from server.analytics.filters import Filter
from server.analytics.installs import active_users, new_and_returning
from server.analytics.overview import overview, series
from server.analytics.sequences import retention
from server.event import DAY, Environment
from server.ingest.privacy import Privacy
from server.questions.periods import Period, Step
from server.questions.question import Audience
from server.settings import Settings
from server.storage.engine import Store, server_secret
from server.storage.history import erasure
from tests.analytics import recount
from tests.analytics.recount import Machine, Raw
from tests.transfer.conftest import NOW, import_file, lines, with_store

pytestmark = pytest.mark.slow

FIRST = NOW // DAY - 120
SPANS = ((0, 110), (20, 60), (55, 56), (30, 111))


def history(seed: int) -> list[dict[str, Any]]:
    """Events of a dozen installs over four months, in random order."""
    chance = random.Random(seed)
    return [
        {
            "id": str(number),
            "name": chance.choice(["build", "run"]),
            "installation_id": f"install-{chance.randrange(12)}",
            "timestamp": (FIRST + chance.randrange(110)) * DAY + chance.randrange(DAY),
            "environment": chance.choice(["person", "ci", "test"]),
        }
        for number in range(300)
    ]


@pytest.mark.parametrize("seed", range(2))
def test_imports_in_any_order_with_erasures_agree_with_a_recount(fresh: Settings, tmp_path: Path, seed: int) -> None:
    rows = history(seed)
    for part in range(3):
        file = tmp_path / f"{part}.jsonl"
        file.write_bytes(lines(*rows[part::3]))
        assert import_file(fresh, file).stored == 100
    with_store(fresh, lambda store, _: check(store, fresh.sqlite_path))
    privacy = Privacy(server_secret(fresh))

    async def leave(store: Store, project: Any) -> None:
        for raw in ("install-3", "install-7"):
            assert (await erasure.erase(store, project.id, privacy.install(project.id, raw))).known

    with_store(fresh, leave)
    with_store(fresh, lambda store, _: check(store, fresh.sqlite_path))


async def check(store: Store, database: Path) -> None:
    """Compare all answers about installs with a recount, for some periods."""
    events = recount.load(database)
    machines = recount.machines(events)
    for first, end in SPANS:
        for audience in Audience:
            filter_ = Filter(project=1, period=Period((FIRST + first) * DAY, (FIRST + end) * DAY), audience=audience)
            asked = [event for event in events if audience is Audience.EVERYTHING or Environment(event.environment) in recount.PEOPLE]
            within = [event for event in asked if filter_.period.start <= event.at < filter_.period.end]
            await check_totals(store, filter_, within, machines)
            await check_days(store, filter_, asked)
            for step in (Step.DAY, Step.WEEK, Step.MONTH):
                await check_steps(store, filter_, step, within, machines)
            await check_cohorts(store, filter_, asked, machines)


async def check_totals(store: Store, filter_: Filter, within: list[Raw], machines: dict[int, Machine]) -> None:
    found = await overview(store, filter_)
    new = [event for event in within if machines[event.install or 0].first >= filter_.period.start]
    assert (found.active.all.value, found.active.people.value) == recount.pair(within)
    assert (found.new.all.value, found.new.people.value) == recount.pair(new)


async def check_days(store: Store, filter_: Filter, asked: list[Raw]) -> None:
    found = await active_users(store, filter_)
    for place in range(0, len(found.starts), 9):
        day = found.starts[place] // DAY
        assert (found.daily_all[place], found.daily_people[place]) == recount.rolling(asked, day, 1)
        assert (found.weekly_all[place], found.weekly_people[place]) == recount.rolling(asked, day, 7)
        assert (found.monthly_all[place], found.monthly_people[place]) == recount.rolling(asked, day, 30)


async def check_steps(store: Store, filter_: Filter, step: Step, within: list[Raw], machines: dict[int, Machine]) -> None:
    found, counted = await new_and_returning(store, filter_, step), await series(store, filter_, step)
    steps = recount.grouped(within, lambda event: recount.begins(event.at, step.value))

    def is_new(event: Raw, start: int) -> bool:
        first = machines[event.install or 0].first
        return recount.begins(first, step.value) == start and first >= filter_.period.start

    active = [recount.pair(steps.get(start, [])) for start in found.starts]
    new = [recount.pair(event for event in steps.get(start, []) if is_new(event, start)) for start in found.starts]
    assert list(zip(counted.active_all or [], counted.active_people or [], strict=True)) == active
    assert list(zip(found.new_all, found.new_people, strict=True)) == new
    returning = [(both[0] - fresh[0], both[1] - fresh[1]) for both, fresh in zip(active, new, strict=True)]
    assert list(zip(found.returning_all, found.returning_people, strict=True)) == returning


async def check_cohorts(store: Store, filter_: Filter, asked: list[Raw], machines: dict[int, Machine]) -> None:
    monday = recount.begins(filter_.period.start, "week") // DAY
    end = recount.begins(filter_.period.end - 1, "week") // DAY + 7
    weeks = [event for event in asked if monday <= event.day < end]
    expected = recount.cohorts(weeks, machines, monday, (end - monday) // 7)
    found = await retention(store, filter_)
    assert [(cohort.size.all, cohort.size.people) for cohort in found] == [size for size, _ in expected]
    assert [list(zip(cohort.active_all, cohort.active_people, strict=True)) for cohort in found] == [active for _, active in expected]
