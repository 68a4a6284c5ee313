"""SQL for the events that a question counts: one row per event (per element of a property that is grouped by), with its step and group."""

from __future__ import annotations

from typing import ClassVar, Self

import msgspec

from server.event import DAY, HOUR, MINUTE, PEOPLE
from server.event_id import EPOCH, first_id
from server.fields import BY_NAME, Field, Kind, Place
from server.questions import versions
from server.questions.answer_cache import shared
from server.questions.periods import Period, Step, starts
from server.questions.question import By, Condition, Op, Property, Question, find_field
from server.questions.sql import Sql, bound, read, sql, step_of
from server.questions.sql_engines import SqlEngine
from server.storage.engine import Store
from server.storage.upkeep.recount import first_whole_day

# The distance between an event's own time and its arrival: see `ingest.privacy.conversion`.
LATE, EARLY = 30 * DAY, 5 * MINUTE
_PEOPLE = ", ".join(str(int(environment)) for environment in PEOPLE)
ALIASES = ("first_by", "second_by")
_OUTCOMES = {"successes": 1, "failures": 2}
# The number of events that a stored one stands for.
WEIGHT = "COALESCE(event.weight, 1)"
# A condition that an event counts for its install.
COUNTED = " AND event.install_id IS NOT NULL AND event.skewed IS NULL"
# See `fold.spread_of`. The product of two small integers may exceed one.
_SPREAD = "COALESCE(CAST(event.weight AS bigint) * (event.weight - 1), 0)"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The selection that facts are made of.

    `known_versions` are all versions that events have: ranges and groups of versions are resolved against them. Events from before `since`
    are left out. With `is_spread`, events, successes and failures are the spreads of these counts.
    """

    project: int
    period: Period
    where: tuple[Condition, ...]
    by: tuple[By, ...]
    over: Step | None
    known_versions: tuple[str, ...] = ()
    since: int = 0
    is_spread: bool = False

    @property
    def starts(self) -> list[int]:
        """The start of each step; of the period without steps."""
        return [self.period.start] if self.over is None else starts(self.period, self.over)

    @property
    def repeats(self) -> bool:
        """True if an event can have several rows: one for each element of an array."""
        return any(isinstance(find_field(by.field, "by"), Property) for by in self.by)

    @property
    def element_columns(self) -> list[str]:
        """Lists of all values that an event has for each key, if the engine has such lists and an event can have several rows."""
        return []

    source: ClassVar[str] = "events"
    has_distinct_elements: ClassVar[bool] = False
    joins: ClassVar[dict[Place, str]] = {
        Place.NAME: "LEFT JOIN event_name ON event_name.id = event.name_id",
        Place.TARGET: "LEFT JOIN target ON target.id = event.target_id",
    }
    keys: ClassVar[dict[Place, str]] = {Place.NAME: "name_id", Place.TARGET: "target_id"}
    columns: ClassVar[tuple[str, ...]] = (
        "id", "occurred_at", "people", "install_id", "owner_id", "session", "duration_us", "events", "successes", "failures",
    )  # fmt: skip

    def sql(self, engine: SqlEngine, *, installs: bool = False) -> Sql:
        """Columns: step, k1, k2 (NULL unless grouped), people (0 or 1), and `columns`. `install_id` is NULL if the client's clock is wrong;
        `owner_id` is always the install.

        With `installs` also is_new: 1 if the install was first seen in the step, within the period.
        """
        keys, joins = self._groups(engine)
        # An array may hold an element twice; its event counts once.
        distinct = "DISTINCT " if self.repeats and not self.has_distinct_elements else ""
        step = self.step(engine, "event.occurred_at")
        fresh = f", CASE WHEN {self.is_new(engine, step)} THEN 1 ELSE 0 END AS is_new"
        return sql(
            f"SELECT {distinct}{step} AS step, ",
            keys[0],
            " AS k1, ",
            keys[1],
            f" AS k2, {self.people} AS people, ",
            self._measures(),
            fresh if installs else "",
            " FROM ",
            self._relation(engine),
            *joins,
            self._installs() if installs else "",
            " WHERE ",
            self._selection(engine),
        )

    def is_new(self, engine: SqlEngine, step: str) -> str:
        """A condition that holds if an install was first seen in a step, within the period."""
        return f"install.first_seen >= {self.period.start} AND {self.step(engine, 'install.first_seen')} = {step}"

    def _selection(self, engine: SqlEngine) -> Sql:
        return sql(self._within(), *(sql(" AND ", condition) for condition in self.conditions(engine)))

    def conditions(self, engine: SqlEngine) -> list[Sql]:
        """An expression for each condition; one for all positive conditions on the same dictionary of texts."""
        found, texts = list[Sql](), dict[Place, list[str | Sql]]()
        for condition in self.where:
            field = find_field(condition.field, "where")
            if isinstance(field, Field) and field.place in self.keys and condition.op not in (Op.EXISTS, Op.MISSING, Op.IS_NOT):
                texts.setdefault(field.place, []).extend((" AND ", self._matching(engine, field, self.column(field), condition)))
            else:
                found.append(self._condition(engine, condition))
        return [*found, *(self._in_dictionary(place, sql(*parts[1:])) for place, parts in texts.items())]

    def _in_dictionary(self, place: Place, matching: Sql) -> Sql:
        """Conditions on names and targets, which are dictionaries: each of their texts is compared once."""
        return sql(f"event.{self.keys[place]} IN (SELECT id FROM {place.value} WHERE project_id = {self.project} AND ", matching, ")")

    def for_installs(self) -> Self:
        """The facts for counts of installs alone, which may leave out events that add no install."""
        return self

    def source_rows(self, engine: SqlEngine) -> Sql:
        """The FROM and WHERE clauses alone: the tables `event` and `context`, and the conditions."""
        return sql(self._relation(engine), " WHERE ", self._selection(engine))

    def column(self, field: Field) -> str:
        """The column of a field in the relation."""
        return f"{field.place.value}.{field.column}"

    @property
    def people(self) -> str:
        """An expression that is 1 for events of people, else 0."""
        return f"CASE WHEN {self.column(BY_NAME['environment'])} IN ({_PEOPLE}) THEN 1 ELSE 0 END"

    # An install with a wrong clock is not counted.
    counted_install: ClassVar[str] = "CASE WHEN event.skewed IS NULL THEN event.install_id END"

    def _measures(self) -> str:
        return (
            f"event.id, event.occurred_at, {self.counted_install} AS install_id, event.install_id AS owner_id,"
            f" event.session, event.duration_us, {self.summed('events')} AS events,"
            f" {self.summed('successes')} AS successes, {self.summed('failures')} AS failures"
        )

    def summed(self, measure: str) -> str:
        """An expression for what an event adds to a measure: events, successes or failures."""
        counted = _SPREAD if self.is_spread else WEIGHT
        outcome = _OUTCOMES.get(measure)
        return counted if outcome is None else f"CASE WHEN event.outcome = {outcome} THEN {counted} ELSE 0 END"

    def _installs(self) -> Sql:
        return Sql(" LEFT JOIN install ON install.id = event.install_id")

    def _relation(self, engine: SqlEngine) -> Sql:
        # CROSS JOIN makes SQLite begin with the events: it would read the period's events once for each context otherwise.
        return Sql("event CROSS JOIN context ", raw=True)

    def _within(self) -> str:
        period = self.period
        first, end = first_id(period.start - EARLY), first_id(max(period.end + LATE, EPOCH + DAY))
        return (
            f"context.id = event.context_id AND event.project_id = {self.project} AND event.id >= {first} AND event.id < {end}"
            f" AND event.occurred_at >= {max(period.start, self.since)} AND event.occurred_at < {period.end}"
        )

    def step(self, engine: SqlEngine, moment: str) -> str:
        """An expression for the index of the step that contains a moment."""
        return "0" if self.over is None else step_at(engine, self.over, self.starts, moment)

    def _groups(self, engine: SqlEngine) -> tuple[list[Sql], list[Sql]]:
        """The expressions of both keys, and the joins that they need."""
        nothing = Sql("CAST(NULL AS text)")
        keys, joins, places = [nothing, nothing], list[Sql](), set[Place]()
        for number, by in enumerate(self.by):
            field = find_field(by.field, "by")
            if isinstance(field, Property):
                text, join = engine.split(field, ALIASES[number])
                joins.append(join)
                keys[number] = Sql(text)
                continue
            if field.place in self.joins and field.place not in places:
                places.add(field.place)
                joins.append(Sql(f" {self.joins[field.place]}"))
            keys[number] = Sql(self.shown(field))
            if by.version is not None:
                parts = 1 if by.version.value == "major" else 2
                labels: list[list[str | int | None]] = [[text, versions.group(text, parts), None] for text in self.known_versions]
                alias = f"{ALIASES[number]}_version"
                joins.append(sql(" LEFT JOIN ", engine.pairs(labels), f" AS {alias} ON {alias}.a = {self.column(field)}"))
                keys[number] = Sql(f"COALESCE({alias}.b, {self.column(field)})")
        return keys, joins

    def _condition(self, engine: SqlEngine, condition: Condition) -> Sql:
        field = find_field(condition.field, "where")
        if isinstance(field, Property):
            return self._on_property(engine, field, condition)
        column = self.column(field)
        if condition.op is Op.EXISTS:
            return Sql(f"{self._key_or_column(field)} IS NOT NULL")
        if condition.op is Op.MISSING:
            return Sql(f"{self._key_or_column(field)} IS NULL")
        matching = self._matching(engine, field, column, condition)
        if field.place in self.keys:
            matching = self._in_dictionary(field.place, matching)
        # NULL is not one of the values.
        return sql("(", matching, ") IS NOT TRUE") if condition.op is Op.IS_NOT else matching

    def _matching(self, engine: SqlEngine, field: Field, column: str, condition: Condition) -> Sql:
        if field.kind is Kind.WORD:
            return Sql(f"{column} IN ({', '.join(str(field.words[value]) for value in condition.values)})")
        if field.kind is Kind.NUMBER:
            sign = ">" if condition.op is Op.ABOVE else "<"
            return sql(f"{column} {sign} ", bound(float(condition.values[0]) * field.scale))
        if condition.op is Op.SEMVER:
            matches = versions.matcher(condition.values[0])
            return sql(f"{column} IN ", engine.listed([text for text in self.known_versions if matches(text)]))
        return _texts(engine, column, condition)

    def _on_property(self, engine: SqlEngine, property_: Property, condition: Condition) -> Sql:
        """A condition that holds if it holds for any element."""
        if condition.op in (Op.ABOVE, Op.BELOW):
            sign = ">" if condition.op is Op.ABOVE else "<"
            return engine.any_number(property_, lambda number: sql(f"{number} {sign} ", bound(float(condition.values[0]))))
        if condition.op in (Op.EXISTS, Op.MISSING):
            matching = engine.any_text(property_, lambda text: Sql(f"{text} IS NOT NULL"))
        elif condition.op in (Op.IS, Op.IS_NOT):
            matching = engine.any_listed(property_, list(condition.values))
        else:
            matching = engine.any_text(property_, lambda text: _parts(engine, text, condition))
        return sql("NOT ", matching) if condition.op in (Op.IS_NOT, Op.MISSING) else matching

    def _key_or_column(self, field: Field) -> str:
        return f"event.{self.keys[field.place]}" if field.place in self.keys else self.column(field)

    def shown(self, field: Field) -> str:
        """An expression for the text of a field's value."""
        if field.kind is not Kind.WORD:
            return self.column(field)
        cases = " ".join(f"WHEN {number} THEN '{word}'" for word, number in field.words.items())
        return f"CASE {self.column(field)} {cases} END"


def step_at(engine: SqlEngine, over: Step, starts: list[int], moment: str) -> str:
    """An expression for the index in `starts` of the step that contains a moment; negative before the first."""
    hours = f"({moment} - {starts[0]}) / {HOUR}"
    found = hours if over is Step.HOUR else step_of(over, starts, f"({moment} / {DAY})")
    return found.replace(" / ", f" {engine.divide} ")


async def all_versions(store: Store) -> tuple[str, ...]:
    """All versions that events have, of any project."""
    return tuple(
        row["version"] for row in await read(store, sql("SELECT DISTINCT version FROM context WHERE version IS NOT NULL ORDER BY 1"))
    )


@shared
async def kept_since(store: Store, project: int) -> int | None:
    """The time from which on all events of a project are kept; None if retention has deleted none."""
    first = f"SELECT min(day) FROM rollup_day WHERE project_id = {project}"  # sums outlive events
    names = f"'retained:{project}', 'deleting:{project}'"
    (row,) = await store.rows(f"SELECT max(value) AS since, ({first}) AS first FROM note WHERE name IN ({names})")
    since = first_whole_day(int(row["since"] or 0))
    return since * DAY if row["first"] is not None and row["first"] < since else None


async def versions_of(store: Store, *questions: Question) -> tuple[str, ...]:
    """All versions that events have, if one of the questions needs them."""
    for question in questions:
        conditions = [*question.where, *(condition for segment in question.segments for condition in segment.where)]
        if any(condition.op is Op.SEMVER for condition in conditions) or any(by.version is not None for by in question.by):
            return await all_versions(store)
    return ()


def _texts(engine: SqlEngine, text: str, condition: Condition) -> Sql:
    if condition.op in (Op.IS, Op.IS_NOT):
        return sql(f"{text} IN ", engine.listed(list(condition.values)))
    return _parts(engine, text, condition)


def _parts(engine: SqlEngine, text: str, condition: Condition) -> Sql:
    compare = engine.has_prefix if condition.op is Op.PREFIX else engine.contains
    pieces: list[str | Sql] = []
    for value in condition.values:
        pieces += [" OR " if pieces else "(", compare(text, value)]
    return sql(*pieces, ")")
