"""Readers of import files. A row is a document with its position, or the reason why it cannot be read; a few rows are in memory at a time.

Supported are JSON lines, a JSON array, a JSON object as pairs, CSV with a header, lines of `key value`, and Parquet; text formats may be
compressed with gzip. The first bytes of a file determine its format.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from server.dialects.document import load
from server.problems import Problem
from server.transfer.formats import arrow_modules, as_written

LONGEST = 4 << 20  # bytes of one row, four times the limit of a batch
_BLOCK = 1 << 16
_PARQUET, _GZIP, _UTF16 = b"PAR1", b"\x1f\x8b", (b"\xff\xfe", b"\xfe\xff")
_NOT_UTF8 = "is not UTF-8: convert the file first, as with `iconv -f latin1 -t utf-8`"
_NUL = "must not contain NUL characters"
_TOO_LONG = "the line is too long"
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]").search
_BLANK = " \t\r\n"


class SourceError(ValueError):
    """The file cannot be imported. The message is for the operator."""


class Row(NamedTuple):
    """A document and its position, counted from 1: a line or an element. `wrong` is the reason if there is no document, else empty."""

    place: int
    document: Any
    wrong: str = ""


class Source:
    """An import file, readable once. `shape` is `jsonl`, `array`, `object`, `csv`, `words` or `parquet`; `done` of `size` bytes are read."""

    def __init__(self, path: Path) -> None:
        try:
            self._raw = path.open("rb")
            self.size = path.stat().st_size
            head = self._raw.read(4)
            self._raw.seek(0)
            if head.startswith(_UTF16):
                self._raw.close()
                raise SourceError(f"{path} is UTF-16: save it as UTF-8")
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from None
        self._path = path
        self._file: BinaryIO = self._raw
        self._text: io.TextIOWrapper | None = None
        if head.startswith(_GZIP):
            self._file = io.BufferedReader(gzip.GzipFile(fileobj=self._raw))
        self._at: Callable[[], int] = self._raw.tell
        try:
            self.shape = "parquet" if head == _PARQUET else self._text_shape()
        except SourceError:
            self._raw.close()
            raise

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._text, self._file, self._raw):
            if file is not None:
                file.close()

    @property
    def done(self) -> int:
        return min(self._at(), self.size)

    def rows(self) -> Iterator[Row]:
        """Iterate over all rows. Each pair of an object is a row `{"name", "value"}`, and so is each line of words."""
        read = {
            "jsonl": self._lines, "array": self._elements, "object": self._pairs, "csv": self._csv, "words": self._words, "parquet": self._parquet,
        }  # fmt: skip
        try:
            yield from read[self.shape]()
        except (OSError, EOFError) as error:  # also raised by gzip for a truncated file
            raise SourceError(f"{self._path} cannot be read to its end: it may be damaged") from error

    def _text_shape(self) -> str:
        assert isinstance(self._file, io.BufferedReader)
        try:
            beginning = self._file.peek(_BLOCK)[:_BLOCK]
        except (OSError, EOFError):
            raise SourceError(f"{self._path} is damaged") from None
        text = beginning.decode("utf-8-sig", "replace").lstrip()
        if text.startswith("["):
            return "array"
        first = text.partition("\n")[0].strip()
        if text.startswith("{"):
            # A complete document on the first line and more after it: lines. A single document: its pairs, unless it is a row.
            return "jsonl" if _is_row(first) else "object"
        return "csv" if "," in first else "words"

    def _as_text(self) -> io.TextIOWrapper:
        self._text = io.TextIOWrapper(self._file, "utf-8-sig", errors="surrogateescape", newline="")
        return self._text

    def _binary_lines(self) -> Iterator[tuple[int, bytes | None]]:
        """Iterate over numbered lines, with None for a line that is too long."""
        number, skipping = 0, False
        while line := self._file.readline(LONGEST + 1):
            ends = line.endswith(b"\n") or len(line) <= LONGEST
            if not skipping:
                number += 1
                yield number, (line if ends else None)
            skipping = not ends

    def _lines(self) -> Iterator[Row]:
        for number, line in self._binary_lines():
            if line is None:
                yield Row(number, None, _TOO_LONG)
            elif stripped := line.removeprefix(b"\xef\xbb\xbf").strip():
                yield _loaded(number, stripped)

    def _words(self) -> Iterator[Row]:
        for number, line in self._binary_lines():
            text = (line or b"").decode("utf-8-sig", "surrogateescape")
            words = text.split()
            if _is_broken(text):
                yield Row(number, None, _NOT_UTF8)
            elif line is None or len(words) not in (0, 2):
                yield Row(number, None, "expected a key and a value")
            elif words:
                yield Row(number, {"name": words[0], "value": words[1]})

    def _csv(self) -> Iterator[Row]:
        csv.field_size_limit(LONGEST)
        lines_read = _CsvLines(self._as_text())
        reader = csv.reader(lines_read)
        try:
            header = [name.strip() for name in next(reader)]
        except csv.Error as error:
            raise SourceError(f"{self._path} has no valid header") from error
        place = 1
        while True:
            place += 1
            lines_read.start_row()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(place, None, _TOO_LONG if isinstance(error, _TooLong) else "is not a valid CSV row")
                continue
            if not cells:
                continue
            if len(cells) != len(header):
                yield Row(place, None, f"expected {len(header)} cells")
            elif any(map(_is_broken, cells)):
                yield Row(place, None, _NOT_UTF8)
            elif any("\0" in cell for cell in cells):
                yield Row(place, None, _NUL)
            else:
                yield Row(place, {name: as_written(cell) or None for name, cell in zip(header, cells, strict=True)})

    def _elements(self) -> Iterator[Row]:
        scanner = _Scanner(self._as_text())
        scanner.take("[")
        place = 0
        while not scanner.at("]"):
            place += 1
            text = scanner.text()
            if text is None:
                yield Row(place, None, "is not valid JSON; the rest of the file cannot be read either")
                return
            yield Row(place, None, _NOT_UTF8) if _is_broken(text) else _loaded(place, text.encode("utf-8", "surrogatepass"))
            scanner.skip(",")

    def _pairs(self) -> Iterator[Row]:
        scanner = _Scanner(self._as_text())
        scanner.take("{")
        place = 0
        while not scanner.at("}"):
            place += 1
            name = scanner.value()
            scanner.skip(":")
            value = scanner.value() if isinstance(name, str) else _UNREADABLE
            if value is _UNREADABLE:
                yield Row(place, None, "is not valid JSON; the rest of the file cannot be read either")
                return
            yield Row(place, None, _NOT_UTF8) if _is_broken(name) else _loaded(place, json.dumps({"name": name, "value": value}).encode())
            scanner.skip(",")

    def _parquet(self) -> Iterator[Row]:
        arrow, parquet = arrow_modules()
        try:
            file = parquet.ParquetFile(self._raw)
            rows, place = max(1, file.metadata.num_rows), 0
            self._at = lambda: self.size * place // rows
            for batch in file.iter_batches(batch_size=1_000):
                for document in batch.to_pylist():
                    place += 1
                    try:
                        yield Row(place, {name: _plain(value) for name, value in document.items()})
                    except UnicodeDecodeError:
                        yield Row(place, None, _NOT_UTF8)
                    except ValueError:
                        yield Row(place, None, _NUL)
        except arrow.ArrowException as error:
            raise SourceError(f"{self._path} is damaged, or not a Parquet file") from error


def _plain(value: Any) -> Any:
    """Convert a Parquet value (a time, a decimal, bytes) to JSON's types. Raises ValueError for a text that contains NUL."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str) and "\0" in value:
        raise ValueError("NUL")
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _is_broken(text: str) -> bool:
    """Check for bytes that are not UTF-8, which `surrogateescape` has decoded to surrogates."""
    return not text.isascii() and _ESCAPED_BYTE(text) is not None


def _is_row(line: str) -> bool:
    """Check whether a line is a complete JSON object and a row. A dump of pairs has keys like `dl:peon:total` instead."""
    try:
        document = json.loads(line)
    except ValueError:
        return len(line) >= _BLOCK // 2  # longer than the peeked block: a multi-line object begins with a short line
    return isinstance(document, dict) and not any(str(key).startswith("dl:") for key in document) and bool(document)


def _loaded(place: int, body: bytes) -> Row:
    try:
        return Row(place, load(body))
    except Problem as problem:
        named = "; ".join(f"{error.path}: {error.message}" for error in problem.errors)
        return Row(place, None, named or problem.detail)


class _TooLong(csv.Error):
    """A row of CSV is longer than `LONGEST`."""


class _CsvLines:
    """The lines of a CSV file. A row may span several lines (quoted cells), so the limit on length applies to the row."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._left = LONGEST

    def start_row(self) -> None:
        """Begin a new row. The rest of a line that was too long is skipped."""
        self._left = LONGEST

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST + 1)
        if not line:
            raise StopIteration
        self._left -= len(line)
        if self._left < 0:
            while line and not line.endswith(("\n", "\r")):
                line = self._text.readline(_BLOCK)
            raise _TooLong
        return line


_UNREADABLE = object()


class _Scanner:
    """Reads consecutive JSON values from a text of any length."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._buffer = ""
        self._ended = False
        # Integers of any length are accepted here: `document.load` enforces the limit.
        self._decode = json.JSONDecoder(parse_int=lambda digits: int(digits[:20])).raw_decode

    def _more(self) -> None:
        block = self._text.read(max(_BLOCK, len(self._buffer)))
        self._ended = not block
        self._buffer += block

    def _to_next(self) -> None:
        self._buffer = self._buffer.lstrip(_BLANK)
        while not self._buffer and not self._ended:
            self._more()
            self._buffer = self._buffer.lstrip(_BLANK)

    def at(self, mark: str) -> bool:
        """Check whether a mark is next, or the text has ended."""
        self._to_next()
        return self._buffer.startswith(mark) or not self._buffer

    def take(self, mark: str) -> None:
        """Skip a mark that `at` has found."""
        self._to_next()
        self._buffer = self._buffer.removeprefix(mark)

    skip = take

    def value(self) -> Any:
        """Read the next value, or `_UNREADABLE`."""
        return self._next()[0]

    def text(self) -> str | None:
        """Read the next value as source text, or None."""
        value, text = self._next()
        return None if value is _UNREADABLE else text

    def _next(self) -> tuple[Any, str]:
        self._to_next()
        while True:
            try:
                value, end = self._decode(self._buffer)
            except (ValueError, RecursionError):
                value, end = _UNREADABLE, 0
            # A number at the end of the buffer may continue in the next block.
            if value is not _UNREADABLE and (end < len(self._buffer) or self._ended):
                text, self._buffer = self._buffer[:end], self._buffer[end:]
                return value, text
            if self._ended or len(self._buffer) > LONGEST:
                return _UNREADABLE, ""
            self._more()
