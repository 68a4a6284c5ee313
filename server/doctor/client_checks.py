"""Clients that post to paths that the server does not serve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from server.clock import epoch_ms
from server.doctor.finding import Finding
from server.event import DAY
from server.ingest.unserved import CLIENTS, OTHER, REASON

DAYS = 7
# Unserved posts by reason. The parameters, in the driver's own notation, are a prefix and a day.
SQL = "SELECT reason, sum(events) FROM ledger WHERE reason LIKE {} AND day > {} GROUP BY reason ORDER BY 2 DESC"


def parameters() -> tuple[str, int]:
    """The parameters of `SQL`."""
    return f"{REASON}%", epoch_ms() // DAY - DAYS


def unserved(rows: Iterable[tuple[str, int]]) -> Iterator[Finding]:
    """Warn about each kind of client found in the rows of `SQL`."""
    for reason, events in rows:
        client = CLIENTS.get(reason.removeprefix(REASON), CLIENTS[OTHER])
        what = (
            f"{events:,} events of the last {DAYS} days from {client} were posted to paths that the server does not serve; none was stored"
        )
        yield Finding("warning", what, "configure it to post to a route listed on /docs, such as /v1/events")
