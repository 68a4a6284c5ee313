"""Charts of what installs do over time, as forms of the question model: the funnel by names of events, and retention by week."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from server.analytics.filters import Filter, equals
from server.analytics.measures import Installs, share
from server.event import DAY, FieldError
from server.history import History
from server.problems import BadQuery
from server.questions import cohorts
from server.questions import funnel as funnels
from server.questions.cohorts import Cohort
from server.questions.question import Segment
from server.storage.engine import Store


class FunnelStep(msgspec.Struct, frozen=True):
    """The installs that reached an event, and their share of those of the first event and of the one before, from 0 to 1."""

    name: str
    installs: Installs
    of_first: float | None
    of_before: float | None


async def funnel(
    store: Store, filter_: Filter, names: Sequence[str], *, within: int = DAY, history: History | None = None
) -> list[FunnelStep]:
    """Count the installs that sent the events `names` one after the other, within a time in milliseconds.

    The shares are of all installs. Raises BadQuery, and TooBroad for too many events. The filter's own names are ignored.
    """
    filter_ = filter_.but("name")
    steps = tuple(Segment(name, equals(names=(name,))) for name in names)
    try:
        report = funnels.Funnel(project=filter_.project, period=filter_.period, steps=steps, where=filter_.conditions, within=within)
    except BadQuery as error:
        raise BadQuery(*(FieldError("names" if "[" in each.path else each.path, each.message) for each in error.errors)) from None
    found = (await funnels.funnel(store, report, history=history)).total
    return [
        FunnelStep(step.name, Installs(step.all, step.people), share(step.all, found[0].all), share(step.all, found[max(0, place - 1)].all))
        for place, step in enumerate(found)
    ]


async def retention(store: Store, filter_: Filter, *, history: History | None = None) -> list[Cohort]:
    """Weekly cohorts of the installs first seen in each week of the period, which is widened to whole weeks. Raises BadQuery and TooBroad."""
    report = cohorts.Retention(project=filter_.project, period=filter_.period, where=filter_.conditions)
    return (await cohorts.retention(store, report, history=history)).total.cohorts
