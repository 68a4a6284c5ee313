"""Flattened events of the store, as lines of JSON in a file that DuckDB reads."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from server.history.database import literal
from server.history.event_columns import COLUMNS, EMPTY, KEYS, SELECT, from_lines
from server.history.manifest import Gap
from server.tasks import run_in_thread

PAGE = 2_000  # rows that one query reads
_SHORT = 1 << 20  # bytes
_SAMPLED = 20  # one in this many events is in the sample

Read = Callable[..., Awaitable[list[tuple[Any, ...]]]]

_Row = msgspec.defstruct("_Row", list(KEYS), gc=False)
_PROPERTIES = next(place for place, column in enumerate(COLUMNS) if column.name == "properties")
_encode = msgspec.json.Encoder().encode_lines


class Feed:
    """A draft of lines, deleted at the end of its context. `read` runs a query and returns tuples."""

    def __init__(self, folder: Path, read: Read) -> None:
        self.path = folder / f"{secrets.token_hex(8)}.jsonl"
        self.rows = 0
        self.last = -1
        self.sample: list[str | None] = []  # documents of properties
        self._read = read
        self._longest = _SHORT

    def __enter__(self) -> Feed:
        self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    @property
    def relation(self) -> str:
        """The query of DuckDB for the rows."""
        if not self.rows:
            return EMPTY
        return from_lines(literal(str(self.path.absolute())), self._longest)

    async def add(self, gap: Gap, most: int, project: int | None = None) -> bool:
        """Add the events of a range, in order. Return False once there are more than `most` rows in the file; `last` is the last id added."""
        after = gap.first - 1
        own = "" if project is None else f" AND event.project_id = {int(project)}"
        sql = f"{SELECT} WHERE event.id > {{}} AND event.id < {{}}{own} ORDER BY event.id LIMIT {{}}"
        while True:
            page = min(PAGE, most - self.rows)
            rows = await self._read(sql, after, gap.end, page + 1)
            added = rows[:page]
            if added:
                await run_in_thread(partial(self._write, added))
                after = self.last = added[-1][0]
                self.rows += len(added)
            if len(rows) <= page:
                return True
            if self.rows >= most:
                return False

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        self.sample += [row[_PROPERTIES] for row in rows[::_SAMPLED]]
        lines = _encode([_Row(*row) for row in rows])
        self._longest = max(self._longest, len(lines))  # no line is longer than all
        self._file.write(lines)
