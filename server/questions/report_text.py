"""The text form of questions, and of reports: funnels, retention and paths. The parameters of reports extend those of `text`.

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
from server.questions.funnel import MAX_WINDOW
from server.questions.paths import Direction, Within
from server.questions.periods import Step
from server.questions.question import Audience, Condition, Op, Segment
from server.questions.report_templates import AnyTemplate, FunnelTemplate, PathsTemplate, RetentionTemplate
from server.questions.template import Template

T = TypeVar("T", Template, FunnelTemplate, RetentionTemplate, PathsTemplate)

_EVENT = "Accepts the name of an event such as `build`, or conditions such as `name=build and outcome=success`"
_COMMON = {name: text.PARAMETERS[name] for name in ("where", "by", "last", "to_date", "from", "to", "first", "audience")}
REPEATED = ("step", "start", "return", "event", *text.REPEATED)
_NAME = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<name>[^\s"=!<>~^*,:]+))\s*')
_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}
_TIME = re.compile(r"\s*(?P<number>[0-9]{1,5})\s*(?P<unit>[mhd])\s*")


class Words:
    """The parameters of a report. Accessors raise BadQuery that names the parameter, as in `step[1]`."""

    def __init__(self, known: Mapping[str, str], words: Mapping[str, Sequence[str]]) -> None:
        self.texts = {name: [each for each in texts if each] for name, texts in words.items()}
        for name, texts in self.texts.items():
            if texts and name not in known:
                raise BadQuery(FieldError(name, f"is unknown; the parameters are {', '.join(known)}"))
            if len(texts) > 1 and name not in REPEATED:
                raise BadQuery(FieldError(name, "must be given once"))

    def one(self, name: str, default: str = "") -> str:
        return next(iter(self.texts.get(name, [])), default)

    def conditions(self, name: str) -> tuple[Condition, ...]:
        return tuple(each for number, given in enumerate(self.texts.get(name, [])) for each in text.conditions(given, f"{name}[{number}]"))

    def event(self, name: str) -> tuple[Condition, ...]:
        return tuple(each for number, given in enumerate(self.texts.get(name, [])) for each in _event(given, f"{name}[{number}]"))

    def steps(self) -> tuple[Segment, ...]:
        return tuple(_step(given, f"step[{number}]") for number, given in enumerate(self.texts.get("step", [])))

    def common(self) -> dict[str, Any]:
        """The parts that all reports have."""
        splits = text.value_list("by", self.texts.get("by", []))
        period = text.period_of(self.one("last"), self.one("to_date"), self.one("from"), self.one("to"))
        return {
            "period": period,
            "where": self.conditions("where"),
            "by": tuple(text.split_of(each, f"by[{number}]") for number, each in enumerate(splits)),
            "first": text.whole_number("first", self.one("first", "10")),
            "audience": text.choice("audience", self.one("audience", "everything"), Audience),
        }


class Report(msgspec.Struct, Generic[T], frozen=True):
    """The text form of a question or report: its parameters, each with a description, and the functions that convert them to a template and back."""

    name: str
    parameters: dict[str, str]
    make: Callable[[Words], T]
    own: Callable[[T], dict[str, list[str]]]

    def parse(self, words: Mapping[str, Sequence[str]]) -> T:
        """Parse the parameters, each with the texts that were given. Raises BadQuery that names the parameter."""
        return self.make(Words(self.parameters, words))

    def at(self, template: T, project: int, now: int) -> Any:
        """Return the report of a template for a project at a time. Raises BadQuery that names the parameter."""
        try:
            return template.at(project, now)
        except BadQuery as error:
            raise BadQuery(*(FieldError(self.parameter(each.path), each.message) for each in error.errors)) from None

    def written(self, template: T) -> dict[str, list[str]]:
        """Return the parameters of a template; `parse` gives the same template. Parts with their default are left out."""
        found = {**self.own(template), **text.written_parts(template)}
        return {name: texts for name, texts in found.items() if any(texts)}

    def parameter(self, part: str) -> str:
        """Return the parameter of a part of the model."""
        if self.name == "question":
            return text.parameter(part)
        if part.startswith("steps"):
            return re.sub(r"^steps(\[\d+\])?.*", r"step\1", part)
        return part if re.split(r"\W", part)[0] in self.parameters else text.parameter(part)


def _funnel(words: Words) -> FunnelTemplate:
    order = words.one("order", "steps")
    if order not in ("steps", "any"):
        raise BadQuery(FieldError("order", "must be one of steps, any"))
    within = _milliseconds("within", words.one("within", "24h"))
    return FunnelTemplate(steps=words.steps(), within=within, ordered=order == "steps", **words.common())


def _funnel_words(report: FunnelTemplate) -> dict[str, list[str]]:
    return {
        "step": [_step_text(step) for step in report.steps],
        "within": [] if report.within == DAY else [_time_text(report.within)],
        "order": [] if report.ordered else ["any"],
    }


def _retention(words: Words) -> RetentionTemplate:
    return RetentionTemplate(
        over=text.choice("over", words.one("over", "week"), Step),
        start=words.event("start"),
        back=words.event("return"),
        **words.common(),
    )


def _retention_words(report: RetentionTemplate) -> dict[str, list[str]]:
    over = [] if report.over is Step.WEEK else [report.over.value]
    return {"over": over, "start": list(map(text.condition_text, report.start)), "return": list(map(text.condition_text, report.back))}


def _paths(words: Words) -> PathsTemplate:
    return PathsTemplate(
        event=words.event("event"),
        direction=text.choice("direction", words.one("direction", "after"), Direction),
        within=text.choice("within", words.one("within", "session"), Within),
        length=text.whole_number("length", words.one("length", "3")),
        **words.common(),
    )


def _paths_words(report: PathsTemplate) -> dict[str, list[str]]:
    return {
        "event": list(map(text.condition_text, report.event)),
        "direction": [] if report.direction is Direction.AFTER else [report.direction.value],
        "within": [] if report.within is Within.SESSION else [report.within.value],
        "length": [] if report.length == 3 else [str(report.length)],
    }


FUNNEL = Report[FunnelTemplate](
    "funnel",
    {
        "step": "A step, 2 to 10 in order: the name of an event such as `build`, or a name and conditions such as "
        "`built: name=build and outcome=success`",
        "within": "The maximum time from the first step to the last, such as `30m`, `24h` or `7d`; 24 hours by default",
        "order": "`steps`: one after the other (default); `any`: a step counts once it and all steps listed before it are met, in any order",
        **_COMMON,
    },
    _funnel,
    _funnel_words,
)
RETENTION = Report[RetentionTemplate](
    "retention",
    {
        "over": "The length of a step: `day`, `week` (default) or `month`",
        "start": f"The event with which an install begins; by default when it is first seen. {_EVENT}",
        "return": f"The events with which an install returns; any event by default. {_EVENT}",
        **_COMMON,
    },
    _retention,
    _retention_words,
)
PATHS = Report[PathsTemplate](
    "paths",
    {
        "event": f"The chosen event. {_EVENT}",
        "direction": "The events to show: `after` (default) or `before` the chosen one",
        "within": "The events that belong together: those of a `session` (default) or a `day`",
        "length": "The maximum number of events of a path, from 1 to 5; 3 by default",
        **_COMMON,
    },
    _paths,
    _paths_words,
)


QUESTION = Report[Template]("question", text.PARAMETERS, lambda words: text.parse(words.texts), text.written)
_FORMS: dict[type[AnyTemplate], Report[Any]] = {
    Template: QUESTION,
    FunnelTemplate: FUNNEL,
    RetentionTemplate: RETENTION,
    PathsTemplate: PATHS,
}


def form_of(template: AnyTemplate) -> Report[Any]:
    """Return the text form of a template."""
    return _FORMS[type(template)]


def _event(given: str, part: str) -> tuple[Condition, ...]:
    match = _NAME.fullmatch(given)
    return text.conditions(given, part) if match is None else (_named(match),)


def _step(given: str, part: str) -> Segment:
    match = _NAME.fullmatch(given)
    if match is None:
        return text.segment_of(given, part)
    condition = _named(match)
    return Segment(condition.values[0], (condition,))


def _step_text(step: Segment) -> str:
    """Write a step as the name of its event, or as its name and conditions."""
    match = _NAME.fullmatch(step.name)
    if match is not None and match["name"] == step.name and step.where == (Condition("name", Op.IS, (step.name,)),):
        return step.name
    return text.segment_text(step)


def _time_text(milliseconds: int) -> str:
    unit, length = next((unit, length) for unit, length in reversed(_UNITS.items()) if milliseconds % length == 0)
    return f"{milliseconds // length}{unit}"


def _named(match: re.Match[str]) -> Condition:
    return Condition("name", Op.IS, (match["name"] if match["quoted"] is None else match["quoted"].replace('""', '"'),))


def _milliseconds(name: str, given: str) -> int:
    match = _TIME.fullmatch(given)
    found = int(match["number"]) * _UNITS[match["unit"]] if match else 0
    if not 1 <= found <= MAX_WINDOW:
        raise BadQuery(FieldError(name, "must be a number with a unit (`m`, `h` or `d`), at most 90 days"))
    return found
