"""Group commit: collects events into a batch, commits it as one transaction, and reports the result to every request in it.

While one commit runs, new events form the next batch, so batches grow with the load. A request waits for the commit that holds its events:
a success response means that they are on disk. The states are drawn in `writer_state.py`.
"""

from __future__ import annotations

import asyncio
import bisect
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from server import logs
from server.event import DAY, LEDGER_ENTRIES, REFUSED_BY_COMMIT, Event, Install, LedgerEntry, Receipt
from server.ingest.writer_state import COMMITTING, GATHERING, IDLE, OVERDUE, TRANSITIONS, WriterState
from server.metrics import Metrics
from server.problems import Busy, Failed, Problem
from server.shared import Live
from server.storage.batch import TRUSTED, Batch, Committed, RejectedRow
from server.storage.engine import Store, is_transient
from server.storage.projects import LiveProject

log = logs.get(__name__)

FLUSH_AFTER = 1.0  # seconds; how long refusals may wait if nothing else commits
COALESCE_SECONDS = 0.005  # seconds after a response in which a commit waits for the same clients to send again ...
COALESCE_STEP = 0.001  # seconds; ... and stops waiting if none did in this time
COMMIT_TIMEOUT = 10.0  # seconds; after that, new and waiting requests get a 503 response
CHECK_EVERY = 0.25  # seconds between two checks of a running commit
REFUSAL_SECONDS = 10.0  # seconds for which a failed commit marks the store as not writable
MAX_REJECTED_PER_COMMIT = 50
MAX_ADDRESSES_PER_COMMIT = 200


class Stored(NamedTuple):
    """The result for one request: a receipt for each event, and for each install report whether the install is new."""

    receipts: Sequence[Receipt]
    created: Sequence[bool]


OnResult = Callable[[Stored | Problem], None]
_ONE_STORED = Stored([Receipt.STORED], [])


class _Part(NamedTuple):
    """The part of a batch that belongs to one request, as ranges of events and install reports. `sender`: see `Caller`."""

    on_result: OnResult
    first: int
    last: int
    first_install: int
    last_install: int
    sender: int

    def of(self, committed: Committed) -> Stored:
        """Return this part's result of a commit."""
        exceptions, events = committed.exceptions, self.last - self.first
        if events == 1 and not exceptions and self.first_install == self.last_install:
            return _ONE_STORED
        if not exceptions:
            return Stored([Receipt.STORED] * events, committed.created[self.first_install : self.last_install])
        receipts = [exceptions.get(place, Receipt.STORED) for place in range(self.first, self.last)]
        return Stored(receipts, committed.created[self.first_install : self.last_install])


class PendingBatch:
    """A batch and the callbacks of its requests."""

    __slots__ = ("batch", "parts")

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.batch = Batch(sender_of=partial(_sender_of, self.parts))

    def take(self, events: Sequence[Event], installs: Sequence[Install], on_result: OnResult, sender: int) -> None:
        batch = self.batch
        first, first_install = len(batch.events), len(batch.installs)
        batch.events += events
        batch.installs += installs
        self.parts.append(_Part(on_result, first, first + len(events), first_install, first_install + len(installs), sender))

    def settle(self, committed: Committed) -> None:
        for part in self.parts:
            _report(part.on_result, part.of(committed))

    def refuse(self, problem: Problem) -> None:
        for part in self.parts:
            _report(part.on_result, problem)


def _sender_of(parts: list[_Part], place: int) -> int:
    return parts[bisect.bisect_right(parts, place, key=_first_of) - 1].sender


def _first_of(part: _Part) -> int:
    return part.first


def _report(on_result: OnResult, result: Stored | Problem) -> None:
    """Call `on_result`. An error in one callback must not affect the others."""
    try:
        on_result(result)
    except Exception as error:
        log.error("answer_failed", exc_info=error)


def _resolve(waiter: asyncio.Future[Stored], result: Stored | Problem) -> None:
    if waiter.done():  # the waiting task was cancelled
        return
    if isinstance(result, Problem):
        waiter.set_exception(result)
    else:
        waiter.set_result(result)


class Writer:
    """Writer of all incoming events. Call `close` to commit the accepted events and to refuse new ones."""

    def __init__(self, store: Store, metrics: Metrics, *, max_queue: int, slug: Callable[[int], str], live: Live | None = None) -> None:
        self._store = store
        self._metrics = metrics
        self._max_queue = max_queue
        self._slug = slug
        self._live = live or Live()
        self._loop = asyncio.get_running_loop()
        self._next = PendingBatch()
        self._state = IDLE
        self._running: asyncio.Task[None] | None = None  # unless IDLE
        self._flush: asyncio.TimerHandle | None = None
        self._committing = 0
        self._closed = False
        self._refused_at = float("-inf")  # seconds; the last commit that the store refused, reset by a successful one
        self._logged_at = float("-inf")  # seconds; the last time that this was logged
        self._timer: asyncio.TimerHandle | None = None
        self._expected = 0  # requests in the last batch, and those waiting for the next one at that time
        self._answered_at = float("-inf")
        self._arrivals: asyncio.Future[None] | None = None  # set while GATHERING waits

    @property
    def is_closed(self) -> bool:
        """True once `close` was called."""
        return self._closed

    @property
    def is_refusing(self) -> bool:
        """True if the last commit failed less than REFUSAL_SECONDS ago. A full disk may accept a small write and refuse the next."""
        return time.monotonic() - self._refused_at < REFUSAL_SECONDS

    @property
    def depth(self) -> int:
        """Number of events that are accepted and not yet committed."""
        return self._committing + len(self._next.batch.events)

    @property
    def has_room_for_rejected(self) -> bool:
        """True if the next commit has room for another rejected event."""
        return len(self._next.batch.rejected) < MAX_REJECTED_PER_COMMIT

    async def submit(
        self, project: LiveProject, events: Sequence[Event], installs: Sequence[Install] = (), *, sender: int = TRUSTED
    ) -> Stored:
        """Store events and install reports. They are durable when this returns. `sender`: see `Caller`.

        Raises Busy immediately if the queue is full, the store is not writable or the server is stopping; raises Failed if the store cannot store
        these events. In both cases no event is stored.
        """
        # One future per request: cancelling a task also cancels its future.
        waiter: asyncio.Future[Stored] = self._loop.create_future()
        self.submit_nowait(project, events, installs, partial(_resolve, waiter), sender)
        return await waiter

    def submit_nowait(
        self, project: LiveProject, events: Sequence[Event], installs: Sequence[Install], on_result: OnResult, sender: int = TRUSTED
    ) -> None:
        """Store events like `submit`, without blocking. Calls `on_result` once with the result. Raises Busy immediately."""
        if self._closed:
            raise Busy("The server is stopping.", retry_after=5)
        if self._state is not IDLE and (self._state is OVERDUE or not self._store.available):
            # The running commit finds out whether the store is available again; other requests do not wait for it.
            raise Busy("The store is not available.", retry_after=5)
        if self.depth + len(events) > self._max_queue:
            raise Busy("The queue is full.", retry_after=1)
        pending = self._next
        pending.batch.target_rules[project.id] = project.target_rules
        pending.take(events, installs, on_result, sender)
        if self._state is IDLE:
            self._start()
        elif self._arrivals is not None and len(pending.parts) >= self._expected:
            self._stop_waiting()

    def tally(self, project: LiveProject | None, entry: LedgerEntry, reason: str, events: int, at: int, address: int | None = None) -> None:
        """Count events that were not stored, and the hashed address of a limited client. Written with the next commit."""
        key = (project.id if project else 0, at // DAY, entry.value, reason)
        batch = self._next.batch
        batch.ledger[key] = batch.ledger.get(key, 0) + events
        self._metrics.events[project.slug if project else "", entry.value] += events
        if address is not None:
            if len(batch.refusals) >= MAX_ADDRESSES_PER_COMMIT:
                address = 0  # too many addresses: count the rest together
            refusal = (key[0], key[1], address, reason)
            batch.refusals[refusal] = batch.refusals.get(refusal, 0) + events
        self._flush_soon()

    def keep_rejected(self, row: RejectedRow) -> None:
        """Keep a rejected event for the admin, up to a maximum per commit, because clients may send any number."""
        if self.has_room_for_rejected:
            self._next.batch.rejected.append(row)
            self._flush_soon()

    async def close(self) -> None:
        """Commit the accepted events and refuse new ones. Idempotent."""
        self._closed = True
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self._stop_waiting()
        self._start()
        while self._running is not None:
            await self._running

    def _flush_soon(self) -> None:
        if self._state is IDLE and self._flush is None and not self._closed:
            self._flush = self._loop.call_later(FLUSH_AFTER, self._flush_now)

    def _flush_now(self) -> None:
        self._flush = None
        self._start()

    def _start(self) -> None:
        if self._state is IDLE and self._next.batch:
            self._enter(GATHERING)
            self._running = self._loop.create_task(self._run())

    def _enter(self, state: WriterState) -> None:
        assert state in TRANSITIONS[self._state], (self._state, state)
        self._state = state

    async def _run(self) -> None:
        try:
            while True:
                await self._wait_for_clients()
                pending, self._next = self._next, PendingBatch()
                self._committing = len(pending.batch.events)
                self._enter(COMMITTING)
                await self._commit(pending)
                self._expected, self._answered_at = len(pending.parts) + len(self._next.parts), self._loop.time()
                if not self._next.parts and not (self._closed and self._next.batch):
                    break  # refusals may be left: they may wait
                self._enter(GATHERING)
        finally:
            self._committing = 0
            self._running = None
            self._enter(IDLE)
            if self._next.batch:
                self._flush_soon()

    async def _wait_for_clients(self) -> None:
        """Wait a moment for the clients that just got a response to send again.

        Clients that send one event after another usually do, and one commit for all of them is cheaper than two commits for half of them each.
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
                pending.refuse(Busy("The store is not writable.", retry_after=5))
            else:
                log.error("commit_failed", events=len(pending.batch.events), exc_info=error)
                await self._commit_separately(pending)
            return
        if pending.batch.events:
            self._refused_at = float("-inf")
        self._count(pending.batch, committed, time.perf_counter() - started)
        pending.settle(committed)

    def _log_refused(self, pending: PendingBatch, error: Exception) -> None:
        """Log a refused commit at most once per REFUSAL_SECONDS: the log is often on the same full disk."""
        self._refused_at = now = time.monotonic()
        # An unavailable store logs that itself.
        if self._store.available and now - self._logged_at > REFUSAL_SECONDS:
            self._logged_at = now
            log.error("commit_refused", events=len(pending.batch.events), exc_info=error)

    async def _commit_with_timeout(self, batch: Batch) -> Committed:
        """Commit. If that takes too long or the store becomes unavailable, refuse the requests that wait for the next commit.

        The requests of the running commit keep waiting, because its outcome is unknown.
        """
        self._check_commit(self._loop.time())
        try:
            return await self._store.commit(batch)
        finally:
            assert self._timer is not None
            self._timer.cancel()
            if self._state is OVERDUE:
                self._enter(COMMITTING)

    def _check_commit(self, since: float) -> None:
        if self._loop.time() - since >= COMMIT_TIMEOUT:
            self._enter(OVERDUE)
            log.error("commit_overdue", events=self._committing, waiting=len(self._next.batch.events))
        else:
            self._timer = self._loop.call_later(CHECK_EVERY, self._check_commit, since)
        if self._state is OVERDUE or not self._store.available:
            self._refuse_pending()

    def _refuse_pending(self) -> None:
        pending, self._next = self._next, PendingBatch()
        self._carry_over(pending)
        pending.refuse(Busy("The store does not respond.", retry_after=5))

    async def _commit_separately(self, pending: PendingBatch) -> None:
        """Commit each request separately after a commit failed because of one of them."""
        whole = pending.batch
        combined, failed = Committed(), Failed("The events could not be stored. See the server log.")
        if len(pending.parts) <= 1:
            self._carry_over(pending)
            pending.refuse(failed)
            return
        lost: set[int] = set()
        for part in pending.parts:
            _, first, last, first_install, last_install, _ = part
            batch = Batch(whole.events[first:last], whole.installs[first_install:last_install], whole.target_rules)
            batch.sender_of = partial(_sender_of, [part._replace(first=0)])
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
        """Move the refusal counts of a failed commit to the next one. The rejected events are dropped."""
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
            self._metrics.events[self._slug(project), LEDGER_ENTRIES[receipt][0].value] += 1
            if receipt in REFUSED_BY_COMMIT:
                self._metrics.refusals[REFUSED_BY_COMMIT[receipt]] += 1
        for project, events in stored.items():
            if events:
                self._metrics.events[self._slug(project), LedgerEntry.STORED.value] += events
        if self._live.has_watchers:
            self._live.publish([event for place, event in enumerate(batch.events) if place not in committed.exceptions])
