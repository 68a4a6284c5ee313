"""The history waits while clients need the processor."""

from __future__ import annotations

import asyncio

from server.jobs.calm import PATIENCE, WATCHED, Calm


class Loop:
    """The clocks of an event loop. During a sleep, clients use a share of the processor."""

    def __init__(self, *shares: float) -> None:
        self.now = self.used = 0.0
        self._shares = list(shares)

    async def sleep(self, seconds: float) -> None:
        share = self._shares.pop(0) if len(self._shares) > 1 else self._shares[0]
        self.work(seconds, share)

    def work(self, seconds: float, share: float) -> None:
        self.now += seconds
        self.used += seconds * share

    def calm(self) -> Calm:
        return Calm(lambda: self.used, lambda: self.now, self.sleep)


def test_a_step_waits_until_clients_need_less_than_a_third() -> None:
    loop = Loop(0.9, 0.6, 0.4, 0.1)
    asyncio.run(loop.calm().wait())
    assert loop.now == 4 * WATCHED


def test_a_calm_server_is_watched_once_and_not_before_each_step() -> None:
    loop = Loop(0.01)
    calm = loop.calm()
    for _ in range(20):
        asyncio.run(calm.wait())
        loop.work(2.0, 0.02)  # a step
    assert loop.now == WATCHED + 40


def test_a_step_waits_if_clients_came_during_the_last_one() -> None:
    loop = Loop(0.01, 0.8, 0.01)
    calm = loop.calm()
    asyncio.run(calm.wait())
    loop.work(2.0, 0.7)
    asyncio.run(calm.wait())
    assert loop.now == WATCHED + 2 + 2 * WATCHED


def test_a_server_that_is_always_busy_still_gets_a_history() -> None:
    loop = Loop(0.9)
    calm = loop.calm()
    for _ in range(5):
        asyncio.run(calm.wait())
    assert PATIENCE <= loop.now < PATIENCE + 2 * WATCHED
