"""The SQL in which the engines of the store differ.

Lists are a single SQL argument: JSON text that SQL unpacks, so that a statement does not depend on the length of the list.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Protocol

_PROPERTY = re.compile(r"[^\"\\\x00-\x1f]{1,100}")


class StoreSql(Protocol):
    """The SQL of one engine. `mark` is the placeholder of an argument.

    `rewrite` is the statement that rewrites all tables. `has_partitions`: events are in monthly partitions. `has_one_writer`: no other process
    writes at the same time. `is_file`: the store is a file of this machine, which Footfall backs up itself. `least_rows`: the smallest number of
    rows that a job changes at once.
    """

    rewrite: str
    has_partitions: bool
    has_one_writer: bool
    is_file: bool
    least_rows: int

    def integers(self, mark: str = "{}") -> str:
        """Return a query for the integers of a list, in a column `value`."""
        ...

    def texts(self, mark: str = "{}") -> str:
        """Return a query for the texts of a list, in a column `value`."""
        ...

    def rows(self, columns: Sequence[str], text: Collection[str] = (), mark: str = "{}") -> str:
        """Return a query for the rows of a list of lists. Columns that are not in `text` are integers."""
        ...

    def unlocked_keys(self, table: str, key: Sequence[str], where: str) -> str:
        """Return a query for the keys of rows that no other transaction has locked. A delete of these never blocks, so it cannot deadlock."""
        ...

    def property_json(self, properties: str, name: str) -> tuple[str, str]:
        """Return an expression for the value of a property as JSON text or NULL, and the argument of the expression.

        `properties` is the column. Raises ValueError for a name that no property can have.
        """
        ...

    def in_a_row(self, *columns: str) -> str:
        """Return an aggregate that joins the integers of all rows to one text, row by row, separated by commas."""
        ...


def check_property(name: str) -> str:
    """Return the name of a property. Raises ValueError for a name that no property can have."""
    if not _PROPERTY.fullmatch(name):
        raise ValueError("not a valid name of a property")
    return name
