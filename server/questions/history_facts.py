"""Facts from the history, whose relation `events` has all columns of an event and its context in one row."""

from __future__ import annotations

from typing import Any, ClassVar

from server.event import DAY
from server.event_id import EPOCH, first_id
from server.fields import Field, Place
from server.history import History
from server.questions.facts import EARLY, LATE, Facts
from server.questions.sql import Sql

_COLUMNS = {"name": "name", "target": "target_id", "target_type": "target_type"}


class HistoryFacts(Facts, frozen=True, kw_only=True):
    """Facts from the columnar copy of the events."""

    source: ClassVar[str] = "history"
    joins: ClassVar[dict[Place, str]] = {}
    keys: ClassVar[dict[Place, str]] = {}

    def column(self, field: Field) -> str:
        return f"event.{_COLUMNS.get(field.name, field.column)}"

    def _relation(self) -> Sql:
        return Sql("events AS event")

    def _within(self) -> str:
        return f"event.occurred_at >= {max(self.period.start, self.since)} AND event.occurred_at < {self.period.end}"


async def read_history(history: History, facts: Facts, query: Sql) -> list[dict[str, Any]] | None:
    """Run a query over the history. Returns None if it is not ready; raises TooBroad if the query takes too long."""
    period = facts.period
    return await history.query(
        query.text.replace("{}", "?"),
        query.arguments,
        project_id=facts.project,
        since_id=first_id(period.start - EARLY),
        until_id=first_id(max(period.end + LATE, EPOCH + DAY)),
    )
