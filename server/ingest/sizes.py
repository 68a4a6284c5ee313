"""The size of each event of a batch: in a batch, too, an event has the limit of a single one."""

from __future__ import annotations

from typing import Any

import msgspec

from server.event import Decoded, FieldError, Rejection


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw]


_array, _batch = msgspec.json.Decoder(list[msgspec.Raw]), msgspec.json.Decoder(_Batch)
_encode = msgspec.json.Encoder().encode
_CANNOT_READ = (ValueError, RecursionError)  # msgspec's errors are ValueErrors


def refuse_large(decoded: Decoded, body: bytes, document: Any, limit: int) -> frozenset[int]:
    """Move the events of a batch that are larger than `limit` bytes to the rejected ones; their indexes.

    Only a body that is itself larger can hold one. `document` is the body as it was read, None where it never became a document.
    """
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


def _sizes(body: bytes, document: Any) -> list[int]:
    """The bytes of each event, as they are written."""
    try:
        items = _array.decode(body) if body.lstrip()[:1] == b"[" else _batch.decode(body).events
        return [len(item) for item in items]
    except _CANNOT_READ:  # a byte order mark, half a character: the document has them no more
        return [len(_encode(item)) for item in events_of(document)]


def events_of(document: Any) -> list[Any]:
    """The events of a batch document, in any of its shapes."""
    events = document.get("events") if isinstance(document, dict) else document
    return events if isinstance(events, list) else []
