"""The figures of a page that select the same events share one read of the history, and equal those that are asked alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
import pytest

from server.analytics.filters import Filter
from server.analytics.installs import new_and_returning
from server.analytics.overview import series
from server.event import DAY
from server.history import History, Reading
from server.problems import TooBroad
from server.questions import install_masks, installs_by_field, joint_reads, reader
from server.questions.answer import Figures
from server.questions.figures import every_group, figures
from server.questions.installs_by_field import counts_by_field
from server.questions.periods import Period, Step
from server.questions.question import By, Condition, Measure, Question
from server.storage.engine import Store
from tests.questions.conftest import Filled
from tests.questions.dataset import END, START
from tests.quick import first

ENGINES = ("sqlite", "postgres")
FEW_SYSTEMS = (Condition("os", values=("linux", "darwin")), Condition("arch", values=("x64", "arm64")))
COUNTS = (Measure.EVENTS, Measure.SUCCESSES, Measure.FAILURES, Measure.INSTALLS, Measure.NEW_INSTALLS)


def question_of(*measures: Measure, over: Step | None = None) -> Question:
    return Question(project=1, period=Period(START, END), measures=measures, where=FEW_SYSTEMS, over=over)


PAGE = (
    question_of(*COUNTS),
    question_of(*COUNTS, over=Step.MONTH),
    question_of(Measure.EVENTS, Measure.INSTALLS, over=Step.WEEK),
    question_of(Measure.NEW_INSTALLS),
    question_of(Measure.NEW_INSTALLS, over=Step.WEEK),
    question_of(Measure.P50, Measure.P95),
    question_of(Measure.P50, Measure.MEAN, over=Step.MONTH),
    question_of(Measure.PER_INSTALL_P50, Measure.PER_INSTALL_MEAN),
)
# Of these, ten reads share tables: three of sums, five of installs and two of durations.
LONG_PAGE = (*PAGE, question_of(Measure.INSTALLS, over=Step.WEEK))
TABLES = ("seen", "summed", "timed")


@pytest.fixture
async def history(filled: Filled, full: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[History]:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    for wait in ("WAIT", "WAIT_LONG"):
        monkeypatch.setattr(joint_reads, wait, 60.0)  # on a busy machine
    made = History(full, filled.settings)
    await made.build()
    yield made
    made.close()


@pytest.fixture
def readings(history: History, monkeypatch: pytest.MonkeyPatch) -> list[Reading]:
    """The readings that the history was asked for."""
    found: list[Reading] = []
    run = history.run

    async def noted(make: Any) -> bool:
        def made() -> Reading:
            found.append(make())
            return found[-1]

        return await run(made)

    monkeypatch.setattr(history, "run", noted)
    return found


async def together(store: Store, history: History, page: Iterable[Question] = PAGE) -> list[dict[Measure, Figures]]:
    return await asyncio.gather(*(figures(store, each, history) for each in page))


async def test_the_figures_of_a_page_share_one_read_and_equal_those_asked_alone(
    full: Store, history: History, readings: list[Reading]
) -> None:
    alone = [await figures(full, each, history) for each in PAGE]
    assert len(readings) >= len(PAGE)
    readings.clear()
    assert await together(full, history) == alone
    counts, spreads = readings
    assert len(counts.statements) == 1 + len(PAGE)
    assert len(spreads.statements) == 1 + sum(Measure.EVENTS in each.measures for each in PAGE)  # some events are sampled
    for each in readings:
        assert [statement for statement in each.statements if "FROM events" in statement.sql] == [each.statements[0]]


async def test_the_figures_of_a_page_equal_those_of_the_store(full: Store, history: History) -> None:
    assert await together(full, history) == [await figures(full, each) for each in PAGE]


@pytest.mark.parametrize("most_small", first((3, 62), 1))
async def test_figures_of_a_long_period_share_small_tables(
    full: Store, history: History, readings: list[Reading], monkeypatch: pytest.MonkeyPatch, most_small: int
) -> None:
    history.most_copied = 10
    monkeypatch.setattr(install_masks, "MOST_SMALL", most_small)
    assert await together(full, history, LONG_PAGE) == [await figures(full, each) for each in LONG_PAGE]
    tables = {name for each in readings for statement in each.statements for name in TABLES if f"TEMP TABLE {name} " in statement.sql}
    assert tables == set(TABLES)
    (shared,) = [each for each in readings if "TEMP TABLE" in each.statements[0].sql]
    assert sum("TEMP TABLE" not in each.sql for each in shared.statements) == 10


async def test_long_figures_beyond_the_memory_are_read_one_by_one(full: Store, history: History, readings: list[Reading]) -> None:
    history.most_copied = history.most_timed = 10
    assert await together(full, history, LONG_PAGE) == [await figures(full, each) for each in LONG_PAGE]
    assert not any("TEMP TABLE timed" in statement.sql for each in readings for statement in each.statements)


async def test_installs_by_more_steps_than_a_mask_has_equal_those_of_the_store(
    full: Store, history: History, readings: list[Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    history.most_copied = 10
    page = (question_of(Measure.INSTALLS, over=Step.WEEK), question_of(Measure.NEW_INSTALLS, over=Step.WEEK), question_of(Measure.INSTALLS))
    found = [await figures(full, each) for each in page]
    for most in (126, 2):
        readings.clear()
        monkeypatch.setattr(install_masks, "MOST_STEPS", most)
        assert await asyncio.gather(*(figures(full, each, history) for each in page)) == found
        assert any("everyone & bit" in statement.sql for each in readings for statement in each.statements) == (most > 2)


async def test_a_failed_figure_is_no_longer_expected(full: Store, history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.most_copied = 10

    async def fail(*_: object, **__: object) -> None:
        raise TooBroad("The question takes more than 10 seconds: ask about a shorter period.")

    monkeypatch.setattr(reader.Reader, "_read_arrivals", fail)
    with pytest.raises(TooBroad):
        await figures(full, question_of(Measure.EVENTS, Measure.INSTALLS, over=Step.WEEK), history)
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0.01)
    assert not joint_reads.of(history)._expected


async def test_a_shared_read_that_takes_too_much_memory_is_repeated_one_by_one(
    full: Store, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = history._run

    def fails(reading: Reading, *more: Any) -> None:
        if len(reading.statements) > 1:
            raise TooBroad("The question takes more memory than FOOTFALL_HISTORY_MEMORY allows: ask about a shorter period.")
        run(reading, *more)

    monkeypatch.setattr(history, "_run", fails)
    assert await together(full, history) == [await figures(full, each) for each in PAGE]


async def test_a_figure_that_is_cancelled_leaves_the_others_their_read(full: Store, history: History) -> None:
    tasks = [asyncio.create_task(figures(full, each, history)) for each in PAGE]
    while not joint_reads.of(history)._open:
        await asyncio.sleep(0)
    tasks[0].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [await figures(full, each) for each in PAGE[1:]]


async def test_a_period_and_the_part_of_it_that_is_compared_share_one_read(full: Store, history: History, readings: list[Reading]) -> None:
    part = msgspec.structs.replace(question_of(*COUNTS), period=Period(START, END - 3 * DAY - 12_345, exact=True))
    page = (question_of(Measure.INSTALLS, over=Step.MONTH), part, question_of(Measure.P50, Measure.P95))
    alone = [await figures(full, each, history) for each in page]
    readings.clear()
    assert await asyncio.gather(*(figures(full, each, history) for each in page)) == alone
    assert len(readings[0].statements) == 1 + len(page)


async def test_long_figures_of_a_period_and_of_its_part_share_tables_in_one_read(
    full: Store, history: History, readings: list[Reading]
) -> None:
    history.most_copied = 10
    part = Period(START, END - 3 * DAY)
    shared = (question_of(*COUNTS[:3]), question_of(*COUNTS[:3], over=Step.WEEK), *PAGE[5:7], question_of(Measure.INSTALLS))
    page = (*shared, *(msgspec.structs.replace(each, period=part) for each in shared))
    alone = [await figures(full, each) for each in page]
    assert await together(full, history, page) == alone
    counts = readings[0].statements
    assert len(readings) == 1 + 4  # the others have the spreads
    assert [sum(f"TEMP TABLE {name} " in each.sql for each in counts) for name in TABLES] == [2, 2, 2]


async def test_charts_over_time_count_active_installs_once(full: Store, history: History, readings: list[Reading]) -> None:
    filter_ = Filter(project=1, period=Period(START, END), where=FEW_SYSTEMS)
    await asyncio.gather(series(full, filter_, Step.WEEK, history), new_and_returning(full, filter_, Step.WEEK, history))
    statements = [statement.sql for each in readings for statement in each.statements]
    assert [sum(f"AS {counted}" in each for each in statements) for counted in ("installs_all", "new_installs_all")] == [1, 1]


async def test_a_card_of_versions_shares_the_read_of_the_figures(full: Store, history: History, readings: list[Reading]) -> None:
    question = question_of(Measure.INSTALLS)
    alone = await counts_by_field(full, question, ["version"], history, sums=True)
    readings.clear()
    counted, _ = await asyncio.gather(
        counts_by_field(full, question, ["version"], history, sums=True), figures(full, question_of(Measure.P50), history)
    )
    assert counted == alone
    assert [len(each.statements) for each in readings] == [3]
    assert len(alone[0]["version"]) > 1  # type: ignore[index]


@pytest.mark.parametrize("lane", [2, 62])
async def test_a_card_of_versions_equals_the_groups_of_the_store(
    full: Store, history: History, readings: list[Reading], monkeypatch: pytest.MonkeyPatch, lane: int
) -> None:
    monkeypatch.setattr(installs_by_field, "LANE", lane)
    question = question_of(*COUNTS[:-1])
    counted, _ = await counts_by_field(full, question, ["version"], history, sums=True)
    (read,) = readings
    assert "day_mark <> 0" in read.statements[0].sql
    groups, _ = await every_group(full, msgspec.structs.replace(question, by=(By("version"),)))
    names = ("installs_all", "installs_people", "events_all", "successes_all", "failures_all")
    assert counted is not None
    assert counted["version"] == {version: {name: counts[name] for name in names} for (version, _), counts in groups.items()}
