"""Exports: a dataset in a format, streamed as chunks of bytes in constant memory. No transaction stays open between two chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from server.storage.engine import Store
from server.storage.history.streaming import Span
from server.transfer.columns import EXPORTED
from server.transfer.formats import FORMATS, Encoder


def encoder_for(what: str, form: str) -> Encoder:
    """Create the encoder of one of `EXPORTED` in one of `FORMATS`. Raises FormatError if the format is unavailable."""
    exported = EXPORTED[what]
    encoder: Encoder = FORMATS[form].encoder(exported.columns, exported.kinds)
    return encoder


async def export(
    store: Store, what: str, project: int, span: Span, encoder: Encoder, *, progress: Callable[[int, int], None] = lambda rows, last: None
) -> AsyncIterator[bytes]:
    """Stream one of `EXPORTED` of a project as bytes. `progress` receives the number of rows written and, for events, the last id."""
    exported = EXPORTED[what]
    yield encoder.start()
    written = 0
    async for rows in exported.chunks(store, project, span):
        yield encoder.rows(map(exported.row, rows))
        written += len(rows)
        progress(written, rows[-1].get("id", 0))
    yield encoder.end()


def table(rows: Sequence[dict[str, Any]], form: str) -> bytes:
    """Encode uniform rows in one of `FORMATS`. Values other than numbers, text and booleans become JSON. Raises FormatError."""
    names = list(rows[0]) if rows else []
    columns = [_alike([_plain(row[name]) for row in rows]) for name in names]
    encoder: Encoder = FORMATS[form].encoder(names, [kind for kind, _ in columns])
    header = encoder.start() if names or form == "parquet" else b""
    return header + encoder.rows(zip(*(values for _, values in columns), strict=True)) + encoder.end()


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    return msgspec.Raw(msgspec.json.encode(value))


def _alike(column: list[object]) -> tuple[type, list[object]]:
    """A column and its type: text for mixed types, except integers among floats."""
    kinds = {type(value) for value in column if value is not None}
    if len(kinds) == 1:
        return kinds.pop(), column
    if kinds == {int, float}:
        return float, column
    return str, [None if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in column]
