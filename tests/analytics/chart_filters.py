"""Filters of charts whose answers are compared with a recount, and the parametrizations of tests by filter."""

from __future__ import annotations

import pytest

from server.analytics.filters import Filter, equals
from server.event import DAY, HOUR, Environment, Outcome
from server.questions.periods import Period
from server.questions.question import Audience, Condition, Op
from tests.analytics.dataset import END, MAIN, START

WHOLE = Period(START, END)
MONTH = Period(END - 30 * DAY, END)
BASE = Filter(project=MAIN, period=WHOLE)
# The first filters are answered from rollups, the others partly from raw events.
FILTERS = {
    "everything": BASE,
    "a month": BASE.during(MONTH),
    "people": BASE.people(),
    "ci": BASE.only(*equals(environments=(Environment.CI,))),
    "people in ci, which is empty": BASE.people().only(*equals(environments=(Environment.CI,))),
    "one name": BASE.only(*equals(names=("build",))),
    "two names": BASE.only(*equals(names=("view", "tool_call"))),
    "linux": BASE.only(*equals(os="linux")),
    "one version": BASE.only(*equals(version="1.2.0")),
    "one target": BASE.only(*equals(target=("tool", "tool-3"))),
    "one type of target": BASE.only(*equals(target_type="page")),
    "failures": BASE.only(*equals(outcome=Outcome.FAILURE)),
    "neither success nor failure": BASE.only(*equals(outcome=Outcome.NONE)),
    "hours, not days": BASE.during(Period(START + 40 * DAY + 5 * HOUR, START + 42 * DAY + 7 * HOUR)),
    "everything at once": Filter(
        project=MAIN,
        period=MONTH,
        audience=Audience.PEOPLE,
        where=equals(names=("build", "tool_call"), os="darwin", runtime="node 22", outcome=Outcome.SUCCESS),
    ),
    "all but linux": BASE.only(Condition("os", Op.IS_NOT, ("linux",))),
    "two versions, from their beginning": BASE.only(
        Condition("version", Op.PREFIX, ("1.1", "2.0")), Condition("name", Op.CONTAINS, ("l",))
    ),
    "a property": BASE.during(MONTH).only(Condition("properties.variant", Op.IS, ("blue", "green"))),
    "what never was": BASE.only(*equals(os="plan9")),
}
# `make test` checks each chart with rollups, with raw events and with each kind of condition, and the overview with all filters.
PICKED = ("people", "one target", "hours, not days", "all but linux", "a property")
each_filter = pytest.mark.parametrize("filter_", FILTERS.values(), ids=FILTERS)
picked_filters = pytest.mark.parametrize(
    "filter_",
    [pytest.param(filter_, id=name, marks=[] if name in PICKED else [pytest.mark.slow]) for name, filter_ in FILTERS.items()],
)
