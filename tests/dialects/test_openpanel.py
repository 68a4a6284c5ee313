"""OpenPanel: events, and calls that do not count as usage."""

from __future__ import annotations

from typing import Any

import pytest

from server.dialects import openpanel
from server.event import Outcome
from server.problems import Invalid
from tests.dialects.conftest import RECEIVED_AT

HEADERS = {"openpanel_client_id": "op_client-1", "openpanel_sdk_name": "node", "openpanel_sdk_version": "1.3.1"}
PROPERTIES = {"version": "1.2.3", "os": "linux", "exit_code": 1, "__timestamp": "2026-02-16T11:59:30.000Z", "__path": "/home/ada"}
CALL = {"type": "track", "payload": {"name": "cli command", "profileId": "inst-1", "properties": PROPERTIES}}


def test_an_event_is_read_with_all_of_its_fields(ask: Any, reply: Any) -> None:
    decoded = openpanel.decode(ask(CALL, "/track", **HEADERS))
    (event,) = decoded.events
    assert (event.name, event.install, event.occurred_at, event.outcome) == ("cli command", "inst-1", RECEIVED_AT - 30_000, Outcome.FAILURE)
    where = event.context
    assert (where.dialect, where.os, where.version, where.runtime) == ("openpanel", "linux", "1.2.3", "openpanel-node 1.3.1")
    assert event.properties == {"version": "1.2.3", "os": "linux", "exit_code": 1}
    answer = reply(openpanel, decoded)
    assert (answer.status, answer.body) == (200, b"{}")


def test_an_event_without_a_profile_is_of_no_install(ask: Any) -> None:
    (event,) = openpanel.decode(ask({"type": "track", "payload": {"name": "build"}}, "/track")).events
    assert (event.install, event.visitor) == (None, None)


def test_identify_counts_as_no_usage_and_describes_the_install(ask: Any) -> None:
    decoded = openpanel.decode(ask({"type": "identify", "payload": {"profileId": "inst-1", "email": "a@b.example", "properties": PROPERTIES}}, "/track"))  # fmt: skip
    (report,) = decoded.installs
    assert (decoded.events, report.install, report.context.os, report.context.version) == ([], "inst-1", "linux", "1.2.3")
    for kind in ("alias", "increment", "decrement", "group", "assign_group", "replay"):
        decoded = openpanel.decode(ask({"type": kind, "payload": {}}, "/track"))
        assert (decoded.events, decoded.installs, decoded.rejected) == ([], [], [])


@pytest.mark.parametrize("body", [None, 5, {}, {"type": "other"}, {"type": "track"}, {"type": "track", "payload": {"name": 5}}])
def test_a_call_that_is_wrong_is_rejected(ask: Any, body: Any) -> None:
    try:
        decoded = openpanel.decode(ask(body, "/track"))
    except Invalid:
        return
    assert (len(decoded.rejected), decoded.events) == (1, [])


def test_the_key_of_the_project_is_a_header(ask: Any) -> None:
    assert openpanel.key_of(ask(CALL, "/track", **HEADERS)) == "op_client-1"
    assert openpanel.key_of(ask(CALL, "/track")) == ""
