"""Warnings about filters: conditions that no event meets, so that a typing error does not look like a zero, and deleted or sampled events."""

from __future__ import annotations

import strawberry
from strawberry.utils.str_converters import to_camel_case

from server.admin.answers import field
from server.admin.inputs import EventFilter
from server.analytics.active import complete_since
from server.analytics.filters import Filter
from server.clock import utc_day
from server.history import History
from server.problems import TooBroad
from server.questions import sampled_periods, suggestions
from server.questions.answer_cache import shared
from server.questions.question import Condition, Question
from server.questions.suggestions import Absent
from server.storage.engine import Store

MAX_FILTERS = 8  # checked in one operation
_PATHS = {"name": "filter.names", "environment": "filter.environments"}


@strawberry.type(
    description="A condition of the filter that no event of the period meets, or a period with sampled events or with deleted events that the filter needs."
)
class FilterWarning:
    path: str = field("Path of the condition, such as `filter.version`, or `period`.")
    message: str = field("Explanation for people.")
    nearest: list[str] = field("Most similar values that events of the period have.")
    nearest_fields: list[str] = strawberry.field(
        default_factory=list,
        description="Properties that events have, if none has the property of the condition: the most similar ones, otherwise the most common ones.",
    )

    def as_json(self) -> dict[str, object]:
        """Convert the warning to JSON, for the extensions of a response."""
        return {to_camel_case(name): value for name, value in strawberry.asdict(self).items()}


async def warnings_of(store: Store, filter_: Filter, history: History | None) -> list[FilterWarning]:
    """Return a warning for each condition that no event of the filter's period meets, and those for deleted and sampled events. Raises TooBroad."""
    return [
        *_without_repeats(await _absent(store, filter_, history)),
        *await _deleted(store, filter_),
        *await _sampled(store, filter_),
    ]


async def _sampled(store: Store, filter_: Filter) -> list[FilterWarning]:
    found = await sampled_periods.warnings(store, filter_.project, filter_.period, "charts")
    return [FilterWarning(path="period", message=each.message, nearest=[]) for each in found]


async def filter_warnings(store: Store, filters: list[Filter], history: History | None) -> list[FilterWarning]:
    """Return warnings for the conditions that no event meets in any of the requested periods, and for deleted events."""
    found: dict[Condition, Absent | None] = {}
    deleted: dict[str, FilterWarning] = {}
    for filter_ in list(dict.fromkeys(filters))[:MAX_FILTERS]:
        deleted |= {each.message: each for each in (*await _deleted(store, filter_), *await _sampled(store, filter_))}
        singles = [single for each in filter_.where for single in _singles(each)]
        if singles and all(each in found and found[each] is None for each in singles):
            continue  # met in another period
        try:
            missing = {each.condition: each for each in await _absent(store, filter_, history)}
        except TooBroad:  # a warning is not worth the time
            continue
        for single in singles:
            met = found.get(single, missing.get(single)) is None
            found[single] = None if met else missing.get(single)
    return [*_without_repeats([each for each in found.values() if each is not None]), *deleted.values()]


def _without_repeats(found: list[Absent]) -> list[FilterWarning]:
    """Convert warnings to their GraphQL type. All values of an unknown property share one warning."""
    warnings = [_warning(each) for each in found]
    return [each for number, each in enumerate(warnings) if each not in warnings[:number]]


def _singles(condition: Condition) -> list[Condition]:
    """Return a condition for each value of a condition, or the condition itself if it has no values."""
    return [Condition(condition.field, condition.op, (value,)) for value in condition.values] or [condition]


@shared
async def _absent(store: Store, filter_: Filter, history: History | None) -> list[Absent]:
    question = Question(project=filter_.project, period=filter_.period)
    return await suggestions.absent(store, question, filter_.where, history)


def _warning(found: Absent) -> FilterWarning:
    """Convert a warning to its GraphQL type. It does not repeat the client's value."""
    if found.nearest_fields:
        fields = ", ".join(found.nearest_fields)
        message = f"No event in this period has this property; properties that events have: {fields}."
        return FilterWarning(path="filter.where", message=message, nearest=[], nearest_fields=found.nearest_fields)
    name, near = to_camel_case(found.condition.field), found.nearest
    path = _PATHS.get(name, f"filter.{name}" if name in _SINGLE else "filter.where")
    similar = f"; similar values: {', '.join(near)}" if near else ""
    return FilterWarning(path=path, message=f"No event in this period has this value{similar}.", nearest=near)


_SINGLE = {to_camel_case(name) for name in EventFilter.__annotations__}


async def _deleted(store: Store, filter_: Filter) -> list[FilterWarning]:
    """Return a warning if retention has deleted events of the period that the filter needs."""
    since = await complete_since(store, filter_)
    if since is None:
        return []
    day = utc_day(since)
    message = f"With this filter, figures count events from {day} (UTC) on: retention has deleted older ones."
    return [FilterWarning(path="period", message=message, nearest=[])]
