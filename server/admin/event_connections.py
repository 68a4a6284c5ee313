"""Events and installs, one by one and as connections."""

from __future__ import annotations

from typing import Annotated

import msgspec
import strawberry

from server.admin.answers import said
from server.admin.inputs import within
from server.admin.paging import Page, PageInfo, cursor
from server.admin.request_context import AnyInfo
from server.admin.scalars import JSON, Count, DateTime, Duration, Hash
from server.analytics import lists
from server.analytics.filters import Filter
from server.analytics.lists import EventOrder, EventRow, InstallFilter, InstallOrder, InstallRow
from server.event import Environment, Outcome
from server.event_id import to_uuid

EVENTS_OF_AN_INSTALL = 20

Number = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


@strawberry.type(description="What an event is about.")
class EventTarget:
    type: str = said("Its type.")
    id: strawberry.ID = said("Its id.")


@strawberry.type(description="One thing that happened, as it is kept: scrubbed.")
class Event:
    row: strawberry.Private[EventRow]
    project: strawberry.Private[int]

    @strawberry.field(description="Its id, a UUIDv7.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(to_uuid(self.row.id))

    @strawberry.field(description="Its name.")
    def name(self) -> str:
        return self.row.name

    @strawberry.field(description="When it happened, by the client's clock where that is believed.")
    def occurred_at(self) -> DateTime:
        return DateTime(self.row.occurred_at)

    @strawberry.field(description="When it arrived.")
    def received_at(self) -> DateTime:
        return DateTime(self.row.received_at)

    @strawberry.field(description="Whether the client's clock was not believed: then it happened when it arrived.")
    def clock_skewed(self) -> bool:
        return bool(self.row.skewed)

    @strawberry.field(description="What it is about.")
    def target(self) -> EventTarget | None:
        if self.row.target is None:
            return None
        return EventTarget(type=self.row.target_type or "", id=strawberry.ID(self.row.target))

    @strawberry.field(description="How it ended.")
    def outcome(self) -> Outcome:
        return Outcome(self.row.outcome)

    @strawberry.field(description="How long it took.")
    def duration(self) -> Duration | None:
        return None if self.row.duration_us is None else Duration(self.row.duration_us)

    @strawberry.field(description="The type of the error that it failed with.")
    def error_type(self) -> str | None:
        return self.row.error_type

    @strawberry.field(description="The error's message, scrubbed.")
    def error_message(self) -> str | None:
        return self.row.error_message

    @strawberry.field(description="Who ran the tool.")
    def environment(self) -> Environment:
        return Environment(self.row.environment)

    @strawberry.field(description="Why we say so.")
    def environment_reason(self) -> str | None:
        return self.row.reason or None

    @strawberry.field(description="The family of clients that it came from.")
    def dialect(self) -> str:
        return self.row.dialect

    @strawberry.field(description="The operating system.")
    def os(self) -> str | None:
        return self.row.os

    @strawberry.field(description="The processor architecture.")
    def arch(self) -> str | None:
        return self.row.arch

    @strawberry.field(description="The runtime.")
    def runtime(self) -> str | None:
        return self.row.runtime

    @strawberry.field(description="The version of the tool.")
    def version(self) -> str | None:
        return self.row.version

    @strawberry.field(description="The package manager.")
    def package_manager(self) -> str | None:
        return self.row.package_manager

    @strawberry.field(description="The session that it belongs to, as a hash.")
    def session(self) -> Hash | None:
        return None if self.row.session is None else Hash(self.row.session)

    @strawberry.field(
        description="Its other properties as JSON text. Many JSON parsers round integers beyond 2^53; this text has all their digits."
    )
    def properties_text(self) -> str | None:
        return self.row.properties

    @strawberry.field(description="Its other properties, scrubbed.")
    def properties(self) -> JSON | None:
        return None if self.row.properties is None else JSON(msgspec.json.decode(self.row.properties))

    @strawberry.field(description="The install that it came from.")
    async def install(self, info: AnyInfo) -> Install | None:
        if self.row.install is None:
            return None
        row = await info.context.loaders.installs.load((self.project, self.row.install))
        return None if row is None else Install(row=row, project=self.project)


@strawberry.type(description="One anonymous installation of a tool, as its newest events describe it.")
class Install:
    row: strawberry.Private[InstallRow]
    project: strawberry.Private[int]

    @strawberry.field(description="The keyed hash that stands for it; the id that clients send is not kept.")
    def hash(self) -> Hash:
        return Hash(self.row.id)

    @strawberry.field(description="When it was first seen.")
    def first_seen(self) -> DateTime:
        return DateTime(self.row.first_seen)

    @strawberry.field(description="When it was last seen, right to within five minutes.")
    def last_seen(self) -> DateTime:
        return DateTime(self.row.last_seen)

    @strawberry.field(description="Who runs it.")
    def environment(self) -> Environment:
        return Environment(self.row.environment)

    @strawberry.field(description="Why we say so.")
    def environment_reason(self) -> str | None:
        return self.row.reason or None

    @strawberry.field(description="The family of clients that it belongs to.")
    def dialect(self) -> str | None:
        return self.row.dialect

    @strawberry.field(description="The operating system.")
    def os(self) -> str | None:
        return self.row.os

    @strawberry.field(description="The processor architecture.")
    def arch(self) -> str | None:
        return self.row.arch

    @strawberry.field(description="The runtime.")
    def runtime(self) -> str | None:
        return self.row.runtime

    @strawberry.field(description="The newest version that it sent.")
    def version(self) -> str | None:
        return self.row.version

    @strawberry.field(description="The package manager.")
    def package_manager(self) -> str | None:
        return self.row.package_manager

    @strawberry.field(description="Its newest events.")
    async def events(
        self, info: AnyInfo, first: Annotated[int, strawberry.argument(description="How many, at most 20.")] = 10
    ) -> list[Event]:
        limit = within("first", first, EVENTS_OF_AN_INSTALL)
        rows = await info.context.loaders.events.load((self.project, self.row.id, limit))
        return [Event(row=row, project=self.project) for row in rows]


@strawberry.type(description="An event with its place in the list.")
class EventEdge:
    node: Event = said("The event.")
    cursor: str = said("Its place.")


@strawberry.type(description="A page of events.")
class EventConnection:
    edges: list[EventEdge] = said("The events with their places.")
    page_info: PageInfo = said("Where the page lies.")
    filter: strawberry.Private[Filter]

    @strawberry.field(description="The events without their places.")
    def nodes(self) -> list[Event]:
        return [edge.node for edge in self.edges]

    @strawberry.field(description="How many there are in all. Counted only where it is asked for.")
    async def total_count(self, info: AnyInfo) -> Count:
        return Count(await lists.count_events(info.context.store, self.filter))


@strawberry.type(description="An install with its place in the list.")
class InstallEdge:
    node: Install = said("The install.")
    cursor: str = said("Its place.")


@strawberry.type(description="A page of installs.")
class InstallConnection:
    edges: list[InstallEdge] = said("The installs with their places.")
    page_info: PageInfo = said("Where the page lies.")
    filter: strawberry.Private[InstallFilter]

    @strawberry.field(description="The installs without their places.")
    def nodes(self) -> list[Install]:
        return [edge.node for edge in self.edges]

    @strawberry.field(description="How many there are in all. Counted only where it is asked for.")
    async def total_count(self, info: AnyInfo) -> Count:
        return Count(await lists.count_installs(info.context.store, self.filter))


async def events(info: AnyInfo, filter_: Filter, order: EventOrder, asked: Page) -> EventConnection:
    """A page of events. Raises BadQuery for a cursor that is none, TooBroad."""
    place: tuple[Number] | None = asked.place(tuple[Number])
    rows = await lists.events(
        info.context.store, filter_, limit=asked.limit + 1, order=order, after=place and place[0], backwards=asked.backwards
    )
    edges = [EventEdge(node=Event(row=row, project=filter_.project), cursor=cursor(row.id)) for row in asked.cut(rows)]
    return EventConnection(edges=edges, page_info=asked.info(edges, len(rows)), filter=filter_)


async def installs(info: AnyInfo, filter_: InstallFilter, order: InstallOrder, asked: Page) -> InstallConnection:
    """A page of installs. Raises BadQuery for a cursor that is none, TooBroad."""
    place: tuple[Number, Number] | None = asked.place(tuple[Number, Number])
    rows = await lists.installs(info.context.store, filter_, limit=asked.limit + 1, order=order, after=place, backwards=asked.backwards)
    edges = [
        InstallEdge(node=Install(row=row, project=filter_.project), cursor=cursor(getattr(row, order.value), row.id))
        for row in asked.cut(rows)
    ]
    return InstallConnection(edges=edges, page_info=asked.info(edges, len(rows)), filter=filter_)
