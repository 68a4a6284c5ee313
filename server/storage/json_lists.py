"""Lists as one argument: a JSON text that SQL takes apart, so that a statement is the same however long the list is."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def integers(engine_type: str, mark: str = "{}") -> str:
    """A query for the integers of a list, in a column `value`. `mark` stands for the argument."""
    if engine_type == "sqlite":
        return f"SELECT value FROM json_each({mark})"
    return f"SELECT CAST(value AS BIGINT) AS value FROM json_array_elements_text(CAST({mark} AS json)) AS listed(value)"


def texts(engine_type: str, mark: str = "{}") -> str:
    """The same for texts."""
    if engine_type == "sqlite":
        return f"SELECT json_each.value FROM json_each({mark})"
    return f"SELECT value FROM json_array_elements_text(CAST({mark} AS json)) AS listed(value)"


def rows(engine_type: str, columns: Sequence[str], text: Collection[str] = (), mark: str = "{}") -> str:
    """A query for rows, each a list in the list; those of the columns that are not `text` are integers."""
    if engine_type == "sqlite":
        parts = ", ".join(f"json_extract(value, '$[{place}]') AS {column}" for place, column in enumerate(columns))
        return f"SELECT {parts} FROM json_each({mark})"
    parts = ", ".join(
        f"{f'value ->> {place}' if column in text else f'CAST(value ->> {place} AS BIGINT)'} AS {column}"
        for place, column in enumerate(columns)
    )
    return f"SELECT {parts} FROM json_array_elements(CAST({mark} AS json)) AS listed(value)"


def unlocked_keys(engine_type: str, table: str, key: Sequence[str], where: str) -> str:
    """A query for the keys of those rows that nobody else is changing: whoever takes only these away never waits, and so never in a circle."""
    query = f"SELECT {', '.join(key)} FROM {table} WHERE {where}"
    return query if engine_type == "sqlite" else f"{query} FOR UPDATE SKIP LOCKED"
