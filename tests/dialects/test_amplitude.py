"""Amplitude: batches, the SDK's own events, and the path that it shares with PostHog."""

from __future__ import annotations

import json
from typing import Any

from server.dialects import amplitude, posthog_sdk
from server.event import Outcome
from tests.dialects.conftest import RECEIVED_AT

EVENT = {
    "event_type": "cli command",
    "device_id": "inst-1",
    "user_id": "ada@example.org",
    "insert_id": "28dd7555-b6fb-4cbb-94e6-8b71b52cf94c",
    "session_id": 1_700_000_000,
    "time": RECEIVED_AT - 30_000,
    "app_version": "1.2.3",
    "os_name": "Mac OS X",
    "library": "amplitude-python/1.3.0",
    "ip": "192.0.2.1",
    "user_properties": {"email": "ada@example.org"},
    "event_properties": {"command": "build", "success": True, "duration_ms": 1500, "url": "https://a.example/x"},
}


def batch(*events: Any, **fields: Any) -> dict[str, Any]:
    return {"api_key": "0123456789abcdef", "events": list(events), **fields}


def test_an_event_of_the_python_sdk(ask: Any, reply: Any) -> None:
    decoded = amplitude.decode(ask(batch(EVENT), "/2/httpapi"))
    (event,) = decoded.events
    assert (event.name, event.install, event.id, event.session) == ("cli command", "inst-1", EVENT["insert_id"], "1700000000")
    assert (event.occurred_at, event.outcome, event.duration_us) == (RECEIVED_AT - 30_000, Outcome.SUCCESS, 1_500_000)
    where = event.context
    assert (where.dialect, where.os, where.version, where.runtime) == ("amplitude", "darwin", "1.2.3", "amplitude-python 1.3.0")
    assert event.properties == {"command": "build", "success": True, "duration_ms": 1500}
    answer = reply(amplitude, decoded)
    assert (answer.status, json.loads(answer.body)) == (200, {"code": 200, "events_ingested": 1})


def test_a_wrong_clock_is_corrected_by_the_time_of_sending(ask: Any) -> None:
    sent = {**EVENT, "time": RECEIVED_AT - 3_630_000}
    (event,) = amplitude.decode(ask(batch(sent, client_upload_time="2026-02-16T11:00:00Z"), "/2/httpapi")).events
    assert event.occurred_at == RECEIVED_AT - 30_000


def test_a_user_is_the_install_where_no_device_is_named(ask: Any) -> None:
    (event,) = amplitude.decode(ask(batch({"event_type": "a", "user_id": "user-1", "session_id": -1}), "/2/httpapi")).events
    assert (event.install, event.session) == ("user-1", None)


def test_the_sdks_own_events_are_not_usage_but_describe_the_install(ask: Any) -> None:
    decoded = amplitude.decode(ask(batch({**EVENT, "event_type": "$identify"}, {**EVENT, "event_type": "$groupidentify"}, EVENT), "/batch"))
    assert ([event.name for event in decoded.events], decoded.positions) == (["cli command"], [2])
    (report,) = decoded.installs
    assert (report.install, report.context.os, report.context.version) == ("inst-1", "darwin", "1.2.3")


def test_an_event_that_is_wrong_is_rejected_and_its_neighbors_are_not(ask: Any) -> None:
    decoded = amplitude.decode(ask(batch(EVENT, {"event_type": 5}, {}, 5, None, EVENT), "/2/httpapi"))
    assert [each.index for each in decoded.rejected] == [1, 2, 3, 4]
    assert decoded.positions == [0, 5]


def test_a_body_tells_the_batches_of_amplitude_and_posthog_apart(ask: Any) -> None:
    ours, theirs = ask(batch(EVENT), "/batch"), ask({"api_key": "phc_x", "batch": [{"event": "a"}]}, "/batch")
    assert (amplitude.claims(ours), posthog_sdk.claims(ours)) == (True, False)
    assert (amplitude.claims(theirs), posthog_sdk.claims(theirs)) == (False, True)
    bodies: tuple[Any, ...] = (None, [], {}, {"batch": []})
    for broken in bodies:
        assert posthog_sdk.claims(ask(broken, "/batch"))
