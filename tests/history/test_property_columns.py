"""Properties have columns of their own in the files: those that projects count by, and the most frequent ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.history import History, building, manifest, numbers_column, texts_column, texts_in
from server.history.property_columns import MOST, choose
from server.settings import Settings
from server.storage.engine import Store

ENGINES = ("sqlite", "postgres")
# The elements of a property, as texts and as numbers.
CASES: tuple[tuple[Any, list[str | None], list[float | None]], ...] = (
    ("blog", ["blog"], [None]),
    (7, ["7"], [7.0]),
    (1.5, ["1.5"], [1.5]),
    (True, ["true"], [None]),
    (None, [None], [None]),
    ({"deep": "x"}, [None], [None]),
    ([], [None], []),
    (["a", "b", "a"], ["a", "b"], [None, None, None]),
    (["7", 7, None, [1]], ["7", None], [None, 7.0, None, None]),
    ("x" * 100, ["x" * 64], [None]),
    ('["a","b"]', ['["a","b"]'], [None]),
    ("[", ["["], [None]),
    (["[", 'x,"a', "back\\", "a\u0000b\n"], ["[", 'x,"a', "back\\", "a\u0000b\n"], [None] * 4),
)


@pytest.mark.engine_matters
@pytest.mark.parametrize("is_built", [False, True])
async def test_scalars_and_lists_have_the_same_form_in_files_and_in_the_tail(
    history: History, commit: Any, make_event: Any, is_built: bool
) -> None:
    documents = [json.dumps({"kind": value, "Kind": "other"}) for value, _, _ in CASES]
    await commit(make_event(50 - place, project=1, properties=document) for place, document in enumerate(documents))
    await commit([make_event(1, project=1, properties=None)])
    if is_built:
        await history.build()
    texts, numbers = texts_in(texts_column("kind")), numbers_column("kind")
    found = await history.query(f"SELECT {texts} AS texts, {numbers} AS numbers FROM events ORDER BY id", project_id=1, properties=["kind"])
    assert found is not None
    assert [sorted(row["texts"], key=str) for row in found] == [sorted(each, key=str) for _, each, _ in CASES] + [[None]]
    assert [row["numbers"] for row in found] == [each for _, _, each in CASES] + [[None]]


@pytest.mark.parametrize("is_built", [False, True])
async def test_a_list_of_one_text_and_that_text_are_stored_alike(history: History, commit: Any, make_event: Any, is_built: bool) -> None:
    documents = [json.dumps({"kind": value}) for value in ("blog", ["blog"], ["blog", "blog"], None, [], [None], {"deep": "x"})]
    await commit(make_event(50 - place, project=1, properties=document) for place, document in enumerate(documents))
    if is_built:
        await history.build()
    found = await history.query(f"SELECT {texts_column('kind')} AS text FROM events ORDER BY id", project_id=1, properties=["kind"])
    assert [row["text"] for row in found or []] == ["blog"] * 3 + [None] * 4


async def test_a_property_without_columns_is_read_from_json_and_gets_columns_once_a_project_counts_by_it(
    history: History, store: Store, settings: Settings, commit: Any, make_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rare() -> list[tuple[str, int]]:
        column = texts_column("a.rare")
        rows = await history.query(
            f"SELECT {column} AS text, count(*) AS n FROM events GROUP BY 1 ORDER BY n", project_id=1, properties=["a.rare"]
        )
        assert rows is not None
        return [tuple(row.values()) for row in rows]

    documents = [json.dumps({"common": "x"})] * 199 + [json.dumps({"a": {"rare": "y"}})]
    await commit(make_event(75 - place / 1_000, project=1, properties=document) for place, document in enumerate(documents))
    await history.build()
    names = {name for segment in manifest.load(settings.history_dir).segments for name in segment.properties}
    assert names == {"common"}
    expected = [("y", 1), (None, 199)]
    assert await rare() == expected
    await store.change(("UPDATE project SET dimensions = {} WHERE id = 1", ('["a.rare"]',)))
    await commit([make_event(2, project=1, properties=None)])
    monkeypatch.setattr(building, "SMALL", 1_000)
    await history.build()
    names = {name for segment in manifest.load(settings.history_dir).segments for name in segment.properties}
    assert names == {"common", "a.rare"}
    assert await rare() == [("y", 1), (None, 200)]


def test_a_client_with_a_new_property_in_each_event_does_not_displace_common_ones() -> None:
    documents = [json.dumps({"theme": "dark", f"key-{number}": number}) for number in range(5_000)]
    assert choose(documents, []) == ("theme",)
    assert choose(documents, ["rare"]) == ("rare", "theme")
    many = json.dumps({f"key-{number:03}": 1 for number in range(100)})
    assert len(choose([many], ["rare"])) == MOST
    assert "rare" in choose([many], ["rare"])
