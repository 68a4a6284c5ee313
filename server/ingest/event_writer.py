"""Gathers what arrives, commits it as one transaction, and lets all who wait for it know.

While one commit runs, everything that arrives is gathered for the next: the busier the server, the larger its commits. Whoever submits
waits for the commit that holds their events, so an answer means that they are on the disk.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from server import logs
from server.event import DAY, Event, Install, LedgerEntry, Receipt, Refusal
from server.metrics import Metrics
from server.problems import Busy, Failed, Problem
from server.shared import Live
from server.storage.batch import Batch, Committed, RejectedRow
from server.storage.engine import Store, is_transient
from server.storage.projects import LiveProject

log = logs.get(__name__)

FLUSH_AFTER = 1.0  # seconds that refusals may wait where nothing else commits
CROWD_SECONDS = 0.005  # after an answer, for which a commit waits for the same clients where several send at once ...
CROWD_STEP = 0.001  # ... as long as in each such time somebody comes
PATIENCE = 10.0  # seconds that a commit may take before those who come, and those who wait for the next one, are told to come later
LOOK = 0.25  # seconds between two looks at how a commit does
REFUSING = 10.0  # seconds for which a store that took no writes is taken for one that takes none
REJECTED_A_COMMIT = 50
REFUSED_ADDRESSES_A_COMMIT = 200


class Stored(NamedTuple):
    """What became of a request: a receipt for each event, and for each install report whether its install is new."""

    receipts: Sequence[Receipt]
    created: Sequence[bool]


Told = Callable[[Stored | Problem], None]
_ONE_STORED = Stored([Receipt.STORED], [])


class _Piece(NamedTuple):
    """The part of a batch that came with one request: events from and to, install reports from and to."""

    told: Told
    first: int
    last: int
    first_install: int
    last_install: int

    def of(self, committed: Committed) -> Stored:
        """What a commit says of this part."""
        exceptions, events = committed.exceptions, self.last - self.first
        if events == 1 and not exceptions and self.first_install == self.last_install:
            return _ONE_STORED
        if not exceptions:
            return Stored([Receipt.STORED] * events, committed.created[self.first_install : self.last_install])
        receipts = [exceptions.get(place, Receipt.STORED) for place in range(self.first, self.last)]
        return Stored(receipts, committed.created[self.first_install : self.last_install])


class _Gathering:
    """A batch on its way, and those who wait for it."""

    __slots__ = ("batch", "pieces")

    def __init__(self) -> None:
        self.batch = Batch()
        self.pieces: list[_Piece] = []

    def take(self, events: Sequence[Event], installs: Sequence[Install], told: Told) -> None:
        batch = self.batch
        first, first_install = len(batch.events), len(batch.installs)
        batch.events += events
        batch.installs += installs
        self.pieces.append(_Piece(told, first, first + len(events), first_install, first_install + len(installs)))

    def settle(self, committed: Committed) -> None:
        for piece in self.pieces:
            _tell(piece.told, piece.of(committed))

    def refuse(self, problem: Problem) -> None:
        for piece in self.pieces:
            _tell(piece.told, problem)


def _tell(told: Told, news: Stored | Problem) -> None:
    """Nobody's trouble with the news may keep them from the others."""
    try:
        told(news)
    except Exception as error:
        log.error("answer_failed", exc_info=error)


def _wake(waiter: asyncio.Future[Stored], news: Stored | Problem) -> None:
    if waiter.done():  # whoever waited was cancelled
        return
    if isinstance(news, Problem):
        waiter.set_exception(news)
    else:
        waiter.set_result(news)


class Writer:
    """The one way into the store for events. Call `close` to commit what was accepted and refuse what comes after."""

    def __init__(self, store: Store, metrics: Metrics, *, max_queue: int, slug: Callable[[int], str], live: Live | None = None) -> None:
        self._store = store
        self._metrics = metrics
        self._max_queue = max_queue
        self._slug = slug
        self._live = live or Live()
        self._loop = asyncio.get_running_loop()
        self._next = _Gathering()
        self._running: asyncio.Task[None] | None = None
        self._flush: asyncio.TimerHandle | None = None
        self._committing = 0
        self._closed = False
        self._refused_at = float("-inf")  # seconds; when the store last took no writes, unless it took some since
        self._said_at = float("-inf")  # when that was logged
        self._watching: asyncio.TimerHandle | None = None
        self._overdue = False  # the present commit takes longer than anybody should wait for the next one
        self._crowd = 0  # requests that were answered by the last commit, or waited for the next one then
        self._answered_at = float("-inf")
        self._complete: asyncio.Future[None] | None = None  # while the crowd is waited for

    @property
    def closed(self) -> bool:
        """Whether it takes no more."""
        return self._closed

    @property
    def refusing(self) -> bool:
        """Whether the store took no writes when it was last asked, which was only just. A full disk may take a small one, and no other."""
        return time.monotonic() - self._refused_at < REFUSING

    @property
    def depth(self) -> int:
        """Events accepted for a commit that has not ended."""
        return self._committing + len(self._next.batch.events)

    @property
    def keeps_rejected(self) -> bool:
        """Whether the next commit has room for one more refusal."""
        return len(self._next.batch.rejected) < REJECTED_A_COMMIT

    async def submit(self, project: LiveProject, events: Sequence[Event], installs: Sequence[Install] = ()) -> Stored:
        """Store events and install reports; when this returns, they are durable.

        Raises Busy, at once, where the queue is full, the store does not take writes or the server stops; Failed where the store cannot
        take these events. Then none is stored.
        """
        # A future for each: a task that is cancelled cancels what it waits for, and must not take it from the others.
        waiter: asyncio.Future[Stored] = self._loop.create_future()
        self.hand_in(project, events, installs, partial(_wake, waiter))
        return await waiter

    def hand_in(self, project: LiveProject, events: Sequence[Event], installs: Sequence[Install], told: Told) -> None:
        """The same for whoever does not wait: `told` is called once, when they are durable or will not be. Raises Busy, at once."""
        if self._closed:
            raise Busy("The server is stopping.", retry_after=5)
        if self._running is not None and (self._overdue or not self._store.available):
            # One commit at a time finds out whether the store is back; nobody else waits for that.
            raise Busy("The store cannot be reached at the moment.", retry_after=5)
        if self.depth + len(events) > self._max_queue:
            raise Busy("More events wait to be stored than this server holds.", retry_after=1)
        gathering = self._next
        gathering.batch.target_rules[project.id] = project.target_rules
        gathering.take(events, installs, told)
        if self._running is None:
            self._start()
        elif self._complete is not None and len(gathering.pieces) >= self._crowd:
            self._wait_no_more()

    def tally(self, project: LiveProject | None, entry: LedgerEntry, reason: str, events: int, at: int, address: int | None = None) -> None:
        """Note what was not taken in the ledger, and whose address (hashed) was limited. Written with the next commit."""
        key = (project.id if project else 0, at // DAY, entry.value, reason)
        batch = self._next.batch
        batch.ledger[key] = batch.ledger.get(key, 0) + events
        self._metrics.events[project.slug if project else "", entry.value] += events
        if address is not None:
            if len(batch.refusals) >= REFUSED_ADDRESSES_A_COMMIT:
                address = 0  # a flood from everywhere is counted, address by address no more
            refusal = (key[0], key[1], address, reason)
            batch.refusals[refusal] = batch.refusals.get(refusal, 0) + events
        self._flush_soon()

    def keep_rejected(self, row: RejectedRow) -> None:
        """Keep what was refused for the admin; only so many a commit, because anybody can send rubbish."""
        if self.keeps_rejected:
            self._next.batch.rejected.append(row)
            self._flush_soon()

    async def close(self) -> None:
        """Commit what was accepted and take no more. May be called twice."""
        self._closed = True
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self._wait_no_more()
        self._start()
        while self._running is not None:
            await self._running

    def _flush_soon(self) -> None:
        if self._running is None and self._flush is None and not self._closed:
            self._flush = self._loop.call_later(FLUSH_AFTER, self._flush_now)

    def _flush_now(self) -> None:
        self._flush = None
        self._start()

    def _start(self) -> None:
        if self._running is None and self._next.batch:
            self._running = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._next.batch:
                await self._wait_for_the_crowd()
                gathering, self._next = self._next, _Gathering()
                self._committing = len(gathering.batch.events)
                await self._commit(gathering)
                self._crowd, self._answered_at = len(gathering.pieces) + len(self._next.pieces), self._loop.time()
                if not self._next.batch.events and not self._closed and self._next.batch:
                    self._committing = 0
                    break  # only refusals are left: they may wait
        finally:
            self._committing = 0
            self._running = None
            if self._next.batch:
                self._flush_soon()

    async def _wait_for_the_crowd(self) -> None:
        """Give those who were just answered a moment to come again.

        Clients that send one event after the other mostly do, and one commit for all of them costs less than two for half of them each.
        """
        here, until = 0, self._answered_at + CROWD_SECONDS
        while here < len(self._next.pieces) < self._crowd and self._loop.time() < until and not self._closed:
            here = len(self._next.pieces)
            self._complete = self._loop.create_future()
            timer = self._loop.call_later(CROWD_STEP, self._wait_no_more)
            try:
                await self._complete
            finally:
                timer.cancel()
                self._complete = None

    def _wait_no_more(self) -> None:
        if self._complete is not None and not self._complete.done():
            self._complete.set_result(None)

    async def _commit(self, gathering: _Gathering) -> None:
        started = time.perf_counter()
        try:
            committed = await self._in_time(gathering.batch)
        except Exception as error:
            self._metrics.commit_failures += 1
            if is_transient(error):
                self._note_refused(gathering, error)
                self._give_back(gathering)
                gathering.refuse(Busy("The store does not take writes at the moment.", retry_after=5))
            else:
                log.error("commit_failed", events=len(gathering.batch.events), exc_info=error)
                await self._commit_apart(gathering)
            return
        if gathering.batch.events:
            self._refused_at = float("-inf")
        self._count(gathering.batch, committed, time.perf_counter() - started)
        gathering.settle(committed)

    def _note_refused(self, gathering: _Gathering, error: Exception) -> None:
        """Log it once in a while, and not for each request: where the disk is full, the log is often on it."""
        self._refused_at = now = time.monotonic()
        # Where it is not available it has said itself that it is lost.
        if self._store.available and now - self._said_at > REFUSING:
            self._said_at = now
            log.error("commit_refused", events=len(gathering.batch.events), exc_info=error)

    async def _in_time(self, batch: Batch) -> Committed:
        """Commit, and let nobody else wait while that takes too long, or once the store is known to be lost.

        What is being committed waits: nobody knows what becomes of it.
        """
        self._watch(self._loop.time())
        try:
            return await self._store.commit(batch)
        finally:
            assert self._watching is not None
            self._watching.cancel()
            self._overdue = False

    def _watch(self, since: float) -> None:
        self._overdue = self._loop.time() - since >= PATIENCE
        if self._overdue:
            log.error("commit_overdue", events=self._committing, waiting=len(self._next.batch.events))
        else:
            self._watching = self._loop.call_later(LOOK, self._watch, since)
        if self._overdue or not self._store.available:
            self._refuse_those_who_wait()

    def _refuse_those_who_wait(self) -> None:
        gathering, self._next = self._next, _Gathering()
        self._give_back(gathering)
        gathering.refuse(Busy("The store does not answer at the moment.", retry_after=5))

    async def _commit_apart(self, gathering: _Gathering) -> None:
        """One request holds something that the store cannot take: commit each alone, so that its neighbours lose nothing."""
        whole = gathering.batch
        all_of_it, failed = Committed(), Failed("These events could not be stored.")
        if len(gathering.pieces) <= 1:
            self._give_back(gathering)
            gathering.refuse(failed)
            return
        lost: set[int] = set()
        for _, first, last, first_install, last_install in gathering.pieces:
            batch = Batch(whole.events[first:last], whole.installs[first_install:last_install], whole.target_rules)
            try:
                committed = await self._in_time(batch)
            except Exception as error:
                log.error("commit_failed", events=len(batch.events), exc_info=error)
                lost.update(range(first, last))
                all_of_it.created += [False] * len(batch.installs)
                continue
            self._count(batch, committed, 0.0)
            all_of_it.exceptions.update({first + place: receipt for place, receipt in committed.exceptions.items()})
            all_of_it.created += committed.created
        self._give_back(gathering)
        all_of_it.exceptions.update(dict.fromkeys(lost, Receipt.FAILED))
        gathering.settle(all_of_it)

    def _give_back(self, gathering: _Gathering) -> None:
        """Refusals of a commit that failed go into the next one; the rejected are let go, they were only kept for show."""
        for name in ("ledger", "refusals"):
            waiting = getattr(self._next.batch, name)
            for key, events in getattr(gathering.batch, name).items():
                waiting[key] = waiting.get(key, 0) + events

    def _count(self, batch: Batch, committed: Committed, seconds: float) -> None:
        self._metrics.commit_events.observe(len(batch.events))
        self._metrics.commit_seconds.observe(seconds)
        stored = Counter([event.project for event in batch.events])
        for place, receipt in committed.exceptions.items():
            project = batch.events[place].project
            stored[project] -= 1
            self._metrics.events[self._slug(project), _ENTRIES[receipt].value] += 1
            if receipt in _REASONS:
                self._metrics.refusals[_REASONS[receipt]] += 1
        for project, events in stored.items():
            if events:
                self._metrics.events[self._slug(project), LedgerEntry.STORED.value] += events
        if self._live.watched:
            self._live.publish([event for place, event in enumerate(batch.events) if place not in committed.exceptions])


_ENTRIES = {
    Receipt.DUPLICATE: LedgerEntry.DUPLICATE,
    Receipt.DEBOUNCED: LedgerEntry.DUPLICATE,
    Receipt.UNKNOWN_TARGET: LedgerEntry.REJECTED,
    Receipt.TOO_MANY_TARGETS: LedgerEntry.REJECTED,
}
_REASONS = {Receipt.UNKNOWN_TARGET: Refusal.UNKNOWN_TARGET.value, Receipt.TOO_MANY_TARGETS: Refusal.TOO_MANY_TARGETS.value}
