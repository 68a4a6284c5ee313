"""Umami: events, views and reports of an install."""

from __future__ import annotations

from typing import Any

import pytest

from server.dialects import umami
from server.event import Outcome
from tests.dialects.conftest import RECEIVED_AT

ROUTE = "/api/send"
WEBSITE = "5c4b9f0e-2d6f-4b7c-a3b1-c6d290feac4e"
DATA = {"version": "1.2.3", "os": "Linux", "exit_code": 0, "nested": {"kind": 1, "url": "/a"}}


def call(kind: str = "event", **payload: Any) -> dict[str, Any]:
    return {"type": kind, "payload": {"website": WEBSITE, "url": "/a?secret", "title": "Secret", "screen": "1x1", **payload}}


def test_an_event_is_read_with_all_of_its_fields(ask: Any, reply: Any) -> None:
    body = call(name="build", data=DATA, id="user-1", tag="beta", timestamp=RECEIVED_AT // 1_000 - 30)
    decoded = umami.decode(ask(body, ROUTE))
    (event,) = decoded.events
    assert (event.name, event.install, event.occurred_at, event.outcome) == ("build", "user-1", RECEIVED_AT - 30_000, Outcome.SUCCESS)
    assert (event.context.dialect, event.context.os, event.context.version) == ("umami", "linux", "1.2.3")
    assert event.properties == {"tag": "beta", "version": "1.2.3", "os": "Linux", "exit_code": 0, "nested": {"kind": 1}}
    assert (reply(umami, decoded).status, reply(umami, decoded).body) == (200, b"{}")


def test_a_page_view_is_named_after_its_kind(ask: Any) -> None:
    (event,) = umami.decode(ask(call(), ROUTE)).events
    assert (event.name, event.install, event.occurred_at, event.properties) == ("pageview", None, None, {})


def test_identify_counts_as_no_usage_and_describes_the_install(ask: Any) -> None:
    decoded = umami.decode(ask(call("identify", id="user-1", data=DATA), ROUTE))
    (report,) = decoded.installs
    assert (decoded.events, report.install, report.context.os, report.context.version) == ([], "user-1", "linux", "1.2.3")
    for kind in ("performance", "error"):
        measured = umami.decode(ask(call(kind, id="user-1", lcp=5), ROUTE))
        assert (measured.events, measured.installs, measured.rejected) == ([], [], [])
    nameless = umami.decode(ask(call("identify", data=DATA), ROUTE))
    assert (nameless.events, nameless.installs, nameless.rejected) == ([], [], [])


@pytest.mark.parametrize("body", [None, 5, {}, {"type": "other"}, {"type": ["event"]}, call(name=5), call(name=" ")])
def test_a_call_that_is_wrong_is_rejected(ask: Any, body: Any) -> None:
    decoded = umami.decode(ask(body, ROUTE))
    assert (len(decoded.rejected), decoded.events) == (1, [])


@pytest.mark.parametrize(("body", "site"), [(call(), WEBSITE), ({"payload": []}, ""), ([], ""), (None, "")])
def test_the_website_is_the_site(ask: Any, body: Any, site: str) -> None:
    assert umami.key_of(ask(body, ROUTE)) == site
