"""Aptabase: single events and arrays."""

from __future__ import annotations

from typing import Any

from server.dialects import aptabase
from server.event import Environment
from tests.dialects.conftest import RECEIVED_AT

EVENT = {
    "timestamp": "2026-02-16T11:59:30.000000Z",
    "sessionId": "179521018914614397",
    "eventName": "cli command",
    "systemProps": {
        "locale": "en-US", "osName": "Linux", "osVersion": "6.18", "deviceModel": "x86_64", "isDebug": False, "appVersion": "1.2.3",
        "sdkVersion": "aptabase-python@0.1.0",
    },
    "props": {"command": "build", "n": 1.5, "exit_code": 0, "url": "https://a.example/x"},
}  # fmt: skip


def test_an_event_of_the_python_sdk(ask: Any, reply: Any) -> None:
    decoded = aptabase.decode(ask([EVENT], "/api/v0/events"))
    (event,) = decoded.events
    assert (event.name, event.install, event.session, event.id) == ("cli command", None, "179521018914614397", None)
    assert event.occurred_at == RECEIVED_AT - 30_000
    where = event.context
    assert (where.dialect, where.os, where.version, where.runtime) == ("aptabase", "linux", "1.2.3", "aptabase-python 0.1.0")
    assert where.environment is Environment.UNKNOWN
    assert event.properties == {"command": "build", "n": 1.5, "exit_code": 0}
    answer = reply(aptabase, decoded)
    assert (answer.status, answer.body) == (200, b"{}")


def test_a_debug_build_is_development(ask: Any) -> None:
    (event,) = aptabase.decode(ask({**EVENT, "systemProps": {"isDebug": True}}, "/api/v0/event")).events
    assert (event.context.environment, event.properties) == (Environment.DEVELOPMENT, {"command": "build", "n": 1.5, "exit_code": 0})


def test_an_event_that_is_wrong_is_rejected_and_its_neighbors_are_not(ask: Any) -> None:
    decoded = aptabase.decode(ask([EVENT, {"eventName": ""}, {}, 5, None, {"eventName": "a", "systemProps": 5}], "/api/v0/events"))
    assert [each.index for each in decoded.rejected] == [1, 2, 3, 4]
    assert decoded.positions == [0, 5]


def test_the_key_of_the_project_is_a_header(ask: Any) -> None:
    assert aptabase.key_of(ask([], "/api/v0/events", app_key="A-SH-0123456789")) == "A-SH-0123456789"
    assert aptabase.key_of(ask([], "/api/v0/events")) == ""
