"""Erasure removes an install completely, even from the bytes of the file. Its counts and other installs stay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from server.event import Context, Incoming, Outcome
from server.event_id import from_uuid
from server.history import History
from server.ingest.privacy import Privacy
from server.settings import Settings
from server.storage.engine import server_secret
from server.storage.history import erasure
from server.storage.upkeep import recount
from server.transfer import install_data
from tests.conftest import rows_of
from tests.transfer.conftest import NOW, counted, fill, incoming, project_of, where, with_store

ENGINES = ("sqlite", "postgres")

WHO = "install-7"
# The tables with installs; all others are counts.
NAMING = ("activity", "installs", "error_installs", "events")
INSTALL_AT = {"activity": 1, "installs": 0, "error_installs": 3, "events": 3}


def number(settings: Settings) -> int:
    return Privacy(server_secret(settings)).install(1, WHO)


def test_erasure_leaves_nothing_of_an_install_and_changes_no_other(origin: Settings) -> None:
    install, before = number(origin), counted(origin)
    held = with_store(origin, lambda store, project: install_data.show(store, project.id, install))
    assert held.total_events > 20
    erased = with_store(origin, lambda store, project: install_data.erase(History(store, origin), project.id, install))
    assert (erased.events, erased.days, erased.purged) == (held.total_events, len(held.days), True)
    after = counted(origin)
    for table, rows in before.items():
        kept = rows if table not in NAMING else [row for row in rows if row[INSTALL_AT[table]] != install]
        assert after[table] == kept, table
    assert after["hourly"]
    assert with_store(origin, lambda store, project: install_data.show(store, project.id, install)) is None
    assert with_store(origin, lambda store, project: install_data.erase(History(store, origin), project.id, install)) is None


@pytest.mark.on_sqlite
def test_no_byte_of_it_is_left_in_the_files(origin: Settings) -> None:
    install = number(origin)
    marks = (install.to_bytes(8, "big", signed=True), str(install).encode(), f"{install & (1 << 64) - 1:016x}".encode())
    assert any(mark in _files(origin) for mark in marks)

    async def erase_while_open(store, project):
        erased = await install_data.erase(History(store, origin), project.id, install)
        assert erased is not None
        log = origin.sqlite_path.with_name(origin.sqlite_path.name + "-wal").stat().st_size
        return erased.purged, log, await erasure.rewrite(store), _files(origin)

    purged, log, rewritten, found = with_store(origin, erase_while_open)
    assert (purged, log, rewritten) == (True, 0, True)
    assert not any(mark in found for mark in marks)


def _files(settings: Settings) -> bytes:
    return b"".join(part.read_bytes() for part in sorted(settings.data_dir.glob("footfall.sqlite3*")))


def test_an_install_of_another_project_with_the_same_id_is_another_install(origin: Settings) -> None:
    privacy = Privacy(server_secret(origin))
    assert privacy.install(1, WHO) != privacy.install(2, WHO)
    before = counted(origin)
    assert with_store(origin, lambda store, _: install_data.erase(History(store, origin), 2, privacy.install(1, WHO))) is None
    assert counted(origin) == before


def test_a_recount_skips_days_with_erased_installs(origin: Settings) -> None:
    install = number(origin)
    days = {row[0] for row in counted(origin)["activity"] if row[1] == install}

    async def partial(store, project):
        await install_data.erase(History(store, origin), project.id, install)
        async with store.snapshot() as snapshot:
            return (await recount.complete_days(snapshot))[project.id].partial

    assert with_store(origin, partial) == days


def test_all_events_are_shown_page_by_page(origin: Settings) -> None:
    install = number(origin)

    async def walk(store, project):
        seen: list[Any] = []
        after = -1
        while True:
            page = await install_data.show(store, project.id, install, after=after, most=7)
            assert page is not None
            seen += page.events
            if page.next is None:
                return seen, page.total_events
            after = from_uuid(page.next)

    seen, total = with_store(origin, walk)
    assert len(seen) == len({event["id"] for event in seen}) == total
    assert all(re.fullmatch(r"[0-9a-f]{16}", event["install"]) for event in seen)


@pytest.mark.on_sqlite
def test_a_build_of_sqlite_that_does_not_overwrite_is_made_to(origin: Settings) -> None:
    install = number(origin)
    seen: list[int] = []

    async def erase_without(store, project):
        await store.engine.run_ddl("PRAGMA secure_delete = 0")
        change = store.change

        async def watched(*statements, **how):
            seen.extend(row["secure_delete"] for row in await store.engine.run_ddl("PRAGMA secure_delete"))
            return await change(*statements, **how)

        store.change = watched
        await install_data.erase(History(store, origin), project.id, install)
        after = await store.engine.run_ddl("PRAGMA secure_delete")
        return after[0]["secure_delete"]

    assert with_store(origin, erase_without) == 0
    assert set(seen) == {1}


@pytest.mark.parametrize("step", range(3))
def test_an_interrupted_erasure_can_be_repeated(origin: Settings, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    install = number(origin)

    async def interrupted(store, project):
        change, left = store.change, step + 1

        async def failing(*statements, **how):
            nonlocal left
            if left == 0:
                raise KeyError("killed")
            left -= 1
            return await change(*statements, **how)

        monkeypatch.setattr(store, "change", failing)
        monkeypatch.setattr("server.storage.history.erasure.EVENTS_A_CHANGE", 10)
        with pytest.raises(KeyError):
            await install_data.erase(History(store, origin), project.id, install)
        monkeypatch.setattr(store, "change", change)
        await install_data.erase(History(store, origin), project.id, install)

    with_store(origin, interrupted)
    after = counted(origin)
    assert not any(row[INSTALL_AT[table]] == install for table in NAMING for row in after[table])


def test_an_erased_install_that_sends_again_is_new(origin: Settings, tmp_path: Path) -> None:
    install = number(origin)

    async def send_again(store, project):
        await install_data.erase(History(store, origin), project.id, install)
        again = Incoming(name="run", install=WHO, outcome=Outcome.SUCCESS, context=Context())
        await fill(origin, store, await project_of(origin), [(NOW, again)])
        return await install_data.show(store, project.id, install)

    held = with_store(origin, send_again)
    assert (held.total_events, held.install["first_seen"]) == (1, held.install["last_seen"])
    if origin.database_url is None:
        assert rows_of(where(origin), "PRAGMA integrity_check") == [("ok",)]


def test_the_erased_install_has_enough_events() -> None:
    assert sum(one.install == WHO for _, one in incoming(3_000)) > 20
