"""Answers about properties are the same from the history, which stores their texts in one column, and from the documents of the store."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.event import Context, Environment, Event
from server.event_id import EventIds
from server.history import History, Statement
from server.questions import columnar, installs_by_property, reader
from server.questions.ask import ask
from server.questions.history_facts import HistoryFacts, reading_of, statement
from server.questions.periods import Period, Step
from server.questions.question import Audience, By, Condition, Measure, Op, Question
from server.questions.sql_engines import DuckDbSql
from server.settings import Settings
from server.storage.batch import Batch
from server.storage.engine import Store
from tests.questions.conftest import Filled
from tests.questions.dataset import END, START
from tests.quick import first

TAGS, THEME = "properties.tags", "properties.theme"
CONDITIONS = (
    Condition(TAGS, Op.IS, ("a",)),
    Condition(TAGS, Op.IS, ("b,", 'b,"', '"a"', "")),  # parts of texts
    Condition(TAGS, Op.IS, ('b,"a', "a\\")),
    Condition(TAGS, Op.IS, ('b,"a', "a\\", "7", "x", "y", "z")),  # too many to search for each
    Condition(TAGS, Op.IS_NOT, ("a", "b")),
    Condition(TAGS, Op.EXISTS),
    Condition(TAGS, Op.MISSING),
    Condition(TAGS, Op.PREFIX, ("b,",)),
    Condition(TAGS, Op.CONTAINS, ('","',)),  # between elements of JSON
    Condition(THEME, Op.IS, ('["a","b"]',)),
    Condition(THEME, Op.IS, ("a",)),
    Condition(THEME, Op.PREFIX, ("[",)),
    Condition(THEME, Op.IS, ("dark",)),
    Condition(THEME, Op.MISSING),
)
MEASURES = (Measure.EVENTS, Measure.FAILURES)


LISTS = (["a,", "b"], ["a[", "b"], [","], [",", "b"], ["[", "b"], ["[b"], ["a", ",,"])


@pytest.mark.parametrize(("value", "events"), [(",", 2), (",,", 1), ("[", 1), ("b", 4), ("a,", 1), ('","', 0)])
async def test_an_element_is_found_only_as_a_whole(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, value: str, events: int
) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    ids, context = EventIds(1), Context(Environment.PERSON, "reported", "native")
    stored = [
        Event(id=each, project=1, occurred_at=START, name="build", context=context, properties=json.dumps({"tags": tags}))
        for each, tags in zip(ids.take(len(LISTS), START), LISTS, strict=True)
    ]
    await store.commit(Batch(stored, target_rules={}))
    history = History(store, settings)
    try:
        question = Question(project=1, period=Period(START, END), where=(Condition(TAGS, Op.IS, (value,)),))
        answer = await ask(store, question, history=history, now=END)
        assert (answer.source, answer.rows[0].figures[0].all) == ("history", [events])
    finally:
        history.close()


@pytest.mark.parametrize("most", first([reader.MOST_SUMS, 0], 1))
async def test_properties_count_the_same_events_in_the_history_and_in_the_store(
    filled: Filled, full: Store, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouped = list[bool]()
    sums_of_elements = columnar.sums_of_elements

    def noted(*arguments: Any, is_few: bool) -> Any:
        grouped.append(is_few)
        return sums_of_elements(*arguments, is_few=is_few)

    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    monkeypatch.setattr(reader, "MOST_SUMS", most)
    monkeypatch.setattr(columnar, "sums_of_elements", noted)
    history = History(full, filled.settings)
    await history.build()
    try:
        for condition in (None, *CONDITIONS):
            for field in (TAGS, THEME) if condition is None else (condition.field,):
                where = () if condition is None else (condition,)
                question = Question(
                    project=1, period=Period(START, END), measures=MEASURES, where=where, by=(By(field),), over=Step.WEEK, first=3
                )
                fast, slow = await ask(full, question, history=history, now=END), await ask(full, question, now=END)
                assert (fast.source, slow.source) == ("history", "events")
                assert fast.rows == slow.rows, question
    finally:
        history.close()
    assert grouped
    assert any(grouped) is (most > 0)


@pytest.mark.parametrize(("most_texts", "most_lists"), [(62, 1_000), (2, 1_000), (62, 3)])
async def test_installs_by_property_are_the_same_in_the_history_and_in_the_store(
    filled: Filled, full: Store, most_texts: int, most_lists: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    monkeypatch.setattr(installs_by_property, "MOST_TEXTS", most_texts)
    monkeypatch.setattr(installs_by_property, "MOST_LISTS", most_lists)
    history = History(full, filled.settings)
    await history.build()
    nothing = Condition("name", Op.IS, ("none",))
    try:
        for where in ((), (Condition("os", Op.IS, ("linux",)),), (CONDITIONS[0],), (nothing,)):
            for field, audience, number in ((TAGS, Audience.EVERYTHING, 3), (TAGS, Audience.PEOPLE, 50), (THEME, Audience.PEOPLE, 2)):
                question = Question(
                    project=1, period=Period(START, END), measures=(Measure.INSTALLS,), where=where, by=(By(field),), first=number,
                    audience=audience,
                )  # fmt: skip
                fast, slow = await ask(full, question, history=history, now=END), await ask(full, question, now=END)
                assert (fast.source, slow.source) == ("history", "events")
                assert fast.rows == slow.rows, question
                assert bool(fast.rows) is (where != (nothing,))
    finally:
        history.close()


async def test_few_of_many_lists_are_held_in_memory(filled: Filled, full: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installs_by_property, "MOST_LISTS", 3)
    history, engine = History(full, filled.settings), DuckDbSql()
    facts = HistoryFacts(project=1, period=Period(START, END), where=(), by=(By(TAGS),), over=None)
    statements = installs_by_property.ranked_installs(facts, engine, Audience.EVERYTHING, 3)
    assert isinstance(statements, tuple)
    found: list[Any] = []
    size = Statement("SELECT len(getvariable('lists')) AS size", answer=found.append)
    try:
        assert await history.run(lambda: reading_of(facts, engine, [statement(statements[0], lambda _: None), size]))
    finally:
        history.close()
    assert found == [[{"size": 4}]]


@pytest.mark.parametrize("number", [62, 63])
async def test_each_text_of_a_full_mask_is_counted(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(reader, "HISTORY_FROM", 0)
    context, at = Context(Environment.PERSON, "reported", "native"), START
    stored = [
        Event(
            id=each,
            project=1,
            occurred_at=at,
            name="build",
            context=context,
            install=text % 7,
            properties=json.dumps({"tags": f"{text:02}"}),
        )
        for text, each in enumerate(EventIds(1).take(number, at))
    ]
    await store.commit(Batch(stored, target_rules={}))
    history = History(store, settings)
    try:
        question = Question(project=1, period=Period(START, END), measures=(Measure.INSTALLS,), by=(By(TAGS),), first=50)
        answer = await ask(store, question, history=history, now=END)
        found = [(row.keys, row.is_other, row.figures[0].all) for row in answer.rows]
        assert found == [*(([f"{text:02}"], False, [1]) for text in range(50)), ([], True, [7])]
    finally:
        history.close()
