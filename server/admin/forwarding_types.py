"""GraphQL types of forwarding (shadow mode): the counts of Footfall and of the system that it replaces, by day."""

from __future__ import annotations

from urllib.parse import urlsplit

import strawberry

from server.admin.answers import field as described
from server.admin.auth import ALL_PROJECTS
from server.admin.charts import Period
from server.admin.inputs import PeriodInput
from server.admin.request_context import AnyInfo, reader
from server.admin.scalars import Count, DateTime
from server.event import DAY
from server.storage.projects.project_changes import StoredProject
from server.storage.upkeep import forwarded_counts
from server.storage.upkeep.forwarded_counts import ForwardedCounts


@strawberry.type(description="Forwarding to the system that Footfall replaces, with the counts of both by day.")
class Forwarding:
    url: str | None = described(
        "Address of the other system. Null if nothing is forwarded. Its path, which may contain a key, is shown to admins of all projects only."
    )
    starts: list[DateTime] = described("Start of each day, in UTC.")
    events: list[Count] = described("Events in the requests to forward.")
    stored: list[Count] = described("Of these, events that Footfall stored.")
    accepted: list[Count] = described("Of these, events in requests that the other system accepted.")
    refused: list[Count] = described("Of these, events in requests that the other system refused, for example because of a wrong key.")
    failed: list[Count] = described(
        "Of these, events in requests that the other system did not answer, or answered with an error of its own."
    )
    dropped: list[Count] = described(
        "Of these, events that were not forwarded: too many waited, the server stopped, or the key was one that only Footfall knows."
    )
    errors: list[str | None] = described("Last failure of each day. Null if there was none.")


@strawberry.type
class Forwards:
    number: strawberry.Private[int]
    stored: strawberry.Private[StoredProject]

    @strawberry.field(description="Forwarding to the system that Footfall replaces. Requires the `read` scope.")
    async def forwarding(self, info: AnyInfo, period: Period = None) -> Forwarding:
        viewer, url = reader(info, self.number), self.stored.forward_to
        span = (period or PeriodInput()).read()
        days = range(span.first_day, span.last_day + 1)
        info.context.spend(7 * len(days))
        found = await forwarded_counts.by_day(info.context.store, self.number, span.first_day, span.last_day)
        counts = [found.get(day, ForwardedCounts()) for day in days]
        return Forwarding(
            url=url if url is None or viewer.may("admin", ALL_PROJECTS) else _without_path(url),
            starts=[DateTime(day * DAY) for day in days],
            errors=[count.error for count in counts],
            **{name: [Count(getattr(count, name)) for count in counts] for name in forwarded_counts.COUNTS},
        )


def _without_path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" + ("/…" if parts.path.strip("/") else "")
