"""Reads of the history that select the same events, run together.

The cards of a page ask for several figures of the same events, and reading the files takes longer than most counts. `expect` announces a question that
may read events; the first of such reads waits for the others. Then the events are copied into a temporary table, and all reads query it. Their periods
begin at the same time; some may end earlier, such as the part of a period that an unfinished one is compared with.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from server.history import History, Reading, Statement
from server.problems import TooBroad
from server.questions.arrivals import NO_ARRIVALS
from server.questions.facts import Facts
from server.questions.history_facts import HistoryFacts, SelectedFacts, read_history, reading_of, statement
from server.questions.question import Condition, Question
from server.questions.sql import Sql, sql
from server.questions.sql_engines import DuckDbSql, SqlEngine

WAIT = 0.2  # seconds; the longest wait for announced reads

Query = Callable[[Facts, SqlEngine], Sql]
Joint = tuple[str, ...] | None  # `columns` of `JointReads.read`; None for a read that runs alone
Rows = list[dict[str, Any]]
_Key = tuple[int, int, tuple[Condition, ...]]  # project, start of the period, conditions
_Selection = tuple[_Key, tuple[str, ...], int]  # with the known versions and `since`


class _Read:
    """One read of a batch, and the future of its rows: None if it has to run alone."""

    def __init__(self, facts: HistoryFacts, query: Query, columns: tuple[str, ...]) -> None:
        self.facts = facts
        self.query = query
        self.columns = columns
        self.rows: asyncio.Future[Rows | None] = asyncio.get_running_loop().create_future()

    def resolve(self, rows: Rows | None) -> None:
        if not self.rows.done():
            self.rows.set_result(rows)


class _Batch:
    def __init__(self) -> None:
        self.reads: list[_Read] = []
        self.task: asyncio.Task[None] | None = None


class JointReads:
    """The reads of one history. `of` returns those of a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._expected: Counter[_Key] = Counter()
        self._open: dict[_Selection, _Batch] = {}
        self._changed = asyncio.Event()

    @contextlib.contextmanager
    def expect(self, question: Question) -> Iterator[None]:
        """Announce that a question may read events: others wait for it in order to share its read."""
        key = question.project, question.period.start, question.where
        self._expected[key] += 1
        try:
            yield
        finally:
            self._expected[key] -= 1
            if not self._expected[key]:
                del self._expected[key]
            self._changed.set()

    async def read(self, facts: HistoryFacts, query: Query, columns: tuple[str, ...] = ()) -> Rows | None:
        """Like `read_history`, for facts without keys and a query that uses only the columns of `SelectedFacts`, and `columns` of the events."""
        key = facts.project, facts.period.start, facts.where
        selected = key, facts.known_versions, facts.since
        batch = self._open.get(selected)
        if batch is None and self._expected[key] < 2:
            return await read_history(self._history, facts, query)
        if batch is None:
            batch = self._open[selected] = _Batch()
            batch.task = asyncio.create_task(self._run(selected, batch))
        read = _Read(facts, query, columns)
        batch.reads.append(read)
        self._changed.set()
        try:
            rows = await read.rows
        except asyncio.CancelledError:
            if batch.task is not None and all(each.rows.done() for each in batch.reads):
                batch.task.cancel()
            raise
        return rows if rows is not None else await read_history(self._history, facts, query)

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
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT):
                while len(batch.reads) < self._expected[key]:
                    self._changed.clear()
                    await self._changed.wait()

    def _close(self, selected: _Selection, batch: _Batch) -> Reading:
        """Close a batch to further reads, and return its statements."""
        del self._open[selected]
        loop, engine = asyncio.get_running_loop(), DuckDbSql()
        longest = max(batch.reads, key=lambda read: read.facts.period.end).facts
        chosen = msgspec.structs.replace(longest, by=(), over=None, arrivals=NO_ARRIVALS, is_spread=False)
        facts, copy = HistoryFacts, list[Statement]()
        if len(batch.reads) > 1:
            facts = SelectedFacts
            columns = ", ".join(dict.fromkeys([*SelectedFacts.copied, *(column for read in batch.reads for column in read.columns)]))
            copy = [statement(sql(f"CREATE TEMP TABLE selected AS SELECT {columns} FROM ", chosen.source_rows(engine)), lambda _: None)]

        def count(read: _Read) -> Statement:
            query = read.query(facts(**msgspec.structs.asdict(read.facts)), engine)
            return statement(query, lambda rows: loop.call_soon_threadsafe(read.resolve, rows))

        return reading_of(chosen, engine, [*copy, *map(count, batch.reads)])


_READS: WeakKeyDictionary[History, JointReads] = WeakKeyDictionary()


def of(history: History) -> JointReads:
    """Return the joint reads of a history."""
    found = _READS.get(history)
    if found is None:
        found = _READS[history] = JointReads(history)
    return found
