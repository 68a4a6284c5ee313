"""The subscription to live events. Each message holds a limited number of events, and reports how many a slow reader missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry
from graphql import GraphQLError
from strawberry import argument

from server.admin.answers import field
from server.admin.event_connections import Event
from server.admin.inputs import EventFilter
from server.admin.request_context import AnyInfo, find_project, reader
from server.admin.safety import client_error
from server.admin.scalars import Count
from server.analytics.filters import Filter
from server.analytics.lists import EventRow
from server.event import Event as Stored
from server.problems import Busy, NotFound
from server.questions.matching import meets_all
from server.shared import TooManyWatchers, Watcher

AT_ONCE = 50
PAUSE = 0.1  # seconds between two messages of one subscription
REAUTHORIZE_AFTER = 15.0  # seconds without events before the caller is authenticated again


@strawberry.type(description="Newly stored events.")
class LiveEvents:
    events: list[Event] = field("Events in order of arrival.")
    missed: Count = field("Number of events skipped before these, because they arrived faster than the client read.")


@strawberry.type(description="Subscriptions, over the WebSocket protocol graphql-transport-ws.")
class Subscription:
    @strawberry.subscription(description="Events of a project as they are stored. Requires the `read` scope.")
    async def events(
        self,
        info: AnyInfo,
        project: Annotated[str, argument(description="Slug of the project.")],
        filter: Annotated[EventFilter | None, argument(description="Filter for the events. Default: all events.")] = None,
    ) -> AsyncGenerator[LiveEvents, None]:
        try:
            async for answer in _watch(info, project, filter or EventFilter()):
                yield answer
        except Exception as error:  # `MaskErrors` does not see the errors of a stream
            raise client_error(GraphQLError("", original_error=error)) from None


async def _watch(info: AnyInfo, slug: str, filter_: EventFilter) -> AsyncGenerator[LiveEvents, None]:
    found = await find_project(info, slug, "read")
    if found is None:
        raise NotFound("No such project.")
    project = found.id
    selection = filter_.to_filter(project, None)
    try:
        with info.context.state.live.watch(project) as watcher:
            while (taken := await _take(watcher)) is not None:
                await info.context.renew()
                reader(info, project)  # the key or session may have been revoked
                events, missed = taken
                shown = [Event(row=event_row(event), project=project) for event in events if matches(selection, event)]
                if shown or missed:
                    yield LiveEvents(events=shown, missed=Count(missed))
                await asyncio.sleep(PAUSE)
    except TooManyWatchers as error:
        raise Busy(str(error), retry_after=30) from None


async def _take(watcher: Watcher) -> tuple[list[Stored], int] | None:
    """Return the next events and the number missed: none after a while without events, and None at the end."""
    try:
        return await asyncio.wait_for(watcher.take(AT_ONCE), REAUTHORIZE_AFTER)
    except TimeoutError:
        return [], 0


def event_row(event: Stored) -> EventRow:
    """Convert a stored event to the row type of lists."""
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
        context=event.context,
        target_type=event.target[0] if event.target else None,
        target=event.target[1] if event.target else None,
        weight=event.weight,
    )


def matches(filter_: Filter, event: Stored) -> bool:
    """Return whether an event meets a filter, whatever its period."""
    return meets_all(event, filter_.conditions)
