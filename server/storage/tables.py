"""The tables as Piccolo classes, for simple reads and writes. The migrations create them.

Times are epoch milliseconds (`BigInt`); days and hours count from 1970 in UTC. Piccolo supports only single primary keys, so a table with a
compound key names one of its columns. Write such tables only through the commit.
"""

from __future__ import annotations

from piccolo.columns import BigInt, Boolean, Bytea, DoublePrecision, Integer, Serial, SmallInt, Text
from piccolo.table import Table, create_table_class

from server.event import CONTEXT_FIELDS


class Project(Table, tablename="project"):
    """One tool with its own telemetry. `hosts`, `sites`, `dimensions` and `public` are JSON lists; a null `public` means the server's default.

    `latest_version` is JSON; see `server.storage.projects.releases`.
    """

    id = Serial(primary_key=True)
    slug = Text(unique=True)
    name = Text()
    created_at = BigInt()
    archived_at = BigInt(null=True, default=None)
    requires_key = Boolean(default=False)
    rate_limit = Text(null=True, default=None)
    event_limit = Text(null=True, default=None)
    retention_days = Integer(null=True, default=None)
    max_targets = Integer(null=True, default=None)
    lists_targets = Boolean(default=False)
    hosts = Text(default="[]")
    sites = Text(default="[]")
    dimensions = Text(default="[]")
    public = Text(null=True, default=None)
    latest_version = Text(null=True, default=None)
    forward_to = Text(null=True, default=None)


class ApiKey(Table, tablename="api_key"):
    """An API key, stored as its SHA-256 (a key has 160 random bits, so no slow hash is needed). `scopes` is a JSON list."""

    id = Serial(primary_key=True)
    project_id = Integer(index=True)
    hash = Bytea(unique=True)
    hint = Text()
    name = Text()
    scopes = Text()
    rate_limit = Text(null=True, default=None)
    event_limit = Text(null=True, default=None)
    created_at = BigInt()
    revoked_at = BigInt(null=True, default=None)
    last_used_at = BigInt(null=True, default=None)


class EventName(Table, tablename="event_name"):
    """The dictionary of event names. `dialect` is the dialect of the first event with the name."""

    id = Serial(primary_key=True)
    project_id = Integer()
    text = Text()
    dialect = Text(null=True)


# The dictionary of contexts: combinations of environment, platform, version, and so on.
ContextRow = create_table_class(
    "ContextRow",
    class_kwargs={"tablename": "context"},
    class_members={
        "id": Serial(primary_key=True),
        "environment": SmallInt(),
        "reason": Text(),
        "dialect": Text(),
        **{name: Text(null=True) for name in CONTEXT_FIELDS},
    },
)


class Target(Table, tablename="target"):
    """The objects that events are about. `visibility` is `public`, `private`, or `unlisted` for a target that only events name."""

    id = Serial(primary_key=True)
    project_id = Integer()
    type = Text()
    external_id = Text()
    visibility = Text()
    created_at = BigInt()


class Install(Table, tablename="install"):
    """One anonymous installation; `id` is the keyed hash of the id that its client sent.

    `active_day` is its last day of activity, `people_day` the last one in an environment of people. `first_day` is the day of `first_seen`
    with which the activity was counted. All three are null if there is no activity.
    """

    id = BigInt(primary_key=True)
    project_id = Integer()
    first_seen = BigInt()
    last_seen = BigInt()
    environment = SmallInt()
    reason = Text()
    os = Text(null=True)
    arch = Text(null=True)
    runtime = Text(null=True)
    version = Text(null=True)
    package_manager = Text(null=True)
    dialect = Text(null=True)
    first_day = Integer(null=True)
    active_day = Integer(null=True)
    people_day = Integer(null=True)


class Event(Table, tablename="event"):
    """One event. `id` contains the time of arrival (see `server.event_id`). `skewed` is set if the client's clock was implausible.

    `weight` is the number of events that a sampled one stands for; null for 1.
    """

    id = BigInt(primary_key=True)
    project_id = Integer()
    install_id = BigInt(null=True)
    name_id = Integer()
    context_id = Integer()
    target_id = Integer(null=True)
    occurred_at = BigInt()
    outcome = SmallInt()
    duration_us = BigInt(null=True)
    session = BigInt(null=True)
    skewed = SmallInt(null=True)
    error_type = Text(null=True)
    error_message = Text(null=True)
    properties = Text(null=True)
    weight = SmallInt(null=True)


class Activity(Table, tablename="activity"):
    """One row per install, day and environment with activity, with the last version that the install ran.

    `earlier` is its previous active day in any environment, or -1; see `server.storage.commit.activity`.
    """

    project_id = Integer()
    day = Integer(primary_key=True)
    install_id = BigInt()
    environment = SmallInt()
    version = Text(null=True)
    earlier = Integer(default=-1)


class Mark(Table, tablename="mark"):
    """Hashes of event ids (30 days) and views (30 minutes) that must not count again until `expires_at`."""

    project_id = Integer()
    key = BigInt(primary_key=True)
    expires_at = BigInt()


class Rejected(Table, tablename="rejected"):
    """The last rejected events, which admins can see for a week. `errors` is JSON; `excerpt` is the scrubbed start of the body.

    `event` is the whole event in MessagePack if it can be replayed; `install_id` is then its install.
    """

    id = BigInt(primary_key=True)
    project_id = Integer()
    route = Text()
    dialect = Text()
    reason = Text()
    errors = Text()
    excerpt = Text()
    size = Integer()
    event = Bytea(null=True, default=None)
    install_id = BigInt(null=True, default=None)


class Note(Table, tablename="note"):
    """Named integers about the store itself, such as the number of processes that opened it."""

    name = Text(primary_key=True)
    value = BigInt()


class ErrorType(Table, tablename="error_type"):
    """The dictionary of error types. It is bounded; further types count as `(other)`."""

    id = Serial(primary_key=True)
    project_id = Integer()
    text = Text()


class ErrorInstall(Table, tablename="error_install"):
    """One row per day on which an install had an error of a type. An unknown version is empty."""

    project_id = Integer()
    day = Integer(primary_key=True)
    error_id = Integer()
    name_id = Integer()
    version = Text()
    install_id = BigInt()
    environment = SmallInt()


class ErrorSeen(Table, tablename="error_seen"):
    """The first and the last time at which an error type occurred in an environment."""

    project_id = Integer()
    error_id = Integer(primary_key=True)
    environment = SmallInt()
    first_seen = BigInt()
    last_seen = BigInt()


class Trending(Table, tablename="trending"):
    """The targets of a project by a score that decays with age, as last computed by `server.storage.upkeep.trending`."""

    project_id = Integer()
    window_days = Integer()
    target_id = Integer(primary_key=True)
    score = DoublePrecision()
    events = BigInt()
    refreshed_at = BigInt()


class Lease(Table, tablename="lease"):
    """Leases for work that only one process may do at a time: the holder, and the time (epoch ms) at which the lease expires."""

    name = Text(primary_key=True)
    holder = Text()
    expires_at = BigInt()


class JobRun(Table, tablename="job_run"):
    """One run of a job. `result` is one of `server.storage.upkeep.job_runs.RESULTS`, `detail` a summary by the job itself."""

    id = Serial(primary_key=True)
    name = Text()
    holder = Text()
    started_at = BigInt()
    ended_at = BigInt(null=True, default=None)
    result = Text()
    detail = Text()


class UnusedContext(Table, tablename="unused_context"):
    """Contexts that no event had at the last check; see `server.storage.upkeep.unused_contexts`."""

    id = Integer(primary_key=True)


class PartialDay(Table, tablename="partial_day"):
    """Days with sums that events do not explain, because sums were imported or an install was erased. Recounts skip them."""

    project_id = Integer()
    day = Integer(primary_key=True)


class ChangedDay(Table, tablename="changed_day"):
    """Days of arrival whose events changed after a history read them, with the number of the last change; see `server.storage.changed_days`."""

    day = Integer(primary_key=True)
    number = BigInt()


class SavedQuestion(Table, tablename="saved_question"):
    """A question or report that an admin saved. `question` is the JSON of a template: see `server.questions.report_templates`."""

    id = Serial(primary_key=True)
    project_id = Integer()
    name = Text()
    question = Text()
    created_at = BigInt()
    changed_at = BigInt()


class QuestionShare(Table, tablename="question_share"):
    """A link that shows the answer of a saved question without a login. `hash` is the SHA-256 of its secret, which has 192 random bits."""

    id = Serial(primary_key=True)
    project_id = Integer()
    question_id = Integer()
    hash = Bytea(unique=True)
    created_at = BigInt()
    expires_at = BigInt()


class PickedProperty(Table, tablename="picked_property"):
    """A property that a project counts by value. `counted_at` is null until the stored events from before `named_at` are counted, too."""

    project_id = Integer()
    name = Text(primary_key=True)
    named_at = BigInt()
    counted_at = BigInt(null=True, default=None)


class AlertRule(Table, tablename="alert_rule"):
    """A rule that raises alerts, and the address to send them to. `state` is the JSON of `server.storage.upkeep.alert_rules.State`."""

    id = Serial(primary_key=True)
    project_id = Integer()
    name = Text()
    kind = Text()
    threshold = DoublePrecision()
    window_minutes = Integer()
    minimum_events = Integer()
    cooldown_minutes = Integer()
    url = Text()
    secret = Text(secret=True)
    enabled = Boolean(default=True)
    created_at = BigInt()
    last_fired_at = BigInt(null=True, default=None)
    state = Text(default="{}")
    question_id = Integer(null=True, default=None)


class AlertDelivery(Table, tablename="alert_delivery"):
    """The delivery of one alert. `status` is `waiting`, `delivered` or `failed`; `answered` is the last HTTP status, `payload` the JSON sent."""

    id = Serial(primary_key=True)
    rule_id = Integer()
    payload = Text()
    created_at = BigInt()
    status = Text()
    attempts = Integer()
    answered = Integer(null=True, default=None)
    last_error = Text(null=True, default=None)
    ended_at = BigInt(null=True, default=None)
