"""The list of installs under the filters of the dashboard."""

from __future__ import annotations

from typing import Any

import pytest

from tests.field.conftest import TOKEN

pytestmark = pytest.mark.one_path

LISTED = """query ($slug: String!, $filter: InstallFilterInput) { project(slug: $slug) { installs(filter: $filter, first: 50) {
  totalCount nodes { os version environment } } } }"""


def listed(field: Any, *where: dict[str, Any], **more: Any) -> list[tuple[str | None, str | None]]:
    found = field.ask(LISTED, slug=field.slug, filter={"where": list(where), **more})["project"]["installs"]
    assert found["totalCount"] == len(found["nodes"])
    return sorted((node["os"] or "", node["version"] or "") for node in found["nodes"])


def test_installs_are_listed_by_several_values_of_a_field(field: Any) -> None:
    """Linux or macOS, without two versions: one list, as the figures of the page have it."""
    events = [
        {"name": "build", "installation_id": f"i{number}", "ci": number == 5, **said}
        for number, said in enumerate(
            (
                {"os": "linux", "version": "1.0.0"},
                {"os": "linux", "version": "2.0.0"},
                {"os": "darwin", "version": "3.0.0"},
                {"os": "windows", "version": "3.0.0"},
                {"version": "3.0.0"},
                {"os": "darwin"},
            )
        )
    ]
    assert field.post(events).status_code == 202
    either = {"field": "os", "values": ["linux", "darwin"]}
    assert listed(field, either) == [("darwin", ""), ("darwin", "3.0.0"), ("linux", "1.0.0"), ("linux", "2.0.0")]
    without = {"field": "version", "op": "IS_NOT", "values": ["1.0.0", "2.0.0"]}
    assert listed(field, either, without) == [("darwin", ""), ("darwin", "3.0.0")], "an install without a version has neither version"
    assert listed(field, either, {"field": "environment", "values": ["ci", "container"]}) == [("darwin", "")]
    assert listed(field, either, without, environments=["CI"]) == [("darwin", "")]
    assert listed(field, {"field": "os", "op": "IS_NOT", "values": ["linux", "darwin"]}) == [("", "3.0.0"), ("windows", "3.0.0")]


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ({"field": "name", "values": ["build"]}, "filter.where[0].field"),
        ({"field": "properties.theme", "values": ["dark"]}, "filter.where[0].field"),
        ({"field": "os", "op": "PREFIX", "values": ["lin"]}, "filter.where[0].op"),
        ({"field": "os", "values": []}, "filter.where[0].values"),
    ],
)
def test_other_conditions_on_installs_are_refused_by_name(field: Any, condition: dict[str, Any], path: str) -> None:
    body = {"query": LISTED, "variables": {"slug": field.slug, "filter": {"where": [condition]}}}
    answer = field.server.client.post("/graphql", json=body, headers={"authorization": f"Bearer {TOKEN}"}).json()
    assert path in answer["errors"][0]["message"], answer
