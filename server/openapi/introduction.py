"""What holds for every route: the document's own description, and the order and the words of its parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from limits import RateLimitItem

from server.openapi.family_docs import FAMILIES
from server.openapi.read_operations import INSTALLS, READING
from server.settings import Settings

_TAGS = {family.title: family.about for family in FAMILIES.values()} | {
    READING: "Counts, for whoever may know them. What is public is for the server and the project to say; the rest wants a key with the scope "
    "`read`.",
    INSTALLS: "What is held of one install, for whoever holds its id: to be shown, and to be erased.",
    "Operation": "For those who run the server.",
    "Pages": "For people.",
}

_ABOUT = """\
Footfall takes events from command-line tools and counts them. It keeps no IP address and no raw identifier.

## Sending

Bodies are JSON in UTF-8. The body is what counts: `Content-Type` may be missing, wrong or carry a charset, `Content-Length` may be missing,
and a doubled slash in the path or one at its end is served, never redirected. A client that follows no redirects loses nothing.

- A single event has at most {max_body}, a batch at most {max_batch_body} and 1,000 events. Headers (at most 32 KiB) and body have {body_timeout} seconds each.
- An event with a value that cannot be kept is refused, by its index in a batch: the same name twice in one object, NUL characters, integers
  beyond 64 bits, numbers beyond a double, names of more than 256 characters, more than 16 levels. In a batch, too, an event has at most {max_body}.
- Words, times and fields that this version does not know never cost the event. The answer's `ignored` names them, where there are any. Texts
  that are too long are cut, and end in `…`; empty ones are as good as none.
- A body may be compressed (`Content-Encoding: gzip`, `deflate` or `zstd`), within the same limits while it is inflated. It may begin with a byte
  order mark, and half of a surrogate pair becomes U+FFFD.
- An answer that says yes means that the event is on the disk. When the server cannot promise that, it says 503 at once, with `Retry-After`.
- Scripts of any origin may post (CORS), never with credentials.

## Projects and keys

Each tool's events are kept apart, as a project. Which one an event belongs to is told by, in this order:

- a key, in `Authorization: Bearer …` or `X-Footfall-Key: …`. An empty one is none;
- the path: any route may have `/p/{{project}}` before it;
- the `Host` header, where a project claims that host;
- else it is the project `default`.

Keys are optional, unless a project wants one.

## Limits

One address may send {rate_limit} and {event_limit}, unless its project or its key has limits of its own; a batch is one request and as many
events as it holds. Answers say where the address stands in `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`; past a limit the
answer is 429, with `Retry-After`.

## Sending twice

An event that is sent again with the same `id` (or `messageId`, `uuid`, or the header `Idempotency-Key`) within 30 days has the same answer, and
is counted once. So a client may try again without fear.

## Times

Times are ISO 8601 or epoch milliseconds. A clock that is more than 5 minutes ahead or 30 days behind is not believed: the event counts at
the time of its arrival, with a mark, and says nothing of its install: not that it is active, nor which version it runs.

## Opting out

`DNT: 1` or `Sec-GPC: 1`: the answer is that of a success, whatever the body holds, and nothing is stored. Clients should honour `DO_NOT_TRACK=1` in the environment, and
not send at all."""


def about(settings: Settings) -> str:
    """The document's description, with this server's own limits, in CommonMark."""
    return _ABOUT.format(
        max_body=_bytes(settings.max_body),
        max_batch_body=_bytes(settings.max_batch_body),
        body_timeout=settings.body_timeout,
        rate_limit=_limit(settings.rate_limit, "request"),
        event_limit=_limit(settings.event_limit, "event"),
    )


def tags(items: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """The tags that operations have, in the order of the reference."""
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
        return f"as many {what}s as it likes"
    unit = item.GRANULARITY.name
    window = f"a {unit}" if item.multiples == 1 else f"{item.multiples} {unit}s"
    return f"{item.amount:,} {what if item.amount == 1 else what + 's'} in {window}"
