"""The SQL of figures by group: facts with the place of their group, and their counts."""

from __future__ import annotations

import msgspec

from server.questions import columnar, counting, install_masks
from server.questions.counting import SUMS, Cell, Keys
from server.questions.facts import Facts
from server.questions.history_facts import HistoryFacts, SelectedFacts
from server.questions.install_masks import SeenFacts
from server.questions.question import Audience, Measure
from server.questions.rollup_facts import ActiveSums
from server.questions.sql import Sql
from server.questions.sql_engines import SqlEngine


class Places(msgspec.Struct, frozen=True):
    """Makes the SQL of facts with the place of their group: see `counting.placed`."""

    groups: list[Keys] | None
    folded: frozenset[Cell]
    has_few_lists: bool = False  # few different lists of the property that the facts are split by

    @staticmethod
    def _has_masks(facts: HistoryFacts, measures: list[Measure]) -> bool:
        return facts.over is not None and not isinstance(facts, SelectedFacts) and install_masks.has_masks(facts, measures)

    def placed(self, facts: Facts, engine: SqlEngine, *, installs: bool = False) -> Sql:
        return counting.placed(engine, facts, self.groups, installs=installs, folded=self.folded)

    def counts(self, facts: Facts, engine: SqlEngine, measures: list[Measure]) -> Sql:
        if isinstance(facts, ActiveSums):
            return facts.counts()
        if isinstance(facts, SeenFacts):
            return install_masks.counts(facts, engine, measures)
        is_summed = self.groups is not None and not self.folded and all(measure in SUMS for measure in measures)
        if is_summed and isinstance(facts, HistoryFacts) and facts.has_one_list:
            return columnar.sums_of_elements(
                facts.lists(engine), self.groups or (), [measure.value for measure in measures], is_few=self.has_few_lists
            )
        if set(measures) <= {Measure.INSTALLS, Measure.NEW_INSTALLS}:
            facts = facts.for_installs()
        if isinstance(facts, HistoryFacts) and facts.is_daily and measures == [Measure.INSTALLS]:
            return columnar.installs_by_day(*facts.marked_days(engine))
        if self.groups is None and isinstance(facts, HistoryFacts) and self._has_masks(facts, measures):
            return install_masks.alone(facts, engine, measures)
        if isinstance(facts, HistoryFacts) and Measure.NEW_INSTALLS in measures:
            if measures == [Measure.NEW_INSTALLS]:
                new = counting.NewInstalls(facts.join_arrivals("placed"), facts.is_new(engine, "placed.step"))
                return counting.new_installs(self.placed(facts, engine), new)
            if Measure.INSTALLS in measures:
                # The counts have one row for each install, far fewer than events, so the new installs are joined last.
                new = counting.NewInstalls(facts.join_arrivals("by_install"), facts.is_new(engine, "by_install.step"))
                return counting.counts(engine, self.placed(facts, engine), measures, new=new)
        return counting.counts(engine, self.placed(facts, engine, installs=Measure.NEW_INSTALLS in measures), measures)


def largest(measure: Measure, audience: Audience, first: int, facts: Facts, engine: SqlEngine) -> Sql:
    """The keys of the largest groups: see `counting.largest`. To rank by new installs, the facts must tell them apart."""
    if measure in SUMS and isinstance(facts, HistoryFacts) and facts.has_one_list:
        return columnar.largest_elements(facts.lists(engine), measure.value, audience, first)
    return counting.largest(engine, facts.sql(engine, installs=measure is Measure.NEW_INSTALLS), measure, audience, first)
