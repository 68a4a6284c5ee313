"""Facts from the history, whose relation `events` has all columns of an event and its context in one row."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec

from server.event import DAY
from server.event_id import EPOCH, first_id
from server.fields import Field, Place
from server.history import History, texts_column
from server.questions.facts import ALIASES, EARLY, LATE, Facts
from server.questions.question import Condition, Property, find_field
from server.questions.sql import Sql, bound, sql
from server.questions.sql_engines import DuckDbSql, SqlEngine

_COLUMNS = {"name": "name", "target": "target_id", "target_type": "target_type"}


class HistoryFacts(Facts, frozen=True, kw_only=True):
    """Facts from the columnar copy of the events. `arrivals` are the ids and first times of the installs that are new in the period."""

    arrivals: tuple[tuple[int, int], ...] = ()

    source: ClassVar[str] = "history"
    has_distinct_elements: ClassVar[bool] = True
    joins: ClassVar[dict[Place, str]] = {}
    keys: ClassVar[dict[Place, str]] = {}

    def column(self, field: Field) -> str:
        return f"event.{_COLUMNS.get(field.name, field.column)}"

    @property
    def _split(self) -> dict[str, str]:
        """The lists of the properties that the facts are split by, by the alias of their elements."""
        fields = {alias: find_field(by.field, "by") for alias, by in zip(ALIASES, self.by, strict=False)}
        return {alias: texts_column(field.name) for alias, field in fields.items() if isinstance(field, Property)}

    def _installs(self) -> Sql:
        ids, times = (bound(json.dumps([each[number] for each in self.arrivals])) for number in (0, 1))
        listed = sql("SELECT unnest(CAST(", ids, " AS BIGINT[])) AS id, unnest(CAST(", times, " AS BIGINT[])) AS first_seen")
        return sql(" LEFT JOIN (", listed, ") AS install ON install.id = event.install_id")

    def _relation(self) -> Sql:
        # A join with the elements of a list is much slower than `unnest` among the columns.
        relation = "events"
        for alias, column in self._split.items():
            relation = f"(SELECT *, unnest({column}) AS {alias} FROM {relation} AS listed)"
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
            self._relation(),
            " WHERE event.install_id IS NOT NULL AND event.skewed IS NULL AND ",
            self._selection(engine),
            ") AS stepped WHERE number IS NOT NULL",
        )

    @property
    def element_columns(self) -> list[str]:
        if not self.repeats:
            return []
        keys = zip(ALIASES, ("k1", "k2"), self.by, strict=False)
        return [f"facts.{alias}_elements" if alias in self._split else f"[facts.{key}]" for alias, key, _ in keys]

    def _measures(self) -> str:
        return super()._measures() + "".join(f", event.{column} AS {alias}_elements" for alias, column in self._split.items())

    def _within(self) -> str:
        return f"event.occurred_at >= {max(self.period.start, self.since)} AND event.occurred_at < {self.period.end}"


def joined(conditions: list[Sql]) -> list[str | Sql]:
    """Return all conditions, with AND between them."""
    return [part for condition in conditions for part in (" AND ", condition)][1:]


async def read_history(history: History, facts: HistoryFacts, query: Callable[[Facts, SqlEngine], Sql]) -> list[dict[str, Any]] | None:
    """Run a query over the history. Returns None if it is not ready; raises TooBroad if the query takes too long."""
    period, engine = facts.period, DuckDbSql()
    asked = query(facts, engine)
    return await history.query(
        asked.text.replace("{}", "?"),
        asked.arguments,
        project_id=facts.project,
        since_id=first_id(period.start - EARLY),
        until_id=first_id(max(period.end + LATE, EPOCH + DAY)),
        properties=tuple(engine.properties),
    )
