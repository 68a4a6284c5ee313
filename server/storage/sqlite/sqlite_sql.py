"""The `server.storage.store_sql.StoreSql` of SQLite."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from server.storage.store_sql import StoreSql, check_property


class SqliteSql:
    rewrite = "VACUUM"
    has_partitions = False
    has_one_writer = True
    is_file = True
    least_rows = 10

    def integers(self, mark: str = "{}") -> str:
        return f"SELECT value FROM json_each({mark})"

    def texts(self, mark: str = "{}") -> str:
        return f"SELECT json_each.value FROM json_each({mark})"

    def rows(self, columns: Sequence[str], text: Collection[str] = (), mark: str = "{}") -> str:
        parts = ", ".join(f"json_extract(value, '$[{place}]') AS {column}" for place, column in enumerate(columns))
        return f"SELECT {parts} FROM json_each({mark})"

    def unlocked_keys(self, table: str, key: Sequence[str], where: str) -> str:
        return f"SELECT {', '.join(key)} FROM {table} WHERE {where}"

    def property_json(self, properties: str, name: str) -> tuple[str, str]:
        return f"({properties} -> {{}})", f'$."{check_property(name)}"'

    def in_a_row(self, *columns: str) -> str:
        return "group_concat(" + " || ',' || ".join(columns) + ")"


SQL: StoreSql = SqliteSql()
