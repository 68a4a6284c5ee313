"""Cursor pagination in both directions, as in the Relay specification: https://relay.dev/graphql/connections.htm"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import strawberry
from strawberry import argument

from server.admin.answers import field
from server.admin.inputs import check_count
from server.event import FieldError
from server.problems import BadQuery

ROWS = 50  # of a page without `first` or `last`
MOST = 100

First = Annotated[int | None, argument(description="Maximum number of rows from the start, from 1 to 100. Default: 50.")]
After = Annotated[str | None, argument(description="Cursor: return the rows after it. Use the `endCursor` of the previous page.")]
Last = Annotated[int | None, argument(description="Maximum number of rows from the end, from 1 to 100. Cannot be combined with `first`.")]
Before = Annotated[str | None, argument(description="Cursor: return the rows before it. Use the `startCursor` of the next page.")]


@strawberry.type(description="Position of a page in its list.")
class PageInfo:
    has_next_page: bool = field("Whether there are rows after the page.")
    has_previous_page: bool = field("Whether there are rows before the page.")
    start_cursor: str | None = field("Cursor of the first row. Null for an empty page.")
    end_cursor: str | None = field("Cursor of the last row. Null for an empty page.")


@dataclass(frozen=True, slots=True)
class Page:
    """A requested page: at most `limit` rows after `cursor`, or before it if `backwards`."""

    limit: int
    cursor: str | None
    backwards: bool

    def place(self, kind: Any) -> Any:
        """Decode the cursor to a value of type `kind`; None without a cursor. Raises BadQuery."""
        if self.cursor is None:
            return None
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(self.cursor + "=" * (-len(self.cursor) % 4)), type=kind)
        except ValueError:
            raise BadQuery(FieldError("before" if self.backwards else "after", "is not a valid cursor")) from None

    def cut(self, rows: Sequence[Any]) -> list[Any]:
        """Drop the extra row that was loaded to detect another page."""
        return list(rows[-self.limit :] if self.backwards else rows[: self.limit])

    def info(self, edges: Sequence[Any], found: int) -> PageInfo:
        """Describe the page. `found` is the number of loaded rows, one of which may be extra. On the other side of a cursor is at least its own row."""
        more, behind = found > self.limit, self.cursor is not None
        return PageInfo(
            has_next_page=behind if self.backwards else more,
            has_previous_page=more if self.backwards else behind,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        )


def page(first: int | None, after: str | None, last: int | None, before: str | None) -> Page:
    """Convert the arguments of a connection to a page. Raises BadQuery."""
    backwards = last is not None or before is not None
    if backwards and (first is not None or after is not None):
        raise BadQuery(FieldError("last", "cannot be combined: use `last` with `before`, or `first` with `after`"))
    name, rows = ("last", last) if backwards else ("first", first)
    return Page(check_count(name, ROWS if rows is None else rows, MOST), before if backwards else after, backwards)


def cursor(*parts: int | str) -> str:
    """Encode a cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")
