"""Deletes contexts that no event has. Clients choose the fields of a context, so without this their number would grow without bound.

There is no index from contexts to events, since each event would pay for it. So a reader scans all events while commits continue. Committing
processes also cache the numbers of contexts. Deletion therefore takes two steps, in separate runs of the job:

1. An unused context becomes a candidate. The same change increments the version of the dictionaries, so that all processes drop their caches.
   From then on, a commit that uses the context must look it up, and removes it from the candidates.
2. All events are scanned again. A context that is still unused and still a candidate when the deleting change runs has no event: the scan would
   have found an earlier one, and a later one would have removed the candidate.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from server.storage.changes import Change
from server.storage.engine import Store
from server.storage.statements import BUMP_DICTIONARY_VERSION


class Numbers:
    """A set of integers from 0 to `most`, as a bitmap: a hundred million contexts take 12 MiB."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._bits = bytearray(most // 8 + 1)

    def add(self, number: int) -> None:
        if number <= self.most:
            self._bits[number >> 3] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        return number <= self.most and bool(self._bits[number >> 3] & (1 << (number & 7)))


async def newest_context(store: Store) -> int:
    rows = await store.rows("SELECT max(id) AS newest FROM context")
    return int(rows[0]["newest"] or 0)


async def contexts_between(store: Store, after: int, last: int) -> list[int]:
    """Return the contexts of the events after one id and up to another."""
    rows = await store.rows("SELECT DISTINCT context_id FROM event WHERE id > {} AND id <= {}", after, last)
    return [row["context_id"] for row in rows]


async def contexts_after(store: Store, after: int, last: int, most: int) -> list[int]:
    """Return the numbers of at most `most` contexts after one number and up to another."""
    rows = await store.rows("SELECT id FROM context WHERE id > {} AND id <= {} ORDER BY id LIMIT {}", after, last, most)
    return [row["id"] for row in rows]


async def candidates_after(store: Store, after: int, most: int) -> list[int]:
    """Return the numbers of at most `most` candidates for deletion after a number."""
    rows = await store.rows("SELECT id FROM unused_context WHERE id > {} ORDER BY id LIMIT {}", after, most)
    return [row["id"] for row in rows]


async def add_candidates(store: Store, contexts: Sequence[int]) -> Change:
    """Add contexts to the candidates for deletion."""
    numbers = msgspec.json.encode(contexts).decode()
    return await store.change(
        (f"INSERT INTO unused_context (id) {store.sql.integers()} WHERE true ON CONFLICT DO NOTHING", (numbers,)),
        (BUMP_DICTIONARY_VERSION, ()),
        exclusive=True,
    )


async def remove_candidates(store: Store, contexts: Sequence[int]) -> Change:
    """Remove contexts from the candidates for deletion."""
    return await store.change(
        (f"DELETE FROM unused_context WHERE id IN ({store.sql.integers()})", (msgspec.json.encode(contexts).decode(),)),
        exclusive=True,
    )


async def delete_unused(store: Store, contexts: Sequence[int]) -> Change:
    """Delete contexts that were candidates before the last scan, except those that a commit has used since."""
    numbers = msgspec.json.encode(contexts).decode()
    these = f"id IN ({store.sql.integers()})"
    return await store.change(
        (f"DELETE FROM context WHERE {these} AND id IN (SELECT id FROM unused_context)", (numbers,)),
        (f"DELETE FROM unused_context WHERE {these}", (numbers,)),
        (BUMP_DICTIONARY_VERSION, ()),
        exclusive=True,
    )
