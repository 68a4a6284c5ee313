"""Expressions in which the engines differ. Arguments use the placeholder `{}`."""

from __future__ import annotations

import json
from typing import Protocol

from server.questions.question import Property
from server.questions.sql import Sql, bound, sql

MAX_VALUE = 64  # characters of a property's value, as in the rollups (`ingest.privacy`)


class SqlEngine(Protocol):
    """The SQL of one engine for values of JSON documents, lists in one argument, and texts. `divide` is the division of integers."""

    divide: str

    def elements(self, property_: Property, alias: str) -> Sql:
        """A table with one row per element of an array, or one for a scalar; none without a value."""
        ...

    def is_element(self, alias: str) -> str:
        """The condition that a row of `elements` is one: not the member of an object."""
        ...

    def text(self, alias: str) -> str:
        """The text of an element, or NULL for null, an object or an array."""
        ...

    def number(self, alias: str) -> str:
        """The number of an element, or NULL if it is none."""
        ...

    def pairs(self, pairs: list[list[str | int | None]]) -> Sql:
        """A table with the text columns `a`, `b` and the integer column `place`, from one argument."""
        ...

    def listed(self, values: list[str]) -> Sql:
        """A subquery of texts, from one argument."""
        ...

    def has_prefix(self, text: str, prefix: str) -> Sql: ...

    def contains(self, text: str, part: str) -> Sql: ...

    def sortable(self, text: str) -> str:
        """A text that sorts by code point."""
        ...


def path_json(path: list[str]) -> str:
    """Return a JSON path, as in `$."a"."b"`."""
    return "$" + "".join(f'."{part}"' for part in path)


class SqliteSql:
    """The SQL of SQLite."""

    divide = "/"
    properties = "event.properties"

    def elements(self, property_: Property, alias: str) -> Sql:
        found = [sql(f"{self.properties} -> ", bound(path_json(path))) for path in property_.paths]
        document = found[0] if len(found) == 1 else sql("COALESCE(", found[0], ", ", found[1], ")")
        return sql("json_each(", document, f") AS {alias}")

    def is_element(self, alias: str) -> str:
        return f"typeof({alias}.key) <> 'text'"  # the keys of an array are integers, and a scalar has none

    def text(self, alias: str) -> str:
        shown = f"substr(CAST({alias}.value AS TEXT), 1, {MAX_VALUE})"
        return (
            f"CASE WHEN typeof({alias}.key) = 'text' THEN NULL WHEN {alias}.type IN ('true', 'false') THEN {alias}.type"
            f" WHEN {alias}.type IN ('text', 'integer', 'real') THEN {shown} END"
        )

    def number(self, alias: str) -> str:
        return f"CASE WHEN {alias}.type IN ('integer', 'real') AND typeof({alias}.key) <> 'text' THEN {alias}.value END"

    def pairs(self, pairs: list[list[str | int | None]]) -> Sql:
        columns = "json_extract(value, '$[0]') AS a, json_extract(value, '$[1]') AS b, json_extract(value, '$[2]') AS place"
        return sql(f"(SELECT {columns} FROM json_each(", bound(json.dumps(pairs)), "))")

    def listed(self, values: list[str]) -> Sql:
        return sql("(SELECT value FROM json_each(", bound(json.dumps(values)), "))")

    def has_prefix(self, text: str, prefix: str) -> Sql:
        return sql(f"substr({text}, 1, {len(prefix)}) = ", bound(prefix))

    def contains(self, text: str, part: str) -> Sql:
        return sql(f"instr({text}, ", bound(part), ") > 0")

    def sortable(self, text: str) -> str:
        return text


class PostgresSql:
    """The SQL of PostgreSQL."""

    divide = "/"
    properties = "CAST(event.properties AS jsonb)"

    def elements(self, property_: Property, alias: str) -> Sql:
        found = [self._at(path) for path in property_.paths]
        document = found[0] if len(found) == 1 else sql("COALESCE(", found[0], ", ", found[1], ")")
        rows = "CASE jsonb_typeof(document) WHEN 'array' THEN document WHEN 'object' THEN NULL ELSE jsonb_build_array(document) END"
        return sql(
            "LATERAL (SELECT element AS value FROM (SELECT ",
            document,
            f" AS document) AS found, jsonb_array_elements({rows}) AS element) AS {alias}",
        )

    def _at(self, path: list[str]) -> Sql:
        pieces: list[str | Sql] = [self.properties]
        for part in path:
            pieces += [" -> CAST(", bound(part), " AS text)"]
        return sql("(", *pieces, ")")

    def is_element(self, alias: str) -> str:
        return "TRUE"

    def text(self, alias: str) -> str:
        plain = f"left(jsonb_build_array({alias}.value) ->> 0, {MAX_VALUE})"
        return f"CASE WHEN jsonb_typeof({alias}.value) IN ('string', 'number', 'boolean') THEN {plain} END"

    def number(self, alias: str) -> str:
        return f"CASE WHEN jsonb_typeof({alias}.value) = 'number' THEN CAST(jsonb_build_array({alias}.value) ->> 0 AS numeric) END"

    def pairs(self, pairs: list[list[str | int | None]]) -> Sql:
        columns = "value ->> 0 AS a, value ->> 1 AS b, CAST(value ->> 2 AS integer) AS place"
        return sql(f"(SELECT {columns} FROM jsonb_array_elements(CAST(", bound(json.dumps(pairs)), " AS jsonb)) AS each(value))")

    def listed(self, values: list[str]) -> Sql:
        return sql("(SELECT jsonb_array_elements_text(CAST(", bound(json.dumps(values)), " AS jsonb)))")

    def has_prefix(self, text: str, prefix: str) -> Sql:
        return sql(f"starts_with({text}, CAST(", bound(prefix), " AS text))")

    def contains(self, text: str, part: str) -> Sql:
        return sql(f"strpos({text}, CAST(", bound(part), " AS text)) > 0")

    def sortable(self, text: str) -> str:
        return f'{text} COLLATE "C"'


class DuckDbSql:
    """The SQL of DuckDB, over the columns of the history."""

    divide = "//"
    properties = "event.properties"

    def elements(self, property_: Property, alias: str) -> Sql:
        found = [sql(f"json_extract({self.properties}, ", bound(path_json(path)), ")") for path in property_.paths]
        document = found[0] if len(found) == 1 else sql("COALESCE(", found[0], ", ", found[1], ")")
        rows = "CASE json_type(document) WHEN 'ARRAY' THEN CAST(document AS JSON[]) WHEN 'OBJECT' THEN NULL ELSE [document] END"
        return sql("LATERAL (SELECT unnest(", rows, ") AS value FROM (SELECT ", document, f" AS document) AS found) AS {alias}")

    def is_element(self, alias: str) -> str:
        return "TRUE"

    def text(self, alias: str) -> str:
        plain = f"substr({alias}.value ->> '$', 1, {MAX_VALUE})"
        return f"CASE WHEN json_type({alias}.value) IN ('VARCHAR', 'BIGINT', 'UBIGINT', 'DOUBLE', 'BOOLEAN') THEN {plain} END"

    def number(self, alias: str) -> str:
        plain = f"CAST({alias}.value ->> '$' AS DOUBLE)"
        return f"CASE WHEN json_type({alias}.value) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN {plain} END"

    def pairs(self, pairs: list[list[str | int | None]]) -> Sql:
        columns = "value ->> '$[0]' AS a, value ->> '$[1]' AS b, CAST(value ->> '$[2]' AS INTEGER) AS place"
        rows = sql("SELECT unnest(CAST(CAST(", bound(json.dumps(pairs)), " AS JSON) AS JSON[])) AS value")
        return sql(f"(SELECT {columns} FROM (", rows, ") AS listed)")

    def listed(self, values: list[str]) -> Sql:
        return sql("(SELECT unnest(CAST(CAST(", bound(json.dumps(values)), " AS JSON) AS VARCHAR[])))")

    def has_prefix(self, text: str, prefix: str) -> Sql:
        return sql(f"starts_with({text}, ", bound(prefix), ")")

    def contains(self, text: str, part: str) -> Sql:
        return sql(f"contains({text}, ", bound(part), ")")

    def sortable(self, text: str) -> str:
        return text


DUCKDB = DuckDbSql()
ENGINES: dict[str, SqlEngine] = {"sqlite": SqliteSql(), "postgres": PostgresSql()}
