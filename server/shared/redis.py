"""Shared state over Redis: rate limits and live events. If Redis fails, each replica continues on its own and logs that.

Redis is not needed to store events, and receives no address: clients appear as hashes with the server's secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import msgspec
import redis.asyncio
from limits import RateLimitItem
from redis.exceptions import RedisError

from server import logs
from server.event import Event
from server.shared.limits import Limits, LimitState
from server.shared.live_events import Live, Watcher
from server.tasks import cancel_and_wait

log = logs.get(__name__)

ANSWER_SECONDS = 0.25  # seconds; timeout of a request to Redis
HITS_PER_REQUEST = 200  # rate-limit hits per request
RETRY_SECONDS = 1.0  # seconds until the next attempt after a failure
CLOSING_SECONDS = 2.0  # seconds; timeout of closing the connection
POLL_SECONDS = 1.0  # seconds between two lookups of channels with subscribers
WAITING = 2_000  # events queued for other replicas; beyond that, the oldest are dropped
EVENTS_PER_MESSAGE = 100  # per message
_CHANNEL = "footfall:live:"
# A count in a fixed window, all or nothing. Returns {allowed, count, milliseconds left in the window}.
_TAKE = """
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
local allowed = 0
if count + tonumber(ARGV[1]) <= tonumber(ARGV[2]) then
  allowed = 1
  count = redis.call('INCRBY', KEYS[1], ARGV[1])
  if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
end
return {allowed, count, redis.call('PTTL', KEYS[1])}
"""


class Shared:
    """The connection to Redis and its state. `failures` counts failed requests."""

    def __init__(self, url: str) -> None:
        self.client: Any = redis.asyncio.from_url(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS)
        self.is_up = True
        self.failures = 0
        self._again_at = 0.0

    @property
    def is_usable(self) -> bool:
        """True if a request should be tried. After a failure, one request per interval retries, and the others do not wait."""
        if self.is_up:
            return True
        now = time.monotonic()
        if now < self._again_at:
            return False
        self._again_at = now + RETRY_SECONDS
        return True

    def mark_lost(self, error: Exception) -> None:
        """Record a failed request."""
        self.failures += 1
        self._again_at = time.monotonic() + RETRY_SECONDS
        if self.is_up:
            self.is_up = False
            log.error("redis_lost", error=type(error).__name__, meanwhile="each replica uses its own limits and live events")

    def mark_up(self) -> None:
        """Record a successful request."""
        if not self.is_up:
            self.is_up = True
            log.info("redis_is_back")

    async def close(self) -> None:
        """Close the connection, with a timeout."""
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSING_SECONDS):
                await self.client.aclose()


class _PendingHit(NamedTuple):
    """A hit that waits for its count. The answer is None if Redis did not respond."""

    name: str
    cost: int
    item: RateLimitItem
    answer: asyncio.Future[LimitState | None]


class SharedLimits(Limits):
    """Rate limits over all replicas, or of this replica while Redis is down.

    One request to Redis runs at a time, and carries all hits that arrived during the previous one. So any number of clients needs one connection,
    and a burst never makes Redis seem down.
    """

    at_once = False

    def __init__(self, shared: Shared, secret: bytes) -> None:
        super().__init__()
        self._shared = shared
        self._secret = hashlib.sha256(secret).digest()
        self._hits: deque[_PendingHit] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def hit(self, item: RateLimitItem, key: str, cost: int = 1) -> LimitState:
        if self._shared.is_usable:
            name = "footfall:limit:" + hashlib.blake2b(key.encode(), key=self._secret, digest_size=16).hexdigest()
            hit = _PendingHit(name, cost, item, asyncio.get_running_loop().create_future())
            self._hits.append(hit)
            if self._sender is None:
                self._sender = asyncio.create_task(self._send_hits())
            limit_state = await hit.answer
            if limit_state is not None:
                return limit_state
        return self.hit_at_once(item, key, cost)

    async def _send_hits(self) -> None:
        batch: list[_PendingHit] = []
        try:
            while self._hits:
                batch = [self._hits.popleft() for _ in range(min(HITS_PER_REQUEST, len(self._hits)))]
                _resolve(batch, await self._hit_redis(batch))
                if not self._shared.is_up:
                    break
        finally:
            self._sender = None
            batch += self._hits
            self._hits.clear()
            _resolve(batch, [None] * len(batch))

    async def _hit_redis(self, hits: Sequence[_PendingHit]) -> list[LimitState | None]:
        pipeline = self._shared.client.pipeline(transaction=False)
        for name, cost, item, _ in hits:
            pipeline.eval(_TAKE, 1, name, cost, item.amount, item.get_expiry() * 1000)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = await pipeline.execute(raise_on_error=False)
            if wrong := next((each for each in found if isinstance(each, Exception)), None):
                raise wrong
        except (RedisError, OSError, TimeoutError) as error:
            self._shared.mark_lost(error)
            return [None] * len(hits)
        self._shared.mark_up()
        return [_limit_state(hit.item, *answer) for hit, answer in zip(hits, found, strict=True)]


def _limit_state(item: RateLimitItem, allowed: int, count: int | bytes, left: int) -> LimitState:
    reset = math.ceil(left / 1000) if left > 0 else item.get_expiry()
    return LimitState(bool(allowed), item.amount, max(0, item.amount - int(count)), reset)


def _resolve(hits: Iterable[_PendingHit], results: Iterable[LimitState | None]) -> None:
    for hit, answer in zip(hits, results, strict=True):
        if not hit.answer.done():  # the waiting task may have been cancelled
            hit.answer.set_result(answer)


class _Message(msgspec.Struct, array_like=True):
    """Events of one replica."""

    replica: str
    events: list[Event]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Message).decode


class SharedLive(Live):
    """Live events of all replicas. Replicas exchange events only while there is a subscriber."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._shared = shared
        self._replica = secrets.token_hex(8)
        self._elsewhere: set[int] = set()  # projects watched on other replicas
        self._waiting: deque[Event] = deque(maxlen=WAITING)
        self._has_waiting = asyncio.Event()
        self._subscriptions: Any = shared.client.pubsub(ignore_subscribe_messages=True)
        self._changed = asyncio.Event()

    @property
    def has_watchers(self) -> bool:
        return bool(self._watchers) or bool(self._elsewhere)

    def publish(self, events: Sequence[Event]) -> None:
        super().publish(events)
        if self._elsewhere:
            self._waiting.extend(event for event in events if event.project in self._elsewhere)
            self._has_waiting.set()

    @contextmanager
    def watch(self, project: int) -> Iterator[Watcher]:
        with super().watch(project) as watcher:
            self._changed.set()
            try:
                yield watcher
            finally:
                self._changed.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Exchange events with the other replicas while this is open."""
        tasks = [asyncio.create_task(each()) for each in (self._poll_watchers, self._send, self._receive)]
        try:
            yield
        finally:
            await cancel_and_wait(tasks)
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(CLOSING_SECONDS):
                    await self._subscriptions.aclose()

    async def _poll_watchers(self) -> None:
        """Poll Redis for channels with subscribers."""
        while True:
            if self._shared.is_usable:
                try:
                    channels = await self._shared.client.pubsub_channels(_CHANNEL + "*")
                    self._elsewhere = {int(channel.decode().removeprefix(_CHANNEL)) for channel in channels}
                    self._shared.mark_up()
                except (RedisError, OSError, TimeoutError) as error:
                    self._elsewhere = set()
                    self._shared.mark_lost(error)
            await asyncio.sleep(POLL_SECONDS)

    async def _send(self) -> None:
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(EVENTS_PER_MESSAGE, len(self._waiting)))]
                for project in {event.project for event in batch}:
                    message = _Message(self._replica, [event for event in batch if event.project == project])
                    try:
                        await self._shared.client.publish(f"{_CHANNEL}{project}", _encode(message))
                    except (RedisError, OSError, TimeoutError) as error:
                        self._shared.mark_lost(error)

    async def _receive(self) -> None:
        """Receive other replicas' events of the projects that are watched here."""
        subscribed: set[int] = set()
        while True:
            try:
                channels = set(self._watchers)
                if channels - subscribed:
                    await self._subscriptions.subscribe(*(f"{_CHANNEL}{project}" for project in channels - subscribed))
                if subscribed - channels:
                    await self._subscriptions.unsubscribe(*(f"{_CHANNEL}{project}" for project in subscribed - channels))
                subscribed = channels
                if not subscribed:
                    self._changed.clear()
                    if not self._watchers:
                        await self._changed.wait()
                    continue
                message = await self._subscriptions.get_message(timeout=0.2)
                if message is not None:
                    self._deliver(message["data"])
            except (RedisError, OSError, TimeoutError) as error:
                self._shared.mark_lost(error)
                subscribed = set()
                await asyncio.sleep(RETRY_SECONDS)

    def _deliver(self, data: bytes) -> None:
        try:
            message = _decode(data)
        except msgspec.MsgspecError:  # from another version of Footfall, or from another program
            return
        if message.replica != self._replica:
            super().publish(message.events)
