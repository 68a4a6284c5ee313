"""A chart's selection of events: project, period, audience and the conditions of the question model."""

from __future__ import annotations

import msgspec

from server.event import ENVIRONMENTS, Environment, Outcome
from server.questions.facts import all_versions
from server.questions.periods import Period, Step
from server.questions.question import PEOPLE_ONLY, Audience, By, Condition, Measure, Op, Question
from server.storage.engine import Store


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """A selection of events: those of the audience that meet every condition.

    All conditions are about the event itself: `os=linux` selects events that report Linux. An install counts if one of its events does.
    `known_versions` are those that events have, if a condition is a range of versions: see `resolved`.
    """

    project: int
    period: Period
    audience: Audience = Audience.EVERYTHING
    where: tuple[Condition, ...] = ()
    known_versions: tuple[str, ...] = ()

    @property
    def allowed(self) -> tuple[Environment, ...] | None:
        """The environments that the audience and the conditions allow; None for all."""
        conditions = self.of("environment")
        if self.audience is Audience.EVERYTHING and not conditions:
            return None
        words = [word for word in ENVIRONMENTS if all((word in each.values) is (each.op is Op.IS) for each in conditions)]
        people = self.audience is Audience.PEOPLE
        return tuple(ENVIRONMENTS[word] for word in words if not people or word in PEOPLE_ONLY.values)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions for the question model, including that of the audience."""
        return self.where if self.audience is Audience.EVERYTHING else (*self.where, PEOPLE_ONLY)

    def of(self, *fields: str) -> tuple[Condition, ...]:
        """The conditions on some fields."""
        return tuple(condition for condition in self.where if condition.field in fields)

    def but(self, *fields: str) -> Filter:
        """The filter without the conditions on some fields."""
        return msgspec.structs.replace(self, where=tuple(each for each in self.where if each.field not in fields))

    def only(self, *conditions: Condition) -> Filter:
        """The filter with more conditions."""
        return msgspec.structs.replace(self, where=(*self.where, *conditions))

    def during(self, period: Period) -> Filter:
        """The filter for another period."""
        return msgspec.structs.replace(self, period=period)

    def people(self) -> Filter:
        """The filter for people only."""
        return msgspec.structs.replace(self, audience=Audience.PEOPLE)


def equals(
    *,
    environments: tuple[Environment, ...] = (),
    names: tuple[str, ...] = (),
    target: tuple[str, str] | None = None,
    target_type: str | None = None,
    outcome: Outcome | None = None,
    **fields: str | None,
) -> tuple[Condition, ...]:
    """Return conditions for single values of context fields and of the parts named here. None and () add no condition."""
    words = {
        "environment": tuple(word for word, each in ENVIRONMENTS.items() if each in environments),
        "name": names,
        **{field: () if value is None else (value,) for field, value in fields.items()},
        "target_type": (target[0],) if target else () if target_type is None else (target_type,),
        "target": (target[1],) if target else (),
        "outcome": () if outcome is None else (outcome.name.lower(),),
    }
    return tuple(Condition(field, Op.IS, values) for field, values in words.items() if values)


async def resolved(store: Store, filter_: Filter) -> Filter:
    """Return a filter with the versions that its ranges need."""
    if not any(condition.op is Op.SEMVER for condition in filter_.where):
        return filter_
    return msgspec.structs.replace(filter_, known_versions=await all_versions(store))


def to_question(filter_: Filter, *measures: Measure, by: tuple[By, ...] = (), over: Step | None = None) -> Question:
    """Return the question of a filter. Raises BadQuery for too many conditions."""
    return Question(project=filter_.project, period=filter_.period, where=filter_.conditions, measures=measures, by=by, over=over)
