"""The closed lists of words: what each is called in GraphQL, and what each of its values means."""

from __future__ import annotations

import enum

import strawberry

from server.analytics.breakdown import By
from server.analytics.filters import Audience, Step
from server.analytics.lists import EventOrder, InstallOrder
from server.analytics.timings import Of
from server.event import Environment, LedgerEntry, Outcome, Refusal
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


def _word(kind: type[enum.Enum], name: str, description: str, **values: str) -> None:
    """Say what a list and each of its values are called. Raises KeyError where a value goes without a description."""
    strawberry.enum(kind, name=name, description=description)
    for value in kind.__strawberry_definition__.values:  # type: ignore[attr-defined]
        value.description = values.pop(value.name)
    assert not values, values


_word(
    Audience, "Audience", "Whose events count.",
    EVERYTHING="Those of everybody and everything: people, CI, containers, tests.",
    PEOPLE="Those of people only, among them whoever does not say.",
)  # fmt: skip
_word(
    Step, "Step", "How a series is cut, all in UTC.",
    HOUR="By the hour.",
    DAY="By the day, from midnight.",
    WEEK="By the week, from Monday.",
    MONTH="By the month.",
)  # fmt: skip
_word(
    By, "BreakdownBy", "What to break down by.",
    OS="The operating system.",
    ARCH="The processor architecture.",
    RUNTIME="The runtime, such as `node 20`.",
    VERSION="The version of the tool.",
    PACKAGE_MANAGER="The package manager.",
    ENVIRONMENT="Who runs the tool.",
    NAME="The name of the event.",
    TARGET="The target, of any type.",
    TOOL="The target, of the type `tool`.",
    PROPERTY="A property, whose name is wanted.",
)  # fmt: skip
_word(Of, "DurationsOf", "What durations are told apart by.", NAME="The name of the event.", TARGET="The target.")
_word(
    Environment, "Environment", "Who runs the tool.",
    UNKNOWN="It does not say; counts as a person.",
    PERSON="A person.",
    CI="A machine that builds and tests.",
    CONTAINER="A container.",
    DEVELOPMENT="Somebody who works on the tool itself.",
    TEST="A test of the tool.",
)  # fmt: skip
_word(
    Outcome, "Outcome", "How the thing that an event reports ended.",
    NONE="It does not say.",
    SUCCESS="Well.",
    FAILURE="Badly.",
)  # fmt: skip
_word(
    Kind, "AlertKind", "What an alert watches.",
    FAILURE_RATE="Failures of all events that say how they ended, in percent.",
    VOLUME_DROP="Fewer events than in the weeks before, by so many percent.",
    VOLUME_SPIKE="More events than in the weeks before, by so many percent.",
    NEW_ERROR="A type of error that was never seen.",
    NEW_VERSION="A version that was never seen.",
)  # fmt: skip
_word(
    AlertStatus, "AlertStatus", "What became of an alert that was sent.",
    WAITING="It is on its way.",
    DELIVERED="The webhook took it.",
    FAILED="The webhook did not take it, and is asked no more.",
)  # fmt: skip
_word(
    InstallOrder, "InstallOrder", "In which order installs come.",
    HASH="By the hash that stands for them.",
    LAST_SEEN="The one seen last first.",
    FIRST_SEEN="The one first seen last first.",
)  # fmt: skip
_word(EventOrder, "EventOrder", "In which order events come, by their arrival.", NEWEST="The newest first.", OLDEST="The oldest first.")
_word(ProjectOrder, "ProjectOrder", "In which order projects come.", SLUG="By their names in addresses.", NEWEST="The newest first.")
_word(
    LedgerEntry, "LedgerEntry", "What became of something that arrived.",
    STORED="It was stored.",
    DUPLICATE="It was known already, or the same again within a moment.",
    REJECTED="Something was wrong with it.",
    LIMITED="One address sent too much.",
    OPTED_OUT="Sent with `DNT: 1` or `Sec-GPC: 1`; nothing of it was stored.",
)  # fmt: skip
_word(
    Refusal, "Refusal", "Why something was refused.",
    MALFORMED="It is no JSON, or no text.",
    INVALID="A field is wrong.",
    TOO_LARGE="It is too large.",
    TOO_SLOW="It took too long to arrive.",
    UNKNOWN_ROUTE="Nothing is served there.",
    UNKNOWN_PROJECT="It names a project that there is not.",
    UNKNOWN_TARGET="The project lists its targets, and it is about none of them.",
    TOO_MANY_TARGETS="The project has as many targets as it may.",
    TOO_BROAD="It would read too much.",
    BAD_KEY="Its key is not known, or may not do this.",
    LIMITED="One address sent too much.",
    BUSY="The server had too much to do, or could not write.",
    FAILED="A fault of the server.",
)  # fmt: skip
_word(
    Scope, "Scope", "What a key or a session may do.",
    INGEST="Send events.",
    READ="Ask questions, and export.",
    ADMIN="Change things; also all that the others may.",
)  # fmt: skip
_word(
    PublicPart, "PublicPart", "What can be had without a login.",
    COUNTERS="Counts of public targets: `/counts`, `/api/public/counters`.",
    TRENDING="What is trending: `/api/public/trending`.",
    BADGES="Badges: `/badge/…`.",
    STATS="Statistics: `/stats`.",
    ANALYTICS="Analytics: `/analytics/…`.",
    DASHBOARD="The charts of the dashboard, but no list of events or installs.",
)  # fmt: skip
_word(
    Visibility, "Visibility", "Who may see a target's counts without a key.",
    PUBLIC="Everybody.",
    UNLISTED="Nobody said who: everybody, unless the project lists its targets.",
    PRIVATE="Nobody.",
)  # fmt: skip
_word(
    JobResult, "JobResult", "How a run of a job went.",
    RUNNING="It still goes on.",
    DONE="Well.",
    FAILED="Badly.",
    INTERRUPTED="Its process was stopped, or lost its lease.",
)  # fmt: skip
_word(ViewerKind, "ViewerKind", "How somebody is known.", KEY="By a key.", SESSION="By a login.")
_word(Engine, "Engine", "What keeps the store.", SQLITE="SQLite: one file.", POSTGRES="PostgreSQL.")
_word(
    ProblemKind, "ErrorCode", "Why a change could not be made.",
    INVALID="A value is none that can be.",
    TAKEN="Another one has it already.",
    UNKNOWN="There is nothing of this name or number.",
)  # fmt: skip
