"""Promises about query parameters: a filter works, or the error names it. A misspelled one never returns everything."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.one_path

NAMES = ("deploy", "build", "test")


@pytest.fixture
def filled(field: Any) -> Any:
    """A project with one event of each name, each with another package manager."""
    managers = ("npm", "pnpm", "yarn")
    events = [
        {"name": name, "installation_id": f"i-{name}", "package_manager": manager} for name, manager in zip(NAMES, managers, strict=True)
    ]
    assert field.post(events).json()["accepted"] == 3
    assert field.post("", "/dl/peon").status_code == 202
    return field


def refused(answer: Any, name: str) -> bool:
    """Return True if the response is a 400 that names the parameter."""
    return answer.status_code == 400 and [error["path"] for error in answer.json()["errors"]] == [name]


def names_in(answer: Any) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {row["value"] for row in map(json.loads, answer.text.splitlines()) if row["events"]}


def test_filters_of_an_exported_question_work_or_are_named(filled: Any) -> None:
    by_name = "/v1/export/breakdown?by=name"
    assert names_in(filled.get(f"{by_name}&name=deploy")) == {"deploy"}
    assert names_in(filled.get(f"{by_name}&name=deploy&name=build")) == {"deploy", "build"}
    assert names_in(filled.get(f"{by_name}&name=deploy,build&name=test")) == set(NAMES)
    assert names_in(filled.get(f"{by_name}&package-manager=npm")) == {"deploy"}
    assert names_in(filled.get(f"{by_name}&environment=unknown&environment=ci&_=17")) == {*NAMES, "download"}
    assert refused(filled.get(f"{by_name}&nmae=x"), "nmae")
    assert refused(filled.get(f"{by_name}&os=linux&os=darwin"), "os")
    assert refused(filled.get(f"{by_name}&by=os"), "by")
    assert refused(filled.get(f"{by_name}&step=day"), "step")
    assert refused(filled.get("/v1/export/trending?name=deploy"), "name")


def test_an_export_of_rows_names_the_filters_that_it_does_not_support(filled: Any) -> None:
    assert refused(filled.get("/v1/export/events?name=deploy"), "name")
    assert refused(filled.get("/v1/export/installs?os=linux"), "os")
    assert refused(filled.get("/v1/export/events?format=csv&format=jsonl"), "format")
    assert refused(filled.get("/v1/export/events?form=csv"), "form")
    assert filled.get("/v1/export/events?format=csv&from=2020-01-01&_=1").status_code == 200


def test_public_routes_with_parameters_name_those_that_they_do_not_have(filled: Any) -> None:
    for path, name in {
        "/analytics/summary?dyas=30": "dyas",
        "/analytics/tools?days=7&days=30": "days",
        "/analytics/retention?limit=2": "limit",
        "/analytics/errors?limit=2&tool=x": "tool",
        "/api/public/trending?types=snippet": "types",
        "/api/public/trending?window=7d&window=30d": "window",
        "/api/public/counters?type=pack&ids=peon&limit=1": "limit",
        "/api/public/counters/pack/peon?window=7d": "window",
        "/badge/peon.svg?metrics=today": "metrics",
        "/v1/install?id=a&id=b": "id",
        "/v1/installs/a?befor=x": "befor",
    }.items():
        assert refused(filled.get(path), name), path


def test_repeated_ids_are_all_answered(filled: Any) -> None:
    answer = filled.get("/api/public/counters?type=pack&ids=peon&ids=other,third")
    assert list(answer.json()) == ["peon", "other", "third"]


def test_cache_busters_and_the_parameters_of_badges_elsewhere_change_nothing(filled: Any) -> None:
    for path in (
        "/counts?x=1", "/counts/peon?_=1", "/stats?a=b", "/analytics/summary?days=7&_=123", "/badge/peon.svg?style=flat&logo=npm&cacheSeconds=60",
        "/api/public/trending?type=pack&nocache=1",
    ):  # fmt: skip
        assert filled.get(path).status_code == 200, path


def test_an_error_repeats_an_unknown_parameter_only_if_it_looks_like_a_name(filled: Any) -> None:
    answer = filled.get("/v1/export/events?mail%40example.org=1")
    assert refused(answer, "(a parameter)")
    assert "example.org" not in answer.text
