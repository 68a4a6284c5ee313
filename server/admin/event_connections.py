"""GraphQL types for events and installs, and their Relay connections."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
import strawberry

from server.admin.answers import field
from server.admin.inputs import check_count
from server.admin.paging import Page, PageInfo, cursor
from server.admin.request_context import AnyInfo
from server.admin.scalars import JSON, Count, DateTime, Duration, Hash
from server.analytics import lists
from server.analytics.filters import Filter
from server.analytics.lists import EventOrder, EventRow, InstallFilter, InstallOrder, InstallRow
from server.event import CONTEXT_FIELDS, ContextField, Environment, Outcome
from server.event_id import to_uuid

EVENTS_OF_AN_INSTALL = 20

T = TypeVar("T")
Number = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


@strawberry.type(description="Target of an event.")
class EventTarget:
    type: str = field("Type of the target.")
    id: strawberry.ID = field("Its id.")


def _field_resolver(name: str, declared: ContextField) -> Any:
    """Return the GraphQL field of a field of contexts."""

    def text(self: Event) -> str | None:
        found: str | None = getattr(self.row.context, name)
        return found

    def flag(self: Event) -> bool | None:
        return {"true": True, "false": False}.get(text(self) or "")

    resolver: Any = flag if declared.kind == "flag" else text
    return strawberry.field(resolver=resolver, description=f"{declared.description} Null if unknown.")


def _with_context_fields(kind: type[T]) -> type[T]:
    """Add the declared fields of contexts to a class with a `row.context`."""
    for name, declared in CONTEXT_FIELDS.items():
        setattr(kind, name, _field_resolver(name, declared))
    return kind


@strawberry.type(description="A stored event. Its texts are scrubbed.")
@_with_context_fields
class Event:
    row: strawberry.Private[EventRow]
    project: strawberry.Private[int]

    @strawberry.field(description="Id of the event, a UUIDv7.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(to_uuid(self.row.id))

    @strawberry.field(description="Name of the event.")
    def name(self) -> str:
        return self.row.name

    @strawberry.field(description="Time of the event by the client's clock; the time of arrival if the clock is off (`clockSkewed`).")
    def occurred_at(self) -> DateTime:
        return DateTime(self.row.occurred_at)

    @strawberry.field(description="Time of arrival.")
    def received_at(self) -> DateTime:
        return DateTime(self.row.received_at)

    @strawberry.field(description="Whether the client's clock was off by too much. If so, `occurredAt` equals `receivedAt`.")
    def clock_skewed(self) -> bool:
        return bool(self.row.skewed)

    @strawberry.field(description="Target of the event. Null if there is none.")
    def target(self) -> EventTarget | None:
        if self.row.target is None:
            return None
        return EventTarget(type=self.row.target_type or "", id=strawberry.ID(self.row.target))

    @strawberry.field(description="Outcome of the event.")
    def outcome(self) -> Outcome:
        return Outcome(self.row.outcome)

    @strawberry.field(description="Duration of the event. Null if the event reports none.")
    def duration(self) -> Duration | None:
        return None if self.row.duration_us is None else Duration(self.row.duration_us)

    @strawberry.field(description="Number of events that this one stands for, if its client sends only a sample; else 1.")
    def weight(self) -> int:
        return self.row.weight

    @strawberry.field(description="Type of the error. Null if there is none.")
    def error_type(self) -> str | None:
        return self.row.error_type

    @strawberry.field(description="Message of the error, scrubbed. Null if there is none.")
    def error_message(self) -> str | None:
        return self.row.error_message

    @strawberry.field(description="Environment that ran the tool.")
    def environment(self) -> Environment:
        return self.row.context.environment

    @strawberry.field(description="Evidence for the environment, such as the name of a CI system. Null if there is none.")
    def environment_reason(self) -> str | None:
        return self.row.context.reason or None

    @strawberry.field(description="Name of the dialect (client format) that the event was sent in.")
    def dialect(self) -> str:
        return self.row.context.dialect

    @strawberry.field(description="Hash of the session. Null if there is none.")
    def session(self) -> Hash | None:
        return None if self.row.session is None else Hash(self.row.session)

    @strawberry.field(
        description="Other properties as JSON text, scrubbed. Keeps all digits of integers beyond 2^53, which many JSON parsers round. "
        "Null if there are none."
    )
    def properties_text(self) -> str | None:
        return self.row.properties

    @strawberry.field(description="Other properties as a JSON object, scrubbed. Null if there are none.")
    def properties(self) -> JSON | None:
        return None if self.row.properties is None else JSON(msgspec.json.decode(self.row.properties))

    @strawberry.field(description="Install that sent the event. Null if there is none, or after its erasure.")
    async def install(self, info: AnyInfo) -> Install | None:
        if self.row.install is None:
            return None
        row = await info.context.loaders.installs.load((self.project, self.row.install))
        return None if row is None else Install(row=row, project=self.project)


@strawberry.type(description="An anonymous installation of a tool, as described by its newest events.")
class Install:
    row: strawberry.Private[InstallRow]
    project: strawberry.Private[int]

    @strawberry.field(description="Keyed hash that identifies the install. The raw id is never stored.")
    def hash(self) -> Hash:
        return Hash(self.row.id)

    @strawberry.field(description="Time of the first event.")
    def first_seen(self) -> DateTime:
        return DateTime(self.row.first_seen)

    @strawberry.field(description="Time of the last event, accurate to five minutes.")
    def last_seen(self) -> DateTime:
        return DateTime(self.row.last_seen)

    @strawberry.field(description="Environment that runs the install.")
    def environment(self) -> Environment:
        return Environment(self.row.environment)

    @strawberry.field(description="Evidence for the environment, such as the name of a CI system. Null if there is none.")
    def environment_reason(self) -> str | None:
        return self.row.reason or None

    @strawberry.field(description="Name of the dialect (client format) that the install sends. Null if unknown.")
    def dialect(self) -> str | None:
        return self.row.dialect

    @strawberry.field(description="Operating system. Null if unknown.")
    def os(self) -> str | None:
        return self.row.os

    @strawberry.field(description="Processor architecture. Null if unknown.")
    def arch(self) -> str | None:
        return self.row.arch

    @strawberry.field(description="Runtime, such as `node 20`. Null if unknown.")
    def runtime(self) -> str | None:
        return self.row.runtime

    @strawberry.field(description="Newest version of the tool that the install has sent. Null if unknown.")
    def version(self) -> str | None:
        return self.row.version

    @strawberry.field(description="Package manager. Null if unknown.")
    def package_manager(self) -> str | None:
        return self.row.package_manager

    @strawberry.field(description="Newest events of the install.")
    async def events(
        self, info: AnyInfo, first: Annotated[int, strawberry.argument(description="Maximum number of events, from 1 to 20.")] = 10
    ) -> list[Event]:
        limit = check_count("first", first, EVENTS_OF_AN_INSTALL)
        rows = await info.context.loaders.events.load((self.project, self.row.id, limit))
        return [Event(row=row, project=self.project) for row in rows]


@strawberry.type(description="An event and its cursor.")
class EventEdge:
    node: Event = field("The event.")
    cursor: str = field("Cursor for pagination.")


@strawberry.type(description="A page of events.")
class EventConnection:
    edges: list[EventEdge] = field("The events with their cursors.")
    page_info: PageInfo = field("Pagination details.")
    filter: strawberry.Private[Filter]

    @strawberry.field(description="The events without cursors.")
    def nodes(self) -> list[Event]:
        return [edge.node for edge in self.edges]

    @strawberry.field(description="Total number of matches. Computed only if selected.")
    async def total_count(self, info: AnyInfo) -> Count:
        return Count(await lists.count_events(info.context.store, self.filter))


@strawberry.type(description="An install and its cursor.")
class InstallEdge:
    node: Install = field("The install.")
    cursor: str = field("Cursor for pagination.")


@strawberry.type(description="A page of installs.")
class InstallConnection:
    edges: list[InstallEdge] = field("The installs with their cursors.")
    page_info: PageInfo = field("Pagination details.")
    filter: strawberry.Private[InstallFilter]

    @strawberry.field(description="The installs without cursors.")
    def nodes(self) -> list[Install]:
        return [edge.node for edge in self.edges]

    @strawberry.field(description="Total number of matches. Computed only if selected.")
    async def total_count(self, info: AnyInfo) -> Count:
        return Count(await lists.count_installs(info.context.store, self.filter))


async def events(info: AnyInfo, filter_: Filter, order: EventOrder, requested: Page) -> EventConnection:
    """Load a page of events. Raises BadQuery for an invalid cursor, TooBroad."""
    place: tuple[Number] | None = requested.place(tuple[Number])
    rows = await lists.events(
        info.context.store, filter_, limit=requested.limit + 1, order=order, after=place and place[0], backwards=requested.backwards
    )
    edges = [EventEdge(node=Event(row=row, project=filter_.project), cursor=cursor(row.id)) for row in requested.cut(rows)]
    return EventConnection(edges=edges, page_info=requested.info(edges, len(rows)), filter=filter_)


async def installs(info: AnyInfo, filter_: InstallFilter, order: InstallOrder, requested: Page) -> InstallConnection:
    """Load a page of installs. Raises BadQuery for an invalid cursor, TooBroad."""
    place: tuple[Number, Number] | None = requested.place(tuple[Number, Number])
    rows = await lists.installs(
        info.context.store, filter_, limit=requested.limit + 1, order=order, after=place, backwards=requested.backwards
    )
    edges = [
        InstallEdge(node=Install(row=row, project=filter_.project), cursor=cursor(getattr(row, order.value), row.id))
        for row in requested.cut(rows)
    ]
    return InstallConnection(edges=edges, page_info=requested.info(edges, len(rows)), filter=filter_)
