"""Enums of the GraphQL schema, with a description for each of their values."""

from __future__ import annotations

import enum

import strawberry

from server.analytics.breakdown import By
from server.analytics.lists import EventOrder, InstallOrder
from server.analytics.timings import Of
from server.event import Environment, LedgerEntry, Outcome, Refusal
from server.fields import Kind as FieldKind
from server.questions.paths import Direction, Within
from server.questions.periods import Step, ToDate
from server.questions.question import Audience, Compare, Measure, Op, Parts
from server.storage.projects import ProblemKind
from server.storage.projects.project_changes import ProjectOrder
from server.storage.upkeep.alert_rules import Kind


class Scope(enum.Enum):
    """See `server.storage.projects.SCOPES`."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"


class PublicPart(enum.Enum):
    """See `server.settings.PUBLIC_PARTS`."""

    COUNTERS = "counters"
    TRENDING = "trending"
    BADGES = "badges"
    STATS = "stats"
    ANALYTICS = "analytics"
    DASHBOARD = "dashboard"


class Visibility(enum.Enum):
    """See `server.storage.projects.project_changes.VISIBILITIES`."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    PRIVATE = "private"


class JobResult(enum.Enum):
    """See `server.storage.upkeep.job_runs.RESULTS`."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class AlertStatus(enum.Enum):
    """See `server.storage.tables.AlertDelivery`."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class ViewerKind(enum.Enum):
    """See `server.admin.auth.Viewer`."""

    KEY = "key"
    SESSION = "session"


class Engine(enum.Enum):
    """See `server.storage.engine.Store.engine_type`."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


def _describe(kind: type[enum.Enum], name: str, description: str, **values: str) -> None:
    """Name an enum, and describe it and each of its values. Raises KeyError for a value without a description."""
    strawberry.enum(kind, name=name, description=description)
    for value in kind.__strawberry_definition__.values:  # type: ignore[attr-defined]
        value.description = values.pop(value.name)
    assert not values, values


_describe(
    Audience, "Audience", "Events to count, by who ran the tool.",
    EVERYTHING="All events: from people, CI, containers and tests.",
    PEOPLE="Events from people. Events with an unknown environment count as people's.",
)  # fmt: skip
_describe(
    Step, "Step", "Length of a step in a time series, in UTC.",
    HOUR="One hour.",
    DAY="One day, from midnight.",
    WEEK="One week, from Monday.",
    MONTH="One calendar month.",
)  # fmt: skip
_describe(
    ToDate, "ToDate", "The current calendar unit in UTC, up to and including today.",
    WEEK="The current week, from Monday.",
    MONTH="The current month.",
)  # fmt: skip
_describe(
    By, "BreakdownBy", "Dimension of a breakdown.",
    OS="Operating system.",
    ARCH="Processor architecture.",
    RUNTIME="Runtime, such as `node 20`.",
    VERSION="Version of the tool.",
    PACKAGE_MANAGER="Package manager.",
    ENVIRONMENT="Environment that runs the tool.",
    NAME="Name of the event.",
    TARGET="Target of any type.",
    TOOL="Target of the type `tool`.",
    PROPERTY="Property. Requires the argument `property`.",
)  # fmt: skip
_describe(Of, "DurationsOf", "Groups of durations.", NAME="Name of the event.", TARGET="Target of the event.")
_describe(
    Environment, "Environment", "Environment that runs the tool.",
    UNKNOWN="Unknown. Counts as a person.",
    PERSON="A person.",
    CI="A CI system.",
    CONTAINER="A container.",
    DEVELOPMENT="Development of the tool itself.",
    TEST="A test of the tool.",
)  # fmt: skip
_describe(
    Outcome, "Outcome", "Outcome of an event.",
    NONE="The event reports no outcome.",
    SUCCESS="The event reports success.",
    FAILURE="The event reports failure.",
)  # fmt: skip
_describe(
    Kind, "AlertKind", "Condition of an alert.",
    FAILURE_RATE="Failures divided by events that report an outcome, in percent.",
    VOLUME_DROP="Fewer events than in the preceding weeks, by at least the threshold in percent.",
    VOLUME_SPIKE="More events than in the preceding weeks, by at least the threshold in percent.",
    NEW_ERROR="An error type that was never seen before.",
    NEW_VERSION="A version that was never seen before.",
    QUESTION_ABOVE="The first figure of a saved question is at least the threshold, in its own unit (rates: from 0 to 1).",
    QUESTION_BELOW="The first figure of a saved question is at most the threshold.",
    QUESTION_CHANGE="The first figure of a saved question differs from the compared period by at least the threshold in percent.",
    QUESTION_EMPTY="The first figure of a saved question is zero, or there is nothing to compute it from.",
)  # fmt: skip
_describe(
    AlertStatus, "AlertStatus", "Delivery status of an alert.",
    WAITING="Waiting for delivery or for a retry.",
    DELIVERED="The webhook accepted it.",
    FAILED="The webhook did not accept it. There are no more retries.",
)  # fmt: skip
_describe(
    InstallOrder, "InstallOrder", "Order of installs.",
    HASH="By hash.",
    LAST_SEEN="Most recently seen first.",
    FIRST_SEEN="Newest install first.",
)  # fmt: skip
_describe(EventOrder, "EventOrder", "Order of events, by time of arrival.", NEWEST="Newest first.", OLDEST="Oldest first.")
_describe(ProjectOrder, "ProjectOrder", "Order of projects.", SLUG="By slug.", NEWEST="Newest first.")
_describe(
    LedgerEntry, "LedgerEntry", "Result of a received event.",
    STORED="Stored.",
    DUPLICATE="Not stored: its id is known, or it repeats an event within the debounce time.",
    REJECTED="Not stored: invalid.",
    LIMITED="A rate limit was exceeded.",
    OPTED_OUT="Not stored: sent with `DNT: 1` or `Sec-GPC: 1`.",
)  # fmt: skip
_describe(
    Refusal, "Refusal", "Reason for a refused event or request.",
    MALFORMED="The body is not valid JSON or not UTF-8.",
    INVALID="A field is missing or invalid.",
    TOO_LARGE="The body, the headers or the batch is too large.",
    TOO_SLOW="The request took too long to arrive.",
    UNKNOWN_ROUTE="No such route.",
    UNKNOWN_PROJECT="No such project.",
    UNKNOWN_TARGET="The project restricts targets, and the target is not listed.",
    TOO_MANY_TARGETS="The project has reached its maximum number of targets.",
    TOO_BROAD="The query would read too many rows.",
    BAD_KEY="The key is unknown, or lacks the scope.",
    LIMITED="A rate limit was exceeded.",
    LOOP="The project forwarded the request, and it came back.",
    BUSY="The server is overloaded, or cannot write.",
    FAILED="An internal error.",
)  # fmt: skip
_describe(
    Scope, "Scope", "Permission of a key or a session.",
    INGEST="Send events.",
    READ="Query and export data.",
    ADMIN="Change settings. Includes `INGEST` and `READ`.",
)  # fmt: skip
_describe(
    PublicPart, "PublicPart", "Part of a project that can be public.",
    COUNTERS="Counts of public targets: `/counts` and `/api/public/counters`.",
    TRENDING="Trending targets: `/api/public/trending`.",
    BADGES="Badges: `/badge/…`.",
    STATS="Statistics: `/stats`.",
    ANALYTICS="Analytics: `/analytics/…`.",
    DASHBOARD="Charts of the dashboard, without lists of events and installs.",
)  # fmt: skip
_describe(
    Visibility, "Visibility", "Visibility of a target's counts to callers without a key.",
    PUBLIC="Visible to all callers.",
    UNLISTED="No visibility was set: visible, unless the project restricts targets.",
    PRIVATE="Visible only with a key.",
)  # fmt: skip
_describe(
    JobResult, "JobResult", "Result of a run of a job.",
    RUNNING="Still running.",
    DONE="The run succeeded.",
    FAILED="The run failed.",
    INTERRUPTED="The process was stopped, or lost its lease.",
)  # fmt: skip
_describe(ViewerKind, "ViewerKind", "Authentication method of the caller.", KEY="API key.", SESSION="Login session.")
_describe(Engine, "Engine", "Database of the server.", SQLITE="SQLite.", POSTGRES="PostgreSQL.")
_describe(
    ProblemKind, "ErrorCode", "Reason why a change was refused.",
    INVALID="A value is invalid.",
    TAKEN="The value is already taken.",
    UNKNOWN="There is no object with this name or id.",
)  # fmt: skip
_describe(
    Measure, "Measure", "A figure. Each is given for all events and for those of people only.",
    EVENTS="Number of events.",
    SUCCESSES="Events with the outcome `SUCCESS`.",
    FAILURES="Events with the outcome `FAILURE`.",
    FAILURE_RATE="Failures divided by events that report an outcome, from 0 to 1.",
    INSTALLS="Distinct installs.",
    NEW_INSTALLS="Distinct installs that were first seen in the same step.",
    P50="Median duration in milliseconds.",
    P75="75th percentile of durations in milliseconds.",
    P90="90th percentile of durations in milliseconds.",
    P95="95th percentile of durations in milliseconds.",
    P99="99th percentile of durations in milliseconds.",
    MEAN="Mean duration in milliseconds.",
    PER_INSTALL_P50="Median number of events per install.",
    PER_INSTALL_P90="90th percentile of the number of events per install.",
    PER_INSTALL_MEAN="Mean number of events per install.",
)  # fmt: skip
_describe(
    Op, "ConditionOp", "A comparison of a field with values.",
    IS="Any of the values.",
    IS_NOT="None of the values. Includes events without a value.",
    EXISTS="Any value.",
    MISSING="No value.",
    PREFIX="Begins with any of the texts, case-sensitive.",
    CONTAINS="Contains any of the texts, case-sensitive.",
    SEMVER="In a range of versions, such as `>=2.7 <3`, `^1.4` or `~2.1`.",
    ABOVE="Greater than a number.",
    BELOW="Less than a number.",
)  # fmt: skip
_describe(
    Parts, "VersionPart", "Part of a version to group by.", MAJOR="Major version, such as `2`.", MINOR="Minor version, such as `2.7`."
)
_describe(
    Compare, "Compare", "A period to compare with. An unfinished period is compared with the same elapsed time.",
    PREVIOUS="The preceding period of the same length.",
    LAST_YEAR="The same period 365 days earlier.",
)  # fmt: skip
_describe(
    Direction, "PathDirection", "The side of the chosen event on which a path lies.",
    AFTER="The events that follow it.",
    BEFORE="The events that precede it.",
)  # fmt: skip
_describe(
    Within, "PathWithin", "Events of an install that belong together.",
    SESSION="Events of a client's session. Events without a session form one, which ends after 30 minutes without an event.",
    DAY="Events of a day in UTC.",
)  # fmt: skip
_describe(
    FieldKind, "FieldKind", "Type of a field's values.",
    TEXT="Text.",
    VERSION="Semantic version.",
    WORD="One of a closed list.",
    NUMBER="Number.",
    PROPERTY="Value of a property: texts, numbers, booleans, or lists of these.",
)  # fmt: skip
