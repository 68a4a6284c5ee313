"""Slow answers are cached for a while, quick ones until the next write."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from server.problems import Busy
from server.public import response_cache
from server.public.response_cache import Content, ResponseCache
from server.questions import answer_cache


class Large:
    """A store of some size, to which other servers may write."""

    version: Any = 0

    def __init__(self, size: int = answer_cache.LARGE + 1, *, has_one_writer: bool = False) -> None:
        self._size = size
        self.sql = SimpleNamespace(has_one_writer=has_one_writer)

    def size(self) -> int:
        return self._size


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(answer_cache, "time", made)
    return made


def question(clock: Clock, seconds: float) -> Any:
    """A slow question that returns the number of its calls."""
    calls = 0

    @answer_cache.reused
    async def ask(store: Any, what: str, *, more: int = 0) -> tuple[str, int, int]:
        nonlocal calls
        calls += 1
        clock.now += seconds
        return what, more, calls

    return ask


async def test_a_slow_answer_about_a_large_store_serves_twenty_times_as_long_as_it_took(clock: Clock) -> None:
    ask, store = question(clock, 0.5), Large()
    assert await ask(store, "a") == ("a", 0, 1)
    clock.now = 1_000.0 + 9.9
    assert await ask(store, "a") == ("a", 0, 1)
    clock.now = 1_000.0 + 10.1
    assert await ask(store, "a") == ("a", 0, 2)


async def test_other_questions_and_other_stores_have_answers_of_their_own(clock: Clock) -> None:
    ask, store, other = question(clock, 0.5), Large(), Large()
    assert [(await ask(store, "a"))[2], (await ask(store, "b"))[2], (await ask(store, "a", more=1))[2], (await ask(other, "a"))[2]] == [
        1,
        2,
        3,
        4,
    ]
    assert (await ask(store, "a"))[2] == 1


@pytest.mark.parametrize(
    ("seconds", "size", "has_one_writer"),
    [(0.004, answer_cache.LARGE + 1, True), (0.05, answer_cache.LARGE + 1, False), (5.0, answer_cache.LARGE, True)],
)
async def test_answers_that_cost_little_or_come_from_a_small_store_are_not_cached(
    clock: Clock, seconds: float, size: int, has_one_writer: bool
) -> None:
    ask, store = question(clock, seconds), Large(size, has_one_writer=has_one_writer)
    assert [(await ask(store, "a"))[2] for _ in range(3)] == [1, 2, 3]


async def test_a_quick_answer_about_a_large_store_serves_until_the_next_write_for_at_most_ten_seconds(clock: Clock) -> None:
    ask, store = question(clock, 0.05), Large(has_one_writer=True)
    assert [(await ask(store, "a"))[2] for _ in range(3)] == [1, 1, 1]
    store.version += 1
    assert [(await ask(store, "a"))[2] for _ in range(3)] == [2, 2, 2]
    clock.now += 10.1
    assert (await ask(store, "a"))[2] == 3


async def test_a_quick_answer_during_which_events_came_is_not_given_again(clock: Clock) -> None:
    calls = 0

    @answer_cache.reused
    async def ask(store: Any) -> int:
        nonlocal calls
        calls += 1
        clock.now += 0.05
        store.version += 1  # a commit while the answer is computed
        return calls

    store: Any = Large(has_one_writer=True)
    assert [await ask(store), await ask(store)] == [1, 2]


async def test_the_cache_is_bounded(clock: Clock) -> None:
    ask, store = question(clock, 0.5), Large(has_one_writer=True)
    for number in range(200):
        await ask(store, str(number))
    assert 0 < len(answer_cache._KEPT[store]) <= 64  # type: ignore[index]
    assert 0 < len(answer_cache._QUICK[store]) <= 128  # type: ignore[index]


async def test_a_question_that_fails_is_asked_again(clock: Clock) -> None:
    answers: list[Any] = [RuntimeError("once"), "fine"]

    @answer_cache.reused
    async def ask(store: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    store: Any = Large()
    with pytest.raises(RuntimeError):
        await ask(store)
    assert await ask(store) == "fine"


class Written(Large):
    """A store with continuous writes."""

    def __init__(self, size: int = answer_cache.LARGE + 1) -> None:
        super().__init__(size)
        self._version = 0

    @property
    def version(self) -> int:
        self._version += 1
        return self._version


@pytest.mark.parametrize(("took", "serves"), [(0.2, 4), (30.0, 60)])
async def test_a_slow_public_answer_is_reused_for_at_most_a_minute(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, took: float, serves: float
) -> None:
    monkeypatch.setattr(response_cache, "time", clock)
    pages: Any = ResponseCache(Written())  # type: ignore[arg-type]
    made = 0

    async def make() -> Content:
        nonlocal made
        made += 1
        clock.now += took
        return Content(b"%d" % made)

    assert (await pages.page("counts", make)).content.body == b"1"
    clock.now += serves - 0.1
    assert (await pages.page("counts", make)).content.body == b"1"
    clock.now += 0.2
    assert (await pages.page("counts", make)).content.body == b"2"


class Changing(Large):
    """A store with occasional writes."""

    version = 0


async def test_many_equal_requests_share_one_read() -> None:
    store = Changing(0)
    pages: Any = ResponseCache(store)  # type: ignore[arg-type]
    made = turns = 0

    async def make() -> Content:
        nonlocal made
        made += 1
        await asyncio.sleep(0.01)
        return Content(b"%d" % made)

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    crowd = [asyncio.create_task(pages.page("counts", make)) for _ in range(500)]
    done, _ = await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
    counting = asyncio.create_task(count_turns())
    assert {page.content.body for page in await asyncio.gather(*crowd)} == {b"1"}
    counting.cancel()
    assert turns < 10  # rounds of the event loop, in which other tasks may run
    assert done


async def test_an_answer_after_a_commit_includes_it() -> None:
    store = Changing(0)
    pages: Any = ResponseCache(store)  # type: ignore[arg-type]

    async def make() -> Content:
        found = b"%d" % store.version
        await asyncio.sleep(0.01)
        return Content(found)

    requests = []
    for version in range(5):
        store.version = version
        requests += [asyncio.create_task(pages.page("counts", make)) for _ in range(3)]
        await asyncio.sleep(0.001)
    bodies = [page.content.body for page in await asyncio.gather(*requests)]
    assert all(int(body) >= number // 3 for number, body in enumerate(bodies))


async def test_an_answer_of_today_is_not_given_tomorrow(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_cache, "time", clock)
    clock.now = 20_000 * 86_400 - 0.5
    pages: Any = ResponseCache(Changing(0))  # type: ignore[arg-type]

    async def make() -> Content:
        return Content(b"%d" % (clock.now // 86_400))

    assert (await pages.page("counts", make)).content.body == b"19999"
    clock.now += 0.6
    assert (await pages.page("counts", make)).content.body == b"20000"


async def test_the_wait_for_a_hanging_store_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_cache, "_WAIT_LIMIT", 0.02)
    pages: Any = ResponseCache(Changing(0))  # type: ignore[arg-type]
    goes_on = asyncio.Event()

    async def make() -> Content:
        await goes_on.wait()
        return Content(b"at last")

    waiting = [pages.page("counts", make) for _ in range(3)]
    assert [type(found) for found in await asyncio.gather(*waiting, return_exceptions=True)] == [Busy] * 3
    goes_on.set()
    assert (await pages.page("counts", make)).content.body == b"at last"


async def test_an_error_reaches_all_waiting_callers_and_is_not_cached() -> None:
    pages: Any = ResponseCache(Changing(0))  # type: ignore[arg-type]
    tries = 0

    async def make() -> Content:
        nonlocal tries
        tries += 1
        await asyncio.sleep(0.01)
        if tries == 1:
            raise LookupError
        return Content(b"")

    crowd = [asyncio.create_task(pages.page("counts", make)) for _ in range(4)]
    crowd[0].cancel()
    wrong = await asyncio.gather(*crowd, return_exceptions=True)
    assert [type(error) for error in wrong] == [asyncio.CancelledError, LookupError, LookupError, LookupError]
    assert (await pages.page("counts", make)).content.body == b""


async def test_many_different_slow_answers_at_once_leave_a_reader_to_others() -> None:
    pages: Any = ResponseCache(Written(0))  # type: ignore[arg-type]
    busy = most = 0

    async def make() -> Content:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.01)
        busy -= 1
        return Content(b"")

    await asyncio.gather(*(pages.page(number, make) for number in range(10)))
    assert most == 2


async def test_concurrent_callers_share_the_answer_and_a_cancellation_affects_no_other() -> None:
    calls = 0

    @answer_cache.shared
    async def ask(store: Any, what: str) -> str:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        return f"{what} {calls}"

    store: Any = Large()
    impatient = asyncio.create_task(ask(store, "a"))
    others = [asyncio.create_task(ask(store, what)) for what in "aab"]
    await asyncio.sleep(0)
    impatient.cancel()
    assert await asyncio.gather(*others) == ["a 2", "a 2", "b 2"]
    assert await ask(store, "a") == "a 3"


class StoreOf:
    """A store of one or several processes, with a number of writes."""

    def __init__(self, *, has_one_writer: bool) -> None:
        self.version = 0
        self.sql = SimpleNamespace(has_one_writer=has_one_writer)


async def calls(store: Any, clock: Clock) -> list[int]:
    """Numbers of calls that a small read answers: at first, again, after a write, and two seconds later."""
    count = 0

    @answer_cache.reused_until_write
    async def read(store: Any, what: str) -> int:
        nonlocal count
        count += 1
        return count

    found = [await read(store, "a"), await read(store, "a")]
    store.version += 1
    found.append(await read(store, "a"))
    clock.now += 2.0
    return [*found, await read(store, "a")]


async def test_a_small_read_is_reused_until_a_write_or_for_a_second(clock: Clock) -> None:
    assert await calls(StoreOf(has_one_writer=True), clock) == [1, 1, 2, 3]


async def test_a_small_read_is_not_reused_where_another_process_may_write(clock: Clock) -> None:
    assert await calls(StoreOf(has_one_writer=False), clock) == [1, 2, 3, 4]
