"""Ranking of the values of a dimension on one day by the installs that sent them.

A ranking by events would let one client displace all others, by inventing values and sending each many times. Ids can be invented, too, so installs
that were known before the day count first.
"""

from __future__ import annotations

from server.event import DAY
from server.history import History
from server.problems import BadQuery, TooBroad
from server.questions.figures import every_group
from server.questions.periods import Period
from server.questions.question import By, Measure, Question
from server.storage import rollups
from server.storage.engine import Store
from server.storage.upkeep import common_values

# For each value its installs that were known before the day, and all of its installs.
Installs = dict[str | None, tuple[int, int]]


async def common(store: Store, project: int, day: int, dimension: str, history: History | None) -> list[str]:
    """Return the `VALUES_A_DAY` most common values. Ties, and values whose raw events are deleted, are ranked by events, then alphabetically."""
    installs = await _installs(store, project, day, dimension, history)
    events = await common_values.events_by_value(store, project, day, dimension)
    ranked = sorted(events, key=lambda value: (*(-count for count in installs.get(value, (0, 0))), -events[value], value))
    return ranked[: rollups.VALUES_A_DAY]


async def _installs(store: Store, project: int, day: int, dimension: str, history: History | None) -> Installs:
    field = dimension
    if dimension.startswith(rollups.PROPERTY_PREFIX):
        field = f"properties.{dimension.removeprefix(rollups.PROPERTY_PREFIX)}"
    measures = (Measure.INSTALLS, Measure.NEW_INSTALLS)
    try:
        question = Question(project=project, period=Period(day * DAY, (day + 1) * DAY), measures=measures, by=(By(field),))
        groups, _ = await every_group(store, question, history)
    except (BadQuery, TooBroad):  # a property that questions cannot name, or too many events
        return {}
    return {value: (counts["installs_all"] - counts["new_installs_all"], counts["installs_all"]) for (value, _), counts in groups.items()}
