"""Charts after retention: answers from rollups are unchanged, and answers from raw events count the remaining ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from server.analytics import exact_durations
from server.dialects.parsing.times import iso
from server.event import DAY
from server.jobs import Run
from server.jobs.retention_job import retention
from server.jobs.rollup_jobs import check_rollups, fold_values, trending
from server.storage.engine import Store
from server.transfer.questions import QUESTIONS, parse_request
from server.transfer.reports import REPORTS

ENGINES = ("sqlite", "postgres")

Make = Callable[..., Any]
DAYS = 400
RAW = {"funnel", "experiment", "failures"}
NOTHING = {"rejected", "limited"}  # this server accepts all events
WORDS: dict[str, list[dict[str, str]]] = {
    "series": [{"step": step} for step in ("day", "week", "month")],
    "breakdown": [{"by": by} for by in ("os", "arch", "runtime", "version", "package_manager", "environment", "name", "target")],
    "durations": [{"of": of} for of in ("name", "target")],
    "experiment": [{"property": "theme"}],
}
REPORTED: list[tuple[str, dict[str, list[str]]]] = [
    ("funnel", {"step": ["n0", "n1"]}),
    *(("retention", {"over": [over], "where": where}) for over in ("week", "month") for where in ([], ["environment=person,unknown"])),
]
FILTERS: list[dict[str, str]] = [{}, {"audience": "people"}]


async def answers(store: Store, now: int) -> dict[str, Any]:
    """The answers to all questions for the whole period, with and without a filter."""
    span = {"from": day(now - DAYS * DAY), "to": day(now + DAY)}
    found = {}
    for question in QUESTIONS.values():
        for words in WORDS.get(question.name, [{}]):
            for filters in FILTERS if question.filtered else [{}]:
                said = {**span, **words, **filters}
                found[f"{question.name} {words} {filters}"] = await question.ask(store, parse_request(question, 1, said, now=now))
    for name, parts in REPORTED:
        report = REPORTS[name]
        reported = report.text.at(report.text.parse({each: [text] for each, text in span.items()} | parts), 1, now)
        found[f"{name} {parts}"] = report.rows(reported, await report.ask(store, reported, None))
    return found


def day(at: int) -> str:
    return iso(at)[:10]


@pytest.mark.parametrize(("kept", "gone"), [pytest.param(7, 2_400, marks=pytest.mark.slow), (90, 1_200)])
async def test_charts_outlive_the_events_that_they_count(
    run: Run, store: Store, commit: Make, varied: Make, now: int, kept: int, gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_durations, "FEW", 0)  # small numbers of durations are read from raw events
    sent = [event for days in (399, 200, 100, 89, 30, 8, 1, 0) for event in varied(400, days)]
    await commit(sent)
    await trending(run)
    await fold_values(run)
    before = await answers(store, now)
    run = dataclasses.replace(run, settings=dataclasses.replace(run.settings, retention_days=kept), by_hand=True)
    assert f"{gone:,} events" in await retention(run)
    await fold_values(run)
    assert "all agree" in await check_rollups(run)
    after = await answers(store, now)
    # No rollup has installs by event name: these come from raw events, while the counts of events are complete.
    by_name = await QUESTIONS["series"].ask(
        store, parse_request(QUESTIONS["series"], 1, {"from": day(now - DAYS * DAY), "name": "n2"}, now=now)
    )
    assert sum(row["events"] for row in by_name) == sum(event.weight for event in sent if event.name == "n2")
    raw = [name for name in before if name.split()[0] in RAW]
    for name in before.keys() - set(raw):
        assert after[name] == before[name], name
        machines_fail = name == "error-groups {} {'audience': 'people'}"  # and only machines
        assert before[name] or machines_fail or name.split()[0] in NOTHING, name
    funnel = next(name for name in raw if name.startswith("funnel"))
    assert 0 < after[funnel][0]["installs_all"] <= before[funnel][0]["installs_all"]
