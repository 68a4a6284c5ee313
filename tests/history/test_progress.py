"""While the history is built, a question that it would answer reports the progress of the build, on both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.admin.auth import ALL_PROJECTS, Viewer
from server.admin.endpoint import Body, GraphQL
from server.event import DAY
from server.event_id import first_id
from server.history import History
from server.history.building import Built
from server.problems import TooBroad
from server.questions import sql
from server.questions.ask import ask
from server.questions.periods import Period
from server.questions.question import Condition, Op, Question
from server.settings import Settings
from server.storage import changed_days
from server.storage.engine import Store
from server.storage.sqlite import connection_pool
from tests.history.conftest import NOW

ENGINES = ("sqlite", "postgres")
LINUX = Question(
    project=1, period=Period(NOW - 80 * DAY, NOW), where=(Condition("os", Op.IS, ("linux",)), Condition("arch", Op.IS, ("x64",)))
)


@pytest.fixture
def slow_reads(where: Path | str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """Makes reads of raw events exceed their time limit: any read on SQLite; reads that wait for a locked table on PostgreSQL."""

    @contextmanager
    def slow() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(sql, "RAW_SECONDS", 0.0 if isinstance(where, Path) else 0.2)
            patch.setattr(connection_pool, "_STEPS_PER_CHECK", 1)
            if isinstance(where, Path):
                yield
                return
            with psycopg.connect(where) as connection:
                connection.execute("LOCK TABLE context IN ACCESS EXCLUSIVE MODE")
                yield

    return slow


async def test_progress_is_the_share_that_the_files_cover_and_none_once_they_cover_all(
    store: Store, fill: Any, history: History, slow_reads: Callable[[], AbstractContextManager[None]]
) -> None:
    assert await history.progress() is None, "there are no events"
    await fill(300, days=90)
    assert await history.progress() is None, "questions about this few events need no files"
    history.tail = 299
    assert await history.progress() == 0
    with slow_reads(), pytest.raises(TooBroad, match=r"history of events is being built \(0% done\)"):
        await ask(store, LINUX, history=history)
    sealed = await changed_days.seal(store, first_id(NOW))
    shares = []
    while await history._builder.step(sealed, Built()):  # a piece, as in a build
        shares.append(await history.progress())
    assert 0 < (shares[0] or 0) < 1
    assert shares[-1] is None
    with slow_reads(), pytest.raises(TooBroad, match="No rollup has this combination"):
        await ask(store, LINUX, history=history)


async def test_an_operation_that_takes_too_long_meanwhile_reports_the_progress(
    store: Any, fill: Any, history: History, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(300, days=90)
    history.tail = 299
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS n FROM n"
    ask_within = store.rows_within
    monkeypatch.setattr(store, "rows_within", lambda seconds, *_: ask_within(seconds, endless))
    monkeypatch.setattr("server.admin.endpoint.SECONDS", 0.3)
    known = type("Projects", (), {"all": lambda _: []})()
    state: Any = type("State", (), {"store": store, "projects": known, "settings": settings, "history": history})()
    viewer = Viewer("key", frozenset({"read"}), ALL_PROJECTS, "key 1")
    answer = await GraphQL().run(state, viewer, Body(query='{project(slug:"default"){events{totalCount}}}'))
    assert "The history of events is being built (0% done)" in answer.errors[0]["message"]
