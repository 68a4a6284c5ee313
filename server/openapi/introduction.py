"""The introduction of the OpenAPI document, and its tags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from limits import RateLimitItem

from server.dialects import DIALECTS
from server.openapi.family_docs import FAMILIES, family
from server.openapi.read_operations import INSTALLS, READING
from server.settings import Settings

_LATER = {found.title: found.about for dialect in DIALECTS if dialect.NAME not in FAMILIES for found in (family(dialect),)}
_TAGS = (
    {found.title: found.about for found in FAMILIES.values()}
    | _LATER
    | {
        READING: "Counts and statistics. The server and the project decide which are public. The others require a key with the scope `read`.",
        INSTALLS: "The data stored about one install, for clients that send its id: read it or erase it.",
        "Operation": "For operators of the server.",
        "Pages": "Pages for people.",
    }
)

_ABOUT = """\
Footfall receives events from command-line tools and counts them. It keeps no IP address and no raw identifier.

## Sending

Bodies are JSON in UTF-8. `Content-Type` is ignored, and `Content-Length` is optional. Double slashes in the path and a slash at
its end are accepted without a redirect, so that clients that follow no redirects lose no events.

- A single event has at most {max_body}, a batch at most {max_batch_body} and 1,000 events. Headers (at most 32 KiB) and body have {body_timeout} seconds each.
- An event with a value that cannot be stored is rejected, by its index in a batch: duplicate names in an object, NUL characters, integers
  beyond 64 bits, numbers beyond a double, names of more than 256 characters, more than 16 levels. Each event of a batch may also have at most {max_body}.
- Unknown values, times and fields never cause a rejection. The response lists them in `ignored`. Texts
  that are too long are truncated and end in `…`. Empty texts count as missing.
- A body may be compressed (`Content-Encoding: gzip`, `deflate` or `zstd`), within the same limits after decompression. It may begin with a byte
  order mark. Unpaired surrogates become U+FFFD.
- A success means that the event is on disk. If the server cannot store it, it returns 503 with `Retry-After` at once.
- Scripts of any origin may post (CORS), without credentials.

## Projects and keys

Each tool has a project of its own. The project of an event is determined by the first of these:

- a key, in `Authorization: Bearer …` or `X-Footfall-Key: …`. An empty key is ignored;
- the path: any route may be prefixed with `/p/{{project}}`;
- the `Host` header, if a project claims that host;
- otherwise, the project `default`.

Keys are optional unless a project requires them.

## Limits

One address may send {rate_limit} and {event_limit}, unless its project or its key has other limits. A batch counts as one request and as
many events as it contains. The headers `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` report the current state. Beyond a limit, the
server returns 429 with `Retry-After`.

## Retries

An event that is sent again with the same `id` (or `messageId`, `uuid`, or the header `Idempotency-Key`) within 30 days counts once, and
gets the same response. Clients can retry safely.

## Times

Times are ISO 8601 or epoch milliseconds. If the client's clock is more than 5 minutes ahead or 30 days behind, the event counts at
the time of its arrival and is marked. It does not make its install active or change its version.

## Opting out

Requests with `DNT: 1` or `Sec-GPC: 1` succeed, whatever the body contains, and nothing is stored. Clients should honor `DO_NOT_TRACK=1` in the environment and
send nothing."""


def about(settings: Settings) -> str:
    """Return the document's introduction in CommonMark, with the limits of this server."""
    return _ABOUT.format(
        max_body=_bytes(settings.max_body),
        max_batch_body=_bytes(settings.max_batch_body),
        body_timeout=settings.body_timeout,
        rate_limit=_limit(settings.rate_limit, "request"),
        event_limit=_limit(settings.event_limit, "event"),
    )


def tags(items: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the tags of the operations, in the order of the reference."""
    used = dict.fromkeys(tag for item in items for operation in item.values() for tag in operation.get("tags", ()))
    ordered = [tag for tag in _TAGS if tag in used] + [tag for tag in used if tag not in _TAGS]
    return [{"name": tag, "description": _TAGS[tag]} if tag in _TAGS else {"name": tag} for tag in ordered]


def _bytes(size: int) -> str:
    for unit, name in ((1024**2, "MiB"), (1024, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size:,} bytes"


def _limit(item: RateLimitItem | None, what: str) -> str:
    if item is None:
        return f"an unlimited number of {what}s"
    unit = item.GRANULARITY.name
    window = f"a {unit}" if item.multiples == 1 else f"{item.multiples} {unit}s"
    return f"{item.amount:,} {what if item.amount == 1 else what + 's'} in {window}"
