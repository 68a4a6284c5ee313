"""Active, new and returning installs, and the versions that they run."""

from __future__ import annotations

import asyncio

import msgspec

from server.analytics import active
from server.analytics.active import countable
from server.analytics.filters import Filter, to_question
from server.analytics.measures import Installs, by_step, share
from server.analytics.release_choice import choose
from server.analytics.sources import activity_of, for_both
from server.event import DAY, ENVIRONMENTS, PEOPLE, FieldError
from server.history import History
from server.problems import BadQuery
from server.questions.answer_cache import reused, shared
from server.questions.facts import Facts
from server.questions.figures import figures
from server.questions.periods import LONGEST, Period, Step, starts
from server.questions.question import By, Measure
from server.questions.reader import Reader
from server.questions.sql import Sql, sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store

WEEK, MONTH = 7, 30  # days that weekly and monthly actives look back


class ActiveUsers(msgspec.Struct, frozen=True):
    """Parallel lists, an entry for each day (its beginning in epoch ms): installs active on the day, in the seven days that end with it, and in the
    thirty. `stickiness` is the day's share of the month's installs (DAU / MAU), None if the month has none.
    """

    starts: list[int]
    daily_all: list[int]
    daily_people: list[int]
    weekly_all: list[int]
    weekly_people: list[int]
    monthly_all: list[int]
    monthly_people: list[int]
    stickiness_all: list[float | None]
    stickiness_people: list[float | None]


class NewAndReturning(msgspec.Struct, frozen=True):
    """Parallel lists, an entry for each step: active installs that were first seen in that step (as far as it lies in the period), and those
    that were known before."""

    starts: list[int]
    new_all: list[int]
    new_people: list[int]
    returning_all: list[int]
    returning_people: list[int]


class Adoption(msgspec.Struct, frozen=True):
    """One version: the number of installs that ran it in each of the answer's steps. `version` is None for all other versions together.

    `failure_rate` (0 to 1) is that of the period's events with an outcome, None if there are none; `stands_out` is set if it is far above that of all other
    versions.
    """

    version: str | None
    all: list[int]
    people: list[int]
    failure_rate: float | None = None
    stands_out: bool = False


class VersionAdoption(msgspec.Struct, frozen=True):
    """Versions by the number of installs in all steps, most first. Each install counts once per step, under the last version that it ran in the step.
    Installs without a version are left out. `release_choice` selects the versions that are named.
    """

    starts: list[int]
    versions: list[Adoption]


async def active_users(store: Store, filter_: Filter, history: History | None = None) -> ActiveUsers:
    """Daily, weekly and monthly active installs. Raises BadQuery for a period that is not whole days."""
    if not filter_.period.whole_days:
        raise BadQuery(FieldError("period", "must be whole days"))
    beginnings, first = starts(filter_.period, Step.DAY), filter_.period.first_day
    if counted := countable(filter_):
        everyone, people = await active.gaps(store, filter_, counted, MONTH)
    else:
        everyone, people = await for_both(filter_, lambda each: _gaps(store, each, history))
    counts = {
        f"{name}_{audience}": active.in_windows(gaps, first, len(beginnings), window)
        for name, window in (("daily", 1), ("weekly", WEEK), ("monthly", MONTH))
        for audience, gaps in (("all", everyone), ("people", people))
    }
    return with_stickiness(beginnings, counts)


def with_stickiness(beginnings: list[int], counts: dict[str, list[int]]) -> ActiveUsers:
    """Active users with their stickiness. `counts` are the other fields."""
    everyone, people = (
        [share(*pair) for pair in zip(counts[f"daily_{audience}"], counts[f"monthly_{audience}"], strict=True)]
        for audience in ("all", "people")
    )
    return ActiveUsers(starts=beginnings, **counts, stickiness_all=everyone, stickiness_people=people)


async def _gaps(store: Store, filter_: Filter, history: History | None) -> active.Gaps:
    """The active days of installs from events. No day before those that the period looks back on is known, nor needed."""
    period = filter_.period
    if period.last_day - period.first_day > LONGEST - MONTH:
        message = f"must have at most {LONGEST - MONTH + 1} days with these filters, because each day looks back on {MONTH}"
        raise BadQuery(FieldError("period", message))
    earlier = Period(max(0, period.first_day - MONTH + 1) * DAY, period.end)
    reader = Reader(store, to_question(filter_.during(earlier), Measure.INSTALLS, over=Step.DAY), filter_.known_versions, history)

    def query(facts: Facts, engine: SqlEngine) -> Sql:
        days = sql("SELECT DISTINCT install_id, step AS day FROM (", facts.sql(engine), ") AS facts WHERE install_id IS NOT NULL")
        since = sql("SELECT day, day - LAG(day) OVER (PARTITION BY install_id ORDER BY day) AS gap FROM (", days, ") AS days")
        gap = f"CASE WHEN gap < {MONTH} THEN gap ELSE {MONTH} END AS gap"
        return sql(f"SELECT day, {gap}, COUNT(*) AS installs FROM (", since, ") AS gaps GROUP BY 1, 2")

    rows = await reader.read(reader.facts(activity_of(filter_), earlier, ()), query)
    return [(earlier.first_day + row["day"], row["gap"], int(row["installs"])) for row in rows]


@shared
async def active_by_step(store: Store, filter_: Filter, step: Step, history: History | None) -> list[Installs]:
    """Active installs in each step. Several figures of a page share one read."""
    return by_step((await figures(store, to_question(filter_, Measure.INSTALLS, over=step), history))[Measure.INSTALLS])


@reused
async def new_and_returning(store: Store, filter_: Filter, step: Step = Step.DAY, history: History | None = None) -> NewAndReturning:
    """Active installs, split into those first seen in the step and all others. Raises BadQuery for hours, for which no activity is kept."""
    if step is Step.HOUR:
        raise BadQuery(FieldError("step", "must be a day, a week or a month"))
    beginnings = starts(filter_.period, step)
    everyone, found = await asyncio.gather(
        active_by_step(store, filter_, step, history), figures(store, to_question(filter_, Measure.NEW_INSTALLS, over=step), history)
    )
    new = by_step(found[Measure.NEW_INSTALLS])
    return NewAndReturning(
        beginnings,
        [count.all for count in new],
        [count.people for count in new],
        [both.all - count.all for both, count in zip(everyone, new, strict=True)],
        [both.people - count.people for both, count in zip(everyone, new, strict=True)],
    )


@reused
async def version_adoption(
    store: Store, filter_: Filter, step: Step = Step.DAY, *, limit: int = 10, history: History | None = None
) -> VersionAdoption:
    """Return the versions that installs ran over time; those beyond `limit` are combined. Raises BadQuery for hours."""
    if step is Step.HOUR:
        raise BadQuery(FieldError("step", "must be a day, a week or a month"))
    beginnings = starts(filter_.period, step)
    counted = countable(filter_) if step is Step.DAY else None
    if counted:
        everyone = await active.versions(store, filter_, counted.everyone)
        people = {} if counted.people is None else await active.versions(store, filter_, counted.people)
    else:
        everyone, people = await _versions(store, filter_, step, history)
    named, rates = await choose(store, filter_, everyone, limit, history)
    others = sorted({version for version, _ in everyone} - set(named))

    def added_up(counts: dict[tuple[str, int], int], versions: list[str]) -> list[int]:
        return [sum(counts.get((version, step), 0) for version in versions) for step in range(len(beginnings))]

    found = [
        Adoption(
            version, added_up(everyone, [version]), added_up(people, [version]), rates.failure.get(version), version in rates.outstanding
        )
        for version in named
    ]
    if others:
        found.append(Adoption(None, added_up(everyone, others), added_up(people, others)))
    return VersionAdoption(beginnings, found)


Versions = dict[tuple[str, int], int]  # installs by version and step


async def _versions(store: Store, filter_: Filter, step: Step, history: History | None) -> tuple[Versions, Versions]:
    """All installs, and those of people. If a day has several versions, that of a person takes precedence, then that of CI, and so on."""
    question = to_question(filter_, Measure.INSTALLS, by=(By("version"), By("environment")), over=step)
    reader = Reader(store, question, filter_.known_versions, history)
    environments = " ".join(f"WHEN '{word}' THEN {int(each)}" for word, each in ENVIRONMENTS.items())

    def query(facts: Facts, engine: SqlEngine) -> Sql:
        day, environment = f"occurred_at {engine.divide} {DAY} AS day", f"CASE k2 {environments} END AS environment"
        columns = f"SELECT step, install_id, k1 AS version, {day}, {environment}, id AS latest FROM ("
        events = sql(columns, facts.for_installs().sql(engine), ") AS facts WHERE install_id IS NOT NULL")
        return _last_versions(events, is_columnar=engine.is_columnar)

    found: tuple[Versions, Versions] = ({}, {})
    for row in await reader.read_steps(reader.facts(activity_of(filter_), filter_.period, ()), query):
        found[row["of_people"]][row["version"], row["step"]] = int(row["installs"])
    return found


def _last_versions(facts: Sql, *, is_columnar: bool = False) -> Sql:
    """Installs by the last version that each ran in a step: for all events (`of_people` 0), and for those of people (1)."""
    person_first, of_people = (
        "CASE WHEN environment = 0 THEN 9 ELSE environment END",
        f"environment IN ({', '.join(map(str, map(int, PEOPLE)))})",
    )
    counted = (
        "SELECT {0} AS of_people, version, step, COUNT(*) AS installs FROM ({1}) AS last WHERE version IS NOT NULL GROUP BY version, step"
    )
    if is_columnar:
        # The order as one number of 128 bits: finding the largest number of a group is far faster in DuckDB than sorting all events.
        last = f"arg_max(version, CAST(day * 10 + 9 - {person_first} AS HUGEINT) * {1 << 63} + latest)"
        start = f"WITH found AS MATERIALIZED (SELECT step, {last} AS everyone, {last} FILTER ({of_people}) AS people FROM ("
        by_install = ") AS stepped WHERE version IS NOT NULL GROUP BY step, install_id) "
        each = [f"SELECT step, {column} AS version FROM found" for column in ("everyone", "people")]
    else:
        start, by_install = "WITH stepped AS (SELECT * FROM (", ") AS facts WHERE version IS NOT NULL) "
        order = f"PARTITION BY step, install_id ORDER BY day DESC, {person_first}, latest DESC"
        placed = f"SELECT step, version FROM (SELECT step, version, ROW_NUMBER() OVER ({order}) AS place FROM stepped"
        each = [f"{placed}{where}) AS placed WHERE place = 1" for where in ("", f" WHERE {of_people}")]
    return sql(start, facts, by_install, " UNION ALL ".join(counted.format(*pair) for pair in enumerate(each)))
