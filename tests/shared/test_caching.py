"""Bounded caches and shared computations."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from server.caching import BoundedDict, SingleFlight, SingleFlightCache
from server.questions import answer_cache
from server.storage.engine import Store
from server.storage.projects import Projects


@pytest.mark.parametrize("most", [1, 2, 10, 1_000])
def test_a_bounded_dictionary_keeps_its_newest_entries(most: int) -> None:
    bounded: BoundedDict[int, int] = BoundedDict(most)
    for number in range(3 * most):
        bounded.keep(number, -number)
        assert len(bounded) <= most
        assert bounded.get(number) == -number
    oldest = 3 * most - (most - max(1, most // 8) + 1)
    assert all(number in bounded for number in range(oldest, 3 * most))
    bounded.keep_all(dict.fromkeys(range(2 * most), 0))
    assert len(bounded) <= most


async def test_a_stale_value_is_computed_again_and_an_error_is_not_cached() -> None:
    cache: SingleFlightCache[str, tuple[int, bool]] = SingleFlightCache(10, lambda value: value[1])
    made = 0

    async def make(*, is_fresh: bool) -> tuple[int, bool]:
        nonlocal made
        made += 1
        return made, is_fresh

    async def fail() -> tuple[int, bool]:
        raise LookupError

    with pytest.raises(LookupError):
        await cache.find("a", fail)
    assert await cache.find("a", lambda: make(is_fresh=False)) == (1, False)
    assert cache.get("a") is None
    assert await cache.find("a", lambda: make(is_fresh=True)) == (2, True)
    assert await cache.find("a", lambda: make(is_fresh=True)) == (2, True)
    assert await cache.find("b", lambda: make(is_fresh=True)) == (3, True)


async def test_a_computation_that_began_before_a_write_is_not_shared_with_later_callers() -> None:
    version = 1
    running: SingleFlight[str, int] = SingleFlight(version=lambda: version)
    go_on = asyncio.Event()

    async def read() -> int:
        seen = version
        await go_on.wait()
        return seen

    first = running.start("a", read)
    assert running.start("a", read) is first  # it has not begun
    await asyncio.sleep(0)
    assert running.start("a", read) is first
    version = 2
    second = running.start("a", read)
    go_on.set()
    assert (await first, await second) == (1, 2)
    assert running.running("a") is None


async def test_a_computation_that_has_just_ended_is_not_shared(recwarn: pytest.WarningsRecorder) -> None:
    running: SingleFlight[str, int] = SingleFlight()

    async def make() -> int:
        return 1

    seen: list[asyncio.Task[int] | None] = []
    task = running.start("a", make)
    asyncio.get_running_loop().call_soon(lambda: seen.append(running.running("a")))  # runs between the task's end and its callbacks
    await task
    assert seen == [None]


async def test_a_joined_computation_is_cancelled_with_the_last_of_its_callers() -> None:
    running: SingleFlight[str, int] = SingleFlight()
    go_on = asyncio.Event()
    ended: list[str] = []

    async def make() -> int:
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            await asyncio.sleep(0.01)  # a query that is interrupted ends a little later
            raise
        ended.append("done")
        return 1

    one, other, last = (asyncio.create_task(running.join("a", make)) for _ in range(3))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.wait({one})
    go_on.set()
    assert (await other, await last) == (1, 1)
    go_on.clear()
    only = asyncio.create_task(running.join("a", make))
    await asyncio.sleep(0.01)
    only.cancel()
    await asyncio.wait({only})
    go_on.set()
    assert await running.join("a", make) == 1  # it does not join the cancelled one, which is still ending
    assert sorted(ended) == ["cancelled", "done", "done"]
    assert only.cancelled()


async def test_a_refresh_requested_while_another_ends_reads_again(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """The change of a project that is saved in the very iteration in which a refresh ends: it once stopped the server for good."""
    projects = Projects(max_targets=10, public=())
    reads, later = 0, []
    read = projects._read

    async def counted(pause: float) -> None:
        nonlocal reads
        reads += 1
        await read(pause)
        if reads == 1:
            later.append(asyncio.create_task(projects.refresh()))  # runs before the callbacks of the first read

    monkeypatch.setattr(projects, "_read", counted)
    async with asyncio.timeout(20):
        await projects.refresh()
        await later[0]
    assert reads == 2


async def test_questions_of_the_same_name_in_two_modules_have_separate_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def question(module: str) -> Any:
        async def total(store: Any) -> str:
            await asyncio.sleep(0.01)
            return module

        total.__module__ = module
        return total

    together = [answer_cache.shared(question(module)) for module in ("overview", "breakdown")]
    assert await asyncio.gather(*(ask(store) for ask in together)) == ["overview", "breakdown"]
    monkeypatch.setattr(answer_cache, "LARGE", 0)
    monkeypatch.setattr(answer_cache, "SLOW", 0)
    one, other = (answer_cache.reused(question(module)) for module in ("overview", "breakdown"))
    assert (await one(store), await other(store)) == ("overview", "breakdown")


async def test_concurrent_computations_are_limited_and_may_find_what_another_made() -> None:
    cache: SingleFlightCache[str, float] = SingleFlightCache(10, lambda _: True, at_once=1)
    busy = most = 0

    async def make() -> float:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        busy -= 1
        return time.monotonic()

    found = await asyncio.gather(*(cache.find(key, make) for key in "abcabc"))
    assert most == 1
    assert found[:3] == found[3:]
