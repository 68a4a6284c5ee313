"""Templates of funnels, retention and paths: reports without a project and a time, as requests state them and projects save them."""

from __future__ import annotations

from typing import Any

import msgspec

from server.event import DAY, HOUR
from server.questions.cohorts import Retention
from server.questions.funnel import Funnel
from server.questions.paths import Direction, Paths, Within
from server.questions.periods import RelativePeriod, Step
from server.questions.question import Audience, By, Condition, Segment
from server.questions.template import Template

TAG = "report"  # the field of the stored form that names the report; questions have none


class ReportTemplate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The parts that all reports have, unchecked."""

    where: tuple[Condition, ...] = ()
    by: tuple[By, ...] = ()
    period: RelativePeriod = RelativePeriod()
    first: int = 10
    audience: Audience = Audience.EVERYTHING

    def _parts(self, project: int, now: int) -> dict[str, Any]:
        """The parts of a report of a project at a time."""
        parts = {name: getattr(self, name) for name in self.__struct_fields__}
        return {**parts, "project": project, "period": self.period.at(now)}


class FunnelTemplate(ReportTemplate, frozen=True, kw_only=True, omit_defaults=True, tag_field=TAG, tag="funnel"):
    """The parts of a `Funnel`."""

    steps: tuple[Segment, ...]
    within: int = DAY
    ordered: bool = True

    @property
    def within_hours(self) -> float:
        """The time limit in hours."""
        return self.within / HOUR

    def at(self, project: int, now: int) -> Funnel:
        """Return the funnel of a project at a time, in epoch milliseconds. Raises BadQuery that names the invalid part."""
        return Funnel(**self._parts(project, now))


class RetentionTemplate(ReportTemplate, frozen=True, kw_only=True, omit_defaults=True, tag_field=TAG, tag="retention"):
    """The parts of a `Retention`."""

    over: Step = Step.WEEK
    start: tuple[Condition, ...] = ()
    back: tuple[Condition, ...] = ()

    def at(self, project: int, now: int) -> Retention:
        """Return the report of a project at a time, in epoch milliseconds. Raises BadQuery that names the invalid part."""
        return Retention(**self._parts(project, now))


class PathsTemplate(ReportTemplate, frozen=True, kw_only=True, omit_defaults=True, tag_field=TAG, tag="paths"):
    """The parts of `Paths`."""

    event: tuple[Condition, ...]
    direction: Direction = Direction.AFTER
    within: Within = Within.SESSION
    length: int = 3

    def at(self, project: int, now: int) -> Paths:
        """Return the report of a project at a time, in epoch milliseconds. Raises BadQuery that names the invalid part."""
        return Paths(**self._parts(project, now))


AnyTemplate = Template | FunnelTemplate | RetentionTemplate | PathsTemplate


class _Tagged(msgspec.Struct):
    """The name of the report in a stored form."""

    report: str = ""


_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "": msgspec.json.Decoder(Template),
    **{str(kind.__struct_config__.tag): msgspec.json.Decoder(kind) for kind in (FunnelTemplate, RetentionTemplate, PathsTemplate)},
}


def decode(stored: str) -> AnyTemplate:
    """Decode the stored form of a question or report. Raises msgspec.DecodeError."""
    report = msgspec.json.decode(stored, type=_Tagged).report
    if report not in _DECODERS:
        raise msgspec.ValidationError("unknown report")
    found: AnyTemplate = _DECODERS[report].decode(stored)
    return found
