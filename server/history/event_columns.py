"""The columns of the history: one declaration each, from which the query of the store, the files and the relation `events` are derived."""

from __future__ import annotations

import json
import zlib
from typing import NamedTuple

from server.storage.statements import CONTEXT_COLUMNS


class Column(NamedTuple):
    """A column of the relation `events`: its name, its type in DuckDB, and its expression over the tables of the store."""

    name: str
    type: str
    expression: str


_CONTEXT_TYPES = {"environment": "UTINYINT"}

COLUMNS = (
    Column("id", "BIGINT", "event.id"),
    Column("project_id", "INTEGER", "event.project_id"),
    Column("install_id", "BIGINT", "event.install_id"),
    Column("name", "VARCHAR", "event_name.text"),
    Column("target_type", "VARCHAR", "target.type"),
    Column("target_id", "VARCHAR", "target.external_id"),
    Column("occurred_at", "BIGINT", "event.occurred_at"),
    Column("outcome", "UTINYINT", "event.outcome"),
    Column("duration_us", "BIGINT", "event.duration_us"),
    Column("session", "BIGINT", "event.session"),
    Column("skewed", "UTINYINT", "event.skewed"),
    Column("error_type", "VARCHAR", "event.error_type"),
    Column("error_message", "VARCHAR", "event.error_message"),
    *(Column(name, _CONTEXT_TYPES.get(name, "VARCHAR"), f"context.{name}") for name in CONTEXT_COLUMNS),
    Column("properties", "VARCHAR", "event.properties"),
    Column("weight", "USMALLINT", "event.weight"),
)

# Rows travel to DuckDB as lines of JSON, which short keys make smaller.
KEYS = tuple(f"c{place}" for place in range(len(COLUMNS)))
DAY_MARK = "day_mark"
UNMARKED = 3  # see `day_marks`
NAMES = ", ".join((*(column.name for column in COLUMNS), DAY_MARK))

_SELECTED = ", ".join(f"{column.expression} AS {key}" for key, column in zip(KEYS, COLUMNS, strict=True))
SELECT = f"""SELECT {_SELECTED}
    FROM event JOIN event_name ON event_name.id = event.name_id JOIN context ON context.id = event.context_id
    LEFT JOIN target ON target.id = event.target_id"""
"""The query of flattened events, up to its WHERE. The columns are called `KEYS`."""

_SPEC = json.dumps({key: column.type for key, column in zip(KEYS, COLUMNS, strict=True)})
_RENAMED = ", ".join(f"event.{key} AS {column.name}" for key, column in zip(KEYS, COLUMNS, strict=True))
_MARKED = f"CAST({UNMARKED} AS UTINYINT) AS {DAY_MARK}"
_UNUSED = "\x1f"  # a character that JSON escapes


def from_lines(file: str, longest: int) -> str:
    """Return a DuckDB query that reads lines of JSON from `file`, an SQL literal. The longest line has `longest` bytes.

    They are read as CSV of one column, in buffers of two such lines: DuckDB's reader of JSON takes 32 MiB, more than small machines have to spare.
    """
    lines = (
        f"read_csv({file}, columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false, delim = '{_UNUSED}', quote = '', escape = '',"
        f" new_line = '\\n', buffer_size = {2 * longest}, max_line_size = {longest}, parallel = false)"
    )
    return f"SELECT {_RENAMED}, {_MARKED} FROM (SELECT from_json_strict(line, '{_SPEC}') AS event FROM {lines}) AS lines"


EMPTY = f"SELECT {', '.join(f'CAST(NULL AS {column.type}) AS {column.name}' for column in COLUMNS)}, {_MARKED} WHERE false"

_FORMAT = 4  # raise it if the columns of properties or marks change
SIGNATURE = f"{zlib.crc32(repr((COLUMNS, _FORMAT)).encode()):08x}"
"""Names the columns in a manifest, so that files of other columns are read from the store again."""
