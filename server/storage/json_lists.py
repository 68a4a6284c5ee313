"""Lists as a single SQL argument: JSON text that SQL unpacks, so that a statement does not depend on the length of the list."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def integers(engine_type: str, mark: str = "{}") -> str:
    """Return a query for the integers of a list, in a column `value`. `mark` is the placeholder of the argument."""
    if engine_type == "sqlite":
        return f"SELECT value FROM json_each({mark})"
    return f"SELECT CAST(value AS BIGINT) AS value FROM json_array_elements_text(CAST({mark} AS json)) AS listed(value)"


def texts(engine_type: str, mark: str = "{}") -> str:
    """Return a query for the texts of a list, in a column `value`."""
    if engine_type == "sqlite":
        return f"SELECT json_each.value FROM json_each({mark})"
    return f"SELECT value FROM json_array_elements_text(CAST({mark} AS json)) AS listed(value)"


def rows(engine_type: str, columns: Sequence[str], text: Collection[str] = (), mark: str = "{}") -> str:
    """Return a query for the rows of a list of lists. Columns that are not in `text` are integers."""
    if engine_type == "sqlite":
        parts = ", ".join(f"json_extract(value, '$[{place}]') AS {column}" for place, column in enumerate(columns))
        return f"SELECT {parts} FROM json_each({mark})"
    parts = ", ".join(
        f"{f'value ->> {place}' if column in text else f'CAST(value ->> {place} AS BIGINT)'} AS {column}"
        for place, column in enumerate(columns)
    )
    return f"SELECT {parts} FROM json_array_elements(CAST({mark} AS json)) AS listed(value)"


def unlocked_keys(engine_type: str, table: str, key: Sequence[str], where: str) -> str:
    """Return a query for the keys of rows that no other transaction has locked. A delete of these never blocks, so it cannot deadlock."""
    query = f"SELECT {', '.join(key)} FROM {table} WHERE {where}"
    return query if engine_type == "sqlite" else f"{query} FOR UPDATE SKIP LOCKED"
