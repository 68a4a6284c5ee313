"""Projects and keys that several servers create at the same time."""

from __future__ import annotations

import asyncio

from server.settings import Settings
from server.storage.engine import open_store
from server.storage.projects import FieldProblem, create_project, ensure_admin, ensure_default

ENGINES = ("sqlite", "postgres")


async def test_servers_that_start_at_once_make_one_default_project_and_one_admin(settings: Settings) -> None:
    store = await open_store(settings)
    await asyncio.gather(*(ensure_default() for _ in range(8)))
    await asyncio.gather(*(ensure_admin("a-token-of-the-settings") for _ in range(8)))
    assert await store.rows("SELECT slug FROM project") == [{"slug": "default"}]
    assert await store.rows("SELECT count(*) AS n FROM api_key WHERE revoked_at IS NULL") == [{"n": 1}]
    await store.close()


async def test_two_concurrent_creations_of_a_project_give_one_error(settings: Settings) -> None:
    store = await open_store(settings)
    made = await asyncio.gather(*(create_project("tool") for _ in range(4)), return_exceptions=True)
    assert [type(each) for each in made].count(int) == 1
    told = [each for each in made if isinstance(each, FieldProblem)]
    assert len(told) == 3
    assert {each.field for each in told} == {"slug"}
    await store.close()
