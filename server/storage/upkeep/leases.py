"""Leases for work that only one process may do at a time, on any machine.

A lease is a row with a time of expiry, which the holder extends while it works. If the holder dies, the lease expires and another process takes
over. Each step is one statement, so the database decides. Machines that share a store need clocks that agree to within seconds.
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
    """Acquire a lease that is free or has expired. Return True on success. Times are in epoch milliseconds."""
    return bool(await store.engine.run_querystring(QueryString(_ACQUIRE, name, holder, until, now)))


async def renew(store: Store, name: str, holder: str, *, now: int, until: int) -> bool:
    """Extend a lease. Return False if it has expired, in which case another process may hold it."""
    return bool(await store.engine.run_querystring(QueryString(_RENEW, until, name, holder, now)))


async def release(store: Store, name: str, holder: str) -> None:
    """Release a lease, if the holder still has it."""
    await store.engine.run_querystring(QueryString(_RELEASE, name, holder))


async def holder_of(store: Store, name: str, *, now: int) -> str | None:
    """Return the current holder of a lease, or None."""
    rows = await store.rows("SELECT holder FROM lease WHERE name = {} AND expires_at > {}", name, now)
    return str(rows[0]["holder"]) if rows else None
