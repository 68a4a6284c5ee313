"""Promises about agents, install sources and terminals: they are fields of an event, in whichever form a client sends them."""

from __future__ import annotations

import json
from typing import Any

import pytest

EVENT = {"name": "build", "installation_id": "surroundings-1"}
ASK = """query ($slug: String!, $by: [ByInput!], $where: [ConditionInput!]) { project(slug: $slug) {
  ask(question: {by: $by, where: $where}) { rows { keys } } } }"""
NODES = "query ($slug: String!) { project(slug: $slug) { events(first: 9) { nodes { agent installSource interactive } } } }"
NAMES = ("agent", "install_source", "interactive")


def stored(field: Any) -> list[tuple[Any, ...]]:
    return [tuple(event[name] for name in NAMES) for event in field.events()]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"agent": "claude-code", "install_source": "npm", "interactive": True}, ("claude-code", "npm", True)),
        ({"agent": " Claude-Code ", "install_source": "Homebrew", "interactive": False}, ("claude-code", "brew", False)),
        ({"agent": "", "install_source": " ", "interactive": "yes"}, (None, None, True)),
        ({"interactive": 1.0}, (None, None, True)),
        ({"agent": None, "interactive": 0}, (None, None, False)),
        ({}, (None, None, None)),
    ],
)
def test_agent_and_terminal_are_fields_and_not_properties(field: Any, sent: dict[str, Any], expected: tuple[Any, ...]) -> None:
    answer = field.post({**EVENT, **sent})
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert stored(field) == [expected]
    assert field.events()[0]["properties"] is None
    (node,) = field.ask(NODES, slug=field.slug)["project"]["events"]["nodes"]
    assert tuple(node.values()) == expected


@pytest.mark.parametrize("sent", [{"agent": ["a", "b"]}, {"agent": 7}, {"install_source": {"by": "hand"}}, {"interactive": "perhaps"}])
def test_a_value_of_another_kind_stays_a_property(field: Any, sent: dict[str, Any]) -> None:
    answer = field.post({**EVENT, **sent})
    assert answer.json()["accepted"] == 1
    assert answer.json()["ignored"] == list(sent)
    assert stored(field) == [(None, None, None)]
    assert field.events()[0]["properties"] == sent


def test_agent_and_terminal_are_read_from_properties_too(field: Any) -> None:
    said = {"agent": "cursor", "installMethod": "cargo", "isTTY": False}
    assert field.post({**EVENT, "agent": "codex", "properties": said}).json()["accepted"] == 1
    assert stored(field) == [("codex", "cargo", False)]
    assert field.events()[0]["properties"] == said


@pytest.mark.one_path
def test_sdks_report_agent_and_terminal_in_properties(field: Any) -> None:
    said = {"agent": "cursor", "install_source": "brew", "is_interactive": True}
    batch = [{"event": "build", "distinct_id": "d1", "properties": said}]
    assert field.post({"api_key": "phc_x", "batch": batch}, "/batch/").status_code == 200
    assert field.post({"event": "build", "anonymousId": "a1", "properties": said}, "/v1/track").status_code == 200
    attributes = [{"key": "process.interactive", "value": {"boolValue": True}}, {"key": "agent", "value": {"stringValue": "cursor"}}]
    record = {"eventName": "build", "attributes": attributes}
    assert field.post({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}, "/v1/logs").status_code == 200
    sonicjs = {"data": {"installation_id": "s1", "event_type": "build", "properties": said}}
    assert field.post(sonicjs).status_code == 201
    full, partial = ("cursor", "brew", True), ("cursor", None, True)
    assert sorted(stored(field), key=repr) == sorted([full, full, partial, full], key=repr)


@pytest.mark.one_path
def test_questions_filter_and_split_by_agent_and_terminal(field: Any) -> None:
    for agent, interactive in (("claude-code", True), ("claude-code", False), ("cursor", False)):
        assert field.post({**EVENT, "agent": agent, "interactive": interactive}).status_code == 202
    by = [{"field": "agent"}, {"field": "interactive"}]
    rows = field.ask(ASK, slug=field.slug, by=by, where=[])["project"]["ask"]["rows"]
    assert sorted(row["keys"] for row in rows) == [["claude-code", "false"], ["claude-code", "true"], ["cursor", "false"]]
    where = [{"field": "interactive", "op": "IS", "values": ["true"]}]
    rows = field.ask(ASK, slug=field.slug, by=by[:1], where=where)["project"]["ask"]["rows"]
    assert [row["keys"] for row in rows] == [["claude-code"]]


@pytest.mark.one_path
def test_texts_of_agent_and_source_are_scrubbed_and_bounded(field: Any) -> None:
    said = {"agent": "/home/alice/bin/agent alice@example.org", "install_source": "x" * 500}
    assert field.post({**EVENT, **said}).status_code == 202
    ((agent, source, _),) = stored(field)
    assert "alice" not in agent
    assert len(source) == 64
    assert "alice" not in json.dumps(field.rows("SELECT agent, install_source FROM context WHERE agent IS NOT NULL"))
