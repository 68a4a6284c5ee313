"""The duration of an operation is limited, and its statements end with it."""

from __future__ import annotations

import asyncio
import sys
import threading
from traceback import walk_stack
from typing import Any

import pytest

from server.admin.auth import ALL_PROJECTS, Viewer
from server.admin.endpoint import Body, GraphQL
from server.history import History
from server.settings import Settings

ENGINES = ("sqlite", "postgres")


async def test_an_operation_that_takes_too_long_is_stopped_and_frees_the_store(
    store: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The query never ends by itself and occupies all long-running readers until the time limit."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS n FROM n"
    ask = store.rows_within
    monkeypatch.setattr(store, "rows_within", lambda seconds, *_: ask(seconds, endless))
    monkeypatch.setattr("server.admin.endpoint.SECONDS", 0.3)
    query = '{project(slug:"default"){a:events{totalCount} b:events{totalCount} c:events{totalCount} d:events{totalCount}}}'
    known = type("Projects", (), {"all": lambda _: []})()
    state: Any = type("State", (), {"store": store, "projects": known, "settings": settings, "history": History(store, settings)})()
    answer = await GraphQL().run(state, Viewer("key", frozenset({"read"}), ALL_PROJECTS, "key 1"), Body(query=query))
    assert answer.errors[0]["extensions"]["code"] == "TIMEOUT"
    assert answer.errors[0]["message"] == "This operation took more than 0.3 seconds. Request less data."
    async with asyncio.timeout(5):  # each of the queries had ten seconds
        while reading():
            await asyncio.sleep(0.05)
        assert await ask(5, "SELECT 1 AS n") == [{"n": 1}]


def reading() -> list[str]:
    """Return the busy reader threads of SQLite."""
    frames = sys._current_frames()
    readers = {each.name: frames.get(each.ident or 0) for each in threading.enumerate() if each.name.startswith("footfall-reader")}
    return [name for name, frame in readers.items() if frame is not None and "_fetch" in {at.f_code.co_name for at, _ in walk_stack(frame)}]
