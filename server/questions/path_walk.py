"""Paths over the history in one read: the most frequent ones, and the counts of all groups and of all chosen events."""

from __future__ import annotations

import msgspec

from server.event import DAY, MINUTE
from server.questions import counting
from server.questions.counting import OTHER, Keys
from server.questions.facts import Facts
from server.questions.history_facts import HistoryFacts
from server.questions.question import Audience, Condition
from server.questions.sql import Sql, sql
from server.questions.sql_engines import SqlEngine

PAUSE = 30 * MINUTE  # without events, after which a session ends if the client sends no session
ALL = -2  # the path of a row that counts all paths, and the place of one that counts all groups
_BY_INSTALL = "COUNT(*) AS events, SUM(people) AS events_people, MAX(people) AS people"
_SUMS = "SUM(events) AS events_all, SUM(events_people) AS events_people, COUNT(*) AS installs_all, SUM(people) AS installs_people"


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """Up to `length` events after a chosen one, or before it, of the same day or session, and the `first` most frequent paths of the
    `audience`.

    `where` selects the events of paths, and `event` the chosen ones among them.
    """

    where: tuple[Condition, ...]
    event: tuple[Condition, ...]
    is_after: bool
    by_day: bool
    length: int
    first: int
    audience: Audience

    def sql(self, groups: list[Keys] | None, facts: Facts, engine: SqlEngine) -> Sql:
        """A row for each place and path with its counts and, for all groups together, its text: `place`, `path`, `text`, …

        `facts` are those of the chosen events. Only events of days or sessions with a chosen one are sorted: those whose key has the hash of one.
        """
        assert isinstance(facts, HistoryFacts)
        parts: list[str | Sql] = ["WITH ", self._seen(facts, engine), self._known()]
        if groups is not None:
            placed = counting.placed(engine, facts, groups, installs=False)
            parts += [", begun AS (SELECT id, place FROM (", placed, ") AS placed)"]
            parts.append(
                ", split AS MATERIALIZED (SELECT install_id, people, begun.place, path, text FROM known JOIN begun ON begun.id = known.id)"
            )
        return sql(*parts, f" {_counts('known')}", f" UNION ALL {_counts('split')}" if groups is not None else "")

    def _seen(self, facts: HistoryFacts, engine: SqlEngine) -> Sql:
        """`seen`: the events that may be on a path."""
        units = f"SELECT install_id, unnest({self._units()}) AS unit FROM ("
        return sql(
            f"near AS MATERIALIZED (SELECT DISTINCT hash(install_id, unit) AS near FROM ({units}",
            msgspec.structs.replace(facts, by=()).sql(engine),
            f") AS chosen WHERE install_id IS NOT NULL) AS units), marked AS (SELECT *, hash(install_id, {self._unit()}) AS near FROM (",
            msgspec.structs.replace(facts, where=self.where, by=()).marked(engine, self.event),
            ") AS events), seen AS (SELECT marked.* FROM marked SEMI JOIN near ON near.near = marked.near)",
        )

    def _known(self) -> str:
        """`known`: the chosen events with the place of their path among the most frequent ones, or OTHER."""
        together = f"PARTITION BY install_id, {self._together()} ORDER BY occurred_at, id"
        size = "SUM(people)" if self.audience is Audience.PEOPLE else "COUNT(*)"
        return (
            f", ordered AS (SELECT *, {self._following()} FROM seen WINDOW together AS ({together}))"
            f", walked AS MATERIALIZED (SELECT id, install_id, people, {self._path()} AS text FROM ordered WHERE is_chosen)"
            f", ranked AS (SELECT text, row_number() OVER (ORDER BY {size} DESC, text) - 1 AS path FROM walked GROUP BY text)"
            f", listing AS (SELECT text, path FROM ranked WHERE path < {self.first})"
            f", known AS MATERIALIZED (SELECT id, install_id, people, {ALL} AS place, COALESCE(listing.path, {OTHER}) AS path, listing.text"
            " FROM walked LEFT JOIN listing ON listing.text = walked.text)"
        )

    def _unit(self) -> str:
        """A key for the day or session of an event, which events of another one may share."""
        return f"occurred_at // {DAY}" if self.by_day else f"COALESCE(session, occurred_at // {DAY})"

    def _units(self) -> str:
        """The units that contain the events of a path. Without a session, these are two days, because the pauses of the longest path add up to hours."""
        if self.by_day:
            return f"[{self._unit()}]"
        day = f"occurred_at // {DAY}"
        return f"CASE WHEN session IS NULL THEN [{day}, {day} {'+' if self.is_after else '-'} 1] ELSE [session] END"

    def _together(self) -> str:
        return f"occurred_at // {DAY}" if self.by_day else "session"

    def _following(self) -> str:
        """The names of the next events, and their times if pauses end a session."""
        look, columns = "LEAD" if self.is_after else "LAG", ("name",) if self.by_day else ("name", "occurred_at")
        return ", ".join(
            f"{look}({column}, {number}) OVER together AS {column}{number}" for number in range(1, self.length + 1) for column in columns
        )

    def _path(self) -> str:
        """The names of a path's events, nearest first, each after its length and a colon."""
        pieces, pauses = list[str](), list[str]()
        for number in range(1, self.length + 1):
            before = f"occurred_at{number - 1}" if number > 1 else "occurred_at"
            pauses.append(f"abs(occurred_at{number} - {before}) <= {PAUSE}")
            name = f"length(name{number}) || ':' || name{number}"
            pieces.append(
                f"COALESCE({name}, '')"
                if self.by_day
                else f"CASE WHEN session IS NOT NULL OR ({' AND '.join(pauses)}) THEN COALESCE({name}, '') ELSE '' END"
            )
        return " || ".join(pieces)


def _counts(events: str) -> str:
    """The counts of each place (the index of a group) with each path, and of each place in total."""
    by_path = f"SELECT place, path, ANY_VALUE(text) AS text, {_BY_INSTALL} FROM {events} GROUP BY place, path, install_id"
    by_place = f"SELECT place, {_BY_INSTALL} FROM {events} GROUP BY place, install_id"
    return (
        f"SELECT place, path, ANY_VALUE(text) AS text, {_SUMS} FROM ({by_path}) AS by_path GROUP BY place, path"
        f" UNION ALL SELECT place, {ALL} AS path, NULL AS text, {_SUMS} FROM ({by_place}) AS by_place GROUP BY place"
    )
