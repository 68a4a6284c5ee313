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
