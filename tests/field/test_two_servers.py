"""Two servers over one PostgreSQL and one Redis, under a base path: they forward as one, and a link that one revokes is gone on the other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import SECRET, Server, rows_of
from tests.field.conftest import TOKEN
from tests.field.test_shadow import COUNTS, EVENT, UPDATE, OldSystem
from tests.field.test_shared_questions import REVOKE, SAVE, SHARE
from tests.postgres import Postgres
from tests.redis_server import running_redis

BASE = "/telemetry"
KEY = "key-in-the-path-7f3a"


class Pair(NamedTuple):
    one: Server
    other: Server

    def ask(self, query: str, key: str = TOKEN, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        answer = self.one.client.post(f"{BASE}/graphql", json=body, headers={"authorization": f"Bearer {key}"}).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def logs(self) -> str:
        return self.one.log.read_text() + self.other.log.read_text()


@pytest.fixture(scope="module")
def pair(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("pair")
    with running_redis(folder) as redis:
        env = {
            "FOOTFALL_DATABASE_URL": postgres.fresh(),
            "FOOTFALL_SECRET": SECRET,
            "FOOTFALL_REDIS_URL": redis.url,
            "FOOTFALL_ADMIN_TOKEN": TOKEN,
            "FOOTFALL_BASE_PATH": BASE,
            "FOOTFALL_ALERT_PRIVATE": "on",
        }
        servers = [Server(tmp_path_factory.mktemp(name), env) for name in ("one", "other")]
        for server in servers:
            server.start()
        yield Pair(*servers)
        for server in servers:
            server.close()


@pytest.fixture
def old() -> Iterator[OldSystem]:
    system = OldSystem()
    yield system
    system.close()


@pytest.mark.slow
def test_two_servers_forward_each_request_once_and_count_together(pair: Pair, old: OldSystem) -> None:
    slug = "shadow-pair"
    pair.ask("mutation ($s: String!) { createProject(slug: $s) { errors { message } } }", s=slug)
    assert pair.ask(UPDATE, s=slug, c={"forwardTo": f"{old.url}/{KEY}"})["updateProject"]["errors"] == []
    probe = json.dumps({"batch": [{**EVENT, "uuid": "probe"}]})
    deadline, probes = time.monotonic() + 20, 0
    while not old.requests:  # the other server reads projects every two seconds
        assert pair.other.client.post(f"{BASE}/p/{slug}/batch", content=probe).status_code == 200
        assert time.monotonic() < deadline
        probes += 1
        time.sleep(0.2)
    last, forwarded = probes, len(old.requests)

    def send(number: int) -> int:
        server = pair[number % 2]
        return server.client.post(f"{BASE}/p/{slug}/batch", content=json.dumps({"batch": [{**EVENT, "uuid": f"u{number}"}]})).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(send, range(60))) == {200}
    while True:
        found = pair.ask(COUNTS, s=slug)["project"]["forwarding"]
        if found["accepted"][-1] == found["events"][-1] >= 60 + forwarded:
            break
        assert time.monotonic() < deadline + 20, found
        time.sleep(0.2)
    uuids = [json.loads(body)["batch"][0]["uuid"] for _, _, body in old.requests]
    assert sorted(each for each in uuids if each != "probe") == sorted(f"u{number}" for number in range(60))
    assert found["accepted"][-1] == len(old.requests) <= 60 + last
    assert {path for path, _, _ in old.requests} == {f"/{KEY}/batch"}


@pytest.mark.slow
def test_a_key_in_the_address_of_the_old_system_is_shown_to_admins_of_all_projects_only(pair: Pair) -> None:
    slug = "shadow-key"
    pair.ask("mutation ($s: String!) { createProject(slug: $s) { errors { message } } }", s=slug)
    assert pair.ask(UPDATE, s=slug, c={"forwardTo": f"http://127.0.0.1:9/{KEY}"})["updateProject"]["errors"] == []
    assert pair.one.client.post(f"{BASE}/p/{slug}/batch", json={"batch": [EVENT]}).status_code == 200
    for scope, url in (("READ", "http://127.0.0.1:9/…"), ("ADMIN", "http://127.0.0.1:9/…"), (None, f"http://127.0.0.1:9/{KEY}")):
        made = "mutation ($p: String!, $s: [Scope!]!) { createKey(slug: $p, scopes: $s) { secret } }"
        key = TOKEN if scope is None else pair.ask(made, p=slug, s=[scope])["createKey"]["secret"]
        assert pair.ask(COUNTS, key, s=slug)["project"]["forwarding"]["url"] == url
    deadline = time.monotonic() + 20
    while not (found := pair.ask(COUNTS, s=slug)["project"]["forwarding"])["failed"][-1]:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert KEY not in json.dumps(found["errors"])
    audit = rows_of(pair.one.store, "SELECT action, detail FROM audit_entry")
    assert ("project.update", "forward_to") in audit
    metrics = pair.one.client.get(f"{BASE}/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
    assert KEY not in str(audit) + metrics + pair.logs()


def test_a_link_that_one_server_revokes_shows_nothing_on_the_other(pair: Pair) -> None:
    assert pair.ask(SAVE, slug="default", name="Shared", question={})["saveQuestion"]["errors"] == []
    link = pair.ask(SHARE, slug="default", name="Shared")["createShare"]
    path = link["path"] if link["path"].startswith(BASE) else BASE + link["path"]
    assert [server.client.get(path).status_code for server in pair] == [200, 200]
    assert pair.ask(REVOKE, slug="default", id=link["share"]["id"])["revokeShare"]["errors"] == []
    assert [server.client.get(path).status_code for server in pair] == [404, 404]
