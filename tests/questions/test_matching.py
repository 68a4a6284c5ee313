"""Conditions on an event in memory, as in the filter of live events."""

from __future__ import annotations

import pytest

from server.event import Context, Environment, Event, Outcome
from server.questions.matching import meets_all
from server.questions.question import Condition, Op

PROPERTIES = '{"theme": "dark", "tags": ["a", "b", 3], "build": {"stage": "link"}, "cached": true, "size": 2.5, "a.b": "whole"}'
EVENT = Event(
    id=1,
    project=1,
    name="build",
    occurred_at=0,
    context=Context(Environment.CI, os="linux", version="2.7.1"),
    target=("pack", "peon"),
    outcome=Outcome.FAILURE,
    duration_us=1_500_000,
    properties=PROPERTIES,
)
MET = [
    Condition("name", Op.IS, ("init", "build")),
    Condition("os", Op.IS_NOT, ("windows",)),
    Condition("arch", Op.IS_NOT, ("x64",)),
    Condition("arch", Op.MISSING),
    Condition("environment", Op.IS, ("ci",)),
    Condition("outcome", Op.IS, ("failure",)),
    Condition("target", Op.PREFIX, ("pe",)),
    Condition("target_type", Op.EXISTS),
    Condition("version", Op.SEMVER, (">=2.7 <3",)),
    Condition("duration_ms", Op.ABOVE, ("1499",)),
    Condition("properties.tags", Op.IS, ("3",)),
    Condition("properties.tags", Op.CONTAINS, ("b",)),
    Condition("properties.build.stage", Op.IS, ("link",)),
    Condition("properties.a.b", Op.IS, ("whole",)),
    Condition("properties.cached", Op.IS, ("true",)),
    Condition("properties.size", Op.BELOW, ("3",)),
    Condition("properties.none", Op.MISSING),
]
UNMET = [
    Condition("name", Op.IS, ("Build",)),
    Condition("os", Op.IS_NOT, ("linux", "windows")),
    Condition("arch", Op.EXISTS),
    Condition("error_type", Op.CONTAINS, ("",)),
    Condition("version", Op.SEMVER, ("<2.7",)),
    Condition("duration_ms", Op.BELOW, ("1500",)),
    Condition("properties.build", Op.EXISTS),
    Condition("properties.theme", Op.ABOVE, ("1",)),
    Condition("properties.tags", Op.IS_NOT, ("a",)),
]


@pytest.mark.parametrize("condition", MET, ids=str)
def test_a_condition_is_met(condition: Condition) -> None:
    assert meets_all(EVENT, [condition])


@pytest.mark.parametrize("condition", UNMET, ids=str)
def test_a_condition_is_not_met(condition: Condition) -> None:
    assert not meets_all(EVENT, [condition])


def test_all_conditions_must_be_met() -> None:
    assert meets_all(EVENT, MET)
    assert not meets_all(EVENT, [MET[0], UNMET[0]])
