"""Reads of the history that select the same events, run together.

The cards of a page ask for several figures of the same events, and reading the files takes longer than most counts. `expect` announces a question
that may read events; the first read of the announced questions waits for the others. Then the events are copied into a temporary table, and all reads
query it. Their periods begin at the same time; some may end earlier, such as the part of a period that an unfinished one is compared with.

A copy of the events of a long period would exceed the memory. Reads of such a period share smaller tables: see `joint_tables`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from server.history import History, Reading, Statement
from server.problems import TooBroad
from server.questions import joint_tables
from server.questions.arrivals import NO_ARRIVALS
from server.questions.facts import Facts
from server.questions.history_facts import HistoryFacts, SelectedFacts, reading_of, statement
from server.questions.install_masks import SeenFacts
from server.questions.joint_tables import Counted, SummedFacts, TimedFacts
from server.questions.periods import Period, Step
from server.questions.question import Condition, Question
from server.questions.sql import Sql, sql
from server.questions.sql_engines import DuckDbSql, SqlEngine

WAIT = 0.2  # seconds; the longest wait for announced reads
WAIT_LONG = 1.0  # the same if the period is too long for a copy: its reads arrive later, because there are more new installs to list

Query = Callable[[Facts, SqlEngine], Sql]
Rows = list[dict[str, Any]]
_Key = tuple[int, int, tuple[Condition, ...]]  # project, start of the period, conditions
_Selection = tuple[_Key, tuple[str, ...], int]  # with the known versions and `since`


class Joint(NamedTuple):
    """The needs of a query without keys: the kind of data that it reads, if it is a single kind, and columns besides those of `SelectedFacts`."""

    counted: Counted | None = None
    columns: tuple[str, ...] = ()


class _Read:
    """One read of a batch, with the number of the project's events in its period, and the future of its rows: None if it has to run alone."""

    def __init__(self, facts: HistoryFacts, query: Query, joint: Joint, events: int) -> None:
        self.facts = facts
        self.query = query
        self.joint = joint
        self.events = events
        self.rows: asyncio.Future[Rows | None] = asyncio.get_running_loop().create_future()

    def resolve(self, rows: Rows | None) -> None:
        if not self.rows.done():
            self.rows.set_result(rows)


class _Batch:
    def __init__(self) -> None:
        self.reads: list[_Read] = []
        self.task: asyncio.Task[None] | None = None


class Announced:
    """The reads of a question that other questions wait for: one, until `change` sets their number."""

    def __init__(self, reads: JointReads, key: _Key) -> None:
        self._reads = reads
        self._key = key
        self._number = 0
        self._is_closed = False
        self.change(1)

    def change(self, number: int) -> None:
        """Set the number of reads."""
        if self._is_closed:  # this read outlives its question, because another read of it failed
            return
        self._reads.count_expected(self._key, number - self._number)
        self._number = number

    def close(self) -> None:
        """Stop announcing reads of the question."""
        self.change(0)
        self._is_closed = True

    async def run_all(self, reads: Sequence[Callable[[], Awaitable[None]]]) -> None:
        """Run the reads of the question together."""
        self.change(max(1, len(reads)))
        await asyncio.gather(*map(self._run, reads))

    async def _run(self, read: Callable[[], Awaitable[None]]) -> None:
        """Run one of the reads, and stop announcing it when it ends. The last one stays announced until the question ends: reads of spreads may follow."""
        try:
            await read()
        finally:
            self.change(max(1, self._number - 1))


class JointReads:
    """The reads of one history. `of` returns those of a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._expected: Counter[_Key] = Counter()
        self._open: dict[_Selection, _Batch] = {}
        self._changed = asyncio.Event()

    @contextlib.contextmanager
    def expect(self, question: Question) -> Iterator[Announced]:
        """Announce that a question may read events: others wait for it in order to share its read."""
        announced = Announced(self, (question.project, question.period.start, question.where))
        try:
            yield announced
        finally:
            announced.close()

    def count_expected(self, key: _Key, number: int) -> None:
        """Add to the number of announced reads."""
        self._expected[key] += number
        if not self._expected[key]:
            del self._expected[key]
        self._changed.set()

    async def read(self, facts: HistoryFacts, query: Query, joint: Joint, events: int) -> Rows | None:
        """Like `read_history`, for facts without keys. `events` is the number of the project's events in the period. Returns None if the query has
        to run alone.
        """
        key = facts.project, facts.period.start, facts.where
        selected = key, facts.known_versions, facts.since
        batch = self._open.get(selected)
        if batch is None and self._expected[key] < 2:
            return None
        if batch is None:
            batch = self._open[selected] = _Batch()
            batch.task = asyncio.create_task(self._run(selected, batch))
        read = _Read(facts, query, joint, events)
        batch.reads.append(read)
        self._changed.set()
        try:
            return await read.rows
        except asyncio.CancelledError:
            if batch.task is not None and all(each.rows.done() for each in batch.reads):
                batch.task.cancel()
            raise

    async def _run(self, selected: _Selection, batch: _Batch) -> None:
        try:
            await self._wait_for_others(selected[0], batch)
            with contextlib.suppress(TooBroad):  # alone, each may need less
                await self._history.run(partial(self._close, selected, batch))
        finally:
            if self._open.get(selected) is batch:
                del self._open[selected]
            for read in batch.reads:
                read.resolve(None)

    async def _wait_for_others(self, key: _Key, batch: _Batch) -> None:
        """Wait until all announced reads have arrived, or need no events."""
        began = asyncio.get_running_loop().time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT) as limit:
                while len(batch.reads) < self._expected[key]:
                    if any(read.events > self._history.most_copied for read in batch.reads):
                        limit.reschedule(began + WAIT_LONG)
                    self._changed.clear()
                    await self._changed.wait()

    def _close(self, selected: _Selection, batch: _Batch) -> Reading:
        """Close a batch to further reads, and return its statements."""
        del self._open[selected]
        engine = DuckDbSql()
        longest = max(batch.reads, key=lambda read: read.facts.period.end)
        chosen = msgspec.structs.replace(longest.facts, by=(), over=None, arrivals=NO_ARRIVALS, is_spread=False)
        if longest.events <= self._history.most_copied:
            return reading_of(chosen, engine, _copied(batch.reads, chosen, engine))
        return reading_of(chosen, engine, list(_tabled(batch.reads, engine, self._history.most_timed)))


def _copied(reads: list[_Read], chosen: HistoryFacts, engine: DuckDbSql) -> list[Statement]:
    """Statements over a copy of the chosen events, if there are several."""
    if len(reads) == 1:
        return [_answer(reads[0], HistoryFacts, engine)]
    columns = ", ".join(dict.fromkeys([*SelectedFacts.copied, *(column for read in reads for column in read.joint.columns)]))
    copy = sql(f"CREATE TEMP TABLE selected AS SELECT {columns} FROM ", chosen.source_rows(engine))
    return [_create(copy), *(_answer(read, SelectedFacts, engine) for read in reads)]


def _tabled(reads: list[_Read], engine: DuckDbSql, most_timed: int) -> Iterator[Statement]:
    """Yield statements over `joint_tables`, quick ones first. Other reads have to run alone."""
    left = set(reads)
    for (counted, _, over), alike in _group(reads).items():
        facts = alike[0].facts
        if counted is Counted.INSTALLS:
            facts = msgspec.structs.replace(facts, over=over)
            yield _create(joint_tables.create_seen(facts, engine))
            kind: type[HistoryFacts] = SeenFacts
        elif len(alike) > 1 and counted is Counted.SUMS:
            yield _create(joint_tables.create_summed(facts, engine))
            kind = SummedFacts
        elif len(alike) > 1 and alike[0].events <= most_timed:
            yield _create(joint_tables.create_timed(facts, engine))
            kind = TimedFacts
        else:
            continue
        for read in alike:
            yield _answer(read, kind, engine)
        left.difference_update(alike)
    for read in left:
        read.resolve(None)


def _group(reads: list[_Read]) -> dict[tuple[Counted, Period, Step | None], list[_Read]]:
    """Group reads by the table that they can share: by what they count and their period; those of installs also by their steps."""
    found: dict[tuple[Counted, Period, Step | None], list[_Read]] = {}
    for counted in Counted:
        steps = {read.facts.period: read.facts.over for read in reads if read.joint.counted is counted and read.facts.over is not None}
        for read in reads:
            facts = read.facts
            if read.joint.counted is not counted:
                continue
            if counted is Counted.INSTALLS:
                found.setdefault((counted, facts.period, facts.over or steps.get(facts.period)), []).append(read)
            elif joint_tables.has_days(facts) and not facts.is_spread:
                found.setdefault((counted, facts.period, None), []).append(read)
    return found


def _create(table: Sql) -> Statement:
    return statement(table, lambda _: None)


def _answer(read: _Read, kind: type[HistoryFacts], engine: DuckDbSql) -> Statement:
    """Return the statement of a read over facts of a kind. The rows of the statement resolve the read."""
    loop = asyncio.get_running_loop()
    query = read.query(kind(**msgspec.structs.asdict(read.facts)), engine)
    return statement(query, lambda rows: loop.call_soon_threadsafe(read.resolve, rows))


_READS: WeakKeyDictionary[History, JointReads] = WeakKeyDictionary()


def of(history: History) -> JointReads:
    """Return the joint reads of a history."""
    found = _READS.get(history)
    if found is None:
        found = _READS[history] = JointReads(history)
    return found
