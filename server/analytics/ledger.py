"""The ledger by day, the newest refusals, and the limited callers."""

from __future__ import annotations

import msgspec

from server.event import DAY, FieldError, LedgerEntry
from server.event_id import from_uuid, received_at, to_uuid
from server.problems import BadQuery
from server.questions.periods import Period
from server.storage.engine import Store


class LedgerDay(msgspec.Struct, frozen=True):
    """One day (its beginning in epoch ms, by arrival): received = stored + duplicates + rejected + limited + opted_out.

    `reasons` counts events by reason, such as `rejected:invalid` or `duplicate:same_id`.
    """

    start: int
    received: int
    stored: int
    duplicates: int
    rejected: int
    limited: int
    opted_out: int
    reasons: dict[str, int]


class RejectedEvent(msgspec.Struct, frozen=True):
    """One event or request that was refused. `at` is in epoch ms, `excerpt` is the part that may be shown, `size` is in bytes; `errors` name fields.

    `replayable`: a replay can store it, see `server.storage.history.replay`.
    """

    id: str
    at: int
    route: str
    dialect: str
    reason: str
    errors: list[FieldError]
    excerpt: str
    size: int
    replayable: bool


class LimitedAddress(msgspec.Struct, frozen=True):
    """An address that was limited, as its keyed hash for one day (whose start is in epoch ms). The hash 0 combines many addresses."""

    start: int
    address: int
    events: int


_errors = msgspec.json.Decoder(list[FieldError])
_COLUMNS = {
    LedgerEntry.STORED: "stored",
    LedgerEntry.DUPLICATE: "duplicates",
    LedgerEntry.REJECTED: "rejected",
    LedgerEntry.LIMITED: "limited",
    LedgerEntry.OPTED_OUT: "opted_out",
}


async def ledger(store: Store, project: int, period: Period) -> list[LedgerDay]:
    """All days of a period, including empty ones. Project 0 holds requests that name no known project."""
    rows = await store.rows(
        "SELECT day, entry, reason, events FROM ledger WHERE project_id = {} AND day BETWEEN {} AND {}",
        project,
        period.first_day,
        period.last_day,
    )
    counts: dict[int, dict[str, int]] = {day: dict.fromkeys(_COLUMNS.values(), 0) for day in range(period.first_day, period.last_day + 1)}
    reasons: dict[int, dict[str, int]] = {day: {} for day in counts}
    for row in rows:
        counts[row["day"]][_COLUMNS[LedgerEntry(row["entry"])]] += int(row["events"])
        if row["reason"]:
            reasons[row["day"]][f"{row['entry']}:{row['reason']}"] = int(row["events"])
    return [LedgerDay(start=day * DAY, received=sum(each.values()), reasons=reasons[day], **each) for day, each in counts.items()]


async def rejected(store: Store, project: int, *, limit: int = 50, before: str | None = None) -> list[RejectedEvent]:
    """Refused events and requests, newest first, older than the one with the id `before`. The store keeps the last thousand, for a week.

    Raises BadQuery if `before` is not an id.
    """
    try:
        end = from_uuid(before) if before else (1 << 63) - 1
    except ValueError:
        raise BadQuery(FieldError("before", "is not the id of a rejected event")) from None
    rows = await store.rows("SELECT * FROM rejected WHERE project_id = {} AND id < {} ORDER BY id DESC LIMIT {}", project, end, limit)
    return [
        RejectedEvent(
            id=to_uuid(row["id"]),
            at=received_at(row["id"]),
            route=row["route"],
            dialect=row["dialect"],
            reason=row["reason"],
            errors=_errors.decode(row["errors"]),
            excerpt=row["excerpt"],
            size=row["size"],
            replayable=row["event"] is not None,
        )
        for row in rows
    ]


async def limited_addresses(store: Store, project: int, period: Period, *, limit: int = 20) -> list[LimitedAddress]:
    """The limited addresses with the most events, most first. The hash of an address changes each day, so addresses cannot be tracked across days."""
    rows = await store.rows(
        "SELECT day, address, SUM(events) AS events FROM refusal WHERE project_id = {} AND day BETWEEN {} AND {} GROUP BY day, address"
        " ORDER BY 3 DESC, 1 DESC, 2 LIMIT {}",
        project,
        period.first_day,
        period.last_day,
        limit,
    )
    return [LimitedAddress(row["day"] * DAY, row["address"], int(row["events"])) for row in rows]
