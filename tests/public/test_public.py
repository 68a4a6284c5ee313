"""The public routes of the five former collectors, field by field, on a server with events from their clients."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import change_in

ENGINES = ("sqlite", "postgres")

EVERYTHING = "counters,trending,badges,stats,analytics"
NONE_OF_ANYTHING = {
    "views": 0, "copies": 0, "downloads": 0, "uses": 0, "exports": 0, "favoritesCount": 0, "commentsCount": 0, "votesUp": 0, "votesDown": 0,
}  # fmt: skip
PUBLIC_BY_NATURE = (
    "/counts",
    "/counts/peon",
    "/api/public/counters?type=snippet&ids=a",
    "/api/public/counters/snippet/a",
    "/api/public/trending",
    "/badge/peon.svg",
    "/badge/peon.json",
)
OF_THE_PROJECT = ("/stats", "/analytics/summary", "/analytics/tools", "/analytics/retention", "/analytics/errors")


@pytest.fixture(scope="module")
def servers(server_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Any]]:
    """A function that returns a server that shows everything, filled today by clients of all families: routes about today ignore earlier events."""
    started: dict[date, Any] = {}

    def of_today() -> Any:
        today = datetime.now(UTC).date()
        if today not in started:
            started[today] = server_class(tmp_path_factory.mktemp("public"), {"FOOTFALL_PUBLIC": EVERYTHING})
            started[today].start()
            fill(started[today].client)
        return started[today]

    yield of_today
    for server in started.values():
        server.close()


@pytest.fixture
def shared(servers: Callable[[], Any]) -> Any:
    """A server that shows everything, after some clients of all families; tests only read."""
    return servers()


def fill(client: httpx.Client) -> None:
    def post(path: str, body: Any = None, **headers: str) -> None:
        assert client.post(path, json=body, headers=headers).is_success

    for _ in range(3):
        post("/dl/peon")
    post("/dl/glados")
    for kind in (
        "view",
        "copy",
        "copy",
        "favorite",
        "unfavorite",
        "vote_up",
        "template_use",
        "builder_export",
        "comment",
        "vote_down",
        "download",
    ):
        post("/v1/engagement", {"targetType": "snippet", "targetId": "a", "kind": kind, "sessionId": "s"})
    post("/v1/engagement", {"targetType": "snippet", "targetId": "hello world/1", "kind": "unfavorite", "sessionId": "s"})
    flakedrop: list[tuple[str, dict[str, Any]]] = [
        ("deployment", {"user_id": "u1", "success": True, "os": "linux", "version": "1.0.0"}),
        ("deployment", {"user_id": "u1", "success": False, "os": "linux", "version": "1.1.0"}),
        ("deployment", {"user_id": "u2", "success": "maybe", "os": "darwin", "version": "1.0.0"}),
        ("config_created", {"user_id": "u2", "config_type": "x"}),
        ("heartbeat", {"user_id": "u3", "metrics": {"total_deployments": 4}}),
        ("something_new", {"user_id": "u3"}),
    ]
    for kind, fields in flakedrop:
        post("/v1/events", {"type": kind, "data": {"data": fields}})
    calls = [("search", "success", 100), ("search", "error", 300), ("search", "timeout", 500), ("fetch", "success", 50)]
    for number, (tool, status, took) in enumerate(calls):
        error = {"error_type": "E", "error_message": "it broke"} if status == "error" else {}
        call = {"tool_name": tool, "tool_category": "content", "duration_ms": took, "status": status, **error}
        post("/api/track", call, **{"Mcp-Session-Id": f"session-{number % 2}"})
    post("/v1/events", {"name": "build", "installation_id": "of another family", "os": "linux", "version": "9"})


def test_downloads_of_packs_are_counted(shared: Any) -> None:
    counts = shared.client.get("/counts").json()
    assert counts == {"peon": {"total": 3, "last7d": 3, "today": 3}, "glados": {"total": 1, "last7d": 1, "today": 1}}
    assert list(counts) == ["peon", "glados"], "most downloaded first"
    assert shared.client.get("/counts/peon").json() == counts["peon"]
    assert shared.client.get("/counts/unknown").status_code == 404


def test_counters_of_a_target_are_public(shared: Any) -> None:
    expected = {
        "views": 1,
        "copies": 2,
        "downloads": 1,
        "uses": 1,
        "exports": 1,
        "favoritesCount": 0,
        "commentsCount": 1,
        "votesUp": 1,
        "votesDown": 1,
    }
    assert shared.client.get("/api/public/counters/snippet/a").json() == expected
    assert shared.client.get("/api/public/counters/snippet/unknown").status_code == 404
    assert shared.client.get("/api/public/counters/page/a").status_code == 404
    many = shared.client.get("/api/public/counters", params={"type": "snippet", "ids": "a,unknown,hello world/1,a"})
    assert many.json() == {"a": expected, "unknown": NONE_OF_ANYTHING, "hello world/1": NONE_OF_ANYTHING}
    assert many.headers["surrogate-key"] == "snippet:a snippet:unknown snippet:hello%20world%2F1"


def test_trending_is_empty_until_the_job_has_run_and_then_by_score(server_class: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = server_class(tmp_path_factory.mktemp("trending"), {})
    try:
        server.start()
        fill(server.client)
        before = server.client.get("/api/public/trending?type=snippet").json()
        assert before == {"type": "snippet", "window": "7d", "refreshedAt": None, "targets": []}
        assert server.footfall("job", "trending").returncode == 0
        answer = server.client.get("/api/public/trending?type=snippet&window=30d&limit=5")
        found = answer.json()
        assert (found["type"], found["window"]) == ("snippet", "30d")
        assert datetime.fromisoformat(found["refreshedAt"]) > datetime.now(UTC) - timedelta(minutes=5)
        (trend,) = found["targets"]
        assert {**trend, "counters": 0} == {"targetType": "snippet", "targetId": "a", "score": 25.0, "events": 11, "counters": 0}
        assert trend["counters"]["views"] == 1
        assert answer.headers["surrogate-key"] == "snippet:a"
        everything = server.client.get("/api/public/trending").json()
        assert everything["type"] is None
        assert {each["targetType"] for each in everything["targets"]} == {"snippet", "pack", "tool"}
    finally:
        server.close()


def test_flakedrops_statistics_count_flakedrop_only(shared: Any) -> None:
    assert shared.client.get("/stats").json() == {
        "unique_users": 3,
        "total_deployments": 3,
        "successful_deploys": 1,
        "failed_deploys": 1,
        "configs_created": 1,
        "os_breakdown": {"linux": 1, "darwin": 1},
        "version_breakdown": {"1.1.0": 1, "1.0.0": 1},
        "total_events": 6,
    }


def test_tables_of_track_skills_are_served(shared: Any) -> None:
    get = shared.client.get
    assert get("/analytics/summary?days=7").json() == {
        "period": "7 days",
        "total_invocations": 4,
        "unique_users": 2,
        "avg_duration_ms": 238,
        "success_rate": "50.00",
        "error_rate": "25.00",
    }
    assert get("/analytics/tools?days=7").json() == [
        {"tool_name": "search", "invocations": 3, "avg_duration_ms": 300, "success_rate": "33.33", "error_rate": "33.33"},
        {"tool_name": "fetch", "invocations": 1, "avg_duration_ms": 50, "success_rate": "100.00", "error_rate": "0.00"},
    ]
    retention = get("/analytics/retention?days=3").json()
    assert retention == {
        "daily_active_users": [{"date": str(datetime.now(UTC).date()), "dau": 2}],
        "weekly_active_users": 2,
        "period": "3 days",
    }
    errors = get("/analytics/errors?days=7&limit=50").json()
    assert errors["count"] == 1
    assert [{**error, "timestamp": ""} for error in errors["errors"]] == [
        {"timestamp": "", "tool_name": "search", "error_type": "E", "error_message": "it broke", "duration_ms": 300},
    ]
    assert all(datetime.fromisoformat(error["timestamp"]).tzinfo for error in errors["errors"])
    assert get("/analytics/errors?limit=1").json()["count"] == 1


def test_the_latest_version_is_served_once_it_is_announced(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_PUBLIC="none").start()
    assert server.client.get("/v1/version/latest").status_code == 404
    announced = '{"latest_version":"1.4.0","release_date":"2026-11-20","update_url":"https://example.com/1.4.0","critical":true}'
    change_in(server.store, f"UPDATE project SET latest_version = '{announced}'")
    server.client.post("/dl/peon")
    assert server.client.get("/v1/version/latest").json() == {
        "latest_version": "1.4.0",
        "release_date": "2026-11-20",
        "update_url": "https://example.com/1.4.0",
        "critical": True,
    }


def test_a_badge_is_an_svg_with_escaped_texts(shared: Any) -> None:
    get = shared.client.get
    answer = get("/badge/peon.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert "script-src" not in answer.headers["content-security-policy"]
    assert texts(answer.text) == {"downloads", "3", "downloads: 3"}
    hostile = get("/badge/peon.svg", params={"label": "<script>alert('1')</script>\"&", "color": "red", "metric": "last7d"})
    assert texts(hostile.text) == {"<script>alert('1')</script>\"&", "3/week", "<script>alert('1')</script>\"&: 3/week"}
    assert "#e05d44" in hostile.text
    assert "<script" not in hostile.text
    assert get("/badge/peon.json?label=packs&metric=today&color=ff8800").json() == {
        "schemaVersion": 1,
        "label": "packs",
        "message": "3 today",
        "color": "ff8800",
    }
    letters = {element.get("fill") for element in ET.fromstring(get("/badge/peon.svg?color=ffff00").text).iter() if element.text == "3"}
    assert letters == {"#333", "#ccc"}  # white ones would not be seen
    for missing in ("/badge/unknown.svg", "/badge/peon", "/badge/.svg", "/badge/peon.png"):
        assert get(missing).status_code == 404


def texts(svg: str) -> set[str]:
    """The texts of an SVG, which must be well-formed XML."""
    return {element.text for element in ET.fromstring(svg).iter() if element.text}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/public/counters?ids=a", "type"),
        ("/api/public/counters?type=snippet", "ids"),
        ("/api/public/counters?type=snippet&ids=,", "ids"),
        ("/api/public/counters?type=snippet&ids=" + ",".join(map(str, range(101))), "ids"),
        ("/api/public/trending?window=SECRET", "window"),
        ("/api/public/trending?limit=0", "limit"),
        ("/api/public/trending?limit=101", "limit"),
        ("/api/public/trending?limit=SECRET", "limit"),
        ("/analytics/summary?days=0", "days"),
        ("/analytics/tools?days=366", "days"),
        ("/analytics/retention?days=-1", "days"),
        ("/analytics/errors?limit=501", "limit"),
        ("/analytics/errors?days=SECRET", "days"),
        ("/badge/peon.svg?color=SECRET", "color"),
        ("/badge/peon.svg?color=red%22%3E", "color"),
        ("/badge/peon.svg?metric=SECRET", "metric"),
        ("/badge/peon.json?label=" + "SECRET" * 20, "label"),
    ],
)
def test_a_wrong_parameter_is_named_and_its_value_never_repeated(shared: Any, path: str, field: str) -> None:
    answer = shared.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [error["path"] for error in answer.json()["errors"]] == [field]
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("path", [*PUBLIC_BY_NATURE, *OF_THE_PROJECT])
def test_a_response_has_an_etag_and_is_answered_304_if_unchanged(shared: Any, path: str) -> None:
    first = shared.client.get(path)
    assert first.status_code == 200
    assert first.headers["cache-control"] == "public, max-age=60"
    assert first.headers["access-control-allow-origin"] == "*"
    again = shared.client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])


@pytest.mark.parametrize("path", [*PUBLIC_BY_NATURE, *OF_THE_PROJECT])
def test_other_origins_may_read_public_routes_and_their_errors(shared: Any, path: str) -> None:
    asked = {"Origin": "https://packs.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "content-type"}
    before = shared.client.request("OPTIONS", path, headers=asked)
    assert (before.status_code, before.headers["access-control-allow-origin"]) == (204, "*")
    assert "GET" in before.headers["access-control-allow-methods"]
    assert "content-type" in before.headers["access-control-allow-headers"].lower()
    answer = shared.client.get(path, headers={"Origin": "https://packs.example"})
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    for wrong in (path.replace("peon", "unknown").replace("snippet/a", "snippet/unknown").replace("ids=a", "ids="), f"/p/unknown{path}"):
        refused = shared.client.get(wrong, headers={"Origin": "https://packs.example"})
        assert refused.headers["access-control-allow-origin"] == "*", wrong


@pytest.mark.parametrize("path", ["/v1/export/events", "/v1/installs/x", "/graphql", "/metrics", "/health"])
def test_other_routes_cannot_be_read_by_pages_of_other_origins(shared: Any, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = shared.client.request(method, path, headers={"Origin": "https://packs.example", "Access-Control-Request-Method": "GET"})
        assert "access-control-allow-origin" not in answer.headers, method


@pytest.mark.parametrize("path", [*PUBLIC_BY_NATURE, *OF_THE_PROJECT])
def test_a_path_selects_the_project(shared: Any, path: str) -> None:
    assert shared.client.get(f"/p/default{path}").content == shared.client.get(path).content
    assert shared.client.get(f"/p/unknown{path}").status_code == 404


def test_private_routes_require_a_read_key_and_are_not_cached(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_PUBLIC="none")
    keys = {scope: server.footfall("key", "create", "default", "--scope", scope).stdout.split()[-1] for scope in ("read", "ingest")}
    server.start()
    fill(server.client)
    for path in (*PUBLIC_BY_NATURE, *OF_THE_PROJECT):
        assert server.client.get(path).status_code == 401, path
        assert server.client.get(path, headers={"Authorization": f"Bearer {keys['ingest']}"}).status_code == 403, path
        answer = server.client.get(path, headers={"X-Footfall-Key": keys["read"]})
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-cache"), path
        assert "X-Footfall-Key" in answer.headers["vary"]


def test_a_project_shows_no_figures_of_another(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_PUBLIC=EVERYTHING)
    assert server.footfall("project", "create", "tool").returncode == 0
    server.start()
    fill(server.client)
    assert server.client.get("/p/tool/counts").json() == {}
    assert server.client.get("/p/tool/api/public/counters/snippet/a").status_code == 404
    assert server.client.get("/p/tool/stats").json()["total_events"] == 0
    assert server.client.get("/p/tool/analytics/tools").json() == []
    assert server.client.get("/p/tool/badge/peon.svg").status_code == 404
