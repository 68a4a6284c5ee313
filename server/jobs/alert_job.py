"""Alerts: rules evaluate rollups and notify a webhook of anything unusual.

Failure rates cover the current hour and as many hours before it as the window needs. Volumes cover complete hours only, because an
incomplete hour always has fewer events.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec

from server import logs
from server.clock import Clock
from server.event import DAY, HOUR, MINUTE
from server.history import History
from server.jobs import question_alerts
from server.jobs.question_alerts import Finding
from server.jobs.run import Run
from server.jobs.webhooks import ATTEMPTS, Delivered, Webhooks
from server.problems import Problem
from server.questions.figure_text import beside_threshold, percent_threshold
from server.questions.question import Measure
from server.storage.engine import Store
from server.storage.projects import ProjectError
from server.storage.upkeep import alert_rules
from server.storage.upkeep.alert_rules import Delivery, Kind, Rule, State

log = logs.get(__name__)

BASELINE_DAYS = 7  # a volume is compared with the same hours on these days before
LEAST_DAYS = 3  # the fewest days to compare with
NEW_SINCE_DAYS = 1  # a new value was first seen today or at most this many days ago
# The age of an alert at each new round of attempts after the first. The last ones reach a receiver that was down overnight.
ROUNDS = (5 * MINUTE, 20 * MINUTE, HOUR, 3 * HOUR, 8 * HOUR, DAY)
AT_ONCE = 8  # concurrent deliveries: a receiver that hangs delays the others by seconds, not hours
_SHOWN = 10  # new values in one alert
_WAITING_ERRORS = 200
_HARMLESS = str.maketrans({"@": "@\u200b", "<": "(", ">": ")", "`": "'"})


Look = Callable[[Store, Rule, int], Awaitable[tuple[Finding | None, State]]]


async def alerts(run: Run) -> str:
    """Evaluate every rule, then deliver new alerts and retry undelivered ones."""
    fired = 0
    for rule in await alert_rules.due_rules(run.store, run.now()):
        try:
            fired += await look(run.store, rule, run.now(), history=run.history)
        except (Problem, ProjectError) as error:  # of a saved question, which must not hold up other rules
            log.warning("alert_not_evaluated", rule=rule.id, kind=rule.kind.value, error=type(error).__name__)
    delivered, waiting = await deliver_waiting(run.store, Webhooks(private=run.settings.alert_private), run.now)
    return f"{fired:,} alerts raised, {delivered:,} delivered, {waiting:,} to be retried"


async def find(store: Store, rule: Rule, now: int, *, history: History | None = None) -> Finding | None:
    """Evaluate a rule without saving its state or sending anything."""
    finding, _ = await _evaluate(store, rule, now, history)
    return finding


async def _evaluate(store: Store, rule: Rule, now: int, history: History | None) -> tuple[Finding | None, State]:
    if rule.kind in question_alerts.KINDS:
        return await question_alerts.find(store, rule, now, history), rule.state
    return await _LOOKS[rule.kind](store, rule, now)


async def look(store: Store, rule: Rule, now: int, *, history: History | None = None) -> bool:
    """Evaluate one rule and queue its alert. Returns whether there is one."""
    finding, state = await _evaluate(store, rule, now, history)
    if finding is None:
        if state != rule.state:
            await alert_rules.save_state(store, rule.id, state)
        return False
    await alert_rules.fire(store, rule.id, state, payload(rule, finding, now), now)
    log.info("alert_raised", rule=rule.id, kind=rule.kind.value)
    return True


async def deliver_waiting(store: Store, webhooks: Webhooks, now: Clock) -> tuple[int, int]:
    """Deliver the alerts that are due. Returns how many were delivered and how many still wait."""
    all_of_them = await alert_rules.pending_deliveries(store)
    due = [delivery for delivery in all_of_them if _due(delivery, now())]
    some = asyncio.Semaphore(AT_ONCE)

    async def deliver(delivery: Delivery) -> str:
        async with some:
            return await _deliver(store, webhooks, delivery, now)

    became = await asyncio.gather(*(deliver(delivery) for delivery in due))
    return became.count(alert_rules.DELIVERED), len(all_of_them) - len(due) + became.count(alert_rules.WAITING)


def _due(delivery: Delivery, now: int) -> bool:
    rounds = -(-delivery.attempts // ATTEMPTS)
    return rounds == 0 or now - delivery.created_at >= ROUNDS[min(rounds, len(ROUNDS)) - 1]


async def _deliver(store: Store, webhooks: Webhooks, delivery: Delivery, now: Clock) -> str:
    """Make one round of attempts and return the new status of the alert."""
    became = await webhooks.deliver(delivery.url, delivery.secret, delivery.payload.encode(), now() // 1000)
    attempts = delivery.attempts + became.attempts
    status = _status(became, attempts)
    ended = None if status == alert_rules.WAITING else now()
    await alert_rules.record_attempt(
        store, delivery.id, status=status, attempts=attempts, answered=became.answered, error=became.error, ended_at=ended
    )
    if status != alert_rules.DELIVERED:
        log.warning("alert_not_delivered", rule=delivery.rule, attempts=attempts, reason=became.error, again=status == alert_rules.WAITING)
    return status


def _status(became: Delivered, attempts: int) -> str:
    if became.error is None:
        return alert_rules.DELIVERED
    return alert_rules.WAITING if became.again and attempts <= ATTEMPTS * len(ROUNDS) else alert_rules.FAILED


def payload(rule: Rule, finding: Finding, now: int, *, test: bool = False) -> bytes:
    """The JSON body for a webhook. `id` stays the same in every attempt."""
    return msgspec.json.encode(
        {
            "id": f"{rule.id}-{now}",
            "type": "alert",
            "test": test,
            "fired_at": datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "project": rule.slug,
            "rule": {
                "id": rule.id,
                "name": rule.name,
                "kind": rule.kind.value,
                "threshold": rule.threshold,
                "window_minutes": rule.window_minutes,
            },
            "message": finding.message,
            # Chat services show one of these fields.
            **dict.fromkeys(("text", "content"), for_chats(finding.message)),
            "observed": finding.observed,
        }
    )


def for_chats(message: str) -> str:
    """Make a message safe for chats: names of errors and versions come from clients, and must not mention users or become links."""
    return message.translate(_HARMLESS).replace("://", ":/\u200b/")


async def _failure_rate(store: Store, rule: Rule, now: int) -> tuple[Finding | None, State]:
    seen = await alert_rules.volume(store, rule.project, (now - rule.window_minutes * MINUTE) // HOUR, now // HOUR + 1)
    ended = seen.successes + seen.failures
    if ended < max(1, rule.minimum_events):
        return None, rule.state
    rate = 100 * seen.failures / ended
    if rate < rule.threshold:
        return None, rule.state
    shown = beside_threshold(Measure.FAILURE_RATE, rate / 100, rule.threshold / 100)
    message = f"{shown} of {ended:,} runs of {rule.slug} failed, which is at or above {percent_threshold(rule.threshold)}"
    return Finding(message, {"failure_rate": round(rate, 2), "failures": seen.failures, "ended": ended}), rule.state


async def _volume(store: Store, rule: Rule, now: int) -> tuple[Finding | None, State]:
    hours = max(1, -(-rule.window_minutes * MINUTE // HOUR))
    end = now // HOUR
    usual = await _usual_volume(store, rule.project, end - hours, end)
    if usual is None:
        return None, rule.state
    seen = (await alert_rules.volume(store, rule.project, end - hours, end)).events
    drop = rule.kind is Kind.VOLUME_DROP
    # A percentage of a small number is noise: the expected or the observed volume must reach the minimum.
    if (usual if drop else seen) < max(1, rule.minimum_events):
        return None, rule.state
    bound = usual * (1 - rule.threshold / 100) if drop else usual * (1 + rule.threshold / 100)
    if (seen > bound) if drop else (seen < bound):
        return None, rule.state
    span = "hour" if hours == 1 else f"{hours} hours"
    message = f"{rule.slug} had {seen:,} events in the last full {span}; the usual number at this time of day is {usual:,.0f}"
    return Finding(message, {"events": seen, "usual_events": usual, "hours": hours}), rule.state


async def _usual_volume(store: Store, project: int, first: int, end: int) -> float | None:
    """The median volume of the same hours on the days before, or None if there is too little history."""
    began = await alert_rules.first_hour(store, project)
    if began is None:
        return None
    days = [day for day in range(1, BASELINE_DAYS + 1) if first - day * 24 >= began]
    if len(days) < LEAST_DAYS:
        return None
    return float(statistics.median([(await alert_rules.volume(store, project, first - day * 24, end - day * 24)).events for day in days]))


async def _new_error(store: Store, rule: Rule, now: int) -> tuple[Finding | None, State]:
    newest = await alert_rules.newest_error(store, rule.project)
    if rule.state.errors_to is None:
        return None, State(errors_to=newest)  # existing errors are not new
    after = await alert_rules.errors_after(store, rule.project, rule.state.errors_to)
    candidates = [*rule.state.errors_waiting, *(number for number in after if number <= newest)]
    counts = await alert_rules.error_counts(store, rule.project, now // DAY - NEW_SINCE_DAYS, candidates)
    new = {number: counts[number] for number in candidates if number in counts and counts[number][1] >= max(1, rule.minimum_events)}
    still = [number for number in candidates if number not in new and number in counts][-_WAITING_ERRORS:]
    state = State(errors_to=newest, errors_waiting=still)
    return _new("type of error", rule, dict(new.values())), state


async def _new_version(store: Store, rule: Rule, now: int) -> tuple[Finding | None, State]:
    first_day = now // DAY - NEW_SINCE_DAYS
    seen = await alert_rules.versions_since(store, rule.project, first_day)
    known = rule.state.versions
    if known is None:
        return None, State(versions=sorted(seen))
    candidates = {version: events for version, events in seen.items() if version not in set(known)}
    enough = {version: events for version, events in candidates.items() if events >= max(1, rule.minimum_events) and version != "(other)"}
    if enough:
        believed = await alert_rules.versions_believed(store, rule.project, first_day, enough)
        enough = {version: events for version, events in enough.items() if version in believed}
    old = await alert_rules.versions_before(store, rule.project, first_day, enough) if enough else set()
    new = {version: events for version, events in enough.items() if version not in old}
    # The state only needs versions seen on these days; `versions_before` finds all others.
    state = State(versions=sorted((seen.keys() & set(known)) | enough.keys()))
    return _new("version", rule, new), state


def _new(what: str, rule: Rule, new: dict[str, int]) -> Finding | None:
    if not new:
        return None
    most = sorted(new.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    names = ", ".join(name for name, _ in most[:3])
    more = f" and {len(new) - 3} more" if len(new) > 3 else ""
    message = f"{rule.slug} has a new {what}: {names}" if len(new) == 1 else f"{rule.slug} has {len(new)} new {what}s: {names}{more}"
    return Finding(message, {"new": [{"name": name, "events": events} for name, events in most], "count": len(new)})


_LOOKS: dict[Kind, Look] = {
    Kind.FAILURE_RATE: _failure_rate,
    Kind.VOLUME_DROP: _volume,
    Kind.VOLUME_SPIKE: _volume,
    Kind.NEW_ERROR: _new_error,
    Kind.NEW_VERSION: _new_version,
}
