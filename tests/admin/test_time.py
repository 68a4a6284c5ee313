"""The time of an operation is bounded, and what it asked of the store ends with it."""

from __future__ import annotations

import asyncio
import sys
import threading
from traceback import walk_stack
from typing import Any

import pytest

from server.admin.auth import EVERY, Viewer
from server.admin.endpoint import Body, GraphQL
from server.settings import load

ENGINES = ("sqlite", "postgres")


async def test_an_operation_that_takes_too_long_is_stopped_and_the_store_is_free_again(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question is one that would never end: all who may read long are busy with it, until the operation's time is over."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS n FROM n"
    ask = store.rows_within
    monkeypatch.setattr(store, "rows_within", lambda seconds, *_: ask(seconds, endless))
    monkeypatch.setattr("server.admin.endpoint.SECONDS", 0.3)
    query = '{project(slug:"default"){a:events{totalCount} b:events{totalCount} c:events{totalCount} d:events{totalCount}}}'
    known = type("Projects", (), {"all": lambda _: []})()
    state: Any = type("State", (), {"store": store, "projects": known, "settings": load({})})()
    answer = await GraphQL().run(state, Viewer("key", frozenset({"read"}), EVERY, "key 1"), Body(query=query))
    assert answer["errors"][0]["extensions"]["code"] == "TIMEOUT"
    async with asyncio.timeout(5):  # each of the endless ones had ten seconds
        while reading():
            await asyncio.sleep(0.05)
        assert await ask(5, "SELECT 1 AS n") == [{"n": 1}]


def reading() -> list[str]:
    """The threads of SQLite's readers that are at it."""
    frames = sys._current_frames()
    readers = {each.name: frames.get(each.ident or 0) for each in threading.enumerate() if each.name.startswith("footfall-reader")}
    return [name for name, frame in readers.items() if frame is not None and "_fetch" in {at.f_code.co_name for at, _ in walk_stack(frame)}]
