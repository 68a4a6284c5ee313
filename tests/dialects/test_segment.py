"""Segment and RudderStack: batches, single calls, and calls that do not count as usage."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from server.dialects import segment
from server.event import Outcome
from tests.dialects.conftest import RECEIVED_AT

CALL = {
    "timestamp": "2026-02-16T11:59:30.000Z",
    "integrations": {},
    "event": "cli command",
    "type": "track",
    "properties": {"command": "build", "n": 1.5, "nul": None, "exit_code": 2, "url": "https://a.example/x"},
    "context": {
        "os": {"name": "linux", "version": "6"},
        "app": {"name": "mycli", "version": "1.2.3"},
        "library": {"name": "@segment/analytics-node", "version": "3.1.0"},
        "ip": "192.0.2.1",
        "sessionId": 1_700_000_000,
    },
    "anonymousId": "inst-1",
    "messageId": "mid-fixed",
    "_metadata": {"nodeVersion": "v20.20.2", "jsRuntime": "node"},
}


def batch(*calls: Any, **fields: Any) -> dict[str, Any]:
    return {"batch": list(calls), "writeKey": "wk_test", "sentAt": "2026-02-16T12:00:00.000Z", **fields}


def test_a_call_of_the_node_sdk(ask: Any, reply: Any) -> None:
    decoded = segment.decode(ask(batch(CALL), "/v1/batch"))
    (event,) = decoded.events
    assert (event.name, event.install, event.id, event.session) == ("cli command", "inst-1", "mid-fixed", "1700000000")
    assert (event.occurred_at, event.outcome) == (RECEIVED_AT - 30_000, Outcome.FAILURE)
    where = event.context
    assert (where.dialect, where.os, where.version, where.runtime) == ("segment", "linux", "1.2.3", "node 20.20.2")
    assert event.properties == {"command": "build", "n": 1.5, "nul": None, "exit_code": 2}
    answer = reply(segment, decoded)
    assert (answer.status, json.loads(answer.body)) == (200, {"success": True})


def test_a_call_of_the_python_sdk_names_its_user_and_library(ask: Any) -> None:
    call = {
        **CALL,
        "anonymousId": None,
        "userId": "user-1",
        "_metadata": None,
        "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
    }
    (event,) = segment.decode(ask(batch(call), "/v1/batch")).events
    assert (event.install, event.context.runtime) == ("user-1", "analytics-python 2.4.0")


def test_rudderstack_sends_the_time_under_another_name(ask: Any) -> None:
    call = {**CALL, "timestamp": None, "originalTimestamp": "2026-02-16T10:00:00.000Z"}
    (event,) = segment.decode(ask(batch(call, sentAt="2026-02-16T11:00:00.000Z"), "/v1/batch")).events
    assert event.occurred_at == RECEIVED_AT - 3_600_000


@pytest.mark.parametrize(("kind", "name"), [("page", "page: Home"), ("screen", "screen: Home")])
def test_pages_and_screens_are_named_after_their_kind(ask: Any, kind: str, name: str) -> None:
    call = {"anonymousId": "inst-1", "name": "Home"}
    assert segment.decode(ask(call, f"/v1/{kind}")).events[0].name == name
    assert segment.decode(ask(batch({**call, "type": kind}), "/v1/batch")).events[0].name == name
    assert segment.decode(ask({"anonymousId": "inst-1"}, f"/v1/{kind}")).events[0].name == kind


def test_identify_counts_as_no_usage_and_describes_the_install(ask: Any) -> None:
    calls = [{**CALL, "type": kind, "traits": {"email": "ada@example.org", "version": "2.0.0"}} for kind in ("identify", "group", "alias")]
    decoded = segment.decode(ask(batch(*calls, CALL), "/v1/batch"))
    assert ([event.name for event in decoded.events], decoded.positions) == (["cli command"], [3])
    (report,) = decoded.installs
    assert (report.install, report.context.os, report.context.version) == ("inst-1", "linux", "1.2.3")
    assert not decoded.rejected


def test_a_call_that_is_wrong_is_rejected_and_its_neighbors_are_not(ask: Any) -> None:
    decoded = segment.decode(ask(batch(CALL, {**CALL, "type": "other"}, {"type": "track"}, 5, None, CALL), "/v1/batch"))
    assert [rejection.index for rejection in decoded.rejected] == [1, 2, 3, 4]
    assert decoded.positions == [0, 5]


def test_the_key_is_the_user_name_or_in_the_body(ask: Any) -> None:
    basic = {"authorization": "Basic " + base64.b64encode(b"wk_user:").decode()}
    assert segment.key_of(ask(batch(CALL), "/v1/batch", **basic)) == "wk_user"
    assert segment.key_of(ask(batch(CALL), "/v1/batch")) == "wk_test"
    assert segment.key_of(ask(batch(CALL), "/v1/batch", authorization="Basic !")) == "wk_test"
    broken: tuple[Any, ...] = (None, [], 5, {"writeKey": 5}, {"writeKey": "a\nb"})
    for body in broken:
        assert segment.key_of(ask(body, "/v1/batch")) == ""
