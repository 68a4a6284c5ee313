"""Leases: what only one process may do at a time, in whichever process and on whichever machine.

A lease is a row with an end. Its holder moves the end forward while it works; if it dies, the end comes, and the next one takes over. Each
step is one statement, and so decided by the database alone. Machines that share a store need clocks that agree to within seconds.
"""

from __future__ import annotations

from piccolo.querystring import QueryString

from server.storage.engine import Store

_ACQUIRE = """INSERT INTO lease (name, holder, expires_at) VALUES ({}, {}, {})
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE lease.expires_at <= {} RETURNING holder"""
_RENEW = "UPDATE lease SET expires_at = {} WHERE name = {} AND holder = {} AND expires_at > {} RETURNING holder"
_RELEASE = "DELETE FROM lease WHERE name = {} AND holder = {}"


async def acquire(store: Store, name: str, holder: str, *, now: int, until: int) -> bool:
    """Take a lease that is free or has expired; whether it was. Times are epoch milliseconds."""
    return bool(await store.engine.run_querystring(QueryString(_ACQUIRE, name, holder, until, now)))


async def renew(store: Store, name: str, holder: str, *, now: int, until: int) -> bool:
    """Keep a lease longer. False where it has expired meanwhile: another may have it."""
    return bool(await store.engine.run_querystring(QueryString(_RENEW, until, name, holder, now)))


async def release(store: Store, name: str, holder: str) -> None:
    """Give a lease back, where it is still the holder's."""
    await store.engine.run_querystring(QueryString(_RELEASE, name, holder))


async def holder_of(store: Store, name: str, *, now: int) -> str | None:
    """Who has a lease now."""
    rows = await store.rows("SELECT holder FROM lease WHERE name = {} AND expires_at > {}", name, now)
    return str(rows[0]["holder"]) if rows else None
