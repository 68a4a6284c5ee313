"""Sessions of people who logged in with a token. Only a hash of the cookie is stored, and no address.

A session has the rights of the key that it was created with, until that key is revoked.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from piccolo.querystring import QueryString

from server.event import DAY, MINUTE
from server.storage.engine import Store
from server.storage.projects.validation import hash_key, read_list

IDLE = 30 * DAY  # ms without a request after which a session ends
LONGEST = 180 * DAY  # ms after which a session ends even if it is in use
_SEEN_EVERY = 5 * MINUTE  # ms: a write for each request would be too many
KEPT = 7 * DAY  # ms for which an ended session is listed

_INSERT = "INSERT INTO session (hash, key_id, client, created_at, seen_at) VALUES ({}, {}, {}, {}, {}) RETURNING id"
_COLUMNS = """session.id, session.key_id AS key, api_key.project_id AS project, api_key.scopes, session.client, session.created_at, session.seen_at,
    session.revoked_at"""
_FROM = f"SELECT {_COLUMNS} FROM session JOIN api_key ON api_key.id = session.key_id AND api_key.revoked_at IS NULL"
_LIVE = "session.revoked_at IS NULL AND session.seen_at > {} AND session.created_at > {}"


@dataclass(frozen=True, slots=True)
class Session:
    """One login. `project` is 0 for all projects; `client` is the family of the browser; times are epoch milliseconds."""

    id: int
    key: int
    project: int
    scopes: tuple[str, ...]
    client: str
    created_at: int
    seen_at: int
    revoked_at: int | None


async def begin(store: Store, key: int, client: str, now: int) -> tuple[int, str]:
    """Begin a session with the rights of a key. Return its number and the cookie, which is not stored."""
    cookie = secrets.token_urlsafe(32)
    rows = await store.engine.run_querystring(QueryString(_INSERT, hash_key(cookie), key, client[:100], now, now))
    return int(rows[0]["id"]), cookie


async def find(store: Store, cookie: str, now: int) -> Session | None:
    """Return the session of a cookie, or None if it does not exist or has ended. Records that the session was seen."""
    rows = await store.rows(f"{_FROM} WHERE session.hash = {{}} AND {_LIVE}", hash_key(cookie), now - IDLE, now - LONGEST)
    if not rows:
        return None
    found = _session(rows[0])
    if found.seen_at < now - _SEEN_EVERY:
        await store.change(("UPDATE session SET seen_at = {} WHERE id = {}", (now, found.id)))
    return found


async def open_sessions(store: Store, now: int) -> list[Session]:
    """Return the open sessions, most recently seen first."""
    rows = await store.rows(f"{_FROM} WHERE {_LIVE} ORDER BY session.seen_at DESC LIMIT 200", now - IDLE, now - LONGEST)
    return [_session(row) for row in rows]


async def revoke(store: Store, session: int, now: int) -> bool:
    """End a session. Return True if it was open."""
    change = await store.change(("UPDATE session SET revoked_at = {} WHERE id = {} AND revoked_at IS NULL", (now, session)))
    return bool(change.rows[0])


async def revoke_all(store: Store, now: int, *, but: int | None = None) -> int:
    """End all sessions except `but`. Return their number."""
    change = await store.change(("UPDATE session SET revoked_at = {} WHERE revoked_at IS NULL AND id <> {}", (now, but or 0)))
    return change.rows[0]


async def delete_expired(store: Store, now: int) -> int:
    """Delete sessions that ended more than `KEPT` ago. Return their number."""
    past = "DELETE FROM session WHERE revoked_at < {} OR seen_at < {} OR created_at < {}"
    change = await store.change((past, (now - KEPT, now - IDLE - KEPT, now - LONGEST - KEPT)))
    return change.rows[0]


def _session(row: dict[str, Any]) -> Session:
    return Session(**{**row, "scopes": tuple(read_list(row["scopes"]))})
