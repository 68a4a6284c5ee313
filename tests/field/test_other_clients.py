"""Promises about clients that post to unserved paths: they are counted and named, and neither crash nor retry forever."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from server.ingest.unserved import CLIENTS, label_of

BATCH = {"batch": [{"type": "track", "event": "a", "anonymousId": "x"}, {"type": "identify"}, {"type": "track"}], "writeKey": "wk"}


def accounted(field: Any, events: int) -> Any:
    """The ledger once it has so many events: what is refused is written a moment later."""
    deadline = time.monotonic() + 10
    while (ledger := field.ledger())["received"] < events and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ledger["received"] == events, ledger
    return ledger


def why(field: Any, events: int) -> dict[str, int]:
    """The reasons of so many events that were rejected."""
    reasons = accounted(field, events)["reasons"]
    assert {each["entry"] for each in reasons} == {"REJECTED"}
    return {each["reason"]: each["events"] for each in reasons}


def test_a_post_that_nothing_serves_is_in_the_ledger_under_its_client(field: Any) -> None:
    for path, status in {"/v1/evnts": 404, "/2/httpapi": 404, "/v1/logs": 404, "/api/send": 404, "/counts": 405, "//engage/": 404}.items():
        assert field.post({"name": "build"}, path).status_code == status, path
    assert why(field, 6) == {
        "unserved_other": 2, "unserved_amplitude": 1, "unserved_otlp": 1, "unserved_umami": 1, "unserved_posthog": 1,
    }  # fmt: skip
    metrics = field.server.client.get("/metrics").text
    assert 'footfall_unserved_total{client="amplitude"}' in metrics


@pytest.mark.one_path
def test_the_doctor_names_the_likely_client(field: Any) -> None:
    assert field.post(BATCH, "/v1/import").status_code == 200
    accounted(field, 3)
    said = " ".join(field.server.footfall("doctor").stdout.split())
    assert "a Segment or RudderStack SDK" in said
    assert "paths that the server does not serve" in said


def test_segment_clients_hear_of_a_success_and_the_drop_is_counted(field: Any) -> None:
    answer = field.post(BATCH, "/v1/import", authorization="Basic d2s6")
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (200, {"success": True}, "application/json")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert why(field, 3) == {"unserved_segment": 3}
    assert field.events() == []


def test_no_body_key_or_path_makes_these_routes_refuse(field: Any) -> None:
    for path in ("/v1/import", "/api/v0/events", "/api/v0/event"):
        for body in (b"", b"\x1f\x8b\x08rubbish", b"{", b"[" * 5_000, json.dumps([{}] * 5_000).encode(), b" " * (1 << 20) + b"1"):
            answer = field.post(body, path)
            assert (answer.status_code, type(answer.json())) == (200, dict), (path, body[:10])
    assert why(field, 3 * 1_005) == {"unserved_aptabase": 2 * 1_005, "unserved_segment": 1_005}
    assert field.post(BATCH, "/v1/import", x_footfall_key="ff_unknown").status_code == 200
    assert field.server.client.post("/p/no-such-project/v1/import", content=b"{}").status_code == 200


def test_an_opt_out_is_counted_as_one_there_too(field: Any) -> None:
    assert field.post(BATCH, "/v1/import", dnt="1").status_code == 200
    ledger = accounted(field, 3)
    assert (ledger["optedOut"], ledger["rejected"]) == (3, 0)


@pytest.mark.one_path
def test_a_limited_client_hears_of_a_success_there_too(make_project: Any, field: Any) -> None:
    field.slug = make_project(rateLimit="1/hour")
    assert [field.post(BATCH, "/v1/import").status_code for _ in range(3)] == [200, 200, 200]
    ledger = accounted(field, 5)
    assert (ledger["limited"], ledger["rejected"]) == (2, 3)


def test_a_problem_has_a_code_and_a_message(field: Any) -> None:
    for answer in (field.post("?"), field.post({"name": "a"}, "/v1/evnts"), field.get("/v1/export/nothing"), field.get("/nothing")):
        document = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "code", "message"} <= document.keys()
        assert isinstance(document["code"], str)
        assert document["message"] == document["detail"]


def test_each_path_has_one_of_few_labels() -> None:
    labels = {
        "posthog": ("/batch", "/capture", "/e", "/i/v0/e", "/i/v1/analytics/events", "/flags", "/decide"),
        "segment": ("/v1/batch", "/v1/track", "/v1/alias", "/v1/t"),
        "otlp": ("/v1/logs", "/v1/traces", "/v1/metrics"),
        "plausible": ("/api/event",),
        "amplitude": ("/2/httpapi",),
        "aptabase": ("/api/v0/event", "/api/v0/events"),
        "openpanel": ("/track",),
        "umami": ("/api/send",),
        "other": ("/v1/evnts", "/", "/batches", "/x" * 500, "/v1/logs/x"),
    }
    assert {path: label_of(path) for paths in labels.values() for path in paths} == {
        path: label for label, paths in labels.items() for path in paths
    }
    assert labels.keys() == CLIENTS.keys()
