"""Engagement: a site's events about its content, with as little visitor data as possible."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from server.dialects import engagement
from server.event import DAY, Environment, Outcome, Receipt
from server.problems import Invalid, Problem, TooLarge, TooManyTargets, UnknownTarget

Body = Callable[[str], bytes]
ROUTE = "/v1/engagement"
COPY = {"targetType": "snippet", "targetId": "a", "kind": "copy"}
VIEW = {**COPY, "kind": "view"}
KINDS = ["view", "copy", "download", "template_use", "builder_export", "favorite", "unfavorite", "comment", "vote_up", "vote_down"]


def test_a_view_is_counted_for_its_session(ask: Any, reply: Any, body: Body) -> None:
    decoded = engagement.decode(ask(body("engagement-view"), ROUTE))
    (event,) = decoded.events
    assert (event.name, event.target) == ("view", ("snippet", "agents-md-starter"))
    assert (event.install, event.session, event.debounce) == ("s-81f2", "s-81f2", "s-81f2")
    assert (event.outcome, event.context.dialect, event.context.environment) == (Outcome.NONE, "engagement", Environment.UNKNOWN)
    answer = reply(engagement, decoded)
    assert (answer.status, json.loads(answer.body)) == (202, {"counted": True})


def test_of_the_metadata_no_address_is_kept_and_of_a_referrer_its_origin(ask: Any, body: Body) -> None:
    (event,) = engagement.decode(ask(body("engagement-view"), ROUTE)).events
    assert event.properties == {
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
        "referrer": "https://news.example.com:8443",
        "surface": "detail",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_accepted_and_only_views_are_debounced(ask: Any, kind: str) -> None:
    (event,) = engagement.decode(ask({**COPY, "kind": kind, "sessionId": "s"}, ROUTE)).events
    assert (event.name, event.debounce) == (kind, "s" if kind == "view" else None)


@pytest.mark.parametrize("word", ["prompt", "Prompt:v2", "0", "a.b-c_d", "x" * 64])
def test_a_project_may_add_words_of_its_own(ask: Any, word: str) -> None:
    (event,) = engagement.decode(ask({**COPY, "targetType": word, "kind": word}, ROUTE)).events
    assert (event.name, event.target) == (word, (word, "a"))


@pytest.mark.parametrize("word", ["", " ", "-a", ".a", "a b", "a\n", "a/b", "ä", "x" * 65])
def test_other_words_are_422(ask: Any, word: str) -> None:
    with pytest.raises(Invalid) as caught:
        engagement.decode(ask({**COPY, "targetType": word, "kind": word}, ROUTE))
    assert [error.path for error in caught.value.errors] == ["targetType", "kind"]
    assert (caught.value.code, word in "".join(error.message for error in caught.value.errors) and len(word) > 2) == (422, False)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"targetId": ""}, "targetId"),
        ({"targetId": "  "}, "targetId"),
        ({"targetId": None}, "targetId"),
        ({"targetId": 5}, "targetId"),
        ({"targetType": None}, "targetType"),
        ({"kind": None}, "kind"),
        ({"userId": 5}, "userId"),
        ({"userId": "x" * 201}, "userId"),
        ({"sessionId": []}, "sessionId"),
        ({"metadata": "x"}, "metadata"),
    ],
)
def test_a_wrong_field_is_422_and_named(ask: Any, change: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as caught:
        engagement.decode(ask({**COPY, **change}, ROUTE))
    assert ([error.path for error in caught.value.errors], caught.value.code) == ([path], 422)


@pytest.mark.parametrize("missing", ["targetType", "targetId", "kind"])
def test_a_missing_target_is_422(ask: Any, missing: str) -> None:
    with pytest.raises(Invalid) as caught:
        engagement.decode(ask({name: value for name, value in COPY.items() if name != missing}, ROUTE))
    assert [(error.path, error.message) for error in caught.value.errors] == [(missing, "is missing")]


@pytest.mark.parametrize(
    ("who", "install", "session", "viewer"),
    [
        ({"userId": "u", "sessionId": "s"}, "u", "s", "s"),
        ({"userId": "u", "sessionId": None}, "u", None, "u"),
        ({"userId": "", "sessionId": "s"}, "s", "s", "s"),
        ({"userId": "", "sessionId": ""}, None, None, None),
        ({}, None, None, None),
    ],
)
def test_the_install_is_the_user_and_the_viewer_is_the_session(
    ask: Any, who: dict[str, Any], install: str | None, session: str | None, viewer: str | None
) -> None:
    request = ask({**VIEW, **who}, ROUTE, user_agent="curl/8")
    (event,) = engagement.decode(request).events
    assert (event.install, event.session) == (install, session)
    assert event.debounce == (viewer or f"{request.received_at // DAY}\n198.51.100.4\ncurl/8")


def test_an_anonymous_viewer_differs_by_day_and_address(ask: Any) -> None:
    def viewer(metadata: dict[str, str], day: int = 0) -> str | None:
        request = ask({**VIEW, "metadata": metadata}, ROUTE, user_agent="node")
        request.received_at += day * DAY
        return engagement.decode(request).events[0].debounce

    assert viewer({}) == viewer({"surface": "list"})
    assert viewer({}) != viewer({}, day=1)
    assert viewer({}) != viewer({"ip": "203.0.113.7"})
    assert viewer({"ip": "203.0.113.7"}) != viewer({"ip": "203.0.113.7", "ua": "Firefox"})


@pytest.mark.parametrize(
    ("referrer", "origin"),
    [
        ("https://example.com", "https://example.com"),
        ("https://Example.COM/a?q=b#c", "https://example.com"),
        ("http://user:pass@example.com:8080/x", "http://example.com:8080"),
        ("http://[2001:db8::1]:80/x", "http://[2001:db8::1]:80"),
        ("android-app://com.google.android.gm/", "android-app://com.google.android.gm"),
        ("https://" + "a" * 300 + ".example", ("https://" + "a" * 300)[:256]),
        ("/local/path", None),
        ("//example.com/x", None),
        ("mailto:ada@example.com", None),
        ("javascript:alert(1)", None),
        ("https://[::1", None),
        ("https://example.com:port/", None),
        ("https://", None),
        ("ada@example.com", None),
        ("", None),
        (5, None),
        (["https://example.com"], None),
    ],
)
def test_a_referrer_is_cut_to_its_origin(ask: Any, referrer: Any, origin: str | None) -> None:
    for name in ("referrer", "referer"):
        (event,) = engagement.decode(ask({**COPY, "metadata": {name: referrer}}, ROUTE)).events
        assert event.properties == ({} if origin is None else {"referrer": origin})


@pytest.mark.parametrize("name", ["ua", "userAgent", "user_agent"])
def test_a_user_agent_is_cut(ask: Any, name: str) -> None:
    (event,) = engagement.decode(ask({**COPY, "metadata": {name: "M" * 300}}, ROUTE)).events
    assert event.properties == {"user_agent": "M" * 256}


@pytest.mark.parametrize("name", ["ip", "IP", "ipAddress", "ip_address", "clientIp", "remote_addr", "X-Forwarded-For", "realIP"])
def test_an_address_is_not_kept_wherever_it_is(ask: Any, name: str) -> None:
    said = {**COPY, name: "203.0.113.7", "metadata": {name: "203.0.113.7", "request": {name: ["203.0.113.7"], "hops": [{name: 1}]}}}
    (event,) = engagement.decode(ask(said, ROUTE)).events
    assert event.properties == {"request": {"hops": [{}]}}


def test_unknown_values_are_kept_as_properties(ask: Any) -> None:
    (event,) = engagement.decode(ask({**COPY, "surface": "list", "metadata": {"surface": "detail", "skip": True}}, ROUTE)).events
    assert event.properties == {"surface": "detail", "skip": True, "$surface": "list"}


def test_metadata_may_name_the_environment(ask: Any) -> None:
    (event,) = engagement.decode(ask({**COPY, "metadata": {"isTest": True}}, ROUTE)).events
    assert (event.context.environment, event.context.reason) == (Environment.TEST, "metadata.isTest")


@pytest.mark.parametrize(("receipt", "counted"), [(Receipt.STORED, True), (Receipt.DUPLICATE, True), (Receipt.DEBOUNCED, False)])
def test_a_view_within_half_an_hour_is_not_counted(ask: Any, reply: Any, receipt: Receipt, counted: bool) -> None:
    answer = reply(engagement, engagement.decode(ask(VIEW, ROUTE)), receipt)
    assert (answer.status, json.loads(answer.body)) == (202, {"counted": counted})


@pytest.mark.parametrize(("receipt", "problem"), [(Receipt.UNKNOWN_TARGET, UnknownTarget), (Receipt.TOO_MANY_TARGETS, TooManyTargets)])
def test_a_target_that_may_not_be_counted_is_422(ask: Any, reply: Any, receipt: Receipt, problem: type[Problem]) -> None:
    with pytest.raises(problem) as caught:
        reply(engagement, engagement.decode(ask(COPY, ROUTE)), receipt)
    assert (caught.value.code, [error.path for error in caught.value.errors]) == (422, ["targetId"])


def test_a_batch_reports_the_result_of_each_event(ask: Any, reply: Any, body: Body) -> None:
    decoded = engagement.decode(ask(body("engagement-batch"), ROUTE, idempotency_key="k"))
    assert [(event.name, event.id) for event in decoded.events] == [("copy", "k:0"), ("builder_export", "k:2")]
    assert json.loads(reply(engagement, decoded, Receipt.STORED, Receipt.UNKNOWN_TARGET).body) == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [
            {"index": 1, "errors": [{"path": "targetId", "message": "is missing"}]},
            {"index": 2, "errors": [{"path": "targetId", "message": "is not a target of this project"}]},
        ],
        "counted": [True, False, False],
    }


def test_a_batch_of_views_reports_which_were_counted(ask: Any, reply: Any) -> None:
    decoded = engagement.decode(ask([VIEW, VIEW, VIEW], ROUTE))
    said = json.loads(reply(engagement, decoded, Receipt.STORED, Receipt.DEBOUNCED, Receipt.DUPLICATE).body)
    assert said == {"accepted": 1, "duplicates": 2, "rejected": [], "counted": [True, False, True]}
    assert json.loads(reply(engagement, engagement.decode(ask([], ROUTE))).body)["counted"] == []


def test_a_batch_holds_at_most_a_thousand(ask: Any) -> None:
    assert len(engagement.decode(ask([COPY] * 1_000, ROUTE)).events) == 1_000
    with pytest.raises(TooLarge):
        engagement.decode(ask([COPY] * 1_001, ROUTE))
