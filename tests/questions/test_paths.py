"""Random questions about paths give the answers of a recount in plain Python, on both engines and over the history."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import pytest

from server.history import History
from server.problems import BadQuery
from server.questions import reader
from server.questions.paths import Direction, PathCounts, PathGroup, Paths, Within, paths
from server.questions.periods import Period
from server.questions.question import Audience, By, Condition, Op
from server.storage.engine import Store
from tests.conftest import rows_of
from tests.questions.conftest import Filled
from tests.questions.dataset import DAYS, MAIN, START
from tests.questions.recount import DAY, Raw, group_keys, meets

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("questions")]

QUESTIONS = int(os.environ.get("FOOTFALL_TEST_QUESTIONS", "120")) // 6
PAUSE = 30 * 60_000
_EVENTS = (
    (Condition("name", Op.IS, ("init",)),),
    (Condition("name", Op.IS, ("build", "deploy")), Condition("outcome", Op.IS_NOT, ("failure",))),
    (Condition("properties.tags", Op.EXISTS),),
)
_WHERE: tuple[tuple[Condition, ...], ...] = ((), (), (Condition("name", Op.IS_NOT, ("build",)),))
_SPLITS: tuple[tuple[By, ...], ...] = ((), (), (By("version"),), (By("os"),), (By("properties.tags"),))


def any_question(chance: random.Random) -> Paths:
    start = START + chance.randrange(DAYS - 10) * DAY
    return Paths(
        project=MAIN,
        period=Period(start, start + chance.randrange(2, 40) * DAY),
        event=chance.choice(_EVENTS),
        where=chance.choice(_WHERE),
        by=chance.choice(_SPLITS),
        direction=chance.choice(list(Direction)),
        within=chance.choice(list(Within)),
        length=chance.randrange(1, 5),
        first=chance.choice((1, 3, 20)),
        audience=chance.choice(list(Audience)),
    )


def holds(event: Raw, conditions: tuple[Condition, ...]) -> bool:
    return all(meets(event, each.field, each.op.value, list(each.values)) for each in conditions)


def together(events: list[Raw], sessions: dict[int, int | None], within: Within) -> list[list[Raw]]:
    """The events of one install, in order, by day or by session."""
    found: dict[Any, list[Raw]] = {}
    number, last = 0, None
    for event in sorted(events, key=lambda each: (each.at, each.id)):
        session = sessions[event.id]
        if within is Within.DAY:
            key: Any = event.at // DAY
        elif session is not None:
            key = ("session", session)
        else:
            number += last is not None and event.at - last > PAUSE
            last, key = event.at, number
        found.setdefault(key, []).append(event)
    return list(found.values())


def walked(filled: Filled, sessions: dict[int, int | None], report: Paths) -> list[tuple[Raw, tuple[str, ...]]]:
    """Each chosen event with its path."""
    owned: dict[int, list[Raw]] = {}
    for event in filled.events:
        within = report.period.start <= event.at < report.period.end
        if within and event.install is not None and not event.skewed and holds(event, report.where):
            owned.setdefault(event.install, []).append(event)
    found = []
    for events in owned.values():
        for group in together(events, sessions, report.within):
            for place, event in enumerate(group):
                if holds(event, report.event):
                    after = group[place + 1 : place + 1 + report.length]
                    before = group[max(0, place - report.length) : place]
                    found.append((event, tuple(each.name for each in (after if report.direction is Direction.AFTER else before))))
    return found


def counts(all_: list[Raw], people: list[Raw]) -> PathCounts:
    return PathCounts(len(all_), len(people), *(len({each.install for each in part}) for part in (all_, people)))


def check_group(group: PathGroup, both: list[list[tuple[Raw, tuple[str, ...]]]]) -> None:
    assert group.counts == counts(*([event for event, _ in part] for part in both))
    listed = [tuple(path.names) for path in group.paths if not path.is_other]
    for path in group.paths:
        chosen = [[e for e, names in part if (names not in listed if path.is_other else names == tuple(path.names))] for part in both]
        assert path.counts == counts(*chosen), path


async def check(filled: Filled, full: Store, report: Paths, sessions: dict[int, int | None], history: History | None) -> str:
    answer = await paths(full, report, history=history)
    everyone = walked(filled, sessions, report)
    both = [everyone, [(event, names) for event, names in everyone if event.environment in (0, 1)]]
    check_group(answer.total, both)
    ranking = both[report.audience is Audience.PEOPLE]
    sizes = Counter({names: 0 for _, names in both[0]})
    sizes.update(names for _, names in ranking)
    listed = [sizes[tuple(path.names)] for path in answer.total.paths if not path.is_other]
    assert listed == sorted(sizes.values(), reverse=True)[: report.first], report
    assert sum(path.counts.events_all for path in answer.total.paths) == len(both[0])
    if report.by:
        keys = [tuple(row.keys) for row in answer.rows if not row.is_other]
        begun = {key: 0 for event, _ in both[0] for key in group_keys(event, [(each.field, None) for each in report.by])}
        for event, _ in ranking:
            for key in group_keys(event, [(each.field, None) for each in report.by]):
                begun[key] += 1
        assert keys == sorted(begun, key=lambda key: (-begun[key], *((each is None, each or "") for each in key)))[: report.first], report
        for row in answer.rows:

            def belongs(event: Raw, row: PathGroup = row) -> bool:
                own = group_keys(event, [(each.field, None) for each in report.by])
                return any(key not in keys for key in own) if row.is_other else tuple(row.keys) in own

            check_group(row, [[pair for pair in part if belongs(pair[0])] for part in both])
    return answer.source


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
async def test_random_questions_about_paths_equal_a_recount(
    filled: Filled, full: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    where = filled.settings.database_url or filled.settings.sqlite_path
    sessions = {row[0]: row[1] for row in rows_of(where, "SELECT id, session FROM event WHERE project_id = 1")}
    assert len(set(sessions.values())) > 3
    chance, sources = random.Random(seed), set()
    history = History(full, filled.settings)
    await history.build()
    for number in range(QUESTIONS):
        sources.add(await check(filled, full, any_question(chance), sessions, history if number % 2 else None))
    history.close()
    assert sources == {"events", "history"}


def test_an_invalid_part_is_named() -> None:
    period, event, odd = Period(START, START + DAY), _EVENTS[0], (Condition("nonsense", Op.EXISTS),)
    for parts, path in (
        ({"event": ()}, "event"),
        ({"event": odd}, "event[0].field"),
        ({"where": odd}, "where[0].field"),
        ({"by": (By("duration_ms"),)}, "by[0].field"),
        ({"length": 6}, "length"),
        ({"first": 51}, "first"),
    ):
        with pytest.raises(BadQuery) as found:
            Paths(**{"project": MAIN, "period": period, "event": event, **parts})  # type: ignore[arg-type]
        assert found.value.errors[0].path == path
