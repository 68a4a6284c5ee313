"""Promises about properties that a project counts by value."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

NAMES = [f"property-{number}" for number in range(20)]


@pytest.mark.one_path
def test_twenty_properties_are_counted(field: Any, make_project: Callable[..., str]) -> None:
    field.slug = make_project(properties=NAMES)
    event: dict[str, Any] = {"name": "build", "properties": {name: f"value of {name}" for name in NAMES}}
    assert field.post({"events": [event, event]}).json()["accepted"] == 2
    for name in (NAMES[0], NAMES[-1]):
        rows = [json.loads(line) for line in field.get(f"/v1/export/breakdown?by=property&property={name}&format=jsonl").text.splitlines()]
        assert [(row["value"], row["events"]) for row in rows if row["value"]] == [(f"value of {name}", 2)]


@pytest.mark.one_path
def test_a_property_that_is_named_later_counts_past_events_and_arrays_by_element(field: Any) -> None:
    """Nested properties are named by their path. The figures are correct at once, before a job has counted past events."""
    documents = ({"tags": ["a", "b", "a"], "build": {"stage": "bundle"}}, {"tags": "a", "build": {"stage": "bundle"}}, {"tags": [7, None]})
    for document in documents:
        assert field.post({"name": "build", "properties": document}).json()["accepted"] == 1
    query = "mutation ($s: String!, $c: ProjectChanges!) { updateProject(slug: $s, changes: $c) { errors { field } } }"
    assert field.ask(query, s=field.slug, c={"properties": ["tags", "build.stage"]})["updateProject"]["errors"] == []
    assert field.post({"name": "build", "properties": documents[0]}).json()["accepted"] == 1
    found = {}
    for name in ("tags", "build.stage"):
        answer = field.get(f"/v1/export/breakdown?by=property&property={name}&format=jsonl").text
        found[name] = {row["value"]: row["events"] for row in map(json.loads, answer.splitlines()) if row["value"]}
    assert found == {"tags": {"a": 3, "b": 2, "7": 1}, "build.stage": {"bundle": 3}}
