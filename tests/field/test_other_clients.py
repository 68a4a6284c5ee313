"""Promises about clients that post to unserved paths: they are counted and named."""

from __future__ import annotations

from typing import Any

import pytest

from server.dialects import DIALECTS
from server.ingest.unserved import CLIENTS, label_of
from tests.field.conftest import accounted


def why(field: Any, events: int) -> dict[str, int]:
    """The reasons for which events were rejected, once the ledger has this many."""
    reasons = accounted(field, events)["reasons"]
    assert {each["entry"] for each in reasons} == {"REJECTED"}
    return {each["reason"]: each["events"] for each in reasons}


def test_a_post_to_an_unserved_path_is_in_the_ledger_under_its_client(field: Any) -> None:
    for path, status in {
        "/v1/evnts": 404,
        "/2/batch": 404,
        "/v1development/profiles": 404,
        "/api/send": 404,
        "/counts": 405,
        "//engage/": 404,
    }.items():
        assert field.post({"name": "build"}, path).status_code == status, path
    assert why(field, 6) == {
        "unserved_other": 2, "unserved_amplitude": 1, "unserved_otlp": 1, "unserved_umami": 1, "unserved_posthog": 1,
    }  # fmt: skip
    metrics = field.server.client.get("/metrics").text
    assert 'footfall_unserved_total{client="amplitude"}' in metrics


@pytest.mark.slow
@pytest.mark.one_path
def test_the_doctor_names_the_likely_client(field: Any) -> None:
    assert field.post({}, "/v1/t").status_code == 404
    accounted(field, 1)
    said = " ".join(field.server.footfall("doctor").stdout.split())
    assert "a Segment or RudderStack SDK" in said
    assert "paths that the server does not serve" in said


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
    assert labels.keys() <= CLIENTS.keys()


def test_each_dialect_that_names_its_clients_has_a_label_for_one_of_its_paths() -> None:
    named = [dialect for dialect in DIALECTS if hasattr(dialect, "CLIENT")]
    assert {dialect.NAME for dialect in named} == CLIENTS.keys() - {"other"}
    for dialect in named:
        assert dialect.NAME in {label_of(path.template) for path in dialect.PATHS}
