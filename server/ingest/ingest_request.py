"""The state of one request during ingest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from server.dialects import Dialect
from server.event import Decoded, Fault, Request
from server.ingest.gate import Caller
from server.ingest.routing import Match
from server.shared import LimitState


class IngestRequest(msgspec.Struct, gc=False):
    """The state of one request during ingest. A refusal uses whichever fields are set."""

    match: Match
    headers: dict[bytes, bytes]
    received_at: int
    caller: Caller | None = None
    limit_state: LimitState | None = None
    body: bytes = b""
    received_body: bytes = b""  # as the client sent it, perhaps compressed
    stored: int = 0  # events
    sites: str = ""  # of a route whose clients send no key, separated by commas
    document: Any = None
    faults: tuple[Fault, ...] = ()
    dialect: Dialect | None = None
    decoded: Decoded | None = None
    large: frozenset[int] = frozenset()  # indexes of the events of a batch that exceed the size limit
    ids: Sequence[int] = ()


def request_of(current: IngestRequest, caller: Caller | None = None) -> Request:
    """Return the input of a dialect, without its document."""
    route, params = current.match
    address = "" if caller is None else caller.address
    return Request(route=route.path.template, headers=current.headers, address=address, received_at=current.received_at, params=params)
