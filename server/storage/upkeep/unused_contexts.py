"""Takes away contexts that no event has any more. Clients choose what is in one, so without this their number has no bound.

No index leads from a context to its events (it would cost each event its share), so all events are looked at, with a reader, while commits go
on; and each committing process keeps the numbers of contexts that it has used. A context therefore goes in two steps, runs of the job apart:

1. It is found unused and put on a list; with the same change all processes are told to forget what they keep. From then on, a commit that
   uses it must look it up, and takes it off the list.
2. All events are looked at again. What is still unused, and still on the list when the change that deletes it runs, was used by no
   event that came before the list, since it would have been seen, and by none after, since that would have taken it off.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from server.storage import json_lists
from server.storage.changes import Change
from server.storage.engine import Store
from server.storage.statements import BUMP_DICTIONARY_VERSION


class Numbers:
    """A set of integers from 0 to `most`, a bit for each: a hundred million contexts take 12 MiB."""

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
    """The contexts of the events after an id up to another."""
    rows = await store.rows("SELECT DISTINCT context_id FROM event WHERE id > {} AND id <= {}", after, last)
    return [row["context_id"] for row in rows]


async def contexts_after(store: Store, after: int, last: int, most: int) -> list[int]:
    """Contexts by number from the first one after a number, up to another."""
    rows = await store.rows("SELECT id FROM context WHERE id > {} AND id <= {} ORDER BY id LIMIT {}", after, last, most)
    return [row["id"] for row in rows]


async def candidates_after(store: Store, after: int, most: int) -> list[int]:
    """The same for those on the list of what may go."""
    rows = await store.rows("SELECT id FROM unused_context WHERE id > {} ORDER BY id LIMIT {}", after, most)
    return [row["id"] for row in rows]


async def add_candidates(store: Store, contexts: Sequence[int]) -> Change:
    """Put contexts on the list of those that may go."""
    numbers = msgspec.json.encode(contexts).decode()
    return await store.change(
        (f"INSERT INTO unused_context (id) {json_lists.integers(store.engine_type)} WHERE true ON CONFLICT DO NOTHING", (numbers,)),
        (BUMP_DICTIONARY_VERSION, ()),
        exclusive=True,
    )


async def remove_candidates(store: Store, contexts: Sequence[int]) -> Change:
    """Take contexts off the list."""
    return await store.change(
        (f"DELETE FROM unused_context WHERE id IN ({json_lists.integers(store.engine_type)})", (msgspec.json.encode(contexts).decode(),)),
        exclusive=True,
    )


async def delete_unused(store: Store, contexts: Sequence[int]) -> Change:
    """Delete contexts that were on the list before the events were last looked at, but for those that a commit has used meanwhile."""
    numbers = msgspec.json.encode(contexts).decode()
    these = f"id IN ({json_lists.integers(store.engine_type)})"
    return await store.change(
        (f"DELETE FROM context WHERE {these} AND id IN (SELECT id FROM unused_context)", (numbers,)),
        (f"DELETE FROM unused_context WHERE {these}", (numbers,)),
        (BUMP_DICTIONARY_VERSION, ()),
        exclusive=True,
    )
