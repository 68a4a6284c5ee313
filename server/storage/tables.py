"""The tables, as Piccolo sees them. The migrations make them; ordinary reads and writes go through these classes.

Times are epoch milliseconds (`BigInt`), days and hours count from 1970 in UTC. Tables whose key is several columns name one of them as
Piccolo's primary key, because Piccolo knows only single ones: read those, but write them only through the commit.
"""

from __future__ import annotations

from piccolo.columns import BigInt, Boolean, Bytea, DoublePrecision, Integer, Serial, SmallInt, Text
from piccolo.table import Table


class Project(Table, tablename="project"):
    """One tool whose telemetry is kept apart. `hosts`, `dimensions` and `public` are JSON lists; `public` null means the server's own.

    `latest_version` is JSON, see `server.storage.projects.releases`.
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
    dimensions = Text(default="[]")
    public = Text(null=True, default=None)
    latest_version = Text(null=True, default=None)


class ApiKey(Table, tablename="api_key"):
    """A key: only its SHA-256 is kept (the key has 160 random bits, so no slow hash is needed). `scopes` is a JSON list."""

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
    """The dictionary of event names. `dialect` is that of the first event of the name: which family of clients it belongs to."""

    id = Serial(primary_key=True)
    project_id = Integer()
    text = Text()
    dialect = Text(null=True)


class ContextRow(Table, tablename="context"):
    """The dictionary of contexts: what events say of where they ran."""

    id = Serial(primary_key=True)
    environment = SmallInt()
    reason = Text()
    dialect = Text()
    os = Text(null=True)
    arch = Text(null=True)
    runtime = Text(null=True)
    version = Text(null=True)
    package_manager = Text(null=True)


class Target(Table, tablename="target"):
    """What events are about. `visibility` is `public`, `private`, or `unlisted` for one that was only ever seen in events."""

    id = Serial(primary_key=True)
    project_id = Integer()
    type = Text()
    external_id = Text()
    visibility = Text()
    created_at = BigInt()


class Install(Table, tablename="install"):
    """One anonymous installation; `id` is the keyed hash of the id that its client sent.

    `active_day` and `people_day` are the last days of its activity, of all and of people's; `first_day` is the day of `first_seen` with which
    that activity was counted. Null where there was none.
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
    """One event. Its time of arrival is in `id` (see `server.event_id`). `skewed`: the client's clock was not believed."""

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


class Activity(Table, tablename="activity"):
    """One row for each day on which an install was active in an environment, with the version it ran last that day.

    `earlier` is the day before on which it was active in any environment, -1 for its first; see `server.storage.commit.activity`.
    """

    project_id = Integer()
    day = Integer(primary_key=True)
    install_id = BigInt()
    environment = SmallInt()
    version = Text(null=True)
    earlier = Integer(default=-1)


class Mark(Table, tablename="mark"):
    """What was seen and must not count again until `expires_at`: event ids (30 days), views (30 minutes)."""

    project_id = Integer()
    key = BigInt(primary_key=True)
    expires_at = BigInt()


class Rejected(Table, tablename="rejected"):
    """The last events that were refused, scrubbed: for the admin, for a week. `errors` is JSON, `excerpt` what may be kept of the body.

    `event` is a whole event in MessagePack where it could be stored after all, `install_id` then its install.
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
    """What the store knows of itself: the count of processes that opened it."""

    name = Text(primary_key=True)
    value = BigInt()


class ErrorType(Table, tablename="error_type"):
    """The dictionary of types of errors, bounded; what came past the bound is `(other)`."""

    id = Serial(primary_key=True)
    project_id = Integer()
    text = Text()


class ErrorInstall(Table, tablename="error_install"):
    """One row for each day on which an install had an error of a type. A version that is not known is empty."""

    project_id = Integer()
    day = Integer(primary_key=True)
    error_id = Integer()
    name_id = Integer()
    version = Text()
    install_id = BigInt()
    environment = SmallInt()


class ErrorSeen(Table, tablename="error_seen"):
    """When a type of error first and last occurred in an environment."""

    project_id = Integer()
    error_id = Integer(primary_key=True)
    environment = SmallInt()
    first_seen = BigInt()
    last_seen = BigInt()


class Trending(Table, tablename="trending"):
    """The targets of a project by a score that decays with age, as `server.storage.upkeep.trending` last worked it out."""

    project_id = Integer()
    window_days = Integer()
    target_id = Integer(primary_key=True)
    score = DoublePrecision()
    events = BigInt()
    refreshed_at = BigInt()


class Lease(Table, tablename="lease"):
    """Who does what only one may do at a time, and until when (epoch ms) they have it without asking again."""

    name = Text(primary_key=True)
    holder = Text()
    expires_at = BigInt()


class JobRun(Table, tablename="job_run"):
    """One run of a job. `result` is one of `server.storage.upkeep.job_runs.RESULTS`, `detail` what it says of itself."""

    id = Serial(primary_key=True)
    name = Text()
    holder = Text()
    started_at = BigInt()
    ended_at = BigInt(null=True, default=None)
    result = Text()
    detail = Text()


class UnusedContext(Table, tablename="unused_context"):
    """Contexts that no event had when last looked; see `server.storage.upkeep.unused_contexts`."""

    id = Integer(primary_key=True)


class PartialDay(Table, tablename="partial_day"):
    """Days whose events do not tell all that was counted: sums were imported, or an install was erased. A recount passes them over."""

    project_id = Integer()
    day = Integer(primary_key=True)


class AlertRule(Table, tablename="alert_rule"):
    """When to tell somebody, and where. `state` is JSON: what `server.storage.upkeep.alert_rules` must remember between two looks."""

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


class AlertDelivery(Table, tablename="alert_delivery"):
    """One alert on its way. `status` is `waiting`, `delivered` or `failed`; `answered` the last HTTP status; `payload` the JSON sent."""

    id = Serial(primary_key=True)
    rule_id = Integer()
    payload = Text()
    created_at = BigInt()
    status = Text()
    attempts = Integer()
    answered = Integer(null=True, default=None)
    last_error = Text(null=True, default=None)
    ended_at = BigInt(null=True, default=None)
