"""Exports: what there is of a thing, in a format, as chunks of bytes. Memory stays flat, and nothing is held between two chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from server.storage.engine import Store
from server.storage.history.streaming import Span
from server.transfer.columns import EXPORTED
from server.transfer.formats import FORMATS, Encoder


def encoder_for(what: str, form: str) -> Encoder:
    """The encoder of one of `EXPORTED` in one of `FORMATS`. FormatError where the format cannot be written here."""
    exported = EXPORTED[what]
    encoder: Encoder = FORMATS[form].encoder(exported.columns, exported.kinds)
    return encoder


async def export(
    store: Store, what: str, project: int, span: Span, encoder: Encoder, *, progress: Callable[[int, int], None] = lambda rows, last: None
) -> AsyncIterator[bytes]:
    """One of `EXPORTED` of a project as bytes. `progress` gets how many rows are written, and of events the id of the last."""
    exported = EXPORTED[what]
    yield encoder.start()
    written = 0
    async for rows in exported.chunks(store, project, span):
        yield encoder.rows(map(exported.row, rows))
        written += len(rows)
        progress(written, rows[-1].get("id", 0))
    yield encoder.end()


def table(rows: Sequence[dict[str, Any]], form: str) -> bytes:
    """Like rows in one of `FORMATS`. What is no number, text or truth is written as JSON. FormatError where it cannot be written here."""
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
    """A column with its type: text where its values are of several, but for whole numbers among others."""
    kinds = {type(value) for value in column if value is not None}
    if len(kinds) == 1:
        return kinds.pop(), column
    if kinds == {int, float}:
        return float, column
    return str, [None if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in column]
