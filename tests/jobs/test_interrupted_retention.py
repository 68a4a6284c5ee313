"""Interrupted retention: the rollups of the deleted events stay, even after a repair."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from server.jobs import Run
from server.jobs.retention_job import retention
from server.jobs.rollup_jobs import check_rollups
from server.storage.changes import Change
from server.storage.engine import Store
from server.storage.postgres import partitions
from server.storage.upkeep import maintenance
from tests.quick import first

ENGINES = ("sqlite", "postgres")

Make = Callable[..., Any]


@pytest.mark.parametrize("changes", first([3, 1]))
async def test_a_repair_after_an_interrupted_retention_lowers_no_sum(
    run: Run, commit: Make, varied: Make, tables: Make, count: Make, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    """Stop the job after a number of deletes, repair, and run the job again."""
    await commit([*varied(400, 400), *varied(400, 367), *varied(400, 366), *varied(400, 20)])
    before = tables()
    deletes = maintenance.delete_events
    left = changes

    async def stopped(store: Store, ids: Sequence[int]) -> Change:
        nonlocal left
        if not left:
            raise asyncio.CancelledError
        left -= 1
        return await deletes(store, ids)

    monkeypatch.setattr(maintenance, "delete_events", stopped)
    with pytest.raises(asyncio.CancelledError):
        await retention(run)
    assert 400 < count("event") < 1_600
    monkeypatch.undo()

    assert "all agree" in await check_rollups(run)
    assert "all agree" in await check_rollups(dataclasses.replace(run, by_hand=True, repair=True))
    assert tables() == before
    await retention(run)
    assert count("event") == 400, "the next run deletes the rest"
    assert tables() == before


async def test_a_repair_lowers_no_sum_after_retention_was_interrupted_between_months(
    run: Run, store: Store, commit: Make, varied: Make, tables: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    await commit([*varied(100, 500), *varied(100, 20)])
    before = tables()
    drops = partitions.drop_before

    async def stopped(store: Store, end: int) -> int:
        await drops(store, end)
        raise asyncio.CancelledError

    monkeypatch.setattr(partitions, "drop_before", stopped)
    with pytest.raises(asyncio.CancelledError):
        await retention(run)
    await check_rollups(dataclasses.replace(run, by_hand=True, repair=True))
    assert tables() == before
