"""Live events: a few at a time, so that a flood costs the server and whoever watches little; a slow reader is told what it missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry
from graphql import GraphQLError
from strawberry import argument

from server.admin.answers import said
from server.admin.event_connections import Event
from server.admin.inputs import EventFilter
from server.admin.request_context import AnyInfo, project_of, reader
from server.admin.safety import told
from server.admin.scalars import Count
from server.analytics.filters import Audience
from server.analytics.lists import EventRow
from server.event import PEOPLE, Environment, Outcome
from server.event import Event as Stored
from server.problems import Busy, NotFound
from server.shared import TooManyWatchers, Watcher

AT_ONCE = 50
PAUSE = 0.1  # seconds between two answers of one subscription
LOOK_AGAIN = 15.0  # seconds without events after which it is asked again whether the one who watches still may


@strawberry.type(description="Events that just came.")
class LiveEvents:
    events: list[Event] = said("The events, in the order of their arrival.")
    missed: Count = said("How many were passed over before them, because they came faster than they were read.")


@strawberry.type(description="What can be watched.")
class Subscription:
    @strawberry.subscription(description="A project's events as they are stored.")
    async def events(
        self,
        info: AnyInfo,
        project: Annotated[str, argument(description="The project's name in addresses.")],
        filter: Annotated[EventFilter | None, argument(description="Which events; all if it is left out.")] = None,
    ) -> AsyncGenerator[LiveEvents, None]:
        try:
            async for answer in _watched(info, project, filter or EventFilter()):
                yield answer
        except Exception as error:  # the errors of a stream pass by those who tell the others
            raise told(GraphQLError("", original_error=error)) from None


async def _watched(info: AnyInfo, slug: str, wanted: EventFilter) -> AsyncGenerator[LiveEvents, None]:
    row = await project_of(info, slug, "read")
    if row is None:
        raise NotFound("There is no such project.")
    project = row["id"]
    try:
        with info.context.state.live.watch(project) as watcher:
            while (taken := await _taken(watcher)) is not None:
                await info.context.renew()
                reader(info, project)  # a key or session that was revoked meanwhile sees no more
                events, missed = taken
                shown = [Event(row=row_of(event), project=project) for event in events if lets_through(wanted, event)]
                if shown or missed:
                    yield LiveEvents(events=shown, missed=Count(missed))
                await asyncio.sleep(PAUSE)
    except TooManyWatchers as error:
        raise Busy(str(error), retry_after=30) from None


async def _taken(watcher: Watcher) -> tuple[list[Stored], int] | None:
    """The next events and how many were missed; none of them where nothing came for a while, and None at the end."""
    try:
        return await asyncio.wait_for(watcher.take(AT_ONCE), LOOK_AGAIN)
    except TimeoutError:
        return [], 0


def row_of(event: Stored) -> EventRow:
    """An event that was just stored, as lists have it."""
    context = event.context
    return EventRow(
        id=event.id,
        install=event.install,
        name=event.name,
        occurred_at=event.occurred_at,
        outcome=int(event.outcome),
        duration_us=event.duration_us,
        session=event.session,
        skewed=int(event.skewed),
        error_type=event.error_type,
        error_message=event.error_message,
        properties=event.properties,
        environment=int(context.environment),
        reason=context.reason,
        dialect=context.dialect,
        os=context.os,
        arch=context.arch,
        runtime=context.runtime,
        version=context.version,
        package_manager=context.package_manager,
        target_type=event.target[0] if event.target else None,
        target=event.target[1] if event.target else None,
    )


def lets_through(wanted: EventFilter, event: Stored) -> bool:
    """What a filter means, for one event."""
    context = event.context
    said_ = ("os", "arch", "runtime", "version", "package_manager")
    return (
        (wanted.audience is Audience.EVERYTHING or context.environment in PEOPLE)
        and (not wanted.environments or Environment(context.environment) in wanted.environments)
        and (not wanted.names or event.name in wanted.names)
        and all(getattr(wanted, name) in (None, getattr(context, name)) for name in said_)
        and (wanted.target_type is None or (event.target is not None and event.target[0] == wanted.target_type))
        and (wanted.target is None or event.target == (wanted.target.type, wanted.target.id))
        and (wanted.outcome is None or Outcome(event.outcome) is wanted.outcome)
    )
