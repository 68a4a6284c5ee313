"""Plausible: events, in both forms of their names and properties."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.dialects import plausible
from server.event import Outcome

ROUTE = "/api/event"
EVENT = {"n": "build", "u": "https://tool.example/a", "d": "tool.example", "r": None, "w": 1200, "v": 4, "i": True}
PROPERTIES = {"version": "1.2.3", "os": "Darwin", "success": False, "duration_ms": 8, "referrer": "x", "link": "https://a.example/"}


@pytest.mark.parametrize("properties", [PROPERTIES, json.dumps(PROPERTIES)])
@pytest.mark.parametrize("names", [("n", "d", "p"), ("name", "domain", "props")])
def test_an_event_is_read_with_all_of_its_fields(ask: Any, reply: Any, names: tuple[str, str, str], properties: Any) -> None:
    name, domain, props = names
    body = {**EVENT, name: EVENT["n"], domain: EVENT["d"], props: properties}
    decoded = plausible.decode(ask(body, ROUTE))
    (event,) = decoded.events
    assert (event.name, event.install, event.visitor, event.occurred_at) == ("build", None, None, None)
    assert (event.outcome, event.duration_us) == (Outcome.FAILURE, 8_000)
    assert (event.context.dialect, event.context.os, event.context.version) == ("plausible", "darwin", "1.2.3")
    assert event.properties == {"version": "1.2.3", "os": "Darwin", "success": False, "duration_ms": 8}
    assert reply(plausible, decoded).status == 202


@pytest.mark.parametrize("properties", ["{", '{"a": 1', '{"a":1,"a":2}', "55", 5, [], "\0"])
def test_properties_that_cannot_be_read_are_dropped(ask: Any, properties: Any) -> None:
    document = {**EVENT, "p": properties} if properties != "\0" else {**EVENT, "p": '{"a":"\\u0000"}'}
    (event,) = plausible.decode(ask(document, ROUTE)).events
    assert event.properties == {}


def test_a_property_that_cannot_be_stored_costs_no_other(ask: Any) -> None:
    (event,) = plausible.decode(ask({**EVENT, "p": '{"a":1e309,"b":1,"c":NaN,"d":{"e":1,"e":2}}'}, ROUTE)).events
    assert event.properties == {"b": 1}


def test_a_pages_time_in_view_is_not_an_event(ask: Any) -> None:
    decoded = plausible.decode(ask({**EVENT, "n": "engagement", "sd": 5, "e": 900}, ROUTE))
    assert (decoded.events, decoded.rejected) == ([], [])


@pytest.mark.parametrize("body", [None, 5, {}, {"n": 5}, {"n": " "}, ["x"]])
def test_an_event_that_is_wrong_is_rejected(ask: Any, body: Any) -> None:
    decoded = plausible.decode(ask(body, ROUTE))
    assert (len(decoded.rejected), decoded.events) == (1, [])


@pytest.mark.parametrize(
    ("body", "site"), [(EVENT, "tool.example"), ({"domain": "b.example"}, "b.example"), ({"d": "a b"}, ""), ([], ""), (None, "")]
)
def test_the_domain_is_the_site(ask: Any, body: Any, site: str) -> None:
    assert plausible.key_of(ask(body, ROUTE)) == site
