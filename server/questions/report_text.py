"""The text form of reports: funnels, retention and paths. Their parameters extend those of `text`.

An event is named by its name (`build`), or by conditions (`name=build and outcome=success`). A step of a funnel is an event's name, or a name
for the step, a colon and conditions (`built: name=build and outcome=success`). Names with a colon or a comparison are quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from server.event import DAY, HOUR, MINUTE, FieldError
from server.problems import BadQuery
from server.questions import text
from server.questions.cohorts import Retention
from server.questions.funnel import MAX_WINDOW, Funnel
from server.questions.paths import Direction, Paths, Within
from server.questions.periods import Step
from server.questions.question import Condition, Op, Segment

R = TypeVar("R", Funnel, Retention, Paths)

_EVENT = "Accepts the name of an event such as `build`, or conditions such as `name=build and outcome=success`"
_COMMON = {name: text.PARAMETERS[name] for name in ("where", "by", "last", "to_date", "from", "to", "first")}
REPEATED = ("step", "start", "return", "event", *text.REPEATED)
_NAME = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<name>[^\s"=!<>~^*,:]+))\s*')
_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}
_TIME = re.compile(r"\s*(?P<number>[0-9]{1,5})\s*(?P<unit>[mhd])\s*")


class Words:
    """The parameters of a report. Accessors raise BadQuery that names the parameter, as in `step[1]`."""

    def __init__(self, known: Mapping[str, str], words: Mapping[str, Sequence[str]]) -> None:
        self._given = {name: [each for each in texts if each] for name, texts in words.items()}
        for name, texts in self._given.items():
            if texts and name not in known:
                raise BadQuery(FieldError(name, f"is unknown; the parameters are {', '.join(known)}"))
            if len(texts) > 1 and name not in REPEATED:
                raise BadQuery(FieldError(name, "must be given once"))

    def one(self, name: str, default: str = "") -> str:
        return next(iter(self._given.get(name, [])), default)

    def conditions(self, name: str) -> tuple[Condition, ...]:
        return tuple(each for number, given in enumerate(self._given.get(name, [])) for each in text.conditions(given, f"{name}[{number}]"))

    def event(self, name: str) -> tuple[Condition, ...]:
        return tuple(each for number, given in enumerate(self._given.get(name, [])) for each in _event(given, f"{name}[{number}]"))

    def steps(self) -> tuple[Segment, ...]:
        return tuple(_step(given, f"step[{number}]") for number, given in enumerate(self._given.get("step", [])))

    def common(self, project: int, now: int) -> dict[str, Any]:
        """The parts that all reports have."""
        splits = text.value_list("by", self._given.get("by", []))
        period = text.period_of(self.one("last"), self.one("to_date"), self.one("from"), self.one("to"))
        return {
            "project": project,
            "period": period.at(now),
            "where": self.conditions("where"),
            "by": tuple(text.split_of(each, f"by[{number}]") for number, each in enumerate(splits)),
            "first": text.whole_number("first", self.one("first", "10")),
        }


class Report(msgspec.Struct, Generic[R], frozen=True):
    """A report: its parameters with a description each, and the function that makes it of them for a project at a time."""

    name: str
    parameters: dict[str, str]
    make: Callable[[Words, int, int], R]

    def parse(self, words: Mapping[str, Sequence[str]], project: int, now: int) -> R:
        """Return the report of a project at a time. Raises BadQuery that names the parameter."""
        try:
            return self.make(Words(self.parameters, words), project, now)
        except BadQuery as error:
            raise BadQuery(*(FieldError(self._parameter(each.path), each.message) for each in error.errors)) from None

    def _parameter(self, part: str) -> str:
        if part.startswith("steps"):
            return re.sub(r"^steps(\[\d+\])?.*", r"step\1", part)
        return part if re.split(r"\W", part)[0] in self.parameters else text.parameter(part)


def _funnel(words: Words, project: int, now: int) -> Funnel:
    order = words.one("order", "steps")
    if order not in ("steps", "any"):
        raise BadQuery(FieldError("order", "must be one of steps, any"))
    within = _milliseconds("within", words.one("within", "24h"))
    return Funnel(steps=words.steps(), within=within, ordered=order == "steps", **words.common(project, now))


def _retention(words: Words, project: int, now: int) -> Retention:
    return Retention(
        over=text.choice("over", words.one("over", "week"), Step),
        start=words.event("start"),
        back=words.event("return"),
        **words.common(project, now),
    )


def _paths(words: Words, project: int, now: int) -> Paths:
    return Paths(
        event=words.event("event"),
        direction=text.choice("direction", words.one("direction", "after"), Direction),
        within=text.choice("within", words.one("within", "session"), Within),
        length=text.whole_number("length", words.one("length", "3")),
        **words.common(project, now),
    )


FUNNEL = Report(
    "funnel",
    {
        "step": "A step, 2 to 10 in order: the name of an event such as `build`, or a name and conditions such as "
        "`built: name=build and outcome=success`",
        "within": "The maximum time from the first step to the last, such as `30m`, `24h` or `7d`; 24 hours by default",
        "order": "`steps`: one after the other (default); `any`: a step counts once it and all steps listed before it are met, in any order",
        **_COMMON,
    },
    _funnel,
)
RETENTION = Report(
    "retention",
    {
        "over": "The length of a step: `day`, `week` (default) or `month`",
        "start": f"The event with which an install begins; by default when it is first seen. {_EVENT}",
        "return": f"The events with which an install returns; any event by default. {_EVENT}",
        **_COMMON,
    },
    _retention,
)
PATHS = Report(
    "paths",
    {
        "event": f"The chosen event. {_EVENT}",
        "direction": "The events to show: `after` (default) or `before` the chosen one",
        "within": "The events that belong together: those of a `session` (default) or a `day`",
        "length": "The maximum number of events of a path, from 1 to 5; 3 by default",
        **_COMMON,
    },
    _paths,
)


def _event(given: str, part: str) -> tuple[Condition, ...]:
    match = _NAME.fullmatch(given)
    return text.conditions(given, part) if match is None else (_named(match),)


def _step(given: str, part: str) -> Segment:
    match = _NAME.fullmatch(given)
    if match is None:
        return text.segment_of(given, part)
    condition = _named(match)
    return Segment(condition.values[0], (condition,))


def _named(match: re.Match[str]) -> Condition:
    return Condition("name", Op.IS, (match["name"] if match["quoted"] is None else match["quoted"].replace('""', '"'),))


def _milliseconds(name: str, given: str) -> int:
    match = _TIME.fullmatch(given)
    found = int(match["number"]) * _UNITS[match["unit"]] if match else 0
    if not 1 <= found <= MAX_WINDOW:
        raise BadQuery(FieldError(name, "must be a number with a unit (`m`, `h` or `d`), at most 90 days"))
    return found
