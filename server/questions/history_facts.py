"""Facts from the history. Its relation `events` has all columns of an event and its context in one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import msgspec

from server.event import DAY
from server.event_id import EPOCH, first_id
from server.fields import Field, Place
from server.history import ALONE, DAY_MARK, REPEATED, UNMARKED, History, Reading, Statement, texts_column, texts_in
from server.questions.arrivals import NO_ARRIVALS, Arrivals
from server.questions.facts import ALIASES, EARLY, LATE, Facts
from server.questions.periods import LENGTHS, Step
from server.questions.question import Condition, Property, find_field
from server.questions.sql import Sql, bound, sql
from server.questions.sql_engines import DuckDbSql, SqlEngine

# A query over the history: one statement, or several. The last one returns the rows; the others may set variables for the next ones.
HistoryQuery = Callable[[Facts, SqlEngine], Sql | tuple[Sql, ...]]

_MOMENT = "event.occurred_at"
_COLUMNS = {"name": "name", "target": "target_id", "target_type": "target_type"}


class HistoryFacts(Facts, frozen=True, kw_only=True):
    """Facts from the columnar copy of the events. `arrivals` are the installs that are new in the period. With `is_for_installs`, events are left out
    that add no install to those of others: see `server.history.day_marks`.
    """

    arrivals: Arrivals = NO_ARRIVALS
    is_for_installs: bool = False

    source: ClassVar[str] = "history"
    has_distinct_elements: ClassVar[bool] = True
    joins: ClassVar[dict[Place, str]] = {}
    keys: ClassVar[dict[Place, str]] = {}

    @classmethod
    def of(cls, facts: Facts, arrivals: Arrivals = NO_ARRIVALS) -> Self:
        """Return facts that select the same events of the history."""
        return cls(**{**msgspec.structs.asdict(facts), "arrivals": arrivals})

    def column(self, field: Field) -> str:
        return f"event.{_COLUMNS.get(field.name, field.column)}"

    @property
    def _split(self) -> dict[str, str]:
        """The columns of the properties that the facts are split by, by the alias of their elements."""
        fields = {alias: find_field(by.field, "by") for alias, by in zip(ALIASES, self.by, strict=False)}
        return {alias: texts_column(field.name) for alias, field in fields.items() if isinstance(field, Property)}

    def _installs(self) -> Sql:
        return sql(" LEFT JOIN ", self.join_arrivals("event"))

    def join_arrivals(self, rows: str) -> Sql:
        """The relation `install` of new installs (id, and first_seen if there are steps), with the condition that joins it to rows with an `install_id`."""
        listed = [sql(_numbers(self.arrivals.ids), " AS id")]
        if self.over is not None:  # parsing the list takes most of the time of the join
            listed.append(sql(", ", _numbers(self.arrivals.times), " AS first_seen"))
        return sql("(SELECT ", *listed, f") AS install ON install.id = {rows}.install_id")

    def is_new(self, engine: SqlEngine, step: str) -> str:
        return "install.id IS NOT NULL" if self.over is None else super().is_new(engine, step)

    def _relation(self, engine: SqlEngine) -> Sql:
        # A join with the elements of a list is much slower than `unnest` among the columns.
        relation = "events"
        for alias, column in self._split.items():
            relation = f"(SELECT *, unnest({texts_in(column)}) AS {alias} FROM {relation} AS listed)"
        return Sql(f"{relation} AS event")

    def steps(self, engine: SqlEngine, conditions: Sequence[tuple[Condition, ...]]) -> Sql:
        """The events that meet one of several sets of conditions, in one read of them: install_id, people, occurred_at, and `number`, the first
        set that an event meets. Clients with a wrong clock are left out.
        """
        cases: list[str | Sql] = []
        for number, where in enumerate(conditions):
            met = msgspec.structs.replace(self, where=where).conditions(engine)
            cases += [" WHEN ", *joined(met or [Sql("TRUE")]), f" THEN {number}"]
        return sql(
            f"SELECT install_id, people, occurred_at, number FROM (SELECT install_id, occurred_at, {self.people} AS people, CASE",
            *cases,
            " END AS number FROM ",
            self._relation(engine),
            " WHERE event.install_id IS NOT NULL AND event.skewed IS NULL AND ",
            self._selection(engine),
            ") AS stepped WHERE number IS NOT NULL",
        )

    def marked(self, engine: SqlEngine, conditions: tuple[Condition, ...]) -> Sql:
        """The events with their names, and `is_chosen` for those that meet further conditions. Clients with a wrong clock are left out."""
        met = msgspec.structs.replace(self, where=conditions).conditions(engine)
        return sql(
            f"SELECT id, install_id, session, occurred_at, name, {self.people} AS people, (",
            *joined(met or [Sql("TRUE")]),
            ") IS TRUE AS is_chosen FROM ",
            self._relation(engine),
            " WHERE event.install_id IS NOT NULL AND event.skewed IS NULL AND ",
            self._selection(engine),
        )

    @property
    def has_marks(self) -> bool:
        """True if marks tell which events count for installs: by days or longer steps, under conditions on the context."""
        fields = [*(find_field(each.field, "where") for each in self.where), *(find_field(each.field, "by") for each in self.by)]
        is_of_context = all(isinstance(field, Field) and field.place is Place.CONTEXT for field in fields)
        return is_of_context and self.over is not Step.HOUR and self.period.whole_days and not self.since % DAY

    @property
    def is_daily(self) -> bool:
        """True if marks tell which installs count, without grouping events by install."""
        return self.has_marks and self.over is Step.DAY and not self.by

    def for_installs(self) -> Self:
        return msgspec.structs.replace(self, is_for_installs=self.has_marks)

    def _selection(self, engine: SqlEngine) -> Sql:
        return sql(super()._selection(engine), self._counted)

    @property
    def _counted(self) -> str:
        return f" AND event.{DAY_MARK} <> {REPEATED}" if self.is_for_installs else ""

    def marked_days(self, engine: SqlEngine) -> tuple[Sql, Sql]:
        """Columns step, install_id, people, is_unmarked of the events of installs that are alone on a day, and of all others that count."""
        columns = (
            f"{self.step(engine, _MOMENT)} AS step, event.install_id, {self.people} AS people, event.{DAY_MARK} = {UNMARKED} AS is_unmarked"
        )
        marks = (f"= {ALONE}", f"> {ALONE} AND event.install_id IS NOT NULL AND event.skewed IS NULL")
        found = [
            sql(f"SELECT {columns} FROM events AS event WHERE event.{DAY_MARK} {mark} AND ", self._selection(engine)) for mark in marks
        ]
        return found[0], found[1]

    @property
    def has_one_list(self) -> bool:
        """True if the facts are split by one property alone."""
        return len(self.by) == 1 == len(self._split)

    def lists(self, engine: SqlEngine) -> Sql:
        """The columns of `sql`, with `elements`, the texts of the property that the facts are split by, in place of the keys."""
        (column,) = self._split.values()
        self._groups(engine)  # notes the property
        return sql(
            f"SELECT {self.step(engine, _MOMENT)} AS step, {self.people} AS people, {Facts._measures(self)},"
            f" event.{column} AS elements FROM events AS event WHERE ",
            self._selection(engine),
        )

    @property
    def element_columns(self) -> list[str]:
        if not self.repeats:
            return []
        keys = zip(ALIASES, ("k1", "k2"), self.by, strict=False)
        return [f"facts.{alias}_elements" if alias in self._split else f"[facts.{key}]" for alias, key, _ in keys]

    def _measures(self) -> str:
        return super()._measures() + "".join(
            f", {texts_in(f'event.{column}')} AS {alias}_elements" for alias, column in self._split.items()
        )

    def step(self, engine: SqlEngine, moment: str) -> str:
        """Like `step` of other facts, but cheaper for each event, because no event precedes the first step."""
        if moment == _MOMENT and self.over in LENGTHS:
            return f"({moment} - {self.starts[0]}) // {LENGTHS[self.over]}"
        return super().step(engine, moment)

    def _within(self) -> str:
        return f"event.occurred_at >= {max(self.period.start, self.since)} AND event.occurred_at < {self.period.end}"


class SelectedFacts(HistoryFacts, frozen=True, kw_only=True):
    """Facts without keys from a copy of the events that the conditions select, in the relation `selected`, which may have events after the period."""

    # Copying a column takes as long as reading two.
    copied: ClassVar[tuple[str, ...]] = (
        f"{Facts.counted_install} AS install_id", "occurred_at", "environment", "outcome", "weight", "duration_us", DAY_MARK,
    )  # fmt: skip
    counted_install: ClassVar[str] = "event.install_id"
    columns: ClassVar[tuple[str, ...]] = ("occurred_at", "people", "install_id", "duration_us", "events", "successes", "failures")

    def marked_days(self, engine: SqlEngine) -> tuple[Sql, Sql]:
        """Like `HistoryFacts.marked_days`, from the files instead of the copy: reading the marks takes less time than grouping the copy."""
        return HistoryFacts(**msgspec.structs.asdict(self)).marked_days(engine)

    def _relation(self, engine: SqlEngine) -> Sql:
        return Sql("selected AS event")

    def _selection(self, engine: SqlEngine) -> Sql:
        return Sql(f"event.occurred_at < {self.period.end}{self._counted}")

    def _measures(self) -> str:
        sums = ", ".join(f"{self.summed(measure)} AS {measure}" for measure in ("events", "successes", "failures"))
        return f"event.occurred_at, {self.counted_install} AS install_id, event.duration_us, {sums}"


def _numbers(listed: str) -> Sql:
    """SQL for the rows of a comma-separated list of numbers. Parsing it as JSON takes half the time of a cast to a list."""
    return sql("unnest(from_json(", bound(f"[{listed}]"), """, '["BIGINT"]'))""")


def joined(conditions: list[Sql]) -> list[str | Sql]:
    """Return all conditions, with AND between them."""
    return [part for condition in conditions for part in (" AND ", condition)][1:]


async def read_history(history: History, facts: HistoryFacts, query: HistoryQuery) -> list[dict[str, Any]] | None:
    """Run a query over the history. Returns None if it is not ready; raises TooBroad if the query takes too long."""
    found: list[list[dict[str, Any]]] = []
    engine = DuckDbSql()
    made = query(facts, engine)
    reading = reading_of(facts, engine, [statement(each, found.append) for each in (made if isinstance(made, tuple) else (made,))])
    return found[-1] if await history.run(lambda: reading) else None


def statement(query: Sql, answer: Callable[[list[dict[str, Any]]], object]) -> Statement:
    """Return a query as a statement of DuckDB."""
    return Statement(query.text.replace("{}", "?"), query.arguments, answer)


def reading_of(facts: HistoryFacts, engine: DuckDbSql, statements: Sequence[Statement]) -> Reading:
    """Return statements over the events in the period of the facts; `engine` is the one for which their SQL was made."""
    period = facts.period
    return Reading(
        statements,
        facts.project,
        max(0, first_id(period.start - EARLY)),
        first_id(max(period.end + LATE, EPOCH + DAY)),
        tuple(engine.properties),
    )
