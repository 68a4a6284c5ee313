"""The dump of the downloads seed: `/counts` shows its exact totals and days, even after repeated imports."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

from server.analytics.pack_downloads import PackCounts, pack_counts
from server.event import DAY
from server.settings import Settings
from server.storage.upkeep import recount
from tests.conftest import rows_of
from tests.transfer.conftest import NOW, import_file, lines, where, with_store

ENGINES = ("sqlite", "postgres")

TODAY = NOW // DAY  # 2026-10-26
# The numbers of the seed's page: 12,847 downloads in total, and the last days.
DUMP = {
    "dl:peon:total": 12_847,
    "dl:peon:2026-10-26": 47,
    "dl:peon:2026-10-25": 400,
    "dl:peon:2026-10-20": 445,
    "dl:peon:2026-10-01": 1_000,
    "dl:glados:2026-10-26": 3,
    "dl:old:total": 9,
}
SHOWN = {"peon": PackCounts(12_847, 892, 47), "old": PackCounts(9, 0, 0), "glados": PackCounts(3, 3, 3)}
FORMS = {
    "object.json": msgspec.json.encode(DUMP),
    "pretty.json": msgspec.json.format(msgspec.json.encode(DUMP), indent=4),
    "pairs.jsonl": lines(*({"name": name, "value": value} for name, value in DUMP.items())),
    "text-values.jsonl": lines(*({"key": name, "value": str(value)} for name, value in DUMP.items())),
    "array.json": msgspec.json.encode([{"name": name, "value": str(value)} for name, value in DUMP.items()]),
    "words.txt": "\r\n".join(f"{name}\t{value}" for name, value in DUMP.items()).encode(),
}


def shown(settings: Settings) -> dict[str, PackCounts]:
    found: dict[str, PackCounts] = with_store(settings, lambda store, project: pack_counts(store, project.id, TODAY))
    return found


@pytest.mark.parametrize("form", FORMS)
def test_counts_shows_the_counts_of_the_dump_once(fresh: Settings, tmp_path: Path, form: str) -> None:
    file = tmp_path / form
    file.write_bytes(FORMS[form])
    for _ in range(2):
        summary = import_file(fresh, file)
        assert (summary.form, summary.counts, summary.bad, summary.named) == ("downloads", 7, 0, [])
        assert shown(fresh) == SHOWN


@pytest.mark.parametrize("order", list(itertools.permutations(list(DUMP)[:4]))[::5])
def test_the_order_of_the_keys_does_not_matter(fresh: Settings, tmp_path: Path, order: tuple[str, ...]) -> None:
    for number, name in enumerate(order):
        file = tmp_path / f"{number}.txt"
        file.write_text(f"{name} {DUMP[name]}\n")
        import_file(fresh, file)
    assert shown(fresh) == {"peon": SHOWN["peon"]}


def test_a_newer_dump_of_the_same_collector_adds_the_difference(fresh: Settings, tmp_path: Path) -> None:
    for number, dump in enumerate((DUMP, {**DUMP, "dl:peon:total": 12_850, "dl:peon:2026-10-26": 50})):
        file = tmp_path / f"{number}.json"
        file.write_bytes(msgspec.json.encode(dump))
        import_file(fresh, file)
    assert shown(fresh)["peon"] == PackCounts(12_850, 895, 50)


def test_imported_counts_appear_in_charts_by_day_without_invented_events(fresh: Settings, tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    file.write_bytes(FORMS["object.json"])
    import_file(fresh, file)
    assert rows_of(where(fresh), "SELECT count(*) FROM event") == [(0,)]
    hours = dict(rows_of(where(fresh), "SELECT hour / 24, sum(events) FROM rollup_hour GROUP BY 1"))
    assert hours == {TODAY: 50, TODAY - 1: 400, TODAY - 6: 445, TODAY - 25: 1_000}


def test_a_recount_skips_imported_counts(fresh: Settings, tmp_path: Path) -> None:
    for name, content in (("total.txt", b"dl:peon:total 5\n"), ("dump.json", FORMS["object.json"])):
        (tmp_path / name).write_bytes(content)
        import_file(fresh, tmp_path / name)

        async def complete(store, project):
            async with store.snapshot() as snapshot:
                return (await recount.complete_days(snapshot))[project.id]

        days = with_store(fresh, complete)
        assert not days.totals
    assert {TODAY, TODAY - 1, TODAY - 6, TODAY - 25} <= days.partial


def test_an_invalid_count_is_reported(fresh: Settings, tmp_path: Path) -> None:
    file = tmp_path / "dump.txt"
    file.write_text(
        "dl:peon:total 5\ndl:../etc:total 1\ndl:peon:2026-13-01 1\ndl:peon:2031-01-01 1\ndl:peon:2026-01-01 -1\ndl:peon\nx y z\n"
    )
    summary = import_file(fresh, file)
    assert (summary.counts, summary.bad) == (1, 6)
    assert shown(fresh) == {"peon": PackCounts(5, 0, 0)}
