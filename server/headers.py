"""Names of headers, CORS headers, and the joining of repeated header lines.

Names are lower case. No response allows credentials from another origin, so cookies never authenticate a cross-origin request.
"""

from __future__ import annotations

from collections.abc import Sequence

Line = tuple[bytes, bytes]

AUTHORIZATION = b"authorization"
FOOTFALL_KEY = b"x-footfall-key"
IDEMPOTENCY_KEY = b"idempotency-key"
IF_NONE_MATCH = b"if-none-match"
FORWARDED_BY = b"footfall-forwarded-by"  # marks of the projects that forwarded a request, separated by commas
RETRY_AFTER = b"retry-after"
# Draft 6 of the IETF's httpapi working group: three plain numbers, which most clients support.
RATE_LIMIT = (b"ratelimit-limit", b"ratelimit-remaining", b"ratelimit-reset")

_KEYS = (b"content-type", AUTHORIZATION, FOOTFALL_KEY)
_DAY = b"86400"


def _join_names(names: Sequence[bytes]) -> bytes:
    """Join names in their usual spelling: `X-Footfall-Key, RateLimit-Limit`."""
    return b", ".join(name.title().replace(b"Ratelimit", b"RateLimit") for name in names)


def _any_origin(*exposed: bytes) -> tuple[Line, ...]:
    return ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _join_names(exposed).replace(b"Etag", b"ETag")))


def _preflight(methods: bytes, *allowed: bytes) -> tuple[Line, ...]:
    return (
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", methods),
        (b"access-control-allow-headers", _join_names(allowed)),
        (b"access-control-max-age", _DAY),
    )


# For ingest routes, and for read routes that need no session.
INGEST_CORS = _any_origin(RETRY_AFTER, *RATE_LIMIT)


def ingest_preflight(more: tuple[bytes, ...]) -> tuple[Line, ...]:
    """Return the CORS headers for a preflight of an ingest route, whose clients may send more headers than those of Footfall."""
    return _preflight(b"POST, OPTIONS", *_KEYS, IDEMPOTENCY_KEY, *more)


READING_CORS = _any_origin(b"etag", RETRY_AFTER)
READING_PREFLIGHT = _preflight(b"GET, OPTIONS", *_KEYS, IF_NONE_MATCH)


def combine_lines(lines: Sequence[Line]) -> Sequence[Line]:
    """Join lines of the same name in order, without empty and repeated values.

    A header with a single value, such as `Authorization`, becomes invalid if its lines differ, so that no line takes precedence. Requests with
    several `Host` or `Content-Length` lines are refused earlier.
    """
    if len(dict(lines)) == len(lines):
        return lines
    found: dict[bytes, dict[bytes, None]] = {}
    for name, value in lines:
        found.setdefault(name, {})[value.strip()] = None
    return [(name, (b"; " if name == b"cookie" else b", ").join(filter(None, values))) for name, values in found.items()]
