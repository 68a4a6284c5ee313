"""Mutations: effects, errors by field, and audit entries without secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from server.admin.auth import ALL_PROJECTS, COOKIE, Viewer
from server.admin.loaders import Loaders
from server.admin.request_context import Context
from server.admin.schema import build
from server.event import Context as Place
from server.event import Event
from server.event_id import EventIds
from server.settings import load
from server.storage.batch import Batch
from tests.admin.conftest import OPERATIONS, Asker


def errors(result: dict[str, Any]) -> list[str | None]:
    (payload,) = result.values()
    return [error["field"] for error in payload["errors"]]


def test_a_project_is_created_changed_and_archived(admin: Any, filled: Any, wait: Callable[..., Any]) -> None:
    made = admin.run("CreateProject", slug="tool", changes={"name": "A tool", "hosts": ["Tool.Example.org"], "requiresKey": False})
    assert errors(made) == []
    event = {"name": "run", "installation_id": "one"}
    by_host = httpx.post(f"{filled.url}/v1/events", json=event, headers={"Host": "tool.example.org"})
    assert by_host.status_code == 202
    assert admin.ask('{project(slug:"tool"){events{totalCount}}}')["project"]["events"]["totalCount"] == 1
    changed = admin.run(
        "UpdateProject", slug="tool", changes={"requiresKey": True, "retentionDays": 10, "public": [], "properties": ["theme"]}
    )
    assert errors(changed) == []
    assert httpx.post(f"{filled.url}/p/tool/v1/events", json=event).status_code == 401
    key = admin.run("CreateKey", slug="tool", scopes=["INGEST"])["createKey"]["secret"]
    with_key = {"Authorization": f"Bearer {key}"}
    assert httpx.post(f"{filled.url}/v1/events", json=event, headers=with_key).status_code == 202
    settings = admin.run("ProjectSettings", slug="tool")["project"]["settings"]
    assert (settings["retentionDays"], settings["public"], settings["properties"], settings["name"]) == (10, [], ["theme"], "A tool")
    assert errors(admin.run("UpdateProject", slug="tool", changes={"retentionDays": None, "public": None})) == []
    assert errors(admin.run("ArchiveProject", slug="tool")) == []
    assert httpx.post(f"{filled.url}/v1/events", json=event, headers=with_key).status_code in (401, 403, 404)
    assert "tool" not in {each["slug"] for each in admin.ask("{projects{nodes{slug}}}")["projects"]["nodes"]}
    assert "tool" in {each["slug"] for each in admin.ask("{projects(archived:true){nodes{slug}}}")["projects"]["nodes"]}
    assert errors(admin.run("RestoreProject", slug="tool")) == []
    assert httpx.post(f"{filled.url}/v1/events", json=event, headers=with_key).status_code == 202

    log = [each for each in admin.run("Operation")["auditLog"] if each["project"] == "tool"]
    assert [each["action"] for each in reversed(log)] == [
        "project.create", "project.update", "key.create", "project.update", "project.archive", "project.restore",
    ]  # fmt: skip
    assert key not in str(log)


@pytest.mark.parametrize(
    ("slug", "changes", "field"),
    [
        ("Bad Slug", {}, "slug"),
        ("demo", {}, "slug"),
        ("new", {"name": " "}, "name"),
        ("new", {"rateLimit": "often"}, "rateLimit"),
        ("new", {"eventLimit": "1/eon"}, "eventLimit"),
        ("new", {"retentionDays": 0}, "retentionDays"),
        ("new", {"maxTargets": -1}, "maxTargets"),
        ("new", {"hosts": ["https://x"]}, "hosts"),
        ("new", {"properties": [f"p{number}" for number in range(21)]}, "properties"),
        ("new", {"properties": ['"; DROP TABLE event']}, "properties"),
        ("new", {"name": None}, "name"),
    ],
)
def test_an_invalid_change_names_the_field_and_changes_nothing(admin: Any, slug: str, changes: dict[str, Any], field: str | None) -> None:
    assert errors(admin.run("CreateProject", slug=slug, changes=changes)) == [field]
    assert "new" not in {each["slug"] for each in admin.ask("{projects{nodes{slug}}}")["projects"]["nodes"]}


def test_other_invalid_changes_name_the_field(admin: Any) -> None:
    assert errors(admin.run("ArchiveProject", slug="default")) == ["slug"]
    assert errors(admin.run("ArchiveProject", slug="unknown")) == ["slug"]
    assert errors(admin.run("CreateKey", slug="demo", scopes=[])) == ["scopes"]
    assert errors(admin.run("CreateKey", slug="demo", scopes=["READ"], name="x" * 101)) == ["name"]
    assert errors(admin.run("SetTarget", slug="demo", type="", id="x", visibility="PUBLIC")) == ["type"]
    assert errors(admin.run("AnnounceVersion", slug="demo", latest={"version": " "})) == ["version"]
    assert errors(admin.run("AnnounceVersion", slug="demo", latest={"version": "1", "updateUrl": "javascript:alert(1)"})) == ["updateUrl"]
    for wrong, field in (
        ({"threshold": 0}, "threshold"), ({"windowMinutes": 0}, "windowMinutes"), ({"minimumEvents": 0}, "minimumEvents"),
        ({"cooldownMinutes": 1}, "cooldownMinutes"), ({"name": "a\nb"}, "name"), ({"url": "ftp://x"}, "url"),
    ):  # fmt: skip
        alert = {"kind": "FAILURE_RATE", "url": "https://example.org/hook", **wrong}
        assert errors(admin.run("CreateAlert", slug="demo", alert=alert)) == [field]
    assert errors(admin.run("EraseInstall", slug="demo", installationId="")) == ["installationId"]


def test_an_install_is_erased_by_its_id_which_is_not_logged(admin: Any, filled: Any) -> None:
    for _ in range(3):
        httpx.post(f"{filled.url}/v1/events", json={"name": "run", "installation_id": "to-be-erased"})
    gone = admin.run("EraseInstall", slug="default", installationId="to-be-erased")["eraseInstall"]
    assert (gone["events"], gone["days"], gone["errors"]) == (3, 1, [])
    assert "to-be-erased" not in str(admin.run("Operation"))
    httpx.post(f"{filled.url}/v1/events", json={"name": "run", "installation_id": "to-be-erased"})
    (newest,) = admin.ask('{project(slug:"default"){events(first:1){nodes{install{hash}}}}}')["project"]["events"]["nodes"]
    by_hash = admin.run("EraseInstall", slug="default", hash=newest["install"]["hash"])["eraseInstall"]
    assert (by_hash["events"], by_hash["errors"]) == (1, [])
    again = admin.run("EraseInstall", slug="default", hash=newest["install"]["hash"])["eraseInstall"]["errors"]
    assert [(error["field"], error["code"]) for error in again] == [("hash", "UNKNOWN")]
    assert errors(admin.run("EraseInstall", slug="default")) == ["installationId"]
    assert errors(admin.run("EraseInstall", slug="default", hash="0" * 16, installationId="x")) == ["installationId"]


def test_each_change_is_in_the_audit_log_without_secrets(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN="ff_an-admin-token-of-this-test-only", FOOTFALL_ALERT_PRIVATE="on").start()
    asker = Asker(server.url, "ff_an-admin-token-of-this-test-only")
    session = asker.client.post("/login", data={"token": "ff_an-admin-token-of-this-test-only"}).cookies[COOKIE]
    asker.client.cookies.clear()
    server.client.post("/v1/events", json={"name": "run", "installation_id": "an-installation-id"})
    alert = {"kind": "NEW_ERROR", "url": "http://127.0.0.1:9/a-path-that-is-secret"}
    secrets = [session, "an-installation-id", "a-path-that-is-secret", "ff_an-admin"]
    done = []
    for name, variables in (
        ("CreateProject", {"slug": "audited"}), ("UpdateProject", {"slug": "audited", "changes": {"name": "Audited"}}),
        ("AnnounceVersion", {"slug": "audited", "latest": {"version": "1.0.0"}}), ("SetTarget", {"slug": "audited", "type": "pack", "id": "x"}),
        ("ArchiveProject", {"slug": "audited"}), ("RestoreProject", {"slug": "audited"}), ("ReplayRejected", {"slug": "audited"}),
        ("CreateKey", {"slug": "audited", "scopes": ["READ"]}), ("RevokeKey", {"id": "2"}),
        ("CreateAlert", {"slug": "audited", "alert": alert}), ("TestAlert", {"id": "1"}),
        ("UpdateAlert", {"id": "1", "changes": {"enabled": False}}), ("DeleteAlert", {"id": "1"}),
        ("SaveQuestion", {"slug": "audited", "name": "Systems", "question": {"by": [{"field": "os"}]}}),
        ("RenameQuestion", {"slug": "audited", "name": "Systems", "newName": "OS"}),
            ("CreateShare", {"slug": "audited", "name": "OS"}), ("RevokeShare", {"slug": "audited", "id": "1"}), ("DeleteQuestion", {"slug": "audited", "name": "OS"}),
        ("RunJob", {"name": "expire"}), ("EraseInstall", {"slug": "default", "installationId": "an-installation-id"}),
        ("RevokeSession", {"id": "1"}), ("RevokeOtherSessions", {}),
    ):  # fmt: skip
        answer = asker.run(name, **variables)
        assert errors(answer) == [], (name, answer)
        (payload,) = answer.values()
        secrets += [payload["secret"]] if payload.get("secret") else []
        done.append(name)
    mutations = build()._schema.mutation_type
    assert mutations is not None
    assert {name[0].lower() + name[1:] for name in done} == set(mutations.fields), "a mutation whose audit entry is not tested"
    log = asker.run("Operation")["auditLog"]
    assert [each["action"] for each in reversed(log)] == [
        "session.begin", "project.create", "project.update", "project.announce", "target.set", "project.archive", "project.restore",
        "rejected.replay", "key.create", "key.revoke", "alert.create", "alert.try", "alert.update", "alert.delete", "question.save", "question.rename",
        "share.create", "share.revoke",
        "question.delete", "job.run", "install.erase", "session.revoke", "session.revoke_others",
    ]  # fmt: skip
    for secret in secrets:
        assert secret not in str(log)
    asker.client.close()


def test_an_alert_is_changed_and_paused(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN="ff_an-admin-token-of-this-test-only", FOOTFALL_ALERT_PRIVATE="on").start()
    asker = Asker(server.url, "ff_an-admin-token-of-this-test-only")
    made = asker.run("CreateAlert", slug="default", alert={"kind": "FAILURE_RATE", "url": "http://127.0.0.1:9/x"})["createAlert"]["alert"]
    changed = asker.run("UpdateAlert", id=made["id"], changes={"enabled": False, "threshold": 50, "name": "calm"})["updateAlert"]
    assert changed["errors"] == []
    assert (changed["alert"]["enabled"], changed["alert"]["threshold"], changed["alert"]["name"]) == (False, 50, "calm")
    assert changed["alert"]["windowMinutes"] == 60
    for wrong, field in (
        ({"threshold": 101}, "threshold"),
        ({"windowMinutes": 0}, "windowMinutes"),
        ({"cooldownMinutes": 1}, "cooldownMinutes"),
    ):
        assert errors(asker.run("UpdateAlert", id=made["id"], changes=wrong)) == [field]
    (kept,) = asker.run("ProjectSettings", slug="default")["project"]["alerts"]
    assert (kept["thresholdText"], kept["question"]) == ("50 %", None)
    assert (kept["enabled"], kept["threshold"], kept["windowMinutes"]) == (False, 50, 60)
    asker.client.close()


def test_a_key_has_limits_of_its_own(admin: Any, filled: Any) -> None:
    made = admin.run("CreateKey", slug="demo", scopes=["INGEST"], rateLimit="2/minute", eventLimit="100/hour")["createKey"]
    assert (made["key"]["rateLimit"], made["key"]["eventLimit"]) == ("2 per 1 minute", "100 per 1 hour")
    headers = {"Authorization": f"Bearer {made['secret']}"}
    event = {"name": "run", "installation_id": "x"}
    assert [httpx.post(f"{filled.url}/v1/events", json=event, headers=headers).status_code for _ in range(3)] == [202, 202, 429]
    assert errors(admin.run("CreateKey", slug="demo", scopes=["INGEST"], rateLimit="often")) == ["rateLimit"]


def test_an_admin_of_one_project_cannot_take_a_host_from_another(admin: Any, asker: Callable[..., Asker]) -> None:
    admin.run("CreateProject", slug="hosted", changes={"hosts": ["hosted.example.org"]})
    own = asker(admin.run("CreateKey", slug="hosted", scopes=["ADMIN"])["createKey"]["secret"])
    query = (OPERATIONS / "UpdateProject.graphql").read_text()
    assert errors(own.run("UpdateProject", slug="hosted", changes={"name": "Hosted", "hosts": ["hosted.example.org"]})) == []
    assert own.refused(query, slug="hosted", changes={"hosts": ["telemetry.example.org"]}) == "FORBIDDEN"
    assert errors(own.run("UpdateProject", slug="default", changes={"name": "x"})) == ["slug"]  # the error does not reveal that it exists
    assert errors(admin.run("UpdateProject", slug="hosted", changes={"hosts": ["telemetry.example.org"]})) == []


def test_a_private_target_is_refused(admin: Any, filled: Any) -> None:
    admin.run("CreateProject", slug="picky", changes={"listsTargets": True, "public": ["COUNTERS"]})
    event = {"name": "run", "installation_id": "x", "target": {"type": "tool", "id": "shy"}}
    statuses = []
    for visibility in ("PRIVATE", "PUBLIC", "PRIVATE", "UNLISTED", "PUBLIC"):
        assert errors(admin.run("SetTarget", slug="picky", type="tool", id="shy", visibility=visibility)) == []
        statuses.append(httpx.post(f"{filled.url}/p/picky/v1/events", json=event).status_code)
    assert statuses == [422, 202, 422, 422, 202]


def test_a_version_is_announced_to_clients(admin: Any, filled: Any) -> None:
    latest = {"version": "2.0.0", "releaseDate": "2026-11-21", "updateUrl": "https://example.org/", "critical": True}
    assert errors(admin.run("AnnounceVersion", slug="demo", latest=latest)) == []
    assert httpx.get(f"{filled.url}/p/demo/v1/version/latest").json()["latest_version"] == "2.0.0"


def test_an_admin_starts_a_job(admin: Any, wait: Callable[..., Any]) -> None:
    assert errors(admin.run("RunJob", name="expire")) == []
    ran = wait(lambda: [job for job in admin.run("Operation")["jobs"] if job["name"] == "expire" and job["result"] == "DONE"])
    assert "deleted" in ran[0]["detail"]


def test_an_alert_to_a_private_address_is_refused(admin: Any) -> None:
    made = admin.run("CreateAlert", slug="demo", alert={"kind": "NEW_ERROR", "url": "https://10.0.0.1/hook"})
    assert "not public" in made["createAlert"]["errors"][0]["message"]


async def test_statements_do_not_grow_with_the_page(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load each install with its events, and each event with its install."""
    ids = EventIds(1)
    now = 1_795_262_400_000
    events = [Event(id=new, project=1, name="run", occurred_at=now, context=Place(), install=new % 150) for new in ids.take(600, now)]
    await store.commit(Batch(events))
    asked: list[str] = []
    for name in ("rows", "rows_within"):
        ask = getattr(store, name)

        async def counted(*arguments: Any, ask: Any = ask) -> Any:
            asked.append(str(arguments))
            return await ask(*arguments)

        monkeypatch.setattr(store, name, counted)
    schema = build()
    query = """query($n: Int!) { project(slug: "default") {
        events(first: $n, period: {from: "2026-11-01", to: "2026-12-31"}) { nodes { id install { hash events(first: 3) { id install { hash } } } } }
        installs(first: $n) { nodes { hash events(first: 5) { id install { hash } } } } } }"""
    statements = []
    for size in (10, 100):
        asked.clear()
        known = type("Projects", (), {"all": lambda _: []})()
        state: Any = type("State", (), {"store": store, "projects": known, "settings": load({})})()
        viewer = Viewer("key", frozenset({"read"}), ALL_PROJECTS, "key 1")
        context = Context(state=state, viewer=viewer, loaders=Loaders(store))
        result: Any = await schema.execute(query, variable_values={"n": size}, context_value=context)
        assert result.errors is None, result.errors
        assert len(result.data["project"]["events"]["nodes"]) == size
        statements.append(len(asked))
    assert max(statements) < 10, statements  # one or two for each level of the query
