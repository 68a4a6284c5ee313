"""Promises about new projects and keys: every replica accepts their first burst completely."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.problems import Unauthorized, UnknownProject, UnknownSite
from server.storage.projects import Projects, create_key, create_project
from server.storage.projects.validation import FieldProblem, ProblemKind
from server.storage.tables import Project
from tests.conftest import Server
from tests.field.conftest import TOKEN

BURST = 5
_numbers = itertools.count()


@pytest.fixture
def server(field_server: Server) -> Server:
    return field_server


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def field_engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def replica(server: Server, tmp_path: Path) -> Iterator[Server]:
    """Another server on the same store; on SQLite the same server."""
    if "FOOTFALL_DATABASE_URL" not in server.env:
        yield server
        return
    other = Server(tmp_path, {name: value for name, value in server.env.items() if name.startswith("FOOTFALL_") and "PORT" not in name})
    try:
        yield other.start()
    finally:
        other.close()


def new_slug() -> str:
    return f"fresh-{next(_numbers)}"


def burst(server: Server, path: str, document: Any = None, **headers: str) -> list[int]:
    """The statuses of posts that arrive at once, each on a connection of its own."""

    def post(number: int) -> int:
        body = document or {"name": "build", "installation_id": f"i{number}"}
        return httpx.post(server.url + path, json=body, headers=headers, timeout=20).status_code

    with ThreadPoolExecutor(BURST) as pool:
        return list(pool.map(post, range(BURST)))


def mutate(server: Server, mutation: str) -> Any:
    answer = server.client.post("/graphql", json={"query": f"mutation {{ {mutation} }}"}, headers={"authorization": f"Bearer {TOKEN}"})
    return answer.json()["data"]


def test_a_project_created_by_a_command_loses_no_event_of_its_first_burst(server: Server) -> None:
    slug = new_slug()
    assert server.footfall("project", "create", slug).returncode == 0
    assert burst(server, f"/p/{slug}/v1/events") == [202] * BURST


def test_a_write_key_created_by_a_command_loses_no_event_of_its_first_burst(server: Server) -> None:
    for header in ("x-footfall-key", "authorization"):
        made = server.footfall("key", "create", "default", "--scope", "ingest")
        key = made.stdout.split()[-1]
        assert burst(server, "/v1/events", **{header: key if header == "x-footfall-key" else f"Bearer {key}"}) == [202] * BURST


def test_a_project_created_on_one_replica_loses_no_event_of_its_first_burst_on_another(server: Server, replica: Server) -> None:
    for _ in range(3):
        slug = new_slug()
        mutate(server, f'createProject(slug: "{slug}") {{ errors {{ message }} }}')
        assert burst(replica, f"/p/{slug}/v1/events") == [202] * BURST
        made = mutate(server, f'createKey(slug: "{slug}", scopes: [INGEST]) {{ secret }}')
        assert burst(replica, "/v1/events", **{"x-footfall-key": made["createKey"]["secret"]}) == [202] * BURST


def test_a_host_claimed_by_a_new_project_sends_its_first_burst_there(server: Server) -> None:
    slug = new_slug()
    host = f"{slug}.example.org"
    assert server.footfall("project", "create", slug, "--host", host).returncode == 0
    assert burst(server, "/v1/events", host=host) == [202] * BURST
    assert stored(server, slug) == BURST


def stored(server: Server, slug: str) -> int:
    answer = server.client.post(
        "/graphql",
        json={"query": "query ($s: String!) { project(slug: $s) { ledger { stored } } }", "variables": {"s": slug}},
        headers={"authorization": f"Bearer {TOKEN}"},
    ).json()
    found: list[int] = answer["data"]["project"]["ledger"]["stored"]
    return sum(found)


def test_a_key_of_another_system_sends_its_first_burst_to_its_project(server: Server) -> None:
    slug, key = new_slug(), f"phc_{next(_numbers)}abcdefgh"
    assert burst(server, "/capture/", {"event": "build", "distinct_id": "i", "api_key": key}) == [200] * BURST
    assert server.footfall("project", "create", slug).returncode == 0
    for number in range(2):
        other = f"{key}-{number}"
        assert server.footfall("key", "create", slug, "--client-key", other).returncode == 0
        assert burst(server, "/capture/", {"event": "build", "distinct_id": "i", "api_key": other}) == [200] * BURST
        assert stored(server, slug) == BURST * (number + 1)
    assert server.footfall("key", "create", slug, "--client-key", f"{key}-otlp").returncode == 0
    records = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "build"}]}]}]}
    assert burst(server, "/v1/logs", records, authorization=f"Bearer {key}-otlp") == [200] * BURST
    assert stored(server, slug) == BURST * 3


class Counting(Projects):
    """Projects that count their reads of the store."""

    IN_TIME = STALE_AFTER = 60.0  # on a busy machine, thousands of simultaneous requests take longer than the usual seconds
    readings = 0

    async def _read(self, pause: float) -> None:
        await super()._read(pause)
        self.readings += 1


async def test_a_flood_of_unknown_projects_and_keys_shares_one_read(store: Any) -> None:
    projects = Counting(max_targets=1, public=())
    await projects.refresh()
    slugs = [projects.find({}, f"unknown-{number}") for number in range(500)]
    keys = [projects.key({b"x-footfall-key": b"ff_unknown-%d" % number}) for number in range(500)]
    found = await asyncio.gather(*slugs, *keys, return_exceptions=True)
    assert {type(each) for each in found} == {UnknownProject, Unauthorized}
    assert projects.readings == 2


async def test_a_flood_of_unknown_keys_of_other_systems_costs_few_reads(store: Any) -> None:
    projects = Counting(max_targets=1, public=())
    await projects.refresh()
    for _ in range(2):
        headers = [{b"authorization": b"Bearer phc_unknown-%d" % number} for number in range(2_000)]
        found = await asyncio.gather(*(projects.find(each, None, is_client_key=True) for each in headers))
        assert {(project.slug, key) for project, key in found} == {("default", None)}
    assert projects.readings == 2


async def test_a_token_of_a_clients_own_does_not_wait_for_the_store(store: Any) -> None:
    projects = Counting(max_targets=1, public=())
    await projects.refresh()
    await projects.find({}, None)
    readings = projects.readings
    for number in range(20):
        assert (await projects.find({b"authorization": b"Bearer own-%d" % number}, None))[1] is None
    assert projects.readings == readings


async def test_a_new_project_or_key_is_found_right_after_it_was_unknown(store: Any) -> None:
    projects = Projects(max_targets=1, public=())
    await projects.refresh()
    with pytest.raises(UnknownProject):
        await projects.find({b"host": b"new.example"}, "new")
    assert (await projects.find({b"host": b"new.example"}, None))[0].slug == "default"
    number = await create_project("new", hosts=["new.example"])
    _, secret = await create_key(number, name="", scopes=["ingest"])
    assert (await projects.find({}, "new"))[0].id == number
    assert (await projects.find({b"x-footfall-key": secret.encode()}, None))[0].id == number
    await create_key(number, name="", scopes=["ingest"], client_key="phc_of-another-system")
    once = projects.find({b"authorization": b"Bearer phc_of-another-system"}, None, is_client_key=True)
    again = projects.find({b"authorization": b"Bearer phc_of-another-system"}, None, is_client_key=True)
    assert [project.id for project, _ in await asyncio.gather(once, again)] == [number] * 2
    assert (await projects.find({b"host": b"new.example"}, None))[0].id == number


async def test_a_key_that_two_projects_adopt_at_the_same_time_belongs_to_one(store: Any) -> None:
    numbers = [await create_project(slug) for slug in ("first", "second")]
    adopting = (create_key(number, name="", scopes=["ingest"], client_key="phc_adopted-twice") for number in numbers)
    outcomes = await asyncio.gather(*adopting, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, FieldProblem)]
    assert [(problem.field, problem.why) for problem in refused] == [("clientKey", ProblemKind.TAKEN)]
    projects = Projects(max_targets=1, public=())
    await projects.refresh()
    owner, _ = await projects.find({b"authorization": b"Bearer phc_adopted-twice"}, None, is_client_key=True)
    assert not isinstance(outcomes[numbers.index(owner.id)], BaseException)


async def test_a_slug_that_no_project_can_have_is_refused_without_asking_the_store(store: Any) -> None:
    projects = Counting(max_targets=1, public=())
    await projects.refresh()
    for slug in ("No", "x" * 41, "a_b", "..", "\0"):
        with pytest.raises(UnknownProject):
            await projects.find({}, slug)
    assert projects.readings == 1


async def test_a_flood_of_unknown_sites_costs_few_readings_and_a_known_unknown_none(store: Any) -> None:
    projects = Counting(max_targets=1, public=())
    await projects.refresh()
    for _ in range(2):
        found = await asyncio.gather(*(projects.find_site(f"{number}.example", None) for number in range(2_000)), return_exceptions=True)
        assert {type(each) for each in found} == {UnknownSite}
    assert projects.readings == 2
    for site in ("7.example", "", " , "):  # refused without waiting
        with pytest.raises(UnknownSite):
            await asyncio.wait_for(projects.find_site(site, None), 0.05)
    assert projects.readings == 2


async def test_a_refused_site_is_accepted_once_a_project_lists_it(store: Any) -> None:
    projects = Projects(max_targets=1, public=())
    await projects.refresh()
    with pytest.raises(UnknownSite):
        await projects.find_site("new.example", None)
    number = await create_project("new-site")
    await Project.update({Project.sites: '["new.example"]'}).where(Project.id == number)
    await projects.refresh()
    assert (await projects.find_site("other.example, NEW.example", None)).id == number
    with pytest.raises(UnknownSite):
        await projects.find_site("new.example", "default")
