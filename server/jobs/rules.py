"""Making, showing and trying the rules that raise alerts: what the command line and the admin's API have in common."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from server.event import DAY
from server.jobs.addresses import Refused, check_addresses, check_url, lookup
from server.jobs.alert_job import Finding, find, payload
from server.jobs.webhooks import Delivered, Webhooks
from server.storage.engine import Store
from server.storage.projects import FieldProblem, ProjectError, find_project
from server.storage.upkeep import alert_rules as kept
from server.storage.upkeep.alert_rules import Kind, Rule

DEFAULT_THRESHOLDS = {Kind.FAILURE_RATE: 20.0, Kind.VOLUME_DROP: 50.0, Kind.VOLUME_SPIKE: 200.0, Kind.NEW_ERROR: 0.0, Kind.NEW_VERSION: 0.0}
LONGEST_WINDOW = 7 * DAY // 60_000  # minutes
NAME_LENGTH = 100
SECRET_PREFIX = "whsec_"  # noqa: S105 - how one begins, for those who search for lost ones


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule as somebody asks for it. Without a secret, one is made; without a threshold, it is that of its kind."""

    kind: Kind
    url: str
    name: str = ""
    threshold: float | None = None
    window_minutes: int = 60
    minimum_events: int = 20
    cooldown_minutes: int = 60
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """What a rule would do: what it finds now, if anything, and how delivering a test went."""

    finding: Finding | None
    delivered: Delivered


async def create(store: Store, slug: str, draft: Draft, *, now: int, private: bool) -> tuple[int, str]:
    """Make a rule for a project; its number and its secret. ProjectError says what cannot be.

    The webhook's host is looked up here as well, so that what would never be delivered is said at once.
    """
    project = await find_project(slug)
    threshold = DEFAULT_THRESHOLDS[draft.kind] if draft.threshold is None else draft.threshold
    _check(draft, threshold)
    try:
        url = check_url(draft.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        check_addresses(await lookup(url.raw_host.decode("ascii"), port), private=private)
    except Refused as refused:
        raise FieldProblem("url", f"cannot be taken: {refused}") from refused
    secret = draft.secret or SECRET_PREFIX + secrets.token_urlsafe(32)
    number = await kept.create_rule(
        store,
        project,
        name=draft.name or draft.kind.value.replace("_", " "),
        kind=draft.kind,
        threshold=threshold,
        window_minutes=draft.window_minutes,
        minimum_events=draft.minimum_events,
        cooldown_minutes=draft.cooldown_minutes,
        url=draft.url,
        secret=secret,
        now=now,
    )
    return number, secret


def _check(draft: Draft, threshold: float) -> None:
    most = {Kind.FAILURE_RATE: 100.0, Kind.VOLUME_DROP: 100.0, Kind.VOLUME_SPIKE: 100_000.0}.get(draft.kind)
    if most is not None and not 0 < threshold <= most:
        raise FieldProblem("threshold", f"of {draft.kind.value} is above 0 and at most {most:,.0f} percent")
    if not 1 <= draft.window_minutes <= LONGEST_WINDOW:
        raise FieldProblem("windowMinutes", f"must be 1 to {LONGEST_WINDOW:,} minutes")
    if draft.minimum_events < 1:
        raise FieldProblem("minimumEvents", "must be at least one")
    if not 5 <= draft.cooldown_minutes <= LONGEST_WINDOW:
        raise FieldProblem("cooldownMinutes", f"must be 5 to {LONGEST_WINDOW:,} minutes between two alerts")
    if len(draft.name) > NAME_LENGTH or not draft.name.isprintable():
        raise FieldProblem("name", f"must be a line of at most {NAME_LENGTH} characters")
    if draft.secret is not None and not 16 <= len(draft.secret) <= 200:
        raise FieldProblem("secret", "has 16 to 200 characters; leave it out and one is made")


async def find_rule(store: Store, number: int) -> Rule:
    """A rule by its number. ProjectError where there is none."""
    rule = await kept.rule(store, number)
    if rule is None:
        raise ProjectError(f"there is no rule {number}; `footfall alert list` shows them all")
    return rule


async def change(store: Store, number: int, **columns: Any) -> None:
    """Change name, threshold, window_minutes, minimum_events, cooldown_minutes or enabled of a rule. ProjectError says what cannot be."""
    rule = await find_rule(store, number)
    about = {name: columns.get(name, getattr(rule, name)) for name in ("name", "window_minutes", "minimum_events", "cooldown_minutes")}
    _check(Draft(rule.kind, rule.url, **about), columns.get("threshold", rule.threshold))
    await kept.change_rule(store, number, columns)


async def delete(store: Store, number: int) -> None:
    """Delete a rule. ProjectError where there is none of that number."""
    await find_rule(store, number)
    await kept.delete_rule(store, number)


async def try_rule(store: Store, number: int, webhooks: Webhooks, *, now: int) -> Tried:
    """Look with a rule, remember nothing, and send its webhook a test, once. ProjectError where there is no such rule."""
    rule = await find_rule(store, number)
    finding = await find(store, rule, now)
    test = finding or Finding(f"This is a test of the rule {rule.name}: it finds nothing at the moment", {})
    body = payload(rule, test, now, test=True)
    return Tried(finding, await webhooks.deliver(rule.url, rule.secret, body, now // 1000, attempts=1))


async def listed(store: Store) -> list[tuple[Rule, dict[str, Any] | None]]:
    """All rules, each with its last alert; see `server.storage.upkeep.alert_rules.last_deliveries`."""
    last = await kept.last_deliveries(store)
    return [(rule, last.get(rule.id)) for rule in await kept.rules(store)]


async def last_of(store: Store, number: int) -> dict[str, Any]:
    """The last alert of a rule; empty where there was none."""
    return (await kept.last_deliveries(store)).get(number, {})


def host_of(rule: Rule) -> str:
    """What may be shown of a rule's webhook: its path and query are often what keeps it secret."""
    url = check_url(rule.url)
    return f"{url.scheme}://{url.netloc.decode('ascii')}/…"
