"""GraphQL types of a project. Its charts may be public; its lists and settings require the `read` scope."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import strawberry
from strawberry import argument

from server.admin import answers, event_connections, paging
from server.admin.answers import field
from server.admin.charts import Charts, First, Period, Which
from server.admin.enums import AlertStatus, PublicPart, Scope
from server.admin.event_connections import Event, EventConnection, InstallConnection
from server.admin.explore import Explore
from server.admin.family_fields import Families
from server.admin.forwarding_types import Forwards
from server.admin.inputs import ConditionInput, PeriodInput, check_count
from server.admin.paging import Page, PageInfo, cursor, page
from server.admin.request_context import AnyInfo, admin, reader
from server.admin.saved_question_types import SavedQuestions
from server.admin.scalars import Count, DateTime, Hash
from server.analytics import errors, ledger, lists
from server.analytics.filters import equals
from server.analytics.ledger import LimitedAddress as LimitedAddressRow
from server.analytics.ledger import RejectedEvent as RejectedEventRow
from server.analytics.lists import INSTALL_FIELDS, EventOrder, InstallFilter, InstallOrder
from server.event import Environment, FieldError, LedgerEntry, Refusal
from server.event_id import from_uuid
from server.jobs import question_alerts, rules
from server.problems import BadQuery
from server.questions.question import LONGEST_VALUE, PEOPLE_ONLY, Op, check_conditions
from server.storage.projects import MAX_PICKED, project_changes
from server.storage.projects.project_changes import ProjectOrder, StoredKey, StoredProject
from server.storage.projects.releases import LatestVersion
from server.storage.upkeep.alert_rules import Kind, LastAlert, Rule


@strawberry.input(description="A filter for installs. An install must meet every condition.")
class InstallFilterInput:
    people: bool = strawberry.field(default=False, description="Only installs run by people. Default: all.")
    environments: list[Environment] = strawberry.field(default_factory=list, description="Any of these environments. Default: all.")
    os: str | None = strawberry.field(default=None, description="Operating system.")
    arch: str | None = strawberry.field(default=None, description="Processor architecture.")
    runtime: str | None = strawberry.field(default=None, description="Runtime, such as `node 20`.")
    version: str | None = strawberry.field(default=None, description="Newest version of the tool that the install has sent.")
    package_manager: str | None = strawberry.field(default=None, description="Package manager.")
    seen_from: DateTime | None = strawberry.field(default=None, description="Last seen at this time or later.")
    seen_to: DateTime | None = strawberry.field(default=None, description="Last seen before this time.")
    where: list[ConditionInput] = strawberry.field(
        default_factory=list,
        description="Conditions on the newest known values of the install. Only `IS`, for any of several values, and `IS_NOT`, on `environment`, "
        "`os`, `arch`, `runtime`, `version` and `package_manager`.",
    )

    def to_filter(self, project: int) -> InstallFilter:
        """Convert the input to a filter. Raises BadQuery that names the field."""
        if len(self.environments) > len(Environment):
            raise BadQuery(FieldError("filter.environments", f"must be at most {len(Environment)}"))
        where = tuple(each.to_condition() for each in self.where)
        check_conditions(where, "filter.where")
        for number, condition in enumerate(where):
            if condition.field not in INSTALL_FIELDS:
                raise BadQuery(FieldError(f"filter.where[{number}].field", f"must be one of {', '.join(INSTALL_FIELDS)}"))
            if condition.op not in (Op.IS, Op.IS_NOT):
                raise BadQuery(FieldError(f"filter.where[{number}].op", "must be IS or IS_NOT"))
        of_people = (PEOPLE_ONLY,) if self.people else ()
        texts = {name: getattr(self, name) for name in ("os", "arch", "runtime", "version", "package_manager")}
        single = equals(environments=tuple(self.environments), **texts)
        return InstallFilter(project=project, seen_from=self.seen_from, seen_to=self.seen_to, where=of_people + single + where)


@strawberry.type(description="A validation error of one field.")
class ValidationError:
    path: str = field("Path of the field, such as `events[3].target.id`.")
    message: str = field("Explanation for people.")


@strawberry.type(description="A refused event or request. Kept for a week, scrubbed.")
class RejectedEvent:
    id: strawberry.ID = field("Id.")
    at: DateTime = field("Time of arrival.")
    route: str = field("Route of the request.")
    dialect: str = field("Name of the dialect (client format); empty if unknown.")
    reason: Refusal = field("Reason for the refusal.")
    errors: list[ValidationError] = field("Validation errors by field.")
    excerpt: str = field("Excerpt of the content, scrubbed.")
    size: Count = field("Size in bytes.")
    replayable: bool = field("Whether `replayRejected` can replay it.")


@strawberry.type(description="An address that exceeded a rate limit, as a hash that changes every day.")
class LimitedAddress:
    start: DateTime = field("Start of the day, in UTC.")
    address: Hash = field("Hash of the address. Zeros stand for all addresses beyond the recorded ones.")
    events: Count = field("Number of its events that were refused.")


@strawberry.type(description="An API key. The key itself is shown once, when it is created.")
class Key:
    id: strawberry.ID = field("Id.")
    name: str = field("Display name.")
    hint: str = field("First characters of the key.")
    scopes: list[Scope] = field("Scopes of the key.")
    rate_limit: str | None = field(
        "Rate limit of requests per address, such as `10/minute`. Null if the project's or the server's limit applies."
    )
    event_limit: str | None = field("Rate limit of events per address. Null if the project's or the server's limit applies.")
    created_at: DateTime = field("Time of creation.")
    last_used_at: DateTime | None = field("Time of the last use, accurate to two minutes. Null if never used.")
    revoked: bool = field("Whether the key was revoked.")


@strawberry.type(description="A rule that notifies a webhook of unusual events.")
class Alert:
    id: strawberry.ID = field("Id.")
    name: str = field("Display name.")
    kind: Kind = field("Condition of the alert.")
    threshold: float = field(
        "Threshold in percent; for `QUESTION_ABOVE` and `QUESTION_BELOW`, in the unit of the figure. Ignored by kinds without one."
    )
    threshold_text: str | None = field(
        "Threshold with its unit, such as `20 %` or `1.5 s`. Null for kinds without one, and if the saved question cannot be read."
    )
    window_minutes: int = field("Length of the evaluated window, in minutes.")
    minimum_events: int = field("Minimum number of events in the window. With fewer events, the alert does not fire.")
    cooldown_minutes: int = field("Minimum number of minutes between two notifications.")
    question: str | None = field("Name of the saved question or funnel that the alert watches. Null for other kinds.")
    host: str = field("Host of the webhook. The path is hidden, as it often contains a secret.")
    enabled: bool = field("Whether the alert is evaluated.")
    last_status: AlertStatus | None = field("Delivery status of the last notification. Null if it has never fired.")
    last_fired_at: DateTime | None = field("Time of the last notification. Null if it has never fired.")


@strawberry.type(description="The latest version of a tool, as announced to its clients.")
class Latest:
    version: str = field("Version.")
    release_date: str = field("Release date, as written by the admin.")
    update_url: str = field("URL of the update.")
    critical: bool = field("Whether users should update at once.")


@strawberry.type(description="Settings of a project. A null value means that the server's setting applies.")
class ProjectSettings:
    name: str = field("Display name.")
    requires_key: bool = field("Whether events require a key.")
    rate_limit: str | None = field("Rate limit of requests per address, such as `10/minute`.")
    event_limit: str | None = field("Rate limit of events per address, such as `1000/minute`.")
    retention_days: int | None = field("Days before raw events are deleted.")
    max_targets: int | None = field("Maximum number of distinct targets.")
    lists_targets: bool = field("Whether only targets listed with `setTarget` are counted.")
    hosts: list[str] = field("Values of the `Host` header that select this project.")
    sites: list[str] = field("Domains (Plausible) and website ids (Umami) whose events belong to this project, without a key.")
    dimensions: list[str] = field(f"Properties whose values are counted, at most {MAX_PICKED}.", "properties")
    public: list[PublicPart] | None = field("Parts that are public.")
    latest: Latest | None = field("Latest version, as announced to clients. Null if none is announced.")
    created_at: DateTime = field("Time of creation.")
    archived_at: DateTime | None = field("Time of archiving. Archived projects accept no events. Null if not archived.")


@strawberry.type(description="A project: a tool with its own events, settings and keys.")
class Project(Charts, Explore, SavedQuestions, Families, Forwards):
    stored: strawberry.Private[StoredProject]

    @strawberry.field(description="Unique name in URLs.")
    def slug(self) -> str:
        return self.stored.slug

    @strawberry.field(description="Display name.")
    def name(self) -> str:
        return self.stored.name

    @strawberry.field(description="Time of the first event, to the hour. Null if there are no events.")
    async def first_event(self, info: AnyInfo) -> DateTime | None:
        began = await info.context.loaders.first_events.load(self.number)
        return None if began is None else DateTime(began)

    @strawberry.field(description="Settings of the project. Requires the `read` scope.")
    def settings(self, info: AnyInfo) -> ProjectSettings:
        reader(info, self.number)
        stored = self.stored
        latest = stored.latest_version
        return ProjectSettings(
            name=stored.name,
            requires_key=stored.requires_key,
            rate_limit=stored.rate_limit,
            event_limit=stored.event_limit,
            retention_days=stored.retention_days,
            max_targets=stored.max_targets,
            lists_targets=stored.lists_targets,
            hosts=stored.hosts,
            sites=stored.sites,
            dimensions=stored.dimensions,
            public=None if stored.public is None else [PublicPart(part) for part in stored.public],
            latest=None if latest is None else _latest(latest),
            created_at=DateTime(stored.created_at),
            archived_at=None if stored.archived_at is None else DateTime(stored.archived_at),
        )

    @strawberry.field(description="Events by time of arrival. Requires the `read` scope.")
    async def events(
        self,
        info: AnyInfo,
        period: Period = None,
        filter: Which = None,
        order_by: Annotated[EventOrder, argument(description="Order of the list.")] = EventOrder.NEWEST,
        first: paging.First = None,
        after: paging.After = None,
        last: paging.Last = None,
        before: paging.Before = None,
    ) -> EventConnection:
        reader(info, self.number)
        return await event_connections.events(info, await self.to_filter(info, period, filter), order_by, page(first, after, last, before))

    @strawberry.field(description="Event with this id. Null if there is none, or if retention has deleted it.")
    async def event(self, info: AnyInfo, id: Annotated[strawberry.ID, argument(description="Id.")]) -> Event | None:
        reader(info, self.number)
        try:
            number = from_uuid(str(id))
        except ValueError:
            raise BadQuery(FieldError("id", "is not a valid event id")) from None
        row = await lists.event_of(info.context.store, self.number, number)
        return None if row is None else Event(row=row, project=self.number)

    @strawberry.field(description="Installs. Requires the `read` scope.")
    async def installs(
        self,
        info: AnyInfo,
        filter: Annotated[InstallFilterInput | None, argument(description="Filter for installs. Default: all.")] = None,
        order_by: Annotated[InstallOrder, argument(description="Order of the list.")] = InstallOrder.LAST_SEEN,
        first: paging.First = None,
        after: paging.After = None,
        last: paging.Last = None,
        before: paging.Before = None,
    ) -> InstallConnection:
        reader(info, self.number)
        requested = filter or InstallFilterInput()
        return await event_connections.installs(info, requested.to_filter(self.number), order_by, page(first, after, last, before))

    @strawberry.field(description="Install with this hash. Null if there is none.")
    async def install(
        self, info: AnyInfo, hash: Annotated[Hash, argument(description="Hash of the install.")]
    ) -> event_connections.Install | None:
        reader(info, self.number)
        row = await info.context.loaders.installs.load((self.number, hash))
        return None if row is None else event_connections.Install(row=row, project=self.number)

    @strawberry.field(graphql_type=list[answers.ErrorSample], description="Last failed events, newest first. Retention limits the period.")
    async def failures(
        self,
        info: AnyInfo,
        period: Period = None,
        filter: Which = None,
        error_type: Annotated[
            str | None,
            argument(
                description="Return the events with this error type instead, whatever their outcome. An empty text selects failures without a "
                "type."
            ),
        ] = None,
        first: First = 20,
    ) -> list[errors.ErrorSample]:
        reader(info, self.number)
        limit = check_count("first", first, 200)
        if error_type is not None and ("\0" in error_type or len(error_type) > LONGEST_VALUE):
            raise BadQuery(FieldError("errorType", f"must be a text of at most {LONGEST_VALUE} characters"))
        return await errors.failures(info.context.store, await self.to_filter(info, period, filter), error_type=error_type, limit=limit)

    @strawberry.field(description="Received events by result and day.")
    async def ledger(self, info: AnyInfo, period: Period = None) -> answers.Ledger:
        reader(info, self.number)
        return await ledger_of(info, self.number, period)

    @strawberry.field(graphql_type=list[RejectedEvent], description="Refused events and requests of the last week, newest first.")
    async def rejected(
        self,
        info: AnyInfo,
        first: First = 50,
        before: Annotated[str | None, argument(description="Id of a refused event: return older ones.")] = None,
    ) -> list[RejectedEventRow]:
        reader(info, self.number)
        return await ledger.rejected(info.context.store, self.number, limit=check_count("first", first, 200), before=before)

    @strawberry.field(graphql_type=list[LimitedAddress], description="Addresses with the most events refused by a rate limit.")
    async def limited_addresses(self, info: AnyInfo, period: Period = None, first: First = 20) -> list[LimitedAddressRow]:
        reader(info, self.number)
        span = (period or PeriodInput()).read()
        return await ledger.limited_addresses(info.context.store, self.number, span, limit=check_count("first", first, 200))

    @strawberry.field(description="Keys of the project, including revoked ones. Requires the `admin` scope.")
    async def keys(self, info: AnyInfo) -> list[Key]:
        admin(info, self.number)
        return [key_of(key) for key in await project_changes.list_keys(self.number)]

    @strawberry.field(description="Alerts of the project. Requires the `read` scope.")
    async def alerts(self, info: AnyInfo) -> list[Alert]:
        reader(info, self.number)
        found = await rules.listed(info.context.store)
        return [alert_of(rule, last) for rule, last in found if rule.project == self.number]


@strawberry.type(description="A project and its cursor.")
class ProjectEdge:
    node: Project = field("The project.")
    cursor: str = field("Cursor for pagination.")


@strawberry.type(description="A page of projects.")
class ProjectConnection:
    edges: list[ProjectEdge] = field("The projects with their cursors.")
    page_info: PageInfo = field("Pagination details.")
    archived: strawberry.Private[bool]
    only: strawberry.Private[list[int] | None]

    @strawberry.field(description="The projects without cursors.")
    def nodes(self) -> list[Project]:
        return [edge.node for edge in self.edges]

    @strawberry.field(description="Total number of matches. Computed only if selected.")
    async def total_count(self) -> Count:
        return Count(await project_changes.count_projects(archived=self.archived, only=self.only))


async def projects(order: ProjectOrder, requested: Page, *, archived: bool, only: list[int] | None) -> ProjectConnection:
    """Load a page of projects. `only` are the numbers of the visible projects, None for all. Raises BadQuery for an invalid cursor."""
    place: tuple[int, str] | None = requested.place(tuple[int, str])
    found = await project_changes.page(
        limit=requested.limit + 1, archived=archived, only=only, order=order, after=place, backwards=requested.backwards
    )
    edges = [ProjectEdge(node=Project(number=each.id, stored=each), cursor=cursor(each.id, each.slug)) for each in requested.cut(found)]
    return ProjectConnection(edges=edges, page_info=requested.info(edges, len(found)), archived=archived, only=only)


def _latest(latest: LatestVersion) -> Latest:
    return Latest(version=latest.latest_version, release_date=latest.release_date, update_url=latest.update_url, critical=latest.critical)


def key_of(key: StoredKey) -> Key:
    return Key(
        id=strawberry.ID(str(key.id)),
        name=key.name,
        hint=key.hint,
        scopes=[Scope(scope) for scope in key.scopes],
        rate_limit=key.rate_limit,
        event_limit=key.event_limit,
        created_at=DateTime(key.created_at),
        last_used_at=None if key.last_used_at is None else DateTime(key.last_used_at),
        revoked=key.revoked_at is not None,
    )


def alert_of(rule: Rule, last: LastAlert | None) -> Alert:
    return Alert(
        id=strawberry.ID(str(rule.id)),
        name=rule.name,
        kind=rule.kind,
        threshold=rule.threshold,
        threshold_text=question_alerts.threshold_of(rule),
        window_minutes=rule.window_minutes,
        minimum_events=rule.minimum_events,
        cooldown_minutes=rule.cooldown_minutes,
        question=rule.question,
        host=rules.host_of(rule),
        enabled=rule.enabled,
        last_status=None if last is None else AlertStatus(last.status),
        last_fired_at=None if last is None else DateTime(last.created_at),
    )


async def ledger_of(info: AnyInfo, number: int, period: PeriodInput | None) -> answers.Ledger:
    """Load the ledger as parallel lists."""
    span = (period or PeriodInput()).read()
    info.context.spend(7 * (span.last_day - span.first_day + 1))
    days = await ledger.ledger(info.context.store, number, span)
    reasons: Counter[str] = Counter()
    for day in days:
        reasons.update(day.reasons)
    return answers.Ledger(
        starts=[DateTime(day.start) for day in days],
        reasons=[
            answers.Reason(entry=LedgerEntry(entry), reason=reason, events=Count(events))
            for (entry, _, reason), events in ((name.partition(":"), events) for name, events in reasons.most_common())
        ],
        received=[Count(day.received) for day in days],
        stored=[Count(day.stored) for day in days],
        duplicates=[Count(day.duplicates) for day in days],
        rejected=[Count(day.rejected) for day in days],
        limited=[Count(day.limited) for day in days],
        opted_out=[Count(day.opted_out) for day in days],
    )
