"""Size limits for events in a batch: the same as for a single event."""

from __future__ import annotations

from typing import Any

import msgspec

from server.dialects.parsing import MAX_EVENTS
from server.event import Decoded, FieldError, Rejection


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw] = []
    batch: list[msgspec.Raw] = []


_array, _batch = msgspec.json.Decoder(list[msgspec.Raw]), msgspec.json.Decoder(_Batch)
_encode = msgspec.json.Encoder().encode
_BORDERS = (b'},{"', b'}, {"')  # as JavaScript and as Python write them
_CANNOT_READ = (ValueError, RecursionError)  # msgspec's errors are ValueErrors


def refuse_large(decoded: Decoded, body: bytes, document: Any, limit: int) -> frozenset[int]:
    """Move the events of a batch that exceed `limit` bytes to `decoded.rejected`, and return their indexes.

    `document` is the parsed body, or None if the one-pass parser read it. `body` is empty if a dialect parsed it itself, such as one in Protobuf.
    """
    if body and any(_are_small(body, border, limit) for border in _BORDERS):
        return frozenset()
    large = frozenset(index for index, size in enumerate(_sizes(body, document)) if size > limit)
    if not large:
        return large
    refused = large - {rejection.index for rejection in decoded.rejected}
    places = [
        (index, event)
        for index, event in zip(decoded.positions or range(len(decoded.events)), decoded.events, strict=True)
        if index not in refused
    ]
    decoded.events = [event for _, event in places]
    decoded.positions = [index for index, _ in places]
    errors = (FieldError("", f"must be at most {limit} bytes"),)
    decoded.rejected = sorted([*decoded.rejected, *(Rejection(index, errors) for index in refused)], key=lambda rejection: rejection.index)
    return refused


def _are_small(body: bytes, border: bytes, limit: int) -> bool:
    """Return True if a batch has no event of more than `limit` bytes. Cheap, without parsing; False proves nothing.

    In a body with one `[`, objects border on each other only between events. No string looks like a border: a letter would follow its closing
    quote. If two borders, or a border and an end of the body, are at most `limit` bytes apart, so are the events between them.
    """
    if body.find(b"[", body.find(b"[") + 1) >= 0:
        return False
    start = 0
    while len(body) - start > limit:
        start = body.rfind(border, start + 1, start + limit)
        if start < 0 or not body[start + len(border) : start + len(border) + 1].isalpha():
            return False
    return True


def _sizes(body: bytes, document: Any) -> list[int]:
    """Return the size of each event in the body, in bytes."""
    try:
        items = _array.decode(body) if body.lstrip()[:1] == b"[" else _all(_batch.decode(body))
        return [len(item) for item in items]
    except _CANNOT_READ:  # a byte order mark or a lone surrogate, which parsing has removed
        return [len(_encode(item)) for item in events_of(document)]


def _all(found: _Batch) -> list[msgspec.Raw]:
    return found.events or found.batch


def count_messages(body: bytes) -> int:
    """Return the number of messages in a dropped body: those of a batch, up to its maximum, or 1."""
    try:
        items = _array.decode(body) if body.lstrip()[:1] == b"[" else _all(_batch.decode(body))
    except _CANNOT_READ:
        return 1
    return min(MAX_EVENTS, max(1, len(items)))


def events_of(document: Any) -> list[Any]:
    """Return the events of a batch: of an array, or of an object with `events` or `batch`."""
    events = document.get("events", document.get("batch")) if isinstance(document, dict) else document
    return events if isinstance(events, list) else []
