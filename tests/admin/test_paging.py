"""Pagination: in both directions and every order, pages contain each row once, at a constant number of statements."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from server.admin.auth import ALL_PROJECTS, Viewer
from server.admin.endpoint import Body, GraphQL
from server.event import Context as Place
from server.event import Environment, Event, Outcome
from server.event_id import EventIds
from server.health import Health
from server.jobs import find
from server.jobs.run import Run
from server.jobs.runner import Runner
from server.settings import load
from server.storage import projects
from server.storage.batch import Batch, TargetRules
from server.storage.projects import create_project, project_changes
from server.storage.upkeep import job_runs
from tests.admin.conftest import OPERATIONS
from tests.quick import first

ENGINES = ("sqlite", "postgres")
NOW = 1_795_262_400_000
PERIOD = 'period: {from: "2026-11-01", to: "2026-12-31"}'


@pytest.fixture
async def ask(store: Any) -> Any:
    """A function that runs queries as an admin, on 260 events of 52 installs, some of them seen in the same millisecond."""
    ids = EventIds(1)
    places = [
        Place(environment=Environment.CI if n % 3 else Environment.PERSON, os=f"os{n % 2}", runtime=f"node {n % 4}") for n in range(12)
    ]
    events = [
        Event(
            id=new, project=1, name=f"run {n % 5}", occurred_at=NOW - n // 8 * 1000, context=places[n % 12], install=n % 52 - 20,
            outcome=Outcome(n % 3), error_type=f"error {n % 40}" if n % 3 == 2 else None, target=("tool", f"tool {n % 30}"), duration_us=n * 1000,
        )
        for n, new in enumerate(ids.take(260, NOW))
    ]  # fmt: skip
    await store.commit(Batch(events, target_rules={1: TargetRules(False, 1000)}))
    return asking(store)


def asking(store: Any) -> Any:
    graphql = GraphQL()
    known = projects.Projects(max_targets=10, public=())
    settings = load({})
    writer = type("Writer", (), {"depth": 0})()
    state: Any = type("State", (), {"store": store, "projects": known, "settings": settings, "health": Health(store), "writer": writer})()

    async def ask(query: str, **variables: Any) -> Any:
        viewer = Viewer("key", frozenset({"admin"}), ALL_PROJECTS, "key 1")
        document = await graphql.run(state, viewer, Body(query=query, variables=variables))
        assert document.errors == []
        return document.data

    ask.graphql = graphql  # type: ignore[attr-defined]
    ask.state = state  # type: ignore[attr-defined]
    return ask


async def walk(ask: Any, field: str, row: str, *, backwards: bool, size: int) -> list[str]:
    """Return the rows of all pages, from one end to the other."""
    found: list[str] = []
    cursor: str | None = None
    rows, place = ("last", "before") if backwards else ("first", "after")
    while True:
        arguments = f"{rows}: {size}" + (f', {place}: "{cursor}"' if cursor else "")
        page = await ask(f"{{ {field.replace('PAGE', arguments)} }}")
        while "pageInfo" not in page:
            (page,) = page.values()
        here = [edge["node"][row] for edge in page["edges"]]
        info = page["pageInfo"]
        assert [edge["node"] for edge in page["edges"]] == page["nodes"]
        assert len(here) <= size
        assert info["startCursor"] == page["edges"][0]["cursor"]
        assert info["endCursor"] == page["edges"][-1]["cursor"]
        found = here + found if backwards else found + here
        assert info["hasNextPage" if backwards else "hasPreviousPage"] == (cursor is not None)
        if not info["hasPreviousPage" if backwards else "hasNextPage"]:
            assert len(found) == page["totalCount"]
            return found
        cursor = info["startCursor" if backwards else "endCursor"]


def lists() -> Iterator[Any]:
    page = "{ totalCount edges { cursor node { ROW } } nodes { ROW } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"
    for order in ("NEWEST", "OLDEST"):
        yield (
            f'project(slug: "default") {{ events({PERIOD}, orderBy: {order}, PAGE) ' + page.replace("ROW", "id"),
            "id",
            260,
            order == "NEWEST",
        )
        yield f"projects(orderBy: {order}, PAGE) " + page.replace("ROW", "slug").removesuffix(" }"), "slug", 8, None
    for order in ("HASH", "LAST_SEEN", "FIRST_SEEN"):
        yield f'project(slug: "default") {{ installs(orderBy: {order}, PAGE) ' + page.replace("ROW", "hash"), "hash", 52, None
    yield (
        'project(slug: "default") { installs(filter: {os: "os1", runtime: "node 3"}, PAGE) ' + page.replace("ROW", "hash"),
        "hash",
        13,
        None,
    )


async def test_every_list_is_the_same_forwards_and_backwards(ask: Any) -> None:
    for name in ("b", "a", "d", "c", "f", "e", "g"):
        await create_project(f"p{name}")
    for field, row, many, falls in lists():
        if field.startswith("projects(orderBy: OLDEST"):
            continue  # projects lack this order
        forwards = await walk(ask, field, row, backwards=False, size=19)
        assert len(set(forwards)) == len(forwards) == many, field
        assert forwards == await walk(ask, field, row, backwards=True, size=19), field
        assert forwards == await walk(ask, field, row, backwards=False, size=100), field
        if falls is not None:
            assert forwards == sorted(forwards, reverse=falls), field


async def test_a_page_is_correct_after_deletions(ask: Any, store: Any) -> None:
    query = f'query($after: String) {{ project(slug: "default") {{ events({PERIOD}, first: 10, after: $after) {{ nodes {{ id }} pageInfo {{ endCursor }} }} }} }}'
    first = (await ask(query))["project"]["events"]
    second = (await ask(query, after=first["pageInfo"]["endCursor"]))["project"]["events"]
    await store.change(("DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id DESC LIMIT 10)", ()))
    assert (await ask(query, after=first["pageInfo"]["endCursor"]))["project"]["events"] == second


@pytest.mark.parametrize(
    "text", first(["WzFd", "x", "", "secret", "W10", "WzEsMl0", "WyJhIiwxXQ", "e30", "WzFlOTldAAA", "é", "A" * 5000], 2)
)
async def test_an_invalid_cursor_is_refused(ask: Any, text: str) -> None:
    """The cursors include `[]`, `[1]`, `[1,2]`, `["a",1]` and `{}`: each is invalid, or belongs to another list."""
    graphql, viewer = ask.graphql, Viewer("key", frozenset({"read"}), ALL_PROJECTS, "key 1")
    fields = (
        'project(slug:"default"){events(after:$after){nodes{id}}}',
        'project(slug:"default"){installs(before:$after){nodes{hash}}}',
        "projects(after:$after){nodes{slug}}",
    )
    for field in fields:
        document = await graphql.run(ask.state, viewer, Body(query=f"query($after:String){{{field}}}", variables={"after": text}))
        if not document.errors:
            assert decodes(text), (field, text)
            continue
        assert document.errors[0]["extensions"]["code"] == "BAD_INPUT", document
        assert "secret" not in str(document)


def decodes(text: str) -> bool:
    """Return whether a cursor has the parts of this list: one number for events, two for installs."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).startswith(b"[1")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ("first: 0", "first"),
        ("first: 101", "first"),
        ("last: 101", "last"),
        ("first: 1, last: 1", "last"),
        ('first: 1, before: "WzFd"', "last"),
        ("last: -1", "last"),
    ],
)
async def test_a_page_has_one_direction_and_a_maximum_size(ask: Any, arguments: str, field: str) -> None:
    viewer = Viewer("key", frozenset({"read"}), ALL_PROJECTS, "key 1")
    document = await ask.graphql.run(ask.state, viewer, Body(query=f'{{project(slug:"default"){{events({arguments}){{nodes{{id}}}}}}}}'))
    assert document.errors[0]["extensions"]["errors"][0]["path"] == field


async def test_jobs_have_their_last_runs(ask: Any, store: Any, settings: Any) -> None:
    job = find("expire")
    assert job is not None
    for _ in range(3):
        await Runner(Run(store, settings, by_hand=True)).run(job)
    await job_runs.begin(store, "trending", "laptop", NOW)
    jobs = {job["name"]: job for job in (await ask("{jobs{name result runs(first: 2){result endedAt detail}}}"))["jobs"]}
    assert [run["result"] for run in jobs["expire"]["runs"]] == ["DONE", "DONE"]
    assert all(run["endedAt"] and "deleted" in run["detail"] for run in jobs["expire"]["runs"])
    assert [run["result"] for run in jobs["trending"]["runs"]] == ["RUNNING"]
    assert jobs["retention"]["runs"] == []


SIZES: dict[str, dict[str, Any]] = {
    "ErrorSamples": {"errorType": "error 2"},
    "Funnel": {"names": ["run 0", "run 1"]},
    "Experiment": {"property": "x"},
    "Breakdown": {"by": "TARGET"},
    "FieldValues": {"field": "os"},
}


@pytest.mark.slow
async def test_larger_pages_need_no_more_statements(ask: Any, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        await create_project(f"p{number}")
        await project_changes.set_visibility(1, "tool", f"tool {number}", "public", NOW)
    asked: list[str] = []
    for name in ("rows", "rows_within"):
        question = getattr(store, name)

        async def counted(*arguments: Any, question: Any = question) -> Any:
            asked.append(str(arguments))
            return await question(*arguments)

        monkeypatch.setattr(store, name, counted)
    run = store.engine.run_querystring

    async def counted_query(querystring: Any, *arguments: Any, **named: Any) -> Any:
        asked.append(str(querystring))
        return await run(querystring, *arguments, **named)

    monkeypatch.setattr(type(store.engine), "run_querystring", lambda _, *arguments, **named: counted_query(*arguments, **named))
    checked = []
    for path in sorted(OPERATIONS.glob("*.graphql")):
        text = path.read_text()
        if not text.startswith("query") or "$first" not in text or path.stem == "ProjectCards":  # each of its rows needs queries of its own
            continue
        counts = []
        for size in (2, 2, 50):  # the first run fills the caches
            asked.clear()
            data = await ask(
                text, slug="default", first=size, **({"period": {"from": "2026-11-01", "to": "2026-12-31"}} | SIZES.get(path.stem, {}))
            )
            assert data
            counts.append(len(asked))
        assert counts[1] == counts[2] > 0, (path.stem, counts)
        checked.append(path.stem)
    assert len(checked) >= 10, checked
