"""The `server.storage.store_sql.StoreSql` of PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from server.storage.store_sql import StoreSql, check_property


class PostgresSql:
    rewrite = "VACUUM FULL"
    has_partitions = True
    has_one_writer = False
    is_file = False
    least_rows = 200  # a change blocks no other writer, and most of a small one's time is the network's

    def integers(self, mark: str = "{}") -> str:
        return f"SELECT CAST(value AS BIGINT) AS value FROM json_array_elements_text(CAST({mark} AS json)) AS listed(value)"

    def texts(self, mark: str = "{}") -> str:
        return f"SELECT value FROM json_array_elements_text(CAST({mark} AS json)) AS listed(value)"

    def rows(self, columns: Sequence[str], text: Collection[str] = (), mark: str = "{}") -> str:
        parts = ", ".join(
            f"{f'value ->> {place}' if column in text else f'CAST(value ->> {place} AS BIGINT)'} AS {column}"
            for place, column in enumerate(columns)
        )
        return f"SELECT {parts} FROM json_array_elements(CAST({mark} AS json)) AS listed(value)"

    def unlocked_keys(self, table: str, key: Sequence[str], where: str) -> str:
        return f"SELECT {', '.join(key)} FROM {table} WHERE {where} FOR UPDATE SKIP LOCKED"

    def property_json(self, properties: str, name: str) -> tuple[str, str]:
        return f"CAST(CAST({properties} AS json) -> CAST({{}} AS text) AS text)", check_property(name)

    def in_a_row(self, *columns: str) -> str:
        joined = " || ',' || ".join(f"CAST({column} AS text)" for column in columns)
        return f"string_agg({joined}, ',')"


SQL: StoreSql = PostgresSql()
