"""The funnel: installs that meet the conditions of several steps, one after the other or in any order."""

from __future__ import annotations

from functools import partial

import msgspec

from server.event import DAY, FieldError
from server.history import History
from server.problems import BadQuery
from server.questions import counting, sampled_periods, suggestions
from server.questions.answer import QuestionWarning
from server.questions.counting import OTHER, Keys
from server.questions.facts import Facts, kept_since, versions_of
from server.questions.funnel_chain import WHOLE, chain, counts_of, is_chain
from server.questions.periods import Period
from server.questions.question import Audience, By, Condition, Measure, Question, Segment, check_conditions
from server.questions.reader import Reader
from server.questions.sql import Sql, sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store

MAX_STEPS = 10
MAX_WINDOW = 90 * DAY
_KEY = "install_id, place, occurred_at, number, id"
_BEFORE = "PARTITION BY install_id, place ORDER BY occurred_at, number, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"


class Funnel(msgspec.Struct, frozen=True, kw_only=True):
    """A question: how many installs meet `steps` one after the other, all within `within` milliseconds of the first.

    `where` applies to all steps. `by` splits by a field of the first step's event: each row is the same funnel with that value in the first
    step, so an install that upgrades stays in its row, and one that began with two versions counts in both.
    An event counts for one step of an attempt. Events of the same millisecond are taken in the order of the steps, because clients may send them together.

    With `ordered` false, an install reaches a step if it met that one and all earlier ones in any order, all within `within` milliseconds;
    an event counts for each step that it meets. `audience` ranks the groups.
    """

    project: int
    period: Period
    steps: tuple[Segment, ...]
    where: tuple[Condition, ...] = ()
    by: tuple[By, ...] = ()
    within: int = DAY
    ordered: bool = True
    first: int = 10
    audience: Audience = Audience.EVERYTHING

    def __post_init__(self) -> None:
        if not 2 <= len(self.steps) <= MAX_STEPS:
            raise BadQuery(FieldError("steps", f"must be 2 to {MAX_STEPS} steps"))
        if not 1 <= self.within <= MAX_WINDOW:
            raise BadQuery(FieldError("within", "must be up to 90 days"))
        # The common parts first, so that an error in them does not name a step.
        Question(project=self.project, period=self.period, where=self.where, by=self.by, first=self.first)
        for number, step in enumerate(self.steps):
            if not 1 <= len(step.name) <= 100:
                raise BadQuery(FieldError(f"steps[{number}].name", "must be 1 to 100 characters"))
            check_conditions(step.where, f"steps[{number}].where")
            self.question(number)

    def question(self, step: int, by: tuple[By, ...] = ()) -> Question:
        """The question whose events meet a step. Raises BadQuery that names the invalid part."""
        try:
            return Question(
                project=self.project, period=self.period, where=(*self.where, *self.steps[step].where), by=by, first=self.first, audience=self.audience,
                measures=(Measure.INSTALLS,),
            )  # fmt: skip
        except BadQuery as error:
            raise BadQuery(*(FieldError(f"steps[{step}].{each.path}", each.message) for each in error.errors)) from None


class FunnelStep(msgspec.Struct):
    """The distinct installs that reached a step: all, and those whose events in it were people's."""

    name: str
    all: int
    people: int


class FunnelRow(msgspec.Struct):
    """The steps of one group. `keys` are its values in the first step; `is_other` counts the groups that are not listed."""

    keys: list[str | None]
    is_other: bool
    steps: list[FunnelStep]


class FunnelAnswer(msgspec.Struct):
    """The whole funnel, and a row for each group. `since`, `complete` and `source` as in `answer.Answer`.

    `warnings` explain the steps that no event meets.
    """

    total: list[FunnelStep]
    rows: list[FunnelRow]
    since: int | None
    complete: bool
    source: str
    warnings: list[QuestionWarning]


async def funnel(store: Store, report: Funnel, *, history: History | None = None, listed: list[Keys] | None = None) -> FunnelAnswer:
    """Answer a funnel. `listed` are the groups of a split, the largest ones by default. Raises BadQuery, and TooBroad if it takes too long."""
    since = await kept_since(store, report.project)
    first = report.question(0, report.by)
    reader = Reader(
        store, first, await versions_of(store, *(report.question(number) for number in range(len(report.steps))), first), history
    )
    if since is not None and report.period.start < since:
        reader.since = since
    groups, has_others = (listed, listed is not None) if listed is not None or not report.by else await reader.groups()
    whole, split = await _counted(reader, report, groups)
    places = [*range(len(groups or ())), *([OTHER] if has_others else [])]
    rows = [
        FunnelRow([] if place == OTHER else list((groups or [])[place][: len(report.by)]), place == OTHER, _named(report, split[place]))
        for place in places
        if place in split  # a group can have events without an install only
    ]
    total = _named(report, whole)
    explained = [
        *await sampled_periods.warnings(store, report.project, report.period, "installs"),
        *await _warnings(store, report, total, history),
        *await suggestions.split_warnings(store, first, groups or (), history),
    ]
    warnings = [*reader.warnings, *explained]
    return FunnelAnswer(total, rows, since, reader.since == 0, reader.used, warnings)


async def _warnings(store: Store, report: Funnel, total: list[FunnelStep], history: History | None) -> list[QuestionWarning]:
    """Explain the first step that no install reached."""
    empty = next((number for number, step in enumerate(total) if not step.all), None)
    if empty is None:
        return []
    found = await suggestions.warnings(store, report.question(empty), (Segment(""),), history)
    unexplained = (f"{suggestions.ALL} together.", f"{suggestions.ALONE}.")  # events may meet them, but not after the previous step
    return [each for each in found if each.message not in unexplained] if empty else found


# For each place and step of the funnel: installs, all and people's.
_Reached = dict[int, list[list[int]]]


def _named(report: Funnel, reached: list[list[int]] | None) -> list[FunnelStep]:
    counts = reached or [[0, 0] for _ in report.steps]
    return [FunnelStep(step.name, *pair) for step, pair in zip(report.steps, counts, strict=True)]


async def _counted(reader: Reader, report: Funnel, groups: list[Keys] | None) -> tuple[list[list[int]] | None, _Reached]:
    """Count the installs of the whole funnel, and those of each group."""
    first = reader.facts(Facts, report.period, ())
    conditions = [step.where for step in report.steps]
    query = partial(chain, report.where, conditions, report.within, groups)
    if report.ordered and is_chain(conditions) and (rows := await reader.read_history(first, query)) is not None:
        found = {int(row["place"]): counts_of(row, len(report.steps)) for row in rows}
        return found.get(0 if groups is None else WHOLE), found
    whole = (await _reached(reader, report, msgspec.structs.replace(first, by=()), None)).get(0)
    return whole, {} if groups is None else await _reached(reader, report, first, groups)


async def _reached(reader: Reader, report: Funnel, first: Facts, groups: list[Keys] | None) -> _Reached:
    found: _Reached = {}
    query = _in_order if report.ordered else _any_order
    for people in (False, True):
        for row in await reader.read(first, partial(query, report, groups, people)):
            steps = found.setdefault(int(row["place"]), [[0, 0] for _ in report.steps])
            for number in range(len(report.steps)):
                steps[number][people] = int(row[f"reached{number}"])
    return found


def _in_order(report: Funnel, groups: list[Keys] | None, people: bool, facts: Facts, engine: SqlEngine) -> Sql:
    """The number of installs that reached each step, by the place of their group.

    For each step, each event carries the latest start of an attempt that reached the step: the later an attempt began, the more time is left for the rest.
    start0 is the time of a first step. start(n) is, at an event of step n, the latest start(n - 1) of the events before it, if that is within the
    limit. The SQL uses common table expressions, because SQLite's parser limits nesting.
    """
    flags = ", ".join(f"meets{step}" for step in range(len(report.steps)))
    chains: list[str | Sql] = [f", chain0 AS (SELECT {_KEY}, {flags}, CASE WHEN meets0 = 1 THEN occurred_at END AS start0 FROM met)"]
    for step in range(1, len(report.steps)):
        columns = ", ".join((_KEY, flags, *(f"start{number}" for number in range(step))))
        chains.append(
            f", before{step} AS (SELECT {columns}, MAX(start{step - 1}) OVER ({_BEFORE}) AS latest FROM chain{step - 1})"
            f", chain{step} AS (SELECT {columns},"
            f" CASE WHEN meets{step} = 1 AND occurred_at - latest <= {int(report.within)} THEN latest END AS start{step} FROM before{step})"
        )
    counts = ", ".join(
        f"COUNT(DISTINCT CASE WHEN start{step} IS NOT NULL THEN install_id END) AS reached{step}" for step in range(len(report.steps))
    )
    return sql(
        _met(report, groups, people, facts, engine), *chains, f" SELECT place, {counts} FROM chain{len(report.steps) - 1} GROUP BY place"
    )


def _any_order(report: Funnel, groups: list[Keys] | None, people: bool, facts: Facts, engine: SqlEngine) -> Sql:
    """Like `_in_order`, for steps in any order.

    latest(n) is, at each event, the time of the latest event of step n up to it. Steps 0 to n lie within the limit if all these times do at some
    event, the last one of an attempt.
    """
    window = "OVER (PARTITION BY install_id, place ORDER BY occurred_at, number, id ROWS UNBOUNDED PRECEDING)"
    latest = ", ".join(f"MAX(CASE WHEN meets{step} = 1 THEN occurred_at END) {window} AS latest{step}" for step in range(len(report.steps)))
    close = [f"occurred_at - latest{step} <= {int(report.within)}" for step in range(len(report.steps))]
    counts = ", ".join(
        f"COUNT(DISTINCT CASE WHEN {' AND '.join(close[: step + 1])} THEN install_id END) AS reached{step}" for step in range(len(close))
    )
    return sql(
        _met(report, groups, people, facts, engine),
        f", tried AS (SELECT install_id, place, occurred_at, {latest} FROM met) SELECT place, {counts} FROM tried GROUP BY place",
    )


def _met(report: Funnel, groups: list[Keys] | None, people: bool, facts: Facts, engine: SqlEngine) -> Sql:
    """Common table expressions for the events that meet a step, one row each with the first step that it meets and a flag for each.

    Events of later steps repeat for each group that their install has in the first step.
    """
    owned = "install_id IS NOT NULL" + (" AND people = 1" if people else "")
    parts: list[str | Sql] = [
        "WITH begun AS (SELECT install_id, place, occurred_at, id FROM (",
        counting.placed(engine, facts, groups, installs=False),
        f") AS first WHERE {owned}), tries AS (SELECT DISTINCT install_id, place FROM begun)",
        ", steps AS (SELECT install_id, place, occurred_at, id, 0 AS number FROM begun",
    ]
    for number in range(1, len(report.steps)):
        later = msgspec.structs.replace(facts, where=(*report.where, *report.steps[number].where), by=())
        parts += [
            f" UNION ALL SELECT later.install_id, tries.place, later.occurred_at, later.id, {number} AS number FROM tries JOIN (",
            "SELECT install_id, occurred_at, id FROM (",
            later.sql(engine),
            f") AS facts WHERE {owned}) AS later ON later.install_id = tries.install_id",
        ]
    flags = ", ".join(f"MAX(CASE WHEN number = {number} THEN 1 ELSE 0 END) AS meets{number}" for number in range(len(report.steps)))
    columns = "install_id, place, occurred_at, id"
    return sql(*parts, f"), met AS (SELECT {columns}, MIN(number) AS number, {flags} FROM steps GROUP BY {columns})")
