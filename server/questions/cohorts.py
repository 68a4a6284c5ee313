"""Retention: of the installs that began in each day, week or month, the number that returned in it and in each later one."""

from __future__ import annotations

import bisect
import json
from functools import partial

import msgspec

from server.clock import epoch_ms
from server.event import DAY, FieldError
from server.history import History
from server.problems import BadQuery
from server.questions import cohort_rollups, counting, sampled_periods, suggestions
from server.questions.answer import QuestionWarning
from server.questions.counting import OTHER, Keys
from server.questions.facts import Facts, kept_since, step_at, versions_of
from server.questions.history_facts import HistoryFacts
from server.questions.periods import LONGEST, Period, Step, starts
from server.questions.question import Audience, By, Condition, Measure, Question, Segment
from server.questions.reader import Reader
from server.questions.rollup_facts import ActivityFacts, audiences
from server.questions.sql import Sql, bound, sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store

MAX_STEPS = 104
MAX_FIGURES = 100_000
MAX_LISTED = 300_000  # installs whose first day is passed to the history
_OWNED = "install_id IS NOT NULL"
_SIZE = -1  # the step of a row that counts a whole cohort


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """A question: in which steps after the one in which they began do installs return?

    An install begins when it is first seen; with `start`, at its first event that meets these conditions, among all events that are kept.
    It returns in each step in which it has an event that meets `back`, at or after the first one. `where` applies to both. The period is
    widened to whole steps. An install that was only reported, or seen with a wrong clock, in its first step returns in a later one.

    `by` splits by a field of the event at which an install begins (without `start`: its first event of the period). An install that
    upgrades stays in its row, so the rows add up to the total unless a property is a list. People's installs are those with an event of
    people that could have begun them; they return with events of people. `audience` ranks the groups.
    """

    project: int
    period: Period
    over: Step = Step.WEEK
    where: tuple[Condition, ...] = ()
    start: tuple[Condition, ...] = ()
    back: tuple[Condition, ...] = ()
    by: tuple[By, ...] = ()
    first: int = 10
    audience: Audience = Audience.EVERYTHING

    def __post_init__(self) -> None:
        if self.over is Step.HOUR:
            raise BadQuery(FieldError("over", "must be a day, a week or a month"))
        self.question(self.start, "start", self.by)
        self.question(self.back, "return")
        try:
            steps = len(starts(self.period, self.over))
        except BadQuery:
            steps = MAX_STEPS + 1
        if steps > MAX_STEPS:
            raise BadQuery(FieldError("period", f"must have at most {MAX_STEPS} {self.over.value}s"))
        if size(self) > MAX_FIGURES:
            raise BadQuery(FieldError("first", f"gives more than {MAX_FIGURES} figures: ask for fewer groups or longer steps"))

    def question(self, conditions: tuple[Condition, ...], part: str, by: tuple[By, ...] = ()) -> Question:
        """The question whose events meet `where` and conditions. Raises BadQuery that names the invalid part."""
        base = Question(project=self.project, period=self.period, where=self.where, by=by, first=self.first, measures=(Measure.INSTALLS,))
        try:
            Question(project=self.project, period=self.period, where=conditions)
        except BadQuery as error:
            raise BadQuery(*(FieldError(each.path.replace("where", part, 1), each.message) for each in error.errors)) from None
        return msgspec.structs.replace(base, where=(*self.where, *conditions))

    @property
    def span(self) -> Period:
        """The period in whole steps."""
        found = starts(self.period, self.over)
        return Period(found[0], starts(Period(found[-1], found[-1] + 40 * DAY), self.over)[1])


class InstallCount(msgspec.Struct, frozen=True):
    """Distinct installs: all, and people's."""

    all: int
    people: int


class Cohort(msgspec.Struct):
    """The installs that began in one step, with its start in epoch ms, and the number that returned in that step and in each later one."""

    start: int
    size: InstallCount
    active_all: list[int]
    active_people: list[int]


class RetentionGroup(msgspec.Struct):
    """The cohorts of one group. `is_other` counts the groups that are not listed.

    `rates_all` and `rates_people` are the shares of installs that returned after 0, 1, 2 … steps, over all cohorts for which that step has ended;
    None if there are no installs.
    """

    keys: list[str | None]
    is_other: bool
    cohorts: list[Cohort]
    rates_all: list[float | None]
    rates_people: list[float | None]


class RetentionAnswer(msgspec.Struct):
    """The cohorts of all installs, and a row for each group. `starts` are those of the cohorts; the others as in `answer.Answer`.

    Cohorts whose events were all deleted by retention are left out.
    """

    starts: list[int]
    partial_step: int | None
    total: RetentionGroup
    rows: list[RetentionGroup]
    since: int | None
    complete: bool
    source: str
    warnings: list[QuestionWarning]


# For each place, cohort and step: installs, all and people's.
_Counts = dict[tuple[int, int, int], list[int]]


def size(report: Retention) -> int:
    """Return the largest number of figures in the answer."""
    steps = len(starts(report.period, report.over))
    return steps * (steps + 3) * (report.first + 2 if report.by else 1)


async def retention(
    store: Store, report: Retention, *, history: History | None = None, now: int | None = None, listed: list[Keys] | None = None
) -> RetentionAnswer:
    """Answer a question about retention. `listed` are the groups of a split, the largest ones by default. Raises BadQuery, and TooBroad if it
    takes too long.
    """
    now = epoch_ms() if now is None else now
    since = await kept_since(store, report.project)
    sampled = await sampled_periods.warnings(store, report.project, report.span, "installs")
    if (counts := await _from_rollups(store, report)) is not None:
        return _answer(report, _Found({}, counts, None, has_others=False), since, 0, "rollups", sampled, now)
    began = report.question(report.start, "start", report.by)
    back = report.question(report.back, "return")
    reader = Reader(store, began, await versions_of(store, began, back), history)
    query = _Cohorts(report, reader, store, since)
    if not query.is_daily and since is not None and report.span.start < since:
        reader.since = since
    found = await query.read(listed)
    explained = [*reader.warnings, *sampled, *await _warnings(store, report, found.whole, history)]
    explained += await suggestions.split_warnings(store, began, found.groups or (), history)
    return _answer(report, found, since, reader.since, reader.used, explained, now)


async def _warnings(store: Store, report: Retention, whole: _Counts, history: History | None) -> list[QuestionWarning]:
    """Explain an answer without installs, or without any that returned."""
    if not whole:
        return await suggestions.warnings(store, report.question(report.start, "start"), (Segment(""),), history)
    if report.back and all(step == _SIZE for _, _, step in whole):
        return await suggestions.warnings(store, report.question(report.back, "return"), (Segment(""),), history)
    return []


class _Found(msgspec.Struct):
    """The counts of each group and of all installs; `groups` are the keys that are listed."""

    split: _Counts
    whole: _Counts
    groups: list[Keys] | None
    has_others: bool


async def _from_rollups(store: Store, report: Retention) -> _Counts | None:
    """Weekly cohorts by first week, from rollups; None if the rollups cannot answer. They count single environments and people."""
    if report.over is not Step.WEEK or report.by or report.start or report.back:
        return None
    counted = audiences(report.where)
    if counted is None:
        return None
    sizes, weeks = await cohort_rollups.cohorts(store, report.project, report.span, counted)
    place = {start // DAY: number for number, start in enumerate(starts(report.period, report.over))}
    found = {(0, place[cohort], _SIZE): counts for cohort, counts in sizes.items()}
    return found | {(0, place[cohort], place[week]): counts for (cohort, week), counts in weeks.items()}


class _Cohorts:
    """Reads the cohorts of a question from activity, the history, or raw events."""

    def __init__(self, report: Retention, reader: Reader, store: Store, since: int | None) -> None:
        self._report = report
        self._reader = reader
        self._store = store
        self._starts = starts(report.period, report.over)
        # The first event of all kept ones may lie before the period.
        self._kept = Period(max(since or 0, report.span.end - LONGEST * DAY) // DAY * DAY, report.span.end) if report.start else report.span
        self._arrivals: list[tuple[int, int]] = []

    @property
    def is_daily(self) -> bool:
        """True if days of activity have the answer."""
        conditions = (*self._report.where, *self._report.back)
        return not (self._report.by or self._report.start) and all(each.field == "environment" for each in conditions)

    async def read(self, listed: list[Keys] | None) -> _Found:
        report, is_large = self._report, False
        kind = ActivityFacts if self.is_daily else Facts
        began: Facts = self._reader.facts(kind, self._kept, ())
        if not report.start and await self._reader.is_columnar(began):
            rows = await self._store.rows(
                "SELECT id, first_seen FROM install WHERE project_id = {} AND first_seen >= {} AND first_seen < {} LIMIT {}",
                *(report.project, report.span.start, report.span.end, MAX_LISTED + 1),
            )
            self._arrivals = [(row["id"], bisect.bisect_right(self._starts, row["first_seen"]) - 1) for row in rows]
            is_large = len(rows) > MAX_LISTED
        groups, has_others = listed, listed is not None
        if report.by and listed is None:
            rows = await self._reader.read(began, self._largest, stored_only=is_large)
            groups, has_others = [(row["k1"], row["k2"]) for row in rows][: report.first], len(rows) > report.first
        whole = msgspec.structs.replace(began, by=())
        found = _Found({}, {}, groups, has_others)
        for facts, counts, listed in ((whole, found.whole, None), *([(began, found.split, groups)] if groups is not None else [])):
            for row in await self._reader.read(facts, partial(self._counts, listed), stored_only=is_large):
                counts[row["place"], row["cohort"], row["step"]] = [int(row["everyone"]), int(row["humans"])]
        return found

    def _largest(self, facts: Facts, engine: SqlEngine) -> Sql:
        return counting.largest(engine, self._entries(facts, engine), Measure.INSTALLS, self._report.audience, self._report.first)

    def _counts(self, groups: list[Keys] | None, facts: Facts, engine: SqlEngine) -> Sql:
        """By place and cohort: the number of installs (with _SIZE as step), and of those that returned in each step."""
        entries = self._entries(facts, engine)
        columns = ("install_id", "people", "cohort", "began")
        placed = (
            sql(f"SELECT 0 AS place, {', '.join(columns)} FROM (", entries, ") AS entries")
            if groups is None
            else counting.among(engine, entries, columns, groups, distinct=facts.repeats)
        )
        later = msgspec.structs.replace(
            facts, period=self._report.span, where=(*self._report.where, *self._report.back), by=(), over=self._report.over
        )
        at = "occurred_at" if self._report.start else "0"
        latest = f"MAX({at}) AS latest, MAX(CASE WHEN people = 1 THEN {at} END) AS latest_people"
        humans = "COUNT(DISTINCT CASE WHEN {} THEN entry.install_id END) AS humans"
        return sql(
            "WITH entry AS (",
            placed,
            f"), back AS (SELECT install_id, step, {latest} FROM (",
            later.sql(engine),
            f") AS facts WHERE {_OWNED} GROUP BY install_id, step)",
            f" SELECT place, cohort, {_SIZE} AS step, COUNT(DISTINCT install_id) AS everyone, {humans.format('people = 1')}",
            " FROM entry GROUP BY place, cohort UNION ALL SELECT place, cohort, step, COUNT(DISTINCT entry.install_id) AS everyone,",
            f" {humans.format('people = 1 AND latest_people >= began')} FROM entry JOIN back ON back.install_id = entry.install_id",
            " AND back.step >= entry.cohort AND back.latest >= entry.began GROUP BY place, cohort, step",
        )

    def _entries(self, facts: Facts, engine: SqlEngine) -> Sql:
        """The installs that began in the period: install_id, people (0 or 1), cohort, began, k1, k2, and 1 as events.

        `began` is the time of the event at which an install began, or 0 if all its events are later than its start.
        """
        report = self._report
        facts = msgspec.structs.replace(facts, where=(*report.where, *report.start), over=None)
        owned = sql("(", facts.sql(engine), f") AS facts WHERE {_OWNED}")
        if not report.start and not report.by:
            first = sql("SELECT install_id, MIN(k1) AS k1, MIN(k2) AS k2, MAX(people) AS people FROM ", owned, " GROUP BY install_id")
        else:
            columns = "install_id, k1, k2, occurred_at"
            order = "RANK() OVER (PARTITION BY install_id ORDER BY occurred_at, id) AS nth"
            people = "MAX(people) OVER (PARTITION BY install_id) AS people"
            first = sql(
                f"SELECT {columns}, people FROM (SELECT {columns}, {people}, {order} FROM ", owned, ") AS ranked WHERE nth = 1"
            )  # fmt: skip
        if report.start:
            cohort = step_at(engine, report.over, self._starts, "occurred_at")
            return sql(
                f"SELECT install_id, k1, k2, people, {cohort} AS cohort, occurred_at AS began, 1 AS events FROM (",
                first,
                f") AS first WHERE occurred_at >= {self._starts[0]}",
            )
        return sql(
            "SELECT first.install_id, k1, k2, people, cohort, 0 AS began, 1 AS events FROM (",
            first,
            ") AS first JOIN ",
            self._seen(facts, engine),
            " AS arrival ON arrival.install_id = first.install_id",
        )

    def _seen(self, facts: Facts, engine: SqlEngine) -> Sql:
        """The installs that were first seen in the period: install_id, cohort. The history does not hold them."""
        if isinstance(facts, HistoryFacts):
            installs, cohorts = (json.dumps([pair[number] for pair in self._arrivals]) for number in (0, 1))
            return sql(
                "(SELECT unnest(CAST(", bound(installs), " AS BIGINT[])) AS install_id, unnest(CAST(", bound(cohorts), " AS INTEGER[])) AS cohort)"
            )  # fmt: skip
        span = self._report.span
        cohort = step_at(engine, self._report.over, self._starts, "first_seen")
        return Sql(
            f"(SELECT id AS install_id, {cohort} AS cohort FROM install WHERE project_id = {self._report.project}"
            f" AND first_seen >= {span.start} AND first_seen < {span.end})"
        )


def _answer(
    report: Retention, found: _Found, since: int | None, events_since: int, source: str, warnings: list[QuestionWarning], now: int
) -> RetentionAnswer:
    """Lay out counts. Cohorts of steps before `events_since` no longer have events."""
    steps, end = starts(report.period, report.over), report.span.end
    gone = bisect.bisect_right([*steps[1:], end], events_since)
    ended = bisect.bisect_right([*steps[1:], end], now)
    shown = range(gone, len(steps))
    running = bisect.bisect_right(steps, now) - 1

    def group(keys: list[str | None], place: int, counts: _Counts) -> RetentionGroup:
        def count(cohort: int, step: int) -> list[int]:
            return counts.get((place, cohort, step), [0, 0])

        cohorts = [
            Cohort(
                steps[cohort], InstallCount(*count(cohort, _SIZE)), *([count(cohort, step)[one] for step in range(cohort, len(steps))] for one in (0, 1))
            )
            for cohort in shown
        ]  # fmt: skip
        return RetentionGroup(keys, place == OTHER, cohorts, *(_rates(cohorts, ended - gone, people=people) for people in (False, True)))

    groups = found.groups or []
    places = [*range(len(groups)), *([OTHER] if found.has_others else [])]
    return RetentionAnswer(
        starts=[steps[step] for step in shown],
        partial_step=running - gone if gone <= running and now < end else None,
        total=group([], 0, found.whole),
        rows=[group([] if place == OTHER else list(groups[place][: len(report.by)]), place, found.split) for place in places],
        since=since,
        complete=events_since == 0,
        source=source,
        warnings=warnings,
    )


def _rates(cohorts: list[Cohort], ended: int, *, people: bool) -> list[float | None]:
    """The share that returned after each number of steps, of the cohorts for which that step has ended."""
    rates: list[float | None] = []
    for offset in range(min(ended, len(cohorts))):
        counted = cohorts[: ended - offset]
        installs = sum(each.size.people if people else each.size.all for each in counted)
        returned = sum((each.active_people if people else each.active_all)[offset] for each in counted)
        rates.append(returned / installs if installs else None)
    return rates
