"""A project: its charts, for whoever may see them; its lists and settings, for whoever may read it."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, cast

import msgspec
import strawberry
from strawberry import argument

from server.admin import answers, event_connections, paging
from server.admin.answers import said
from server.admin.charts import Charts, First, Period, Which
from server.admin.enums import AlertStatus, PublicPart, Scope
from server.admin.event_connections import Event, EventConnection, InstallConnection
from server.admin.family_fields import Families
from server.admin.inputs import PeriodInput, within
from server.admin.paging import Page, PageInfo, cursor, page
from server.admin.request_context import AnyInfo, admin, reader
from server.admin.scalars import Count, DateTime, Hash
from server.analytics import errors, ledger, lists
from server.analytics.lists import EventOrder, InstallFilter, InstallOrder
from server.event import Environment, FieldError, LedgerEntry, Refusal
from server.event_id import from_uuid
from server.jobs import rules
from server.problems import BadQuery
from server.storage.projects import project_changes, read_list
from server.storage.projects.project_changes import ProjectOrder
from server.storage.projects.releases import LatestVersion
from server.storage.upkeep.alert_rules import Kind, Rule


@strawberry.input(description="Which installs: those that meet every condition.")
class InstallFilterInput:
    people: bool = strawberry.field(default=False, description="People only.")
    environments: list[Environment] = strawberry.field(default_factory=list, description="Any of these environments.")
    os: str | None = strawberry.field(default=None, description="The operating system.")
    arch: str | None = strawberry.field(default=None, description="The processor architecture.")
    runtime: str | None = strawberry.field(default=None, description="The runtime, such as `node 20`.")
    version: str | None = strawberry.field(default=None, description="The newest version that it sent.")
    package_manager: str | None = strawberry.field(default=None, description="The package manager.")
    seen_from: DateTime | None = strawberry.field(default=None, description="Seen at this time or later.")
    seen_to: DateTime | None = strawberry.field(default=None, description="Seen before this time.")

    def about(self, project: int) -> InstallFilter:
        """The question's filter. Raises BadQuery, which names the field."""
        if len(self.environments) > len(Environment):
            raise BadQuery(FieldError("filter.environments", f"must be at most {len(Environment)}"))
        said_ = {
            name: getattr(self, name) for name in ("people", "os", "arch", "runtime", "version", "package_manager", "seen_from", "seen_to")
        }
        return InstallFilter(project=project, environments=tuple(self.environments), **said_)


@strawberry.type(description="What is wrong with one field.")
class Wrong:
    path: str = said("The field.")
    message: str = said("What is wrong with it.")


@strawberry.type(description="An event or request that was refused; kept for a week, scrubbed.")
class RejectedEvent:
    id: strawberry.ID = said("Its id.")
    at: DateTime = said("When it arrived.")
    route: str = said("Where it was sent.")
    dialect: str = said("The family of clients, as far as that is known.")
    reason: Refusal = said("Why it was refused.")
    errors: list[Wrong] = said("The fields that are wrong.")
    excerpt: str = said("What may be shown of it.")
    size: Count = said("Its bytes.")
    replayable: bool = said("Whether it can be taken after all: `replayRejected`.")


@strawberry.type(description="An address that was limited, as a hash that is another one each day.")
class LimitedAddress:
    start: DateTime = said("When the day begins.")
    address: Hash = said("The hash; zeros stand for many addresses together.")
    events: Count = said("How many of its events were refused.")


@strawberry.type(description="A key of a project. The key itself is shown once, when it is made.")
class Key:
    id: strawberry.ID = said("Its number.")
    name: str = said("What people call it.")
    hint: str = said("How it begins.")
    scopes: list[Scope] = said("What it may do.")
    rate_limit: str | None = said("Requests of one address with it; null where the project's or the server's limit holds.")
    event_limit: str | None = said("Events of one address with it.")
    created_at: DateTime = said("When it was made.")
    last_used_at: DateTime | None = said("When it was last used, to within a minute or two.")
    revoked: bool = said("Whether it is useless.")


@strawberry.type(description="A rule that tells a webhook when something is out of the ordinary.")
class Alert:
    id: strawberry.ID = said("Its number.")
    name: str = said("What people call it.")
    kind: Kind = said("What it watches.")
    threshold: float = said("In percent, for the kinds that have one.")
    window_minutes: int = said("The minutes that it looks at.")
    minimum_events: int = said("Events without which it tells nothing.")
    cooldown_minutes: int = said("Minutes between two alerts.")
    host: str = said("The webhook's host; its path is often secret.")
    enabled: bool = said("Whether it is looked at.")
    last_status: AlertStatus | None = said("What became of its last alert.")
    last_fired_at: DateTime | None = said("When that was.")


@strawberry.type(description="The version that a tool's clients are told of.")
class Latest:
    version: str = said("The version.")
    release_date: str = said("When it came out, as its admin writes it.")
    update_url: str = said("Where to get it.")
    critical: bool = said("Whether it should be installed now.")


@strawberry.type(description="How a project is set up. What is null follows the server's own setting.")
class ProjectSettings:
    name: str = said("What people call it.")
    requires_key: bool = said("Whether it takes events with a key only.")
    rate_limit: str | None = said("Requests of one address, as `10/minute`.")
    event_limit: str | None = said("Events of one address.")
    retention_days: int | None = said("How long raw events are kept.")
    max_targets: int | None = said("How many targets it may have.")
    lists_targets: bool = said("Whether only targets that were listed before are counted.")
    hosts: list[str] = said("Hosts whose requests are about it.")
    dimensions: list[str] = said("Properties that are counted by value, at most five.", "properties")
    public: list[PublicPart] | None = said("Parts that need no login.")
    latest: Latest | None = said("The version that clients are told of.")
    created_at: DateTime = said("When it was made.")
    archived_at: DateTime | None = said("When it was archived; it takes no events since.")


@strawberry.type(description="One tool whose telemetry is kept apart.")
class Project(Charts, Families):
    row: strawberry.Private[dict[str, Any]]

    @strawberry.field(description="Its name in addresses.")
    def slug(self) -> str:
        return str(self.row["slug"])

    @strawberry.field(description="What people call it.")
    def name(self) -> str:
        return str(self.row["name"])

    @strawberry.field(description="When its first event was, to the hour; null as long as there was none.")
    async def first_event(self, info: AnyInfo) -> DateTime | None:
        began = await info.context.loaders.first_events.load(self.number)
        return None if began is None else DateTime(began)

    @strawberry.field(description="How it is set up.")
    def settings(self, info: AnyInfo) -> ProjectSettings:
        reader(info, self.number)
        row = self.row
        latest = None if row["latest_version"] is None else msgspec.json.decode(row["latest_version"], type=LatestVersion)
        return ProjectSettings(
            **{
                name: row[name]
                for name in ("name", "rate_limit", "event_limit", "retention_days", "max_targets", "created_at", "archived_at")
            },
            requires_key=bool(row["requires_key"]),
            lists_targets=bool(row["lists_targets"]),
            hosts=read_list(row["hosts"]),
            dimensions=read_list(row["dimensions"]),
            public=None if row["public"] is None else [PublicPart(part) for part in read_list(row["public"])],
            latest=None if latest is None else Latest(version=latest.latest_version, **_but(latest, "latest_version")),
        )

    @strawberry.field(description="Its events by their arrival.")
    async def events(
        self,
        info: AnyInfo,
        period: Period = None,
        filter: Which = None,
        order_by: Annotated[EventOrder, argument(description="In which order.")] = EventOrder.NEWEST,
        first: paging.First = None,
        after: paging.After = None,
        last: paging.Last = None,
        before: paging.Before = None,
    ) -> EventConnection:
        reader(info, self.number)
        return await event_connections.events(info, self.about(info, period, filter), order_by, page(first, after, last, before))

    @strawberry.field(description="One event.")
    async def event(self, info: AnyInfo, id: Annotated[strawberry.ID, argument(description="Its id.")]) -> Event | None:
        reader(info, self.number)
        try:
            number = from_uuid(str(id))
        except ValueError:
            raise BadQuery(FieldError("id", "is no id of an event")) from None
        row = await lists.event_of(info.context.store, self.number, number)
        return None if row is None else Event(row=row, project=self.number)

    @strawberry.field(description="Its installs.")
    async def installs(
        self,
        info: AnyInfo,
        filter: Annotated[InstallFilterInput | None, argument(description="Which installs; all if it is left out.")] = None,
        order_by: Annotated[InstallOrder, argument(description="In which order.")] = InstallOrder.LAST_SEEN,
        first: paging.First = None,
        after: paging.After = None,
        last: paging.Last = None,
        before: paging.Before = None,
    ) -> InstallConnection:
        reader(info, self.number)
        asked = filter or InstallFilterInput()
        return await event_connections.installs(info, asked.about(self.number), order_by, page(first, after, last, before))

    @strawberry.field(description="One install by its hash.")
    async def install(
        self, info: AnyInfo, hash: Annotated[Hash, argument(description="The hash that stands for it.")]
    ) -> event_connections.Install | None:
        reader(info, self.number)
        row = await info.context.loaders.installs.load((self.number, hash))
        return None if row is None else event_connections.Install(row=row, project=self.number)

    @strawberry.field(description="The last events that failed, as far as they are kept.")
    async def failures(
        self,
        info: AnyInfo,
        period: Period = None,
        filter: Which = None,
        error_type: Annotated[
            str | None,
            argument(
                description="Those with this error type instead, whether they say that they failed or not; empty for failures without a type."
            ),
        ] = None,
        first: First = 20,
    ) -> list[answers.ErrorSample]:
        reader(info, self.number)
        limit = within("first", first, 200)
        return cast(Any, await errors.failures(info.context.store, self.about(info, period, filter), error_type=error_type, limit=limit))

    @strawberry.field(description="Where everything that arrived went, by day.")
    async def ledger(self, info: AnyInfo, period: Period = None) -> answers.Ledger:
        reader(info, self.number)
        return await ledger_of(info, self.number, period)

    @strawberry.field(description="The last that were refused, newest first.")
    async def rejected(
        self,
        info: AnyInfo,
        first: First = 50,
        before: Annotated[str | None, argument(description="Older than the one with this id.")] = None,
    ) -> list[RejectedEvent]:
        reader(info, self.number)
        return cast(Any, await ledger.rejected(info.context.store, self.number, limit=within("first", first, 200), before=before))

    @strawberry.field(description="The addresses that were limited most.")
    async def limited_addresses(self, info: AnyInfo, period: Period = None, first: First = 20) -> list[LimitedAddress]:
        reader(info, self.number)
        span = (period or PeriodInput()).read()
        return cast(Any, await ledger.limited_addresses(info.context.store, self.number, span, limit=within("first", first, 200)))

    @strawberry.field(description="Its keys, also those that were revoked.")
    async def keys(self, info: AnyInfo) -> list[Key]:
        admin(info, self.number)
        return [key_of(row) for row in await project_changes.key_rows(self.number)]

    @strawberry.field(description="Its alerts.")
    async def alerts(self, info: AnyInfo) -> list[Alert]:
        reader(info, self.number)
        found = await rules.listed(info.context.store)
        return [alert_of(rule, last) for rule, last in found if rule.project == self.number]


@strawberry.type(description="A project with its place in the list.")
class ProjectEdge:
    node: Project = said("The project.")
    cursor: str = said("Its place.")


@strawberry.type(description="A page of projects.")
class ProjectConnection:
    edges: list[ProjectEdge] = said("The projects with their places.")
    page_info: PageInfo = said("Where the page lies.")
    archived: strawberry.Private[bool]
    only: strawberry.Private[list[int] | None]

    @strawberry.field(description="The projects without their places.")
    def nodes(self) -> list[Project]:
        return [edge.node for edge in self.edges]

    @strawberry.field(description="How many there are in all. Counted only where it is asked for.")
    async def total_count(self) -> Count:
        return Count(await project_changes.count_projects(archived=self.archived, only=self.only))


async def projects(order: ProjectOrder, asked: Page, *, archived: bool, only: list[int] | None) -> ProjectConnection:
    """A page of projects; `only` are the numbers of those that may be seen, None for all. Raises BadQuery for a cursor that is none."""
    place: tuple[int, str] | None = asked.place(tuple[int, str])
    rows = await project_changes.page(
        limit=asked.limit + 1, archived=archived, only=only, order=order, after=place, backwards=asked.backwards
    )
    edges = [ProjectEdge(node=Project(number=row["id"], row=row), cursor=cursor(row["id"], row["slug"])) for row in asked.cut(rows)]
    return ProjectConnection(edges=edges, page_info=asked.info(edges, len(rows)), archived=archived, only=only)


def _but(struct: msgspec.Struct, name: str) -> dict[str, Any]:
    return {each: getattr(struct, each) for each in struct.__struct_fields__ if each != name}


def key_of(row: dict[str, Any]) -> Key:
    return Key(
        id=strawberry.ID(str(row["id"])),
        name=row["name"],
        hint=row["hint"],
        scopes=[Scope(scope) for scope in read_list(row["scopes"])],
        rate_limit=row["rate_limit"],
        event_limit=row["event_limit"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        revoked=row["revoked_at"] is not None,
    )


def alert_of(rule: Rule, last: dict[str, Any] | None) -> Alert:
    return Alert(
        id=strawberry.ID(str(rule.id)),
        **{
            name: getattr(rule, name)
            for name in ("name", "kind", "threshold", "window_minutes", "minimum_events", "cooldown_minutes", "enabled")
        },
        host=rules.host_of(rule),
        last_status=None if last is None else last["status"],
        last_fired_at=None if last is None else last["created_at"],
    )


async def ledger_of(info: AnyInfo, number: int, period: PeriodInput | None) -> answers.Ledger:
    """The ledger as parallel lists."""
    span = (period or PeriodInput()).read()
    info.context.spend(7 * (span.last_day - span.first_day + 1))
    days = await ledger.ledger(info.context.store, number, span)
    reasons: Counter[str] = Counter()
    for day in days:
        reasons.update(day.reasons)
    columns = ("received", "stored", "duplicates", "rejected", "limited", "opted_out")
    return answers.Ledger(
        starts=[DateTime(day.start) for day in days],
        reasons=[
            answers.Reason(entry=LedgerEntry(entry), reason=reason, events=Count(events))
            for (entry, _, reason), events in ((name.partition(":"), events) for name, events in reasons.most_common())
        ],
        **{name: [getattr(day, name) for day in days] for name in columns},
    )
