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
COALESCE_SECONDS = 0.005  # after an answer, for which a commit waits for the same clients where several send at once ...
COALESCE_STEP = 0.001  # ... as long as in each such time somebody comes
COMMIT_TIMEOUT = (
    10.0  # seconds that a commit may take before those who come, and those who wait for the next one, are on_result to come later
)
CHECK_EVERY = 0.25  # seconds between two looks at how a commit does
REFUSAL_SECONDS = 10.0  # seconds for which a store that took no writes is taken for one that takes none
MAX_REJECTED_PER_COMMIT = 50
MAX_ADDRESSES_PER_COMMIT = 200


class Stored(NamedTuple):
    """What became of a request: a receipt for each event, and for each install report whether its install is new."""

    receipts: Sequence[Receipt]
    created: Sequence[bool]


OnResult = Callable[[Stored | Problem], None]
_ONE_STORED = Stored([Receipt.STORED], [])


class _Part(NamedTuple):
    """The part of a batch that came with one request: events from and to, install reports from and to."""

    on_result: OnResult
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


class PendingBatch:
    """A batch on its way, and those who wait for it."""

    __slots__ = ("batch", "parts")

    def __init__(self) -> None:
        self.batch = Batch()
        self.parts: list[_Part] = []

    def take(self, events: Sequence[Event], installs: Sequence[Install], on_result: OnResult) -> None:
        batch = self.batch
        first, first_install = len(batch.events), len(batch.installs)
        batch.events += events
        batch.installs += installs
        self.parts.append(_Part(on_result, first, first + len(events), first_install, first_install + len(installs)))

    def settle(self, committed: Committed) -> None:
        for part in self.parts:
            _report(part.on_result, part.of(committed))

    def refuse(self, problem: Problem) -> None:
        for part in self.parts:
            _report(part.on_result, problem)


def _report(on_result: OnResult, result: Stored | Problem) -> None:
    """Nobody's trouble with the result may keep them from the others."""
    try:
        on_result(result)
    except Exception as error:
        log.error("answer_failed", exc_info=error)


def _resolve(waiter: asyncio.Future[Stored], result: Stored | Problem) -> None:
    if waiter.done():  # whoever waited was cancelled
        return
    if isinstance(result, Problem):
        waiter.set_exception(result)
    else:
        waiter.set_result(result)


class Writer:
    """The one way into the store for events. Call `close` to commit what was accepted and refuse what comes after."""

    def __init__(self, store: Store, metrics: Metrics, *, max_queue: int, slug: Callable[[int], str], live: Live | None = None) -> None:
        self._store = store
        self._metrics = metrics
        self._max_queue = max_queue
        self._slug = slug
        self._live = live or Live()
        self._loop = asyncio.get_running_loop()
        self._next = PendingBatch()
        self._running: asyncio.Task[None] | None = None
        self._flush: asyncio.TimerHandle | None = None
        self._committing = 0
        self._closed = False
        self._refused_at = float("-inf")  # seconds; when the store last took no writes, unless it took some since
        self._logged_at = float("-inf")  # when that was logged
        self._timer: asyncio.TimerHandle | None = None
        self._is_overdue = False  # the present commit takes longer than anybody should wait for the next one
        self._expected = 0  # requests that were answered by the last commit, or waited for the next one then
        self._answered_at = float("-inf")
        self._arrivals: asyncio.Future[None] | None = None  # while the crowd is waited for

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return self._closed

    @property
    def is_refusing(self) -> bool:
        """Whether the store took no writes when it was last asked, which was only just. A full disk may take a small one, and no other."""
        return time.monotonic() - self._refused_at < REFUSAL_SECONDS

    @property
    def depth(self) -> int:
        """Events accepted for a commit that has not ended."""
        return self._committing + len(self._next.batch.events)

    @property
    def has_room_for_rejected(self) -> bool:
        """Whether the next commit has room for one more refusal."""
        return len(self._next.batch.rejected) < MAX_REJECTED_PER_COMMIT

    async def submit(self, project: LiveProject, events: Sequence[Event], installs: Sequence[Install] = ()) -> Stored:
        """Store events and install reports; when this returns, they are durable.

        Raises Busy, at once, where the queue is full, the store does not take writes or the server stops; Failed where the store cannot
        take these events. Then none is stored.
        """
        # A future for each: a task that is cancelled cancels what it waits for, and must not take it from the others.
        waiter: asyncio.Future[Stored] = self._loop.create_future()
        self.submit_nowait(project, events, installs, partial(_resolve, waiter))
        return await waiter

    def submit_nowait(self, project: LiveProject, events: Sequence[Event], installs: Sequence[Install], on_result: OnResult) -> None:
        """The same for whoever does not wait: `on_result` is called once, when they are durable or will not be. Raises Busy, at once."""
        if self._closed:
            raise Busy("The server is stopping.", retry_after=5)
        if self._running is not None and (self._is_overdue or not self._store.available):
            # One commit at a time finds out whether the store is back; nobody else waits for that.
            raise Busy("The store cannot be reached at the moment.", retry_after=5)
        if self.depth + len(events) > self._max_queue:
            raise Busy("More events wait to be stored than this server holds.", retry_after=1)
        pending = self._next
        pending.batch.target_rules[project.id] = project.target_rules
        pending.take(events, installs, on_result)
        if self._running is None:
            self._start()
        elif self._arrivals is not None and len(pending.parts) >= self._expected:
            self._stop_waiting()

    def tally(self, project: LiveProject | None, entry: LedgerEntry, reason: str, events: int, at: int, address: int | None = None) -> None:
        """Note what was not taken in the ledger, and whose address (hashed) was limited. Written with the next commit."""
        key = (project.id if project else 0, at // DAY, entry.value, reason)
        batch = self._next.batch
        batch.ledger[key] = batch.ledger.get(key, 0) + events
        self._metrics.events[project.slug if project else "", entry.value] += events
        if address is not None:
            if len(batch.refusals) >= MAX_ADDRESSES_PER_COMMIT:
                address = 0  # a flood from everywhere is counted, address by address no more
            refusal = (key[0], key[1], address, reason)
            batch.refusals[refusal] = batch.refusals.get(refusal, 0) + events
        self._flush_soon()

    def keep_rejected(self, row: RejectedRow) -> None:
        """Keep what was refused for the admin; only so many a commit, because anybody can send rubbish."""
        if self.has_room_for_rejected:
            self._next.batch.rejected.append(row)
            self._flush_soon()

    async def close(self) -> None:
        """Commit what was accepted and take no more. May be called twice."""
        self._closed = True
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self._stop_waiting()
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
                await self._wait_for_clients()
                pending, self._next = self._next, PendingBatch()
                self._committing = len(pending.batch.events)
                await self._commit(pending)
                self._expected, self._answered_at = len(pending.parts) + len(self._next.parts), self._loop.time()
                if not self._next.batch.events and not self._closed and self._next.batch:
                    self._committing = 0
                    break  # only refusals are left: they may wait
        finally:
            self._committing = 0
            self._running = None
            if self._next.batch:
                self._flush_soon()

    async def _wait_for_clients(self) -> None:
        """Give those who were just answered a moment to come again.

        Clients that send one event after the other mostly do, and one commit for all of them costs less than two for half of them each.
        """
        seen, until = 0, self._answered_at + COALESCE_SECONDS
        while seen < len(self._next.parts) < self._expected and self._loop.time() < until and not self._closed:
            seen = len(self._next.parts)
            self._arrivals = self._loop.create_future()
            timer = self._loop.call_later(COALESCE_STEP, self._stop_waiting)
            try:
                await self._arrivals
            finally:
                timer.cancel()
                self._arrivals = None

    def _stop_waiting(self) -> None:
        if self._arrivals is not None and not self._arrivals.done():
            self._arrivals.set_result(None)

    async def _commit(self, pending: PendingBatch) -> None:
        started = time.perf_counter()
        try:
            committed = await self._commit_with_timeout(pending.batch)
        except Exception as error:
            self._metrics.commit_failures += 1
            if is_transient(error):
                self._log_refused(pending, error)
                self._carry_over(pending)
                pending.refuse(Busy("The store does not take writes at the moment.", retry_after=5))
            else:
                log.error("commit_failed", events=len(pending.batch.events), exc_info=error)
                await self._commit_separately(pending)
            return
        if pending.batch.events:
            self._refused_at = float("-inf")
        self._count(pending.batch, committed, time.perf_counter() - started)
        pending.settle(committed)

    def _log_refused(self, pending: PendingBatch, error: Exception) -> None:
        """Log it once in a while, and not for each request: where the disk is full, the log is often on it."""
        self._refused_at = now = time.monotonic()
        # Where it is not available it has said itself that it is lost.
        if self._store.available and now - self._logged_at > REFUSAL_SECONDS:
            self._logged_at = now
            log.error("commit_refused", events=len(pending.batch.events), exc_info=error)

    async def _commit_with_timeout(self, batch: Batch) -> Committed:
        """Commit, and let nobody else wait while that takes too long, or once the store is known to be lost.

        What is being committed waits: nobody knows what becomes of it.
        """
        self._check_commit(self._loop.time())
        try:
            return await self._store.commit(batch)
        finally:
            assert self._timer is not None
            self._timer.cancel()
            self._is_overdue = False

    def _check_commit(self, since: float) -> None:
        self._is_overdue = self._loop.time() - since >= COMMIT_TIMEOUT
        if self._is_overdue:
            log.error("commit_overdue", events=self._committing, waiting=len(self._next.batch.events))
        else:
            self._timer = self._loop.call_later(CHECK_EVERY, self._check_commit, since)
        if self._is_overdue or not self._store.available:
            self._refuse_pending()

    def _refuse_pending(self) -> None:
        pending, self._next = self._next, PendingBatch()
        self._carry_over(pending)
        pending.refuse(Busy("The store does not answer at the moment.", retry_after=5))

    async def _commit_separately(self, pending: PendingBatch) -> None:
        """One request holds something that the store cannot take: commit each alone, so that its neighbours lose nothing."""
        whole = pending.batch
        combined, failed = Committed(), Failed("These events could not be stored.")
        if len(pending.parts) <= 1:
            self._carry_over(pending)
            pending.refuse(failed)
            return
        lost: set[int] = set()
        for _, first, last, first_install, last_install in pending.parts:
            batch = Batch(whole.events[first:last], whole.installs[first_install:last_install], whole.target_rules)
            try:
                committed = await self._commit_with_timeout(batch)
            except Exception as error:
                log.error("commit_failed", events=len(batch.events), exc_info=error)
                lost.update(range(first, last))
                combined.created += [False] * len(batch.installs)
                continue
            self._count(batch, committed, 0.0)
            combined.exceptions.update({first + place: receipt for place, receipt in committed.exceptions.items()})
            combined.created += committed.created
        self._carry_over(pending)
        combined.exceptions.update(dict.fromkeys(lost, Receipt.FAILED))
        pending.settle(combined)

    def _carry_over(self, pending: PendingBatch) -> None:
        """Refusals of a commit that failed go into the next one; the rejected are let go, they were only kept for show."""
        for name in ("ledger", "refusals"):
            waiting = getattr(self._next.batch, name)
            for key, events in getattr(pending.batch, name).items():
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
        if self._live.has_watchers:
            self._live.publish([event for place, event in enumerate(batch.events) if place not in committed.exceptions])


_ENTRIES = {
    Receipt.DUPLICATE: LedgerEntry.DUPLICATE,
    Receipt.DEBOUNCED: LedgerEntry.DUPLICATE,
    Receipt.UNKNOWN_TARGET: LedgerEntry.REJECTED,
    Receipt.TOO_MANY_TARGETS: LedgerEntry.REJECTED,
}
_REASONS = {Receipt.UNKNOWN_TARGET: Refusal.UNKNOWN_TARGET.value, Receipt.TOO_MANY_TARGETS: Refusal.TOO_MANY_TARGETS.value}
