"""Pages of a list, as Relay's connections have them, in both directions: https://relay.dev/graphql/connections.htm"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import strawberry
from strawberry import argument

from server.admin.answers import said
from server.admin.inputs import within
from server.event import FieldError
from server.problems import BadQuery

ROWS = 50  # of a page, where nobody says how many
MOST = 100

First = Annotated[int | None, argument(description="So many rows, the first of them; 50 if nothing is said, at most 100.")]
After = Annotated[str | None, argument(description="Those after the row with this cursor: the `endCursor` of the page before.")]
Last = Annotated[int | None, argument(description="So many rows, the last of them; at most 100.")]
Before = Annotated[str | None, argument(description="Those before the row with this cursor: the `startCursor` of the page after.")]


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = said("Whether there is more after it.")
    has_previous_page: bool = said("Whether there is more before it.")
    start_cursor: str | None = said("The cursor of its first row: what the page before it comes before.")
    end_cursor: str | None = said("The cursor of its last row: what the next page comes after.")


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked of a list: at most `limit` rows beyond the one with `cursor`; `backwards`: those before it."""

    limit: int
    cursor: str | None
    backwards: bool

    def place(self, kind: Any) -> Any:
        """What the cursor stands for, of a type; None where there is no cursor. Raises BadQuery."""
        if self.cursor is None:
            return None
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(self.cursor + "=" * (-len(self.cursor) % 4)), type=kind)
        except ValueError:
            raise BadQuery(FieldError("before" if self.backwards else "after", "is no cursor of this list")) from None

    def cut(self, rows: Sequence[Any]) -> list[Any]:
        """The rows of the page, of one more than that."""
        return list(rows[-self.limit :] if self.backwards else rows[: self.limit])

    def info(self, edges: Sequence[Any], found: int) -> PageInfo:
        """Where a page lies, of which `found` rows, one more than wanted, were asked for. Beyond a cursor there is at least its own row."""
        more, behind = found > self.limit, self.cursor is not None
        return PageInfo(
            has_next_page=behind if self.backwards else more,
            has_previous_page=more if self.backwards else behind,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        )


def page(first: int | None, after: str | None, last: int | None, before: str | None) -> Page:
    """The page that these ask for. Raises BadQuery."""
    backwards = last is not None or before is not None
    if backwards and (first is not None or after is not None):
        raise BadQuery(FieldError("last", "goes with before; first goes with after"))
    name, rows = ("last", last) if backwards else ("first", first)
    return Page(within(name, ROWS if rows is None else rows, MOST), before if backwards else after, backwards)


def cursor(*parts: int | str) -> str:
    """What stands for a row."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")
