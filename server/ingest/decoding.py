"""Dialect selection and decoding."""

from __future__ import annotations

from server.dialects import Dialect
from server.dialects.document import problem_of
from server.dialects.parsing.descriptions import leave_out
from server.event import Decoded, Request
from server.ingest.routing import Route
from server.problems import Invalid, Malformed

_MAX_FAULTS = 20  # faults named in a response


def find_dialect(route: Route, request: Request) -> Dialect:
    """Return the dialect of a request's document. Raises Malformed if no dialect of the route claims it."""
    if len(route.dialects) == 1:
        return route.dialects[0]
    for dialect in route.dialects:
        if dialect.claims(request):
            return dialect
    raise Malformed("The body matches none of the formats that this route accepts.")


def decode(dialect: Dialect, request: Request) -> Decoded:
    """Return the events of a document.

    A value that cannot be stored rejects its event (one event of a batch, or the whole body of a single event), except in a field that only
    describes it.
    """
    if not request.faults:
        return dialect.decode(request)
    ignored = leave_out(request)
    if not request.faults:
        return _with_ignored(dialect.decode(request), ignored)
    try:
        decoded = dialect.decode(request)
    except Invalid:
        decoded = None
    if decoded is None or not decoded.batch:
        raise problem_of(request.faults[:_MAX_FAULTS])
    return _with_ignored(decoded, ignored)


def _with_ignored(decoded: Decoded, ignored: list[str]) -> Decoded:
    decoded.ignored = [*ignored, *(name for name in decoded.ignored if name not in ignored)]
    return decoded
