"""Expressions in which the engines differ. Arguments use the placeholder `{}`."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from server.fields import MAX_PROPERTY_TEXT, json_path
from server.history import is_array, numbers_column, texts_column, texts_in
from server.questions.question import Property
from server.questions.sql import Sql, bound, listed, sql
from server.storage.engine import Store

Matching = Callable[[str], Sql]  # a condition on an expression


_MAX_ARGUMENTS = 50  # texts of a list that are arguments of their own
_MAX_SEARCHED = 4  # texts for which arrays are searched one by one, without parsing


class SqlEngine(Protocol):
    """The SQL of one engine for values of JSON documents, lists in one argument, and texts.

    `divide` is the division of integers. `is_columnar`: the engine is DuckDB, which has functions that others lack.
    """

    divide: str
    is_columnar: bool

    def split(self, property_: Property, alias: str) -> tuple[str, Sql]:
        """The text of each element of an array, or of a scalar (NULL without a value), and the join that yields a row for each element."""
        ...

    def any_text(self, property_: Property, matching: Matching) -> Sql:
        """The condition that the text of any element matches. It is NULL for null, an object or an array."""
        ...

    def any_number(self, property_: Property, matching: Matching) -> Sql:
        """The condition that any element is a number and matches."""
        ...

    def pairs(self, pairs: list[list[str | int | None]]) -> Sql:
        """A table with the text columns `a`, `b` and the integer column `place`, from one argument."""
        ...

    def joined(self, column: str) -> str:
        """An aggregate: the distinct integers of a column as one text, separated by commas."""
        ...

    def listed(self, values: list[str]) -> Sql:
        """The right side of IN: a subquery of texts, from one argument, or a list of arguments."""
        ...

    def any_listed(self, property_: Property, values: list[str]) -> Sql:
        """The condition that the text of any element is one of the values."""
        ...

    def has_prefix(self, text: str, prefix: str) -> Sql: ...

    def contains(self, text: str, part: str) -> Sql: ...

    def sortable(self, text: str) -> str:
        """A text that sorts by code point."""
        ...


class _DocumentSql(ABC):
    """The elements of a property as rows of a table, for engines that read them from JSON documents."""

    def split(self, property_: Property, alias: str) -> tuple[str, Sql]:
        return self._text(alias), sql(" LEFT JOIN ", self._elements(property_, alias), f" ON {self._is_element(alias)}")

    def any_text(self, property_: Property, matching: Matching) -> Sql:
        return self._any(property_, matching(f"({self._text('element')})"))

    def any_number(self, property_: Property, matching: Matching) -> Sql:
        return self._any(property_, matching(f"({self._number('element')})"))

    def any_listed(self, property_: Property, values: list[str]) -> Sql:
        return self.any_text(property_, lambda text: sql(f"{text} IN ", self.listed(values)))

    def _any(self, property_: Property, matching: Sql) -> Sql:
        return sql("EXISTS (SELECT 1 FROM ", self._elements(property_, "element"), " WHERE ", matching, ")")

    @abstractmethod
    def listed(self, values: list[str]) -> Sql: ...

    @abstractmethod
    def _elements(self, property_: Property, alias: str) -> Sql:
        """A table with one row per element of an array, or one for a scalar; none without a value."""

    @abstractmethod
    def _is_element(self, alias: str) -> str:
        """The condition that a row of `_elements` is an element, and not the member of an object."""

    @abstractmethod
    def _text(self, alias: str) -> str:
        """The text of an element, or NULL for null, an object or an array."""

    @abstractmethod
    def _number(self, alias: str) -> str:
        """The number of an element, or NULL if it is not a number."""


class SqliteSql(_DocumentSql):
    """The SQL of SQLite."""

    divide = "/"
    is_columnar = False
    properties = "event.properties"

    def _elements(self, property_: Property, alias: str) -> Sql:
        found = [sql(f"{self.properties} -> ", bound(json_path(path))) for path in property_.paths]
        document = found[0] if len(found) == 1 else sql("COALESCE(", found[0], ", ", found[1], ")")
        return sql("json_each(", document, f") AS {alias}")

    def _is_element(self, alias: str) -> str:
        return f"typeof({alias}.key) <> 'text'"  # the keys of an array are integers, and a scalar has none

    def _text(self, alias: str) -> str:
        shown = f"substr(CAST({alias}.value AS TEXT), 1, {MAX_PROPERTY_TEXT})"
        return (
            f"CASE WHEN typeof({alias}.key) = 'text' THEN NULL WHEN {alias}.type IN ('true', 'false') THEN {alias}.type"
            f" WHEN {alias}.type IN ('text', 'integer', 'real') THEN {shown} END"
        )

    def _number(self, alias: str) -> str:
        return f"CASE WHEN {alias}.type IN ('integer', 'real') AND typeof({alias}.key) <> 'text' THEN {alias}.value END"

    def pairs(self, pairs: list[list[str | int | None]]) -> Sql:
        columns = "json_extract(value, '$[0]') AS a, json_extract(value, '$[1]') AS b, json_extract(value, '$[2]') AS place"
        return sql(f"(SELECT {columns} FROM json_each(", bound(json.dumps(pairs)), "))")

    def joined(self, column: str) -> str:
        return f"group_concat(DISTINCT {column})"

    def listed(self, values: list[str]) -> Sql:
        return sql("(SELECT value FROM json_each(", bound(json.dumps(values)), "))")

    def has_prefix(self, text: str, prefix: str) -> Sql:
        return sql(f"substr({text}, 1, {len(prefix)}) = ", bound(prefix))

    def contains(self, text: str, part: str) -> Sql:
        return sql(f"instr({text}, ", bound(part), ") > 0")

    def sortable(self, text: str) -> str:
        return text


class PostgresSql(_DocumentSql):
    """The SQL of PostgreSQL."""

    divide = "/"
    is_columnar = False
    properties = "CAST(event.properties AS jsonb)"

    def _elements(self, property_: Property, alias: str) -> Sql:
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

    def _is_element(self, alias: str) -> str:
        return "TRUE"

    def _text(self, alias: str) -> str:
        plain = f"left(jsonb_build_array({alias}.value) ->> 0, {MAX_PROPERTY_TEXT})"
        return f"CASE WHEN jsonb_typeof({alias}.value) IN ('string', 'number', 'boolean') THEN {plain} END"

    def _number(self, alias: str) -> str:
        return f"CASE WHEN jsonb_typeof({alias}.value) = 'number' THEN CAST(jsonb_build_array({alias}.value) ->> 0 AS numeric) END"

    def pairs(self, pairs: list[list[str | int | None]]) -> Sql:
        columns = "value ->> 0 AS a, value ->> 1 AS b, CAST(value ->> 2 AS integer) AS place"
        return sql(f"(SELECT {columns} FROM jsonb_array_elements(CAST(", bound(json.dumps(pairs)), " AS jsonb)) AS each(value))")

    def joined(self, column: str) -> str:
        return f"string_agg(DISTINCT CAST({column} AS text), ',')"

    def listed(self, values: list[str]) -> Sql:
        return sql("(SELECT jsonb_array_elements_text(CAST(", bound(json.dumps(values)), " AS jsonb)))")

    def has_prefix(self, text: str, prefix: str) -> Sql:
        return sql(f"starts_with({text}, CAST(", bound(prefix), " AS text))")

    def contains(self, text: str, part: str) -> Sql:
        return sql(f"strpos({text}, CAST(", bound(part), " AS text)) > 0")

    def sortable(self, text: str) -> str:
        return f'{text} COLLATE "C"'


class DuckDbSql:
    """The SQL of DuckDB, over the columns of the history. Use one for each query: `properties` are the names of those that it needs."""

    divide = "//"
    is_columnar = True

    def __init__(self) -> None:
        self.properties: dict[str, None] = {}

    def split(self, property_: Property, alias: str) -> tuple[str, Sql]:
        self.properties[property_.name] = None
        return f"event.{alias}", Sql("")  # see `HistoryFacts`

    def any_text(self, property_: Property, matching: Matching) -> Sql:
        column = self._texts(property_)
        each = sql(f"len(list_filter({texts_in(column)}, lambda element: ", matching("element"), ")) > 0")
        return sql(f"(CASE WHEN {is_array(column)} THEN ", each, " ELSE ", matching(column), " END) IS TRUE")

    def any_listed(self, property_: Property, values: list[str]) -> Sql:
        column = self._texts(property_)
        alone = sql(f"{column} IN ", self.listed(values))
        return sql(f"(CASE WHEN {is_array(column)} THEN ", self._in_array(column, values), " ELSE ", alone, " END) IS TRUE")

    def any_number(self, property_: Property, matching: Matching) -> Sql:
        self.properties[property_.name] = None
        return sql(f"len(list_filter(event.{numbers_column(property_.name)}, lambda element: ", matching("element"), ")) > 0")

    def _texts(self, property_: Property) -> str:
        self.properties[property_.name] = None
        return f"event.{texts_column(property_.name)}"

    def _in_array(self, column: str, values: list[str]) -> Sql:
        """The condition that an array of JSON has one of the values. To search its text for a few values takes a tenth of the time of parsing it.

        A quote within an element follows a backslash. So a quote after a bracket or a comma either begins an element, or ends an element whose last
        character this is. In the second case, only the comma between two elements stands between this quote and the next one, like an element `,`.
        """
        if len(values) > _MAX_SEARCHED or "," in values:
            return sql(f"list_has_any({texts_in(column)}, CAST(CAST(", bound(json.dumps(values)), " AS JSON) AS VARCHAR[]))")
        pieces: list[str | Sql] = []
        for value in values:
            for before in "[,":
                encoded = sql(f"'{before}' || CAST(to_json(CAST(", bound(value), " AS VARCHAR)) AS VARCHAR)")
                pieces += [" OR " if pieces else "(", f"contains({column}, ", encoded, ")"]
        return sql(*pieces, ")")

    def pairs(self, pairs: list[list[str | int | None]]) -> Sql:
        columns = "value ->> '$[0]' AS a, value ->> '$[1]' AS b, CAST(value ->> '$[2]' AS INTEGER) AS place"
        rows = sql("SELECT unnest(CAST(CAST(", bound(json.dumps(pairs)), " AS JSON) AS JSON[])) AS value")
        return sql(f"(SELECT {columns} FROM (", rows, ") AS listed)")

    def joined(self, column: str) -> str:
        return f"string_agg(DISTINCT CAST({column} AS VARCHAR), ',')"

    def listed(self, values: list[str]) -> Sql:
        if 0 < len(values) <= _MAX_ARGUMENTS:
            return sql("(", listed(values), ")")  # which the reader of the files compares, unlike a subquery
        return sql("(SELECT unnest(CAST(CAST(", bound(json.dumps(values)), " AS JSON) AS VARCHAR[])))")

    def has_prefix(self, text: str, prefix: str) -> Sql:
        return sql(f"starts_with({text}, ", bound(prefix), ")")

    def contains(self, text: str, part: str) -> Sql:
        return sql(f"contains({text}, ", bound(part), ")")

    def sortable(self, text: str) -> str:
        return text


_ENGINES: dict[str, SqlEngine] = {"sqlite": SqliteSql(), "postgres": PostgresSql()}


def sql_of(store: Store) -> SqlEngine:
    """The SQL of the engine of a store."""
    return _ENGINES[store.engine_type]
