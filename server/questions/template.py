"""Questions without a project and a time: the form that requests state and projects save. Relative periods stay relative."""

from __future__ import annotations

import msgspec

from server.questions.periods import RelativePeriod, Step
from server.questions.question import Audience, By, Compare, Condition, Measure, Question, Segment


class Template(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The parts of a `Question`, unchecked. Its JSON is the stored form of a saved question."""

    measures: tuple[Measure, ...] = (Measure.EVENTS,)
    where: tuple[Condition, ...] = ()
    by: tuple[By, ...] = ()
    over: Step | None = None
    period: RelativePeriod = RelativePeriod()
    compare: Compare | None = None
    compare_to: RelativePeriod | None = None
    segments: tuple[Segment, ...] = ()
    first: int = 10
    audience: Audience = Audience.EVERYTHING

    def at(self, project: int, now: int) -> Question:
        """Return the question of a project at a time, in epoch milliseconds. Raises BadQuery that names the invalid part."""
        period = self.period.at(now)
        return Question(
            project=project,
            period=period,
            measures=self.measures,
            where=self.where,
            by=self.by,
            over=self.over,
            compare=self.compare,
            compare_to=None if self.compare_to is None else self.compare_to.compared_with(period, now),
            segments=self.segments,
            first=self.first,
            audience=self.audience,
            start_before=self.period.start_before(now),
        )

    @property
    def is_compared(self) -> bool:
        """True if the answer also has the figures of another period."""
        return self.compare is not None or self.compare_to is not None
