"""Answers of funnels, retention and paths as flat rows for files, and as JSON documents. Times are ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from server.analytics.measures import share
from server.dialects.parsing.times import iso
from server.questions.answer import QuestionWarning
from server.questions.cohorts import Retention, RetentionAnswer, RetentionGroup
from server.questions.funnel import Funnel, FunnelAnswer, FunnelRow
from server.questions.paths import Paths, PathsAnswer
from server.questions.question import By
from server.transfer.answer_rows import OTHER
from server.transfer.questions import Row


class Group(Protocol):
    """A group of any report."""

    keys: list[str | None]
    is_other: bool


def key_columns(by: Sequence[By]) -> list[str]:
    """The names of the columns of a split, as in `version.minor`."""
    return [f"{each.field}.{each.version.value}" if each.version else each.field for each in by]


def funnel_rows(report: Funnel, answer: FunnelAnswer) -> list[Row]:
    """One row per group and step: the installs that reached it, and their share of those of the first step."""
    groups = answer.rows if report.by else [FunnelRow([], False, answer.total)]
    return [
        {
            **_keys(report.by, group),
            "step": step.name,
            "installs_all": step.all,
            "installs_people": step.people,
            "share_all": share(step.all, group.steps[0].all),
            "share_people": share(step.people, group.steps[0].people),
        }
        for group in groups
        for step in group.steps
    ]


def retention_rows(report: Retention, answer: RetentionAnswer) -> list[Row]:
    """One row per group, cohort and step: the start of the cohort, the steps since, its installs, and those that returned."""
    groups = answer.rows if report.by else [answer.total]
    return [
        {
            **_keys(report.by, group),
            "start": iso(cohort.start),
            "after": after,
            "installs_all": cohort.size.all,
            "installs_people": cohort.size.people,
            "returned_all": all_,
            "returned_people": people,
        }
        for group in groups
        for cohort in group.cohorts
        for after, (all_, people) in enumerate(zip(cohort.active_all, cohort.active_people, strict=True))
    ]


def paths_rows(report: Paths, answer: PathsAnswer) -> list[Row]:
    """One row per group and path: its events in their order, `is_other_path` for all that are not listed, and the counts."""
    return list(_paths_rows(report, answer))


def _paths_rows(report: Paths, answer: PathsAnswer) -> Iterator[Row]:
    for group in answer.rows if report.by else [answer.total]:
        for path in group.paths:
            names = [OTHER] * path.is_other + path.names
            events = {f"event_{number + 1}": names[number] if number < len(names) else None for number in range(report.length)}
            yield {**_keys(report.by, group), **events, "is_other_path": path.is_other, **msgspec.structs.asdict(path.counts)}


def _keys(by: Sequence[By], group: Group) -> Row:
    if not by:
        return {}
    names = key_columns(by)
    keys = dict.fromkeys(names, OTHER) if group.is_other else dict(zip(names, group.keys, strict=True))
    return {**keys, "is_other": group.is_other}


class Covered(Protocol):
    """The parts of an answer that describe its completeness."""

    since: int | None
    complete: bool
    source: str
    warnings: list[QuestionWarning]


def document(rows: list[Row], answer: Covered, **more: Any) -> bytes:
    """Encode an answer as one JSON document: its flat rows, `more`, and how complete they are."""
    found = {
        "rows": rows,
        **more,
        "since": None if answer.since is None else iso(answer.since),
        "complete": answer.complete,
        "source": answer.source,
        "warnings": answer.warnings,
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def funnel_json(report: Funnel, answer: FunnelAnswer) -> bytes:
    return document(funnel_rows(report, answer), answer, total=answer.total)


def retention_json(report: Retention, answer: RetentionAnswer) -> bytes:
    def rates(group: RetentionGroup) -> Row:
        return {**_keys(report.by, group), "rates_all": group.rates_all, "rates_people": group.rates_people}

    total = {"rates_all": answer.total.rates_all, "rates_people": answer.total.rates_people}
    rows = retention_rows(report, answer)
    return document(rows, answer, rates=[rates(group) for group in answer.rows], total=total, partial_step=answer.partial_step)


def paths_json(report: Paths, answer: PathsAnswer) -> bytes:
    return document(paths_rows(report, answer), answer, total=answer.total.counts)
