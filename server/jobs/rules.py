"""Alert rules: create, change, list and try them. Used by the CLI and the admin API."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from server.event import DAY
from server.jobs.addresses import Refused, check_addresses, check_url, lookup
from server.jobs.alert_job import find, payload
from server.jobs.question_alerts import KINDS as QUESTION_KINDS
from server.jobs.question_alerts import UNWATCHED, Finding
from server.jobs.webhooks import Delivered, Webhooks
from server.problems import Problem
from server.questions import saved
from server.questions.question import Measure
from server.questions.report_templates import FunnelTemplate
from server.questions.template import Template
from server.storage.engine import Store
from server.storage.projects import FieldProblem, ProjectError, find_project, saved_questions
from server.storage.upkeep import alert_rules
from server.storage.upkeep.alert_rules import Kind, LastAlert, Rule

DEFAULT_THRESHOLDS = {
    Kind.FAILURE_RATE: 20.0,
    Kind.VOLUME_DROP: 50.0,
    Kind.VOLUME_SPIKE: 200.0,
    Kind.NEW_ERROR: 0.0,
    Kind.NEW_VERSION: 0.0,
    Kind.QUESTION_ABOVE: 0.0,
    Kind.QUESTION_BELOW: 0.0,
    Kind.QUESTION_CHANGE: 50.0,
    Kind.QUESTION_EMPTY: 0.0,
}
LONGEST_WINDOW = 7 * DAY // 60_000  # minutes
NAME_LENGTH = 100
SECRET_PREFIX = "whsec_"  # noqa: S105 - lets secret scanners recognize leaked secrets


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of a new rule. A missing secret is generated; a missing threshold is the default of its kind. `question` is the name of a
    saved question, for its kinds.
    """

    kind: Kind
    url: str
    name: str = ""
    threshold: float | None = None
    window_minutes: int = 60
    minimum_events: int = 20
    cooldown_minutes: int = 60
    secret: str | None = None
    question: str | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of trying a rule: its current finding, if any, and the outcome of a test delivery."""

    finding: Finding | None
    delivered: Delivered


async def create(store: Store, slug: str, draft: Draft, *, now: int, private: bool) -> tuple[int, str]:
    """Create a rule for a project. Returns its number and its secret. Raises ProjectError for invalid fields.

    Resolves the webhook's host, so that an undeliverable webhook is reported at once.
    """
    project = await find_project(slug)
    threshold = DEFAULT_THRESHOLDS[draft.kind] if draft.threshold is None else draft.threshold
    _check(draft, threshold)
    question = await _question(store, project, draft)
    try:
        url = check_url(draft.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        check_addresses(await lookup(url.raw_host.decode("ascii"), port), private=private)
    except Refused as refused:
        raise FieldProblem("url", f"is not accepted: {refused}") from refused
    secret = draft.secret or SECRET_PREFIX + secrets.token_urlsafe(32)
    number = await alert_rules.create_rule(
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
        question=question,
    )
    return number, secret


async def _question(store: Store, project: int, draft: Draft) -> int | None:
    """The number of the rule's saved question. Raises FieldProblem if it does not suit the kind."""
    if draft.kind not in QUESTION_KINDS:
        if draft.question is not None:
            raise FieldProblem("question", f"does not apply to {draft.kind.value}")
        return None
    if draft.threshold is None and draft.kind in (Kind.QUESTION_ABOVE, Kind.QUESTION_BELOW):
        raise FieldProblem("threshold", f"must be given for {draft.kind.value}")
    try:
        found = await saved_questions.find_saved(store, project, draft.question or "")
    except FieldProblem:
        raise FieldProblem("question", "must be the name of a saved question") from None
    template = saved.template_of(found)
    if not isinstance(template, Template | FunnelTemplate):
        raise FieldProblem("question", f"cannot be watched: {UNWATCHED}")
    if draft.kind in (Kind.QUESTION_ABOVE, Kind.QUESTION_BELOW) and _is_share(template) and not 0 <= (draft.threshold or 0) <= 1:
        raise FieldProblem("threshold", "must be from 0 to 1, because the question's figure is a share: 0.4 for 40 %")
    if draft.kind is Kind.QUESTION_CHANGE and not (isinstance(template, Template) and template.is_compared):
        raise FieldProblem("question", "must be compared with another period")
    return found.id


def _is_share(template: Template | FunnelTemplate) -> bool:
    """Return True if the watched figure is the conversion of a funnel, or a failure rate."""
    return isinstance(template, FunnelTemplate) or template.measures[0] is Measure.FAILURE_RATE


def _check(draft: Draft, threshold: float) -> None:
    most = {Kind.FAILURE_RATE: 100.0, Kind.VOLUME_DROP: 100.0, Kind.VOLUME_SPIKE: 100_000.0, Kind.QUESTION_CHANGE: 100_000.0}.get(
        draft.kind
    )
    if most is not None and not 0 < threshold <= most:
        raise FieldProblem("threshold", f"of {draft.kind.value} must be above 0 and at most {most:,.0f} percent")
    if not 1 <= draft.window_minutes <= LONGEST_WINDOW:
        raise FieldProblem("windowMinutes", f"must be 1 to {LONGEST_WINDOW:,} minutes")
    if draft.minimum_events < 1:
        raise FieldProblem("minimumEvents", "must be at least 1")
    if not 5 <= draft.cooldown_minutes <= LONGEST_WINDOW:
        raise FieldProblem("cooldownMinutes", f"must be 5 to {LONGEST_WINDOW:,} minutes between two alerts")
    if len(draft.name) > NAME_LENGTH or not draft.name.isprintable():
        raise FieldProblem("name", f"must be a single line of at most {NAME_LENGTH} characters")
    if draft.secret is not None and not 16 <= len(draft.secret) <= 200:
        raise FieldProblem("secret", "must have 16 to 200 characters; leave it out to generate one")


async def find_rule(store: Store, number: int) -> Rule:
    """Find a rule by its number. Raises ProjectError if it does not exist."""
    rule = await alert_rules.rule(store, number)
    if rule is None:
        raise ProjectError(f"rule {number} does not exist; `footfall alert list` lists all rules")
    return rule


async def change(store: Store, number: int, **columns: Any) -> None:
    """Change name, threshold, window_minutes, minimum_events, cooldown_minutes, enabled or question of a rule.

    Raises ProjectError for invalid values.
    """
    rule = await find_rule(store, number)
    about = {name: columns.get(name, getattr(rule, name)) for name in ("name", "window_minutes", "minimum_events", "cooldown_minutes")}
    _check(Draft(rule.kind, rule.url, **about), columns.get("threshold", rule.threshold))
    if "question" in columns or ("threshold" in columns and rule.kind in QUESTION_KINDS):
        watched = columns.pop("question", rule.question)
        draft = Draft(rule.kind, rule.url, threshold=columns.get("threshold", rule.threshold), question=watched)
        columns["question_id"] = await _question(store, rule.project, draft)
    await alert_rules.change_rule(store, number, columns)


async def delete(store: Store, number: int) -> None:
    """Delete a rule. Raises ProjectError if it does not exist."""
    await find_rule(store, number)
    await alert_rules.delete_rule(store, number)


async def try_rule(store: Store, number: int, webhooks: Webhooks, *, now: int) -> Tried:
    """Evaluate a rule without saving its state, and send one test to its webhook.

    Raises ProjectError if it does not exist, or if its question cannot be answered.
    """
    rule = await find_rule(store, number)
    try:
        finding = await find(store, rule, now)
    except Problem as error:
        raise ProjectError(error.detail) from error
    test = finding or Finding(f"This is a test of the rule {rule.name}. The rule finds nothing at the moment.", {})
    body = payload(rule, test, now, test=True)
    return Tried(finding, await webhooks.deliver(rule.url, rule.secret, body, now // 1000, attempts=1))


async def listed(store: Store) -> list[tuple[Rule, LastAlert | None]]:
    """All rules, each with its last alert."""
    last = await alert_rules.last_deliveries(store)
    return [(rule, last.get(rule.id)) for rule in await alert_rules.rules(store)]


async def last_of(store: Store, number: int) -> LastAlert | None:
    """The last alert of a rule, if there is one."""
    return (await alert_rules.last_deliveries(store)).get(number)


def host_of(rule: Rule) -> str:
    """The host of a rule's webhook, which is safe to show. The path and query often contain a secret."""
    url = check_url(rule.url)
    return f"{url.scheme}://{url.netloc.decode('ascii')}/…"
