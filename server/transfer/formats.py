"""Encoders for CSV, JSON lines and Parquet: rows to bytes, with at most one chunk in memory.

Spreadsheets run cells that begin with = + - @ as formulas, even if a client wrote them (CSV injection). Such text gets a leading
apostrophe, and so does text that begins with an apostrophe, so that `as_written` can undo `harmless` exactly; imports do this.
Spreadsheets in locales with a semicolon as separator ignore our quotes, so text after a semicolon, a tab or a line break is escaped too.
"""

from __future__ import annotations

import csv
import importlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

ROW_GROUP = 20_000  # rows of Parquet that are buffered and written together
# The characters that spreadsheets treat as the start of a formula: four signs, their full-width forms, and blanks that some skip first.
_FORMULA = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001
_ESCAPED = (*_FORMULA, "'")
_NEXT_CELL = re.compile(r"([;\t\r\n])(?='*[=+@＝＋－＠-])")  # noqa: RUF001
_HARMLESS_CELL = re.compile(r"([;\t\r\n])'(?='*[=+@＝＋－＠-])")  # noqa: RUF001


class FormatError(ValueError):
    """A format cannot be written or read on this server. The message is for the operator."""


class Encoder(Protocol):
    """Encodes rows as bytes. Call `start` first and `end` last."""

    def start(self) -> bytes: ...

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes: ...

    def end(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    media_type: str
    encoder: Any


class Csv:
    """RFC 4180 with a header, in UTF-8. Missing values are empty; properties are JSON."""

    def __init__(self, columns: Sequence[str], kinds: Sequence[type]) -> None:
        self._columns = columns
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)

    def start(self) -> bytes:
        return self.rows([self._columns])

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        self._writer.writerows([_cell(value) for value in row] for row in rows)
        written = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return written.encode()

    def end(self) -> bytes:
        return b""


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, msgspec.Raw):
        return harmless(bytes(value).decode())
    return "" if value is None else str(value).lower()


def harmless(text: str) -> str:
    """Escape text so that no spreadsheet runs it as a formula."""
    return _NEXT_CELL.sub(r"\1'", f"'{text}" if text.startswith(_ESCAPED) else text)


def as_written(cell: str) -> str:
    """Undo `harmless`."""
    text = _HARMLESS_CELL.sub(r"\1", cell)
    return text[1:] if text[:1] == "'" and text[1:].startswith(_ESCAPED) else text


class JsonLines:
    """One JSON object per line, in UTF-8. Missing values are null; properties are an object."""

    def __init__(self, columns: Sequence[str], kinds: Sequence[type]) -> None:
        self._columns = columns
        self._encoder = msgspec.json.Encoder()

    def start(self) -> bytes:
        return b""

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        return self._encoder.encode_lines(dict(zip(self._columns, row, strict=True)) for row in rows)

    def end(self) -> bytes:
        return b""


class Parquet:
    """Apache Parquet, compressed with Zstandard. Properties are JSON text."""

    def __init__(self, columns: Sequence[str], kinds: Sequence[type]) -> None:
        arrow, parquet = arrow_modules()
        types = {int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
        self._arrow = arrow
        self._schema = arrow.schema([(column, types.get(kind, arrow.string())) for column, kind in zip(columns, kinds, strict=True)])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[Sequence[Any]] = []

    def start(self) -> bytes:
        return self._sink.take()

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        self._waiting.extend(tuple(bytes(value).decode() if isinstance(value, msgspec.Raw) else value for value in row) for row in rows)
        if len(self._waiting) >= ROW_GROUP:
            self._write()
        return self._sink.take()

    def end(self) -> bytes:
        self._write()
        self._writer.close()
        return self._sink.take()

    def _write(self) -> None:
        if self._waiting:
            columns = zip(*self._waiting, strict=True)
            arrays = [self._arrow.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
            self._waiting = []


class _Sink(io.RawIOBase):
    """An append-only file object, which is enough for a Parquet writer."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._length += len(part)
        return len(part)

    def tell(self) -> int:
        return self._length

    def take(self) -> bytes:
        """Return and clear the bytes written so far."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def arrow_modules() -> tuple[Any, Any]:
    """Import pyarrow and pyarrow.parquet. Raises FormatError if missing: pyarrow is optional because it is as large as everything else."""
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise FormatError("Parquet needs pyarrow, which is not installed: pip install 'footfall[parquet]'") from None


FORMATS = {
    each.name: each
    for each in (
        Format("csv", "text/csv", Csv),
        Format("jsonl", "application/x-ndjson", JsonLines),
        Format("parquet", "application/vnd.apache.parquet", Parquet),
    )
}
