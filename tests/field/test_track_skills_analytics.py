"""Promises to users of the Track-Skills dashboard: its tables equal those of the original server."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.field.conftest import Field

pytestmark = pytest.mark.one_path
DAY = 86_400_000


def call(tool: str, status: str, duration: float | None, days_ago: int = 0) -> dict[str, object]:
    at = int(time.time() * 1000) - days_ago * DAY
    return {"tool_name": tool, "tool_category": "x", "duration_ms": duration, "status": status, "timestamp": at}


def calls() -> list[dict[str, object]]:
    return [
        *([call("find", "success", 10.4)] * 5),
        call("find", "error", 11.6),
        *([call("sort", "success", 100)] * 4),
        call("sort", "timeout", 30_000),
        call("sort", "error", 0.5, 2),
    ]


def test_tables_have_whole_milliseconds_rates_of_all_calls_and_days_with_use(field: Field) -> None:
    assert field.post(calls(), "/api/track/batch").json()["accepted"] == 12
    assert field.get("/analytics/summary").json() == {
        "period": "7 days", "total_invocations": 12, "unique_users": field.get("/analytics/summary").json()["unique_users"],
        "avg_duration_ms": 2539, "success_rate": "75.00", "error_rate": "16.67",
    }  # fmt: skip
    assert field.get("/analytics/tools").json() == [
        {"tool_name": "find", "invocations": 6, "avg_duration_ms": 11, "success_rate": "83.33", "error_rate": "16.67"},
        {"tool_name": "sort", "invocations": 6, "avg_duration_ms": 5067, "success_rate": "66.67", "error_rate": "16.67"},
    ]
    today = datetime.now(UTC).date()
    daily = field.get("/analytics/retention?days=30").json()["daily_active_users"]
    assert [day["date"] for day in daily] == [str(today), str(today - timedelta(days=2))]
    assert [type(day["dau"]) for day in daily] == [int, int]


def test_errors_are_calls_with_the_status_error(field: Field) -> None:
    assert field.post(calls(), "/api/track/batch").status_code == 200
    errors = field.get("/analytics/errors").json()
    assert errors["count"] == 2
    assert {(error["tool_name"], error["duration_ms"]) for error in errors["errors"]} == {("find", 12), ("sort", 1)}


def test_a_server_without_calls_answers_zeros(field: Field) -> None:
    summary = field.get("/analytics/summary").json()
    assert summary == {
        "period": "7 days", "total_invocations": 0, "unique_users": 0, "avg_duration_ms": 0, "success_rate": "0.00", "error_rate": "0.00",
    }  # fmt: skip
    assert field.get("/analytics/retention").json()["daily_active_users"] == []
