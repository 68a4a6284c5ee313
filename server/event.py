"""The words of Footfall: what arrives, what is kept, and what is said about it.

Incoming   an event as a dialect understood it; still holds the client's own identifiers
Event      the same after privacy: only keyed hashes and scrubbed text; what the store takes
Receipt    what became of one event in the commit that took it
Refusal    why something was not taken; a closed list, used in the ledger and in metrics

Times are epoch milliseconds in UTC, durations are microseconds, both as integers, so that sums are exact.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Outcome(enum.IntEnum):
    """How the thing that an event reports ended."""

    NONE = 0
    SUCCESS = 1
    FAILURE = 2


class Environment(enum.IntEnum):
    """Who runs the tool. The stored number never changes its meaning."""

    UNKNOWN = 0
    PERSON = 1
    CI = 2
    CONTAINER = 3
    DEVELOPMENT = 4
    TEST = 5

    @property
    def word(self) -> str:
        return self.name.lower()


ENVIRONMENTS: dict[str, Environment] = {environment.word: environment for environment in Environment}

# Who counts as people wherever people are told apart from machines. Unknown is among them: most clients say nothing of who runs them, and
# what does say so is CI, a container, a developer's own build or a test.
PEOPLE = (Environment.UNKNOWN, Environment.PERSON)


class Receipt(enum.IntEnum):
    """What became of one event."""

    STORED = 0
    DUPLICATE = 1  # the same id, within 30 days
    DEBOUNCED = 2  # a view that was counted for this viewer less than 30 minutes ago
    UNKNOWN_TARGET = 3  # the project lists its targets, and this is not among the public ones
    TOO_MANY_TARGETS = 4  # the project's bound on distinct targets is reached
    FAILED = 5  # the store could not take it, and would not take it again: our fault


class Refusal(enum.StrEnum):
    """Why a request or an event was not taken: the reason column of the ledger and a label of the metrics."""

    MALFORMED = "malformed"  # not JSON, or not text
    INVALID = "invalid"  # JSON, but a field is wrong
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    UNKNOWN_ROUTE = "unknown_route"  # a pack name that can be none, a method that is not served
    UNKNOWN_PROJECT = "unknown_project"
    UNKNOWN_TARGET = "unknown_target"
    TOO_MANY_TARGETS = "too_many_targets"
    TOO_BROAD = "too_broad"  # a question, not an event: it would read too much
    BAD_KEY = "bad_key"
    LIMITED = "limited"
    BUSY = "busy"  # the queue is full or the store cannot write: come back later
    FAILED = "failed"  # our own fault


class Context(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """What an event says about where it ran. Many events share one: stored once, referred to by a small integer."""

    environment: Environment = Environment.UNKNOWN
    reason: str = ""
    dialect: str = ""
    os: str | None = None
    arch: str | None = None
    runtime: str | None = None
    version: str | None = None
    package_manager: str | None = None


class RequestId(str):
    """An id that a caller gave its request (`Idempotency-Key`), and not the event: it belongs to the caller's key."""

    __slots__ = ()


class Incoming(msgspec.Struct, gc=False, kw_only=True):
    """One event as its dialect understood it. Holds raw identifiers: it never leaves `ingest`.

    `occurred_at` is what the client said, believed or not; `None` where it said nothing.
    `visitor` is an address with an agent, where a client sends no id of its install: it stands for one until the day ends.
    `debounce` is who is looking, for events that count once in 30 minutes. `document` is `properties` as compact JSON, where the dialect has it
    at hand; events that say the same may share both, so neither is ever changed.
    """

    name: str
    install: str | None = None
    occurred_at: int | None = None
    id: str | None = None
    session: str | None = None
    target: tuple[str, str] | None = None
    outcome: Outcome = Outcome.NONE
    duration_us: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    context: Context = Context()
    properties: dict[str, Any] = {}
    document: str | None = None
    debounce: str | None = None
    visitor: str | None = None


class InstallReport(msgspec.Struct, gc=False, kw_only=True):
    """What a client says of its installation outside any event. Raw identifier, as in `Incoming`."""

    install: str
    first_seen: int | None = None
    last_seen: int | None = None
    context: Context = Context()


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with the input. `path` is dotted, as in `events[3].target.id`; `message` never echoes a value."""

    path: str
    message: str


class Fault(NamedTuple):
    """A value of a document that cannot be kept, by its path: field names, and indexes of arrays."""

    path: tuple[str | int, ...]
    message: str


class Rejection(msgspec.Struct, frozen=True):
    """One event of a batch that was not taken, by its place in the batch."""

    index: int
    errors: tuple[FieldError, ...]


class Request(msgspec.Struct, kw_only=True):
    """What a dialect may know of a request. `document` is the decoded JSON body, `None` where the route has none, and `faults` are the values in
    it that cannot be kept.

    Header names are lower case. `address` is the client's address: to be hashed, never to be kept.
    """

    route: str
    headers: dict[bytes, bytes]
    address: str
    received_at: int
    document: Any = None
    faults: tuple[Fault, ...] = ()
    params: tuple[str, ...] = ()

    def header(self, name: bytes) -> str:
        """The header's text, empty where it is missing."""
        value = self.headers.get(name)
        return "" if value is None else value.decode("latin-1").strip()

    def visitor(self) -> str:
        """The client as it is known where it sends no id: by its address and agent. To be hashed, never to be kept."""
        return f"{self.address}\n{self.header(b'user-agent')}"


class Decoded(msgspec.Struct, kw_only=True):
    """What a dialect found in a request.

    `positions[i]` is the place of `events[i]` in the client's batch; empty means `0, 1, 2, …`.
    `echo` is whatever the dialect needs to phrase its answer. `ignored` names fields that were not understood.
    """

    events: list[Incoming] = []
    installs: list[InstallReport] = []
    rejected: list[Rejection] = []
    positions: list[int] = []
    batch: bool = False
    echo: Any = None
    ignored: list[str] = []


class Outcomes(msgspec.Struct, kw_only=True):
    """What became of a request's events: `receipts` and `ids` (numbers, see `event_id`) run beside `Decoded.events`, `created` beside
    `installs`."""

    receipts: Sequence[Receipt]
    ids: Sequence[int]
    created: Sequence[bool] = ()


class Answer(msgspec.Struct, frozen=True):
    """What goes back to the client."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"


class Event(msgspec.Struct, gc=False):
    """One event as the store takes it: no raw identifier, no unscrubbed text.

    `id` is an `EventId` number. `install`, `session`, `mark` and `viewer` are the leading 64 bits of a keyed hash, signed.
    `former` is the mark that an earlier version gave the event, as long as it may still be in the store.
    `note` is what the ledger says of it beside that it was stored. `skewed`: the client's clock is not believed, so it occurred when it
    arrived, and says nothing of its install's activity, version or system.
    """

    id: int
    project: int
    name: str
    occurred_at: int
    context: Context
    install: int | None = None
    session: int | None = None
    target: tuple[str, str] | None = None
    outcome: Outcome = Outcome.NONE
    duration_us: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    skewed: bool = False
    properties: str | None = None
    picked: tuple[tuple[str, str], ...] = ()
    mark: int | None = None
    viewer: int | None = None
    note: str = ""
    former: int | None = None


class Install(msgspec.Struct, gc=False, kw_only=True):
    """An `InstallReport` after privacy."""

    id: int
    project: int
    first_seen: int
    last_seen: int
    context: Context


class LedgerEntry(enum.StrEnum):
    """The columns of the ledger: received = stored + duplicate + rejected + limited + opted_out."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    LIMITED = "limited"
    OPTED_OUT = "opted_out"
