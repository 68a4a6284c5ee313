"""Rules that raise alerts, the counts that they evaluate, and the deliveries of alerts."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from piccolo.querystring import QueryString

from server.event import DAY
from server.event_id import first_id
from server.storage.engine import Store
from server.storage.rollups import NO_ERROR_TYPE

DELIVERIES_KEPT = 100  # of a rule

WAITING = "waiting"
DELIVERED = "delivered"
FAILED = "failed"

_RULES = """SELECT alert_rule.id, alert_rule.project_id AS project, project.slug, alert_rule.name, kind, threshold, window_minutes,
    minimum_events, cooldown_minutes, url, secret, enabled, last_fired_at, state, saved_question.name AS question, saved_question.question AS template
    FROM alert_rule JOIN project ON project.id = alert_rule.project_id
    LEFT JOIN saved_question ON saved_question.id = alert_rule.question_id"""
_CREATE = """INSERT INTO alert_rule (project_id, name, kind, threshold, window_minutes, minimum_events, cooldown_minutes, url, secret, enabled,
    created_at, question_id, state) VALUES ({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, '{{}}') RETURNING id"""
_WAITING = """SELECT alert_delivery.id, rule_id AS rule, payload, alert_delivery.created_at, attempts, url, secret
    FROM alert_delivery JOIN alert_rule ON alert_rule.id = rule_id WHERE status = 'waiting' ORDER BY alert_delivery.id"""
_TRIM = """DELETE FROM alert_delivery WHERE rule_id = {} AND id <= (
    SELECT id FROM alert_delivery WHERE rule_id = {} ORDER BY id DESC LIMIT 1 OFFSET {})"""


class Kind(enum.StrEnum):
    """The kinds of rules. The threshold of the first three is in percent; the next two have none.

    QUESTION_… are about the first figure of a saved question: at least or at most the threshold, in its own unit; a change against the compared
    period by at least the threshold in percent; zero, or nothing to compute it from.
    """

    FAILURE_RATE = "failure_rate"
    VOLUME_DROP = "volume_drop"
    VOLUME_SPIKE = "volume_spike"
    NEW_ERROR = "new_error"
    NEW_VERSION = "new_version"
    QUESTION_ABOVE = "question_above"
    QUESTION_BELOW = "question_below"
    QUESTION_CHANGE = "question_change"
    QUESTION_EMPTY = "question_empty"


class State(msgspec.Struct, omit_defaults=True):
    """The state of a rule between two evaluations.

    `errors_to` is the number of the newest known error type; `errors_waiting` holds new types with too few events so far. `versions` holds the
    known versions of the last two days. Both are None before the first evaluation, which raises no alert.
    """

    errors_to: int | None = None
    errors_waiting: list[int] = []
    versions: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that raises alerts, and the address to send them to. `slug` is the slug of its project.

    `question` is the name of a saved question, `template` its JSON: see `server.questions.report_templates`.
    """

    id: int
    project: int
    slug: str
    name: str
    kind: Kind
    threshold: float
    window_minutes: int
    minimum_events: int
    cooldown_minutes: int
    url: str
    secret: str
    enabled: bool
    last_fired_at: int | None
    state: State
    question: str | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert that is not delivered yet."""

    id: int
    rule: int
    payload: str
    created_at: int
    attempts: int
    url: str
    secret: str


async def create_rule(
    store: Store,
    project: int,
    *,
    name: str,
    kind: Kind,
    threshold: float,
    window_minutes: int,
    minimum_events: int,
    cooldown_minutes: int,
    url: str,
    secret: str,
    now: int,
    question: int | None = None,
) -> int:
    """Store a rule and return its number. The caller has validated the fields."""
    values = (project, name, kind.value, threshold, window_minutes, minimum_events, cooldown_minutes, url, secret, True, now, question)
    rows = await store.engine.run_querystring(QueryString(_CREATE, *values))
    return int(rows[0]["id"])


async def rules(store: Store) -> list[Rule]:
    """Return all rules in order of creation, including those of archived projects."""
    return [_rule(row) for row in await store.rows(f"{_RULES} ORDER BY alert_rule.id")]


async def rule(store: Store, number: int) -> Rule | None:
    rows = await store.rows(f"{_RULES} WHERE alert_rule.id = {{}}", number)
    return _rule(rows[0]) if rows else None


async def due_rules(store: Store, now: int) -> list[Rule]:
    """Return the rules that may raise an alert now."""
    where = "enabled AND project.archived_at IS NULL AND (last_fired_at IS NULL OR last_fired_at + cooldown_minutes * 60000 <= {})"
    return [_rule(row) for row in await store.rows(f"{_RULES} WHERE {where} ORDER BY alert_rule.id", now)]


def _rule(row: dict[str, Any]) -> Rule:
    state = msgspec.json.decode(row["state"], type=State)
    return Rule(**{**row, "kind": Kind(row["kind"]), "enabled": bool(row["enabled"]), "state": state})


async def change_rule(store: Store, number: int, columns: Mapping[str, Any]) -> None:
    """Change some of name, threshold, window_minutes, minimum_events, cooldown_minutes, enabled, question_id. The caller has validated them."""
    marks = ", ".join(f"{name} = {{}}" for name in columns)
    if columns:
        await store.change((f"UPDATE alert_rule SET {marks} WHERE id = {{}}", (*columns.values(), number)))


async def delete_rule(store: Store, number: int) -> bool:
    """Delete a rule and its deliveries. Return True if the rule existed."""
    change = await store.change(
        ("DELETE FROM alert_rule WHERE id = {}", (number,)), ("DELETE FROM alert_delivery WHERE rule_id = {}", (number,))
    )
    return change.rows[0] > 0


async def save_state(store: Store, number: int, state: State) -> None:
    """Save the state of a rule that raised no alert."""
    await store.change(("UPDATE alert_rule SET state = {} WHERE id = {}", (_json(state), number)))


async def fire(store: Store, number: int, state: State, payload: bytes, now: int) -> None:
    """Save the state of a rule and its alert in one change, so that the alert is sent exactly once, even after a crash."""
    insert = "INSERT INTO alert_delivery (rule_id, payload, created_at, status, attempts) VALUES ({}, {}, {}, 'waiting', 0)"
    await store.change(
        ("UPDATE alert_rule SET state = {}, last_fired_at = {} WHERE id = {}", (_json(state), now, number)),
        (insert, (number, payload.decode(), now)),
        (_TRIM, (number, number, DELIVERIES_KEPT)),
    )


async def pending_deliveries(store: Store) -> list[Delivery]:
    """Return the alerts that are not delivered yet, oldest first."""
    return [Delivery(**row) for row in await store.rows(_WAITING)]


async def record_attempt(
    store: Store, delivery: int, *, status: str, attempts: int, answered: int | None, error: str | None, ended_at: int | None
) -> None:
    """Record the result of an attempt to deliver an alert."""
    sql = "UPDATE alert_delivery SET status = {}, attempts = {}, answered = {}, last_error = {}, ended_at = {} WHERE id = {}"
    await store.change((sql, (status, attempts, answered, error, ended_at, delivery)))


@dataclass(frozen=True, slots=True)
class LastAlert:
    """The last alert of a rule, and its delivery. `answered` is the HTTP status of the last response."""

    status: str
    attempts: int
    answered: int | None
    last_error: str | None
    created_at: int


async def last_deliveries(store: Store) -> dict[int, LastAlert]:
    """Return the last alert of each rule, by the number of the rule."""
    sql = """SELECT rule_id, status, attempts, answered, last_error, created_at FROM alert_delivery
        WHERE id IN (SELECT max(id) FROM alert_delivery GROUP BY rule_id)"""
    return {row.pop("rule_id"): LastAlert(**row) for row in await store.rows(sql)}


@dataclass(frozen=True, slots=True)
class Volume:
    """The number of events, of successes and of failures."""

    events: int
    successes: int
    failures: int


async def volume(store: Store, project: int, first_hour: int, end_hour: int) -> Volume:
    """Return the volume of a half-open range of hours (since 1970, UTC)."""
    rows = await store.rows(
        "SELECT COALESCE(sum(events), 0) AS events, COALESCE(sum(successes), 0) AS successes, COALESCE(sum(failures), 0) AS failures"
        " FROM rollup_hour WHERE project_id = {} AND hour >= {} AND hour < {}",
        project,
        first_hour,
        end_hour,
    )
    return Volume(**{name: int(value) for name, value in rows[0].items()})


async def first_hour(store: Store, project: int) -> int | None:
    """Return the first hour with events, or None."""
    rows = await store.rows("SELECT min(hour) AS first FROM rollup_hour WHERE project_id = {}", project)
    first: int | None = rows[0]["first"]
    return first


async def errors_after(store: Store, project: int, after: int) -> dict[int, str]:
    """Return the error types with higher numbers than `after`. Failures without a type are not a new type."""
    rows = await store.rows(
        "SELECT id, text FROM error_type WHERE project_id = {} AND id > {} AND text <> {} ORDER BY id", project, after, NO_ERROR_TYPE
    )
    return {row["id"]: row["text"] for row in rows}


async def newest_error(store: Store, project: int) -> int:
    rows = await store.rows("SELECT COALESCE(max(id), 0) AS newest FROM error_type WHERE project_id = {}", project)
    return int(rows[0]["newest"])


async def error_counts(store: Store, project: int, first_day: int, errors: Iterable[int]) -> dict[int, tuple[str, int]]:
    """Return the text of error types, and their number of events since the beginning of a day."""
    listed = ", ".join(str(int(number)) for number in errors) or "0"
    rows = await store.rows(
        "SELECT error_id, error_type.text, sum(events) AS events FROM rollup_error JOIN error_type ON error_type.id = error_id"
        f" WHERE rollup_error.project_id = {{}} AND day >= {{}} AND error_id IN ({listed}) GROUP BY error_id, error_type.text",
        project,
        first_day,
    )
    return {row["error_id"]: (row["text"], int(row["events"])) for row in rows}


async def versions_since(store: Store, project: int, first_day: int) -> dict[str, int]:
    """Return the versions of events since the beginning of a day, with the number of events of each."""
    rows = await store.rows(
        "SELECT value, sum(events) AS events FROM rollup_dimension WHERE project_id = {} AND day >= {} AND dimension = 'version' GROUP BY value",
        project,
        first_day,
    )
    return {row["value"]: int(row["events"]) for row in rows}


async def versions_before(store: Store, project: int, day: int, versions: Iterable[str]) -> set[str]:
    """Return those of the given versions that were seen before a day."""
    rows = await store.rows(
        "SELECT DISTINCT value FROM rollup_dimension WHERE project_id = {} AND day < {} AND dimension = 'version'"
        f" AND value IN ({store.sql.texts()})",
        project,
        day,
        msgspec.json.encode(list(versions)).decode(),
    )
    return {row["value"] for row in rows}


async def versions_believed(store: Store, project: int, first_day: int, versions: Iterable[str]) -> set[str]:
    """Return the given versions that occurred since the beginning of a day in an event with a plausible clock. Late events are not evidence of a new
    version.
    """
    among = f"version IN ({store.sql.texts()})"
    names = set(versions)
    rows = await store.rows(
        f"SELECT DISTINCT version FROM rollup_version WHERE project_id = {{}} AND day >= {{}} AND installs > 0 AND {among}",
        *(project, first_day, msgspec.json.encode(sorted(names)).decode()),
    )
    believed = {row["version"] for row in rows}
    if rest := names - believed:  # of events without an install; or of late ones only, which is rare
        rows = await store.rows(
            "SELECT DISTINCT context.version FROM event JOIN context ON context.id = event.context_id"
            f" WHERE event.id >= {{}} AND event.project_id = {{}} AND skewed IS NULL AND occurred_at >= {{}} AND context.{among}",
            *(first_id(first_day * DAY - DAY), project, first_day * DAY, msgspec.json.encode(sorted(rest)).decode()),
        )
        believed |= {row["version"] for row in rows}
    return believed


def _json(state: State) -> str:
    return msgspec.json.encode(state).decode()
