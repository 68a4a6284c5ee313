"""Core types: incoming events, stored events, and results.

Incoming   an event as decoded by a dialect, with the client's identifiers
Event      an event after the privacy step, with hashes and scrubbed text; the store's input
Receipt    the result of one event in its commit
Refusal    the reason for a refusal; a closed list, used in the ledger and in metrics

Times are epoch milliseconds in UTC, durations are microseconds. Both are integers, so that sums are exact.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import msgspec

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

MAX_WEIGHT = 1_000  # so that one event of an anonymous client cannot count as a million


class Outcome(enum.IntEnum):
    """The outcome of the reported operation."""

    NONE = 0
    SUCCESS = 1
    FAILURE = 2


class Environment(enum.IntEnum):
    """The environment in which the tool runs. A stored number never changes its meaning."""

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

# Environments that count as people. Most clients do not report one; those that do mostly report CI, containers, development and tests.
PEOPLE = (Environment.UNKNOWN, Environment.PERSON)


class Receipt(enum.IntEnum):
    """The result of one event."""

    STORED = 0
    DUPLICATE = 1  # the same id, within 30 days
    DEBOUNCED = 2  # a view by a viewer who was counted in the last 30 minutes
    UNKNOWN_TARGET = 3  # the project lists its targets, and this one is not public
    TOO_MANY_TARGETS = 4  # the project has reached its maximum number of targets
    FAILED = 5  # the store cannot store it; a server error


class Refusal(enum.StrEnum):
    """Reason for refusing a request or an event: the ledger's reason column and a label of metrics."""

    MALFORMED = "malformed"  # not JSON, or not text
    INVALID = "invalid"  # JSON with an invalid field
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    UNKNOWN_ROUTE = "unknown_route"  # an invalid pack name, or a method that is not supported
    UNKNOWN_PROJECT = "unknown_project"
    UNKNOWN_TARGET = "unknown_target"
    TOO_MANY_TARGETS = "too_many_targets"
    TOO_BROAD = "too_broad"  # a query that would read too many events
    BAD_KEY = "bad_key"
    LIMITED = "limited"
    LOOP = "loop"  # the project forwarded the request, and it came back
    BUSY = "busy"  # the queue is full or the store is not writable; the client should retry
    FAILED = "failed"  # a server error


class ContextField(msgspec.Struct, frozen=True, kw_only=True):
    """The declaration of a descriptive field of contexts. Everything else about the field is derived from it; see `Context`.

    `kind` is `text`, `version` (a semantic version) or `flag` (`true` or `false`). `properties` are names of properties that hold the field's
    value in events of clients that have no such field. `has_numbers`: a value may contain `1.2.3.4`, which is then not an address.
    """

    label: str
    description: str
    kind: Literal["text", "version", "flag"] = "text"
    properties: tuple[str, ...] = ()
    has_numbers: bool = False


class Context(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """The context of an event. Many events share one context, which is stored once and has a small integer as its id.

    Fields with a `ContextField` are texts, and columns of the table `context`. A new one is one more line here and a migration.
    """

    environment: Environment = Environment.UNKNOWN
    reason: str = ""
    dialect: str = ""
    os: Annotated[
        str | None, ContextField(label="Operating system", description="Operating system, such as `linux`.", has_numbers=True)
    ] = None
    arch: Annotated[str | None, ContextField(label="Architecture", description="Processor architecture, such as `arm64`.")] = None
    runtime: Annotated[
        str | None, ContextField(label="Runtime", description="Runtime with its version, such as `node 20`.", has_numbers=True)
    ] = None
    version: Annotated[str | None, ContextField(label="Version", description="Version of the tool.", kind="version", has_numbers=True)] = (
        None
    )
    package_manager: Annotated[
        str | None, ContextField(label="Package manager", description="Package manager, such as `npm`, `pip` or `brew`.", has_numbers=True)
    ] = None
    agent: Annotated[
        str | None,
        ContextField(
            label="Agent",
            description="AI coding agent that ran the tool, such as `claude-code`.",
            properties=("agent", "ai_agent", "aiAgent"),
        ),
    ] = None
    install_source: Annotated[
        str | None,
        ContextField(
            label="Install source",
            description="Source of the installation, such as `brew`, `npm`, `pip`, `cargo` or `curl`.",
            properties=("install_source", "installSource", "install_method", "installMethod"),
        ),
    ] = None
    interactive: Annotated[
        str | None,
        ContextField(
            label="Interactive",
            description="Whether the tool ran in a terminal.",
            kind="flag",
            properties=("interactive", "is_interactive", "isInteractive", "is_tty", "isTTY", "process.interactive"),
        ),
    ] = None


CONTEXT_FIELDS: dict[str, ContextField] = {
    name: declared
    for name, hint in get_type_hints(Context, include_extras=True).items()
    for declared in getattr(hint, "__metadata__", ())
    if isinstance(declared, ContextField)
}


class RequestId(str):
    """An id of a request (`Idempotency-Key`) rather than of an event. It is unique per key."""

    __slots__ = ()


class Incoming(msgspec.Struct, gc=False):
    """One event as decoded by a dialect. Contains raw identifiers and never leaves `ingest`.

    `occurred_at` is the client's time, unchecked; None if there is none.
    `visitor` is an address and user agent, if the client sends no install id; it stands for an install until the day ends.
    `debounce` identifies the viewer of events that count once in 30 minutes.
    `document` is `properties` as compact JSON, if the dialect has it. Equal events may share both, so neither may be modified.
    `weight` is the number of events that a sampled one stands for, from 1 to MAX_WEIGHT.
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
    weight: float = 1
    debounce: str | None = None
    visitor: str | None = None


class InstallReport(msgspec.Struct, gc=False, kw_only=True):
    """A client's report of its installation, outside of an event. Contains a raw identifier."""

    install: str
    first_seen: int | None = None
    last_seen: int | None = None
    context: Context = Context()


class FieldError(msgspec.Struct, frozen=True):
    """One error in the input. `path` is dotted, as in `events[3].target.id`; `message` never contains a value."""

    path: str
    message: str


class Fault(NamedTuple):
    """A value of a document that cannot be stored, by its path of field names and array indexes."""

    path: tuple[str | int, ...]
    message: str


class Rejection(msgspec.Struct, frozen=True):
    """One rejected event of a batch, by its index."""

    index: int
    errors: tuple[FieldError, ...]


class Request(msgspec.Struct, kw_only=True):
    """The input of a dialect.

    `document` is the decoded JSON body, or None if the route has none; `faults` are the values in it that cannot be stored. Header names are lower
    case. `address` is the client's address, which is hashed and never stored.
    """

    route: str
    headers: dict[bytes, bytes]
    address: str
    received_at: int
    document: Any = None
    faults: tuple[Fault, ...] = ()
    params: tuple[str, ...] = ()

    def header(self, name: bytes) -> str:
        """Return a header's text, or an empty string."""
        value = self.headers.get(name)
        return "" if value is None else value.decode("latin-1").strip()

    def visitor(self) -> str:
        """Identify a client without an install id by its address and user agent. The result is hashed and never stored."""
        return f"{self.address}\n{self.header(b'user-agent')}"


class Decoded(msgspec.Struct, kw_only=True):
    """The decoded content of a request.

    `positions[i]` is the index of `events[i]` in the client's batch; empty means `0, 1, 2, …`.
    `echo` holds data for the dialect's response. `ignored` names fields that were not understood.
    """

    events: list[Incoming] = []
    installs: list[InstallReport] = []
    rejected: list[Rejection] = []
    positions: list[int] = []
    batch: bool = False
    echo: Any = None
    ignored: list[str] = []


class Outcomes(msgspec.Struct, kw_only=True):
    """The results of a request's events. `receipts` and `ids` (see `event_id`) correspond to `Decoded.events`, `created` to `installs`."""

    receipts: Sequence[Receipt]
    ids: Sequence[int]
    created: Sequence[bool] = ()


class Answer(msgspec.Struct, frozen=True):
    """A response to a client."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"


class Event(msgspec.Struct, gc=False):
    """One event as stored: without raw identifiers and unscrubbed text.

    `id` is a number from `EventIds`. `install`, `session`, `mark` and `viewer` are the leading 64 bits of a keyed hash, signed.
    `former` is the mark that an earlier version gave the event, as long as the store may hold it.
    `note` is an additional reason in the ledger. `skewed`: the client's clock is wrong, so the time of arrival counts, and the event does not affect
    its install's activity, version or system. `weight` is the number of events that a sampled one stands for.
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
    weight: int = 1


class Install(msgspec.Struct, gc=False, kw_only=True):
    """An `InstallReport` after the privacy step."""

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


# The entry and the reason in the ledger of each result but FAILED, whose commit counted nothing.
LEDGER_ENTRIES = {
    Receipt.STORED: (LedgerEntry.STORED, ""),
    Receipt.DUPLICATE: (LedgerEntry.DUPLICATE, "same_id"),
    Receipt.DEBOUNCED: (LedgerEntry.DUPLICATE, "debounced"),
    Receipt.UNKNOWN_TARGET: (LedgerEntry.REJECTED, Refusal.UNKNOWN_TARGET.value),
    Receipt.TOO_MANY_TARGETS: (LedgerEntry.REJECTED, Refusal.TOO_MANY_TARGETS.value),
}
# The reasons of the events that a commit refuses.
REFUSED_BY_COMMIT = {receipt: reason for receipt, (entry, reason) in LEDGER_ENTRIES.items() if entry is LedgerEntry.REJECTED}
