"""Promises to scripts on other origins: requests and responses work across origins, and never with cookies."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.one_path

ORIGIN = "https://tools.example"
INGEST = ("/v1/events", "/api/v1/events", "/dl/peon", "/v1/engagement", "/api/track", "/api/track/batch")
READING = (
    "/counts", "/counts/peon", "/badge/peon.svg", "/api/public/counters?type=pack&ids=peon", "/api/public/counters/pack/peon",
    "/api/public/trending", "/stats", "/analytics/summary", "/analytics/tools?days=7", "/analytics/retention", "/analytics/errors",
    "/v1/version/latest",
)  # fmt: skip


def listed(answer: Any, name: str) -> set[str]:
    return {each.strip().lower() for each in answer.headers[name].split(",")}


def preflight(field: Any, path: str, method: str, *names: str) -> Any:
    asked = {"origin": ORIGIN, "access-control-request-method": method, "access-control-request-headers": ", ".join(names)}
    answer = field.server.client.options(f"/p/{field.slug}{path}", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert method.lower() in listed(answer, "access-control-allow-methods")
    return answer


@pytest.mark.parametrize("path", INGEST)
def test_a_script_may_post_with_a_key_and_an_idempotency_key(field: Any, path: str) -> None:
    allowed = listed(preflight(field, path, "POST", "content-type", "x-footfall-key"), "access-control-allow-headers")
    assert allowed == {"content-type", "authorization", "x-footfall-key", "idempotency-key"}


SDKS = {
    "/track": ("openpanel-client-id", "openpanel-client-secret", "openpanel-sdk-name", "openpanel-sdk-version"),
    "/api/v0/event": ("app-key",),
    "/i/v0/e/": ("posthog-sdk-info",),
    "/v1/track": ("x-retry-count",),
    "/v1/logs": ("x-api-key",),
    "/api/send": ("x-umami-website-id", "x-umami-hostname", "x-umami-cache"),
}


@pytest.mark.parametrize("path", SDKS)
def test_an_sdk_in_a_page_may_send_the_headers_of_its_own(field: Any, path: str) -> None:
    allowed = listed(preflight(field, path, "POST", "content-type", *SDKS[path]), "access-control-allow-headers")
    assert allowed >= {"content-type", "authorization", *SDKS[path]}


def test_a_script_sees_its_limits_and_when_to_come_back(field: Any) -> None:
    for body in ({"name": "build", "installation_id": "i1"}, "?"):
        answer = field.post(body, origin=ORIGIN)
        assert listed(answer, "access-control-expose-headers") >= {
            "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset",
        }  # fmt: skip
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", READING)
def test_a_page_of_another_origin_may_read_with_a_key(field: Any, path: str) -> None:
    field.post("", "/dl/peon")
    allowed = listed(preflight(field, path, "GET", "authorization"), "access-control-allow-headers")
    assert allowed >= {"authorization", "x-footfall-key", "content-type"}
    answer = field.get(path, origin=ORIGIN)
    assert answer.status_code == (404 if path == "/v1/version/latest" else 200)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "retry-after" in listed(answer, "access-control-expose-headers")
    assert "access-control-allow-credentials" not in answer.headers


def test_a_script_without_a_key_can_read_why_it_is_refused(field: Any) -> None:
    for path in ("/stats", "/analytics/summary", "/analytics/errors?limit=x"):
        answer = field.server.client.get(f"/p/{field.slug}{path}", headers={"origin": ORIGIN})
        assert answer.status_code in (400, 401)
        assert answer.headers["access-control-allow-origin"] == "*", path


def test_a_session_opens_no_reading_route_to_another_site(field: Any) -> None:
    session = field.server.client.post("/login", data={"token": "ff_the-admin-token-of-the-field-tests-0123456789"})
    cookie = session.headers["set-cookie"].partition(";")[0]
    answer = field.server.client.get(f"/p/{field.slug}/analytics/summary", headers={"origin": ORIGIN, "cookie": cookie})
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/v1/export/events", "/v1/installs/x", "/graphql", "/metrics", "/health", "/"])
def test_nothing_else_is_open_to_other_sites(field: Any, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = field.server.client.request(method, path, headers={"origin": ORIGIN, "access-control-request-method": "GET"})
        assert "access-control-allow-origin" not in answer.headers, method
