"""The choice of a dialect for a document, and its decoding."""

from __future__ import annotations

from server.dialects import Dialect
from server.dialects.document import problem_of
from server.event import Decoded, Request
from server.ingest.routing import Route
from server.problems import Invalid, Malformed

_MAX_FAULTS = 20  # that the answer names


def find_dialect(route: Route, request: Request) -> Dialect:
    """The dialect of a request's document. Raises Malformed where no dialect of the route claims it."""
    if len(route.dialects) == 1:
        return route.dialects[0]
    for dialect in route.dialects:
        if dialect.claims(request):
            return dialect
    raise Malformed("The body is in none of the formats that this route takes.")


def decode(dialect: Dialect, request: Request) -> Decoded:
    """The events of a document. Values that cannot be kept refuse the event that holds them: one of a batch, or all of the body."""
    if not request.faults:
        return dialect.decode(request)
    try:
        decoded = dialect.decode(request)
    except Invalid:
        decoded = None
    if decoded is None or not decoded.batch:
        raise problem_of(request.faults[:_MAX_FAULTS])
    return decoded
