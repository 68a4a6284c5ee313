"""Saved funnels, retention and paths: their stored form, their text, and the figures of links to them."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from server.event import DAY, HOUR
from server.questions import saved
from server.questions.cohorts import retention
from server.questions.funnel import funnel
from server.questions.paths import Direction, Within
from server.questions.periods import RelativePeriod, Step, ToDate
from server.questions.question import Audience, By, Condition, Op, Parts, Segment
from server.questions.report_templates import AnyTemplate, FunnelTemplate, PathsTemplate, RetentionTemplate, decode
from server.questions.report_text import form_of
from server.questions.shared_reports import shared_funnel, shared_retention, without_small
from server.storage.engine import Store
from tests.questions.conftest import Filled
from tests.questions.dataset import DAYS, MAIN, START
from tests.quick import first

NOW = START + DAYS * DAY
_CONDITIONS = (
    Condition("name", Op.IS, ("build",)),
    Condition("name", Op.IS, ("a:b", "c, d and e")),
    Condition("outcome", Op.IS, ("success",)),
    Condition("properties.theme", Op.MISSING),
    Condition("version", Op.SEMVER, (">=2 <3",)),
)
_PERIODS = (RelativePeriod(), RelativePeriod(last=7), RelativePeriod(to_date=ToDate.WEEK), RelativePeriod(start=START, end=NOW))


def any_template(chance: random.Random) -> AnyTemplate:
    def several(least: int = 0) -> tuple[Condition, ...]:
        return tuple(chance.sample(_CONDITIONS, chance.randint(least, 3)))

    common: dict[str, Any] = {
        "where": several(),
        "by": chance.choice(((), (By("os"), By("version", Parts.MINOR)), (By("properties.a, b"),))),
        "period": chance.choice(_PERIODS),
        "first": chance.choice((10, 3)),
        "audience": chance.choice(list(Audience)),
    }
    steps = [Segment(name, several(1)) for name in ("init", 'say "hi": now', "name=build")]
    steps.append(Segment("build", (Condition("name", Op.IS, ("build",)),)))
    return chance.choice(
        (
            FunnelTemplate(
                steps=tuple(chance.sample(steps, 3)), within=chance.choice((DAY, HOUR, 90_000 * 60, 7 * DAY)),
                ordered=chance.random() < 0.5, **common,
            ),
            RetentionTemplate(over=chance.choice((Step.DAY, Step.WEEK)), start=several(), back=several(), **common),
            PathsTemplate(
                event=several(1), direction=chance.choice(list(Direction)), within=chance.choice(list(Within)),
                length=chance.randint(1, 5), **common,
            ),
        )
    )  # fmt: skip


def test_every_report_can_be_written_and_parsed_again() -> None:
    chance = random.Random(15)
    for _ in range(300):
        template = any_template(chance)
        form = form_of(template)
        assert form.parse(form.written(template)) == template, form.written(template)


async def test_a_saved_report_is_the_same_when_it_is_read(full: Store) -> None:
    chance = random.Random(16)
    for _ in range(10):
        template = any_template(chance)
        await saved.save(full, MAIN, "Report", template, NOW)
        assert await saved.find(full, MAIN, "Report") == template


def test_a_question_that_was_saved_before_reports_could_be_is_still_a_question() -> None:
    found = decode('{"measures":["installs"],"by":[{"field":"os","version":null}]}')
    assert form_of(found).written(found) == {"measure": ["installs"], "by": ["os"]}


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ([100, 60, 20], [100, 60, 20]),
        ([100, 98, 60], [100, None, 60]),  # 2 installs did not go on
        ([100, 98, 96], [100, None, None]),
        ([100, 3, 0], [100, None, 0]),
        ([4, 2], [None, None]),
        ([0, 0], [0, 0]),
        ([5, 5, 0], [5, 5, 0]),
    ],
)
def test_a_step_of_few_installs_or_after_which_few_are_left_out_is_hidden(counts: list[int], shown: list[int | None]) -> None:
    assert without_small(counts, 5) == shown


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize("least", first([5, 2, 40]))
async def test_no_figure_of_a_shared_funnel_is_of_few_installs(filled: Filled, full: Store, audience: Audience, least: int) -> None:
    steps = tuple(Segment(name, (Condition("name", Op.IS, (name,)),)) for name in ("init", "build", "deploy"))
    period = RelativePeriod(start=START, end=NOW)
    template = FunnelTemplate(steps=steps, by=(By("version"),), period=period, within=30 * DAY, audience=audience, first=6)
    found = await shared_funnel(full, MAIN, template, least=least, history=None, now=NOW)
    people = audience is Audience.PEOPLE
    exact = await funnel(full, template.at(MAIN, NOW))
    sizes = {tuple(row.keys): [step.people if people else step.all for step in row.steps] for row in exact.rows if not row.is_other}
    assert found.rows
    for row in found.rows:
        counts = [count for count in row.figures if count is not None]
        assert all(count == 0 or count >= least for count in counts)
        assert all(before - after == 0 or before - after >= least for before, after in pairwise(counts))
        if not row.is_other:
            assert sizes[tuple(row.keys)][0] >= least
            assert list(row.figures) == without_small(sizes[tuple(row.keys)], least)
    whole = await shared_funnel(full, MAIN, FunnelTemplate(steps=steps, period=period, audience=audience), least=1, history=None, now=NOW)
    total = (await funnel(full, FunnelTemplate(steps=steps, period=period).at(MAIN, NOW))).total
    assert whole.rows is not None
    assert list(whole.rows[0].figures) == [step.people if people else step.all for step in total]


@pytest.mark.parametrize("by", [(), (By("os"),)])
async def test_no_figure_of_shared_retention_is_of_few_installs(filled: Filled, full: Store, by: tuple[By, ...]) -> None:
    period = RelativePeriod(start=START, end=NOW + 7 * DAY)
    template = RetentionTemplate(period=period, by=by)
    found = await shared_retention(full, MAIN, template, least=3, history=None, now=NOW)
    assert found.rows
    assert found.report.period.end <= NOW  # only weeks that have ended
    for row in found.rows:
        assert row.installs is None or row.installs >= 3
        assert row.installs is not None or not any(share is not None for share in row.figures)
        if not by and row.installs is not None:
            returned = [share * row.installs for share in row.figures if share is not None]
            assert all(min(count, row.installs - count) < 1e-6 or min(count, row.installs - count) > 2.9 for count in returned)
    exact = await retention(full, template.at(MAIN, NOW), now=NOW)
    every = await shared_retention(full, MAIN, template, least=1, history=None, now=NOW)
    assert every.rows is not None
    if by:
        assert {tuple(row.keys): row.installs for row in every.rows} == {
            tuple(group.keys): sum(each.size.all for each in group.cohorts if each.start < every.report.period.end) for group in exact.rows
        }
    else:
        sizes = {each.start: each.size.all for each in exact.total.cohorts}
        assert [row.installs for row in every.rows] == [sizes[start] for start in every.starts]
