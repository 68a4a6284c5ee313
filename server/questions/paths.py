"""Paths: the events that follow or precede a chosen one, within a session or a day."""

from __future__ import annotations

import enum
from functools import partial
from typing import Any

import msgspec

from server.event import DAY, FieldError
from server.history import History
from server.problems import BadQuery
from server.questions import counting, sampled_periods, suggestions
from server.questions.answer import QuestionWarning
from server.questions.counting import OTHER, Keys
from server.questions.facts import Facts, kept_since, versions_of
from server.questions.path_walk import ALL, PAUSE, Walk
from server.questions.periods import Period
from server.questions.question import Audience, By, Condition, Measure, Question, Segment
from server.questions.reader import Reader
from server.questions.sql import Sql, sql
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store

MAX_LENGTH = 5
MAX_PATHS = 50


class Direction(enum.Enum):
    """The side of the chosen event to look at."""

    AFTER = "after"
    BEFORE = "before"


class Within(enum.Enum):
    """The events that belong together: those of a session, or of a day in UTC.

    A session is that of the client. Events without one form a session until there is none for 30 minutes.
    """

    SESSION = "session"
    DAY = "day"


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """A question: which events of the same install follow (or precede) each event that meets `event`?

    A path has the names of up to `length` events and is shorter if the session or day ends. `where` selects the events that paths consist of. Each
    event that meets `event` counts, for people if it is an event of people, whatever the other events of its path are. `by` splits by one of its
    fields. The `first` most frequent paths and the `first` largest groups, by the events of the `audience`, are listed.
    """

    project: int
    period: Period
    event: tuple[Condition, ...]
    where: tuple[Condition, ...] = ()
    by: tuple[By, ...] = ()
    direction: Direction = Direction.AFTER
    within: Within = Within.SESSION
    length: int = 3
    first: int = 10
    audience: Audience = Audience.EVERYTHING

    def __post_init__(self) -> None:
        if not self.event:
            raise BadQuery(FieldError("event", "must have at least one condition"))
        if not 1 <= self.length <= MAX_LENGTH:
            raise BadQuery(FieldError("length", f"must be from 1 to {MAX_LENGTH}"))
        if not 1 <= self.first <= MAX_PATHS:
            raise BadQuery(FieldError("first", f"must be from 1 to {MAX_PATHS}"))
        Question(project=self.project, period=self.period, where=self.where, by=self.by)
        try:
            Question(project=self.project, period=self.period, where=self.event)
        except BadQuery as error:
            raise BadQuery(*(FieldError(each.path.replace("where", "event", 1), each.message) for each in error.errors)) from None
        _ = self.question  # all conditions together may be too many

    @property
    def question(self) -> Question:
        """The question whose events paths begin with."""
        return Question(project=self.project, period=self.period, where=(*self.where, *self.event), by=self.by, first=self.first)


class PathCounts(msgspec.Struct):
    """The number of chosen events and of their distinct installs."""

    events_all: int = 0
    events_people: int = 0
    installs_all: int = 0
    installs_people: int = 0


class Path(msgspec.Struct):
    """One path: the names of its events, in the order in which they occurred. `is_other` counts all paths that are not listed."""

    names: list[str]
    is_other: bool
    counts: PathCounts


class PathGroup(msgspec.Struct):
    """The paths of one group, and its counts. `is_other` counts the groups that are not listed."""

    keys: list[str | None]
    is_other: bool
    counts: PathCounts
    paths: list[Path]


class PathsAnswer(msgspec.Struct):
    """The paths of all chosen events, and a row for each group with the same paths. The other fields are those of `answer.Answer`."""

    total: PathGroup
    rows: list[PathGroup]
    since: int | None
    complete: bool
    source: str
    warnings: list[QuestionWarning]


# For each place and path, the counts.
_Counts = dict[tuple[int, int], PathCounts]


async def paths(store: Store, report: Paths, *, history: History | None = None) -> PathsAnswer:
    """Answer a question about paths. Raises BadQuery, and TooBroad if it takes too long."""
    since = await kept_since(store, report.project)
    question = report.question
    reader = Reader(store, question, await versions_of(store, question), history)
    if since is not None and report.period.start < since:
        reader.since = since
    chosen = reader.facts(Facts, report.period, ())
    groups, has_others = await _groups(reader, report, chosen) if report.by else (None, False)
    listed, counts = await _walked_at_once(reader, report, chosen, groups) or await _walked_in_turn(reader, report, chosen, groups)

    def group(keys: list[str | None], place: int) -> PathGroup:
        found = [
            Path(_names(report, path), False, counts.get((place, number), PathCounts()))
            for number, path in enumerate(listed[: report.first])
        ]
        if len(listed) > report.first:
            found.append(Path([], True, counts.get((place, OTHER), PathCounts())))
        return PathGroup(keys, place == OTHER, counts.get((place, ALL), PathCounts()), found)

    places = [*range(len(groups or ())), *([OTHER] if has_others else [])]
    rows = [group([] if place == OTHER else list((groups or [])[place][: len(report.by)]), place) for place in places]
    explained = await sampled_periods.warnings(store, report.project, report.period, "installs", "paths")
    explained += await suggestions.split_warnings(store, question, groups or (), history)
    explained += [] if counts else await suggestions.warnings(store, question, (Segment(""),), history)
    return PathsAnswer(group([], ALL), rows, since, reader.since == 0, reader.used, [*reader.warnings, *explained])


async def _groups(reader: Reader, report: Paths, chosen: Facts) -> tuple[list[Keys], bool]:
    """The groups with the most chosen events (unweighted), and whether there are more groups."""

    def largest(facts: Facts, engine: SqlEngine) -> Sql:
        owned = sql("SELECT k1, k2, people, 1 AS events FROM (", facts.sql(engine), ") AS owned WHERE install_id IS NOT NULL")
        return counting.largest(engine, owned, Measure.EVENTS, report.audience, report.first)

    found: list[Keys] = [(row["k1"], row["k2"]) for row in await reader.read(chosen, largest)]
    return found[: report.first], len(found) > report.first


async def _walked_at_once(reader: Reader, report: Paths, chosen: Facts, groups: list[Keys] | None) -> tuple[list[str], _Counts] | None:
    """Read the most frequent paths, and one more than are listed if there are others, with all counts. Return None without a history."""
    walk = Walk(
        where=report.where,
        event=report.event,
        is_after=report.direction is Direction.AFTER,
        by_day=report.within is Within.DAY,
        length=report.length,
        first=report.first,
        audience=report.audience,
    )
    rows = await reader.read_history(chosen, partial(walk.sql, groups))
    if rows is None:
        return None
    counts = {(row["place"], row["path"]): _counts_of(row) for row in rows}
    texts = {row["path"]: row["text"] for row in rows if row["place"] == ALL and row["path"] >= 0}
    return [*(texts[number] for number in sorted(texts)), *([""] if (ALL, OTHER) in counts else [])], counts


async def _walked_in_turn(reader: Reader, report: Paths, chosen: Facts, groups: list[Keys] | None) -> tuple[list[str], _Counts]:
    alone = msgspec.structs.replace(chosen, by=())
    listed = [row["path"] for row in await reader.read(alone, partial(_largest, report))]
    whole = await reader.read(alone, partial(_counted, report, None, listed))
    split = await reader.read(chosen, partial(_counted, report, groups, listed)) if groups is not None else []
    return listed, {
        **{(row["place"], row["path"]): _counts_of(row) for row in split},
        **{(ALL, row["path"]): _counts_of(row) for row in whole},
    }


def _counts_of(row: dict[str, Any]) -> PathCounts:
    return PathCounts(**{name: int(row[name]) for name in PathCounts.__struct_fields__})


def _largest(report: Paths, facts: Facts, engine: SqlEngine) -> Sql:
    """The most frequent paths, and one more than are listed."""
    size = "SUM(people)" if report.audience is Audience.PEOPLE else "COUNT(*)"
    return sql(
        _walked(report, None, facts, engine),
        f" SELECT path FROM walked GROUP BY path ORDER BY {size} DESC, {engine.sortable('path')} LIMIT {report.first + 1}",
    )


def _counted(report: Paths, groups: list[Keys] | None, listed: list[str], facts: Facts, engine: SqlEngine) -> Sql:
    """The counts by place and path: its index in `listed`, OTHER, or ALL for all paths."""
    pairs: list[list[str | int | None]] = [[path, None, number] for number, path in enumerate(listed[: report.first])]
    counts = ", ".join(
        f"COUNT(DISTINCT {column}) AS {name}_all, COUNT(DISTINCT CASE WHEN people = 1 THEN {column} END) AS {name}_people"
        for column, name in (("id", "events"), ("install_id", "installs"))
    )
    return sql(
        _walked(report, groups, facts, engine),
        f", known AS (SELECT walked.place, COALESCE(listing.place, {OTHER}) AS path, id, install_id, people FROM walked LEFT JOIN ",
        engine.pairs(pairs),
        f" AS listing ON listing.a = walked.path) SELECT place, path, {counts} FROM known GROUP BY place, path"
        f" UNION ALL SELECT place, {ALL} AS path, {counts} FROM known GROUP BY place",
    )


def _walked(report: Paths, groups: list[Keys] | None, facts: Facts, engine: SqlEngine) -> Sql:
    """Common table expressions, of which `walked` has a row for each chosen event and group: id, install_id, people, place, path.

    A path is the names of its events, nearest first, each after its length and a colon.
    """
    every = msgspec.structs.replace(facts, where=report.where, by=(By("name"),))
    look = "LEAD" if report.direction is Direction.AFTER else "LAG"
    order = "ORDER BY occurred_at, id"
    names = ", ".join(f"{look}(name, {number}) OVER unit AS name{number}" for number in range(1, report.length + 1))
    path = " || ".join(f"COALESCE(CAST(length(name{number}) AS text) || ':' || name{number}, '')" for number in range(1, report.length + 1))
    if report.within is Within.DAY:
        pauses, unit, together = "0", f"occurred_at {engine.divide} {DAY}", "install_id, unit"
    else:
        pauses = f"CASE WHEN session IS NULL AND occurred_at - LAG(occurred_at) OVER (PARTITION BY install_id, session {order}) > {PAUSE} THEN 1 ELSE 0 END"
        unit = f"SUM(pause) OVER (PARTITION BY install_id, session {order} ROWS UNBOUNDED PRECEDING)"
        together = "install_id, session, unit"
    return sql(
        "WITH chosen AS (SELECT id, install_id, people, place FROM (",
        counting.placed(engine, facts, groups, installs=False),
        ") AS chosen WHERE install_id IS NOT NULL), seen AS (SELECT id, install_id, session, occurred_at, k1 AS name FROM (",
        every.sql(engine),
        ") AS seen WHERE install_id IS NOT NULL AND install_id IN (SELECT install_id FROM chosen))",
        f", paused AS (SELECT id, install_id, session, occurred_at, name, {pauses} AS pause FROM seen)",
        f", united AS (SELECT id, install_id, session, occurred_at, name, {unit} AS unit FROM paused)",
        f", ordered AS (SELECT id, {names} FROM united WINDOW unit AS (PARTITION BY {together} {order}))",
        # A join by a window: neither SQLite nor PostgreSQL can estimate the size of these expressions, and a join would compare all pairs of rows.
        ", joined AS (SELECT id, install_id, people, place, MAX(path) OVER (PARTITION BY id) AS path FROM ("
        "SELECT id, install_id, people, place, NULL AS path FROM chosen UNION ALL"
        f" SELECT id, NULL AS install_id, NULL AS people, NULL AS place, {path} AS path FROM ordered) AS pieces)"
        ", walked AS (SELECT id, install_id, people, place, path FROM joined WHERE install_id IS NOT NULL)",
    )


def _names(report: Paths, path: str) -> list[str]:
    """Split a path into the names of its events, in the order in which these occurred."""
    found: list[str] = []
    while path:
        length, _, rest = path.partition(":")
        found.append(rest[: int(length)])
        path = rest[int(length) :]
    return found if report.direction is Direction.AFTER else found[::-1]
