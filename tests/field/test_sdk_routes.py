"""Promises to programs that send with the SDKs of other systems: only the host name changes."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import pytest

from tests.field.conftest import accounted

POSTHOG = {"event": "build", "distinct_id": "inst-1", "properties": {"$os": "Linux", "version": "1.2.3"}}
SEGMENT = {"type": "track", "event": "build", "anonymousId": "inst-1", "context": {"os": {"name": "linux"}, "app": {"version": "1.2.3"}}}
APTABASE = {"eventName": "build", "sessionId": "179521018914614397", "systemProps": {"osName": "Linux", "appVersion": "1.2.3"}}
OPENPANEL = {"type": "track", "payload": {"name": "build", "profileId": "inst-1", "properties": {"os": "linux", "version": "1.2.3"}}}
AMPLITUDE = {"event_type": "build", "device_id": "inst-1", "os_name": "Linux", "app_version": "1.2.3"}
# Paths with the body of one event.
EVENTS = {
    **{f"/{path}": {"batch": [POSTHOG], "api_key": "phc_of-another-system"} for path in ("batch/", "batch", "i/v1/analytics/events")},
    **{f"/{path}": {**POSTHOG, "api_key": "phc_of-another-system"} for path in ("capture/", "e/", "e", "i/v0/e/")},
    **{f"/v1/batch{slash}": {"batch": [SEGMENT], "writeKey": "wk_of-another-system"} for slash in ("", "/")},
    "/v1/track": SEGMENT,
    "/v1/page": {**SEGMENT, "type": "page"},
    "/v1/screen/": {**SEGMENT, "type": "screen"},
    "/v1/import": {"batch": [SEGMENT]},
    "/track": OPENPANEL,
    **{path: {"api_key": "a-key-of-amplitude", "events": [AMPLITUDE]} for path in ("/2/httpapi", "/2/httpapi/")},
}


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def test_each_path_takes_events(field: Any) -> None:
    for path, body in EVENTS.items():
        answer = field.post(body, path)
        assert (answer.status_code, type(answer.json()), answer.headers["content-type"]) == (200, dict, "application/json"), path
    assert field.ledger()["stored"] == len(EVENTS)
    assert {(event["os"], event["version"]) for event in field.events()} == {("linux", "1.2.3")}
    assert len({event["install"] for event in field.events()}) == 1


def test_events_with_a_session_alone_are_of_no_install(field: Any) -> None:
    assert field.post(APTABASE, "/api/v0/event").status_code == 200
    assert field.post([APTABASE, APTABASE], "/api/v0/events/").json() == {}
    assert field.post({"api_key": "a-key", "events": [AMPLITUDE]}, "/batch").json() == {"code": 200, "events_ingested": 1}
    assert field.ledger()["stored"] == 4
    assert [event["install"] is None for event in field.events()].count(True) == 3
    assert {(event["os"], event["version"]) for event in field.events()} == {("linux", "1.2.3")}


def otlp(*records: Any) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.version", "value": {"stringValue": "1.2.3"}}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": list(records)}]}]}


def test_log_records_with_an_event_name_are_events(field: Any) -> None:
    body = otlp({"eventName": "build"}, {"body": {"stringValue": "an ordinary log"}})
    answer = field.post(body, "/v1/logs")
    assert (answer.status_code, answer.json()["partialSuccess"]["rejectedLogRecords"]) == (200, "1")
    in_protobuf = field.post(bytes.fromhex("0a0b120912076205") + b"build", "/v1/logs/", content_type="application/x-protobuf")
    assert (in_protobuf.status_code, in_protobuf.content) == (200, b"")
    assert {(event["name"], event["dialect"]) for event in field.events()} == {("build", "otlp")}
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"]) == (2, 2)
    for path in ("/v1/traces", "/v1/metrics"):
        assert field.post({}, path).json() == {}
    assert field.post(b"{", "/v1/logs").status_code == 400
    assert field.post(b"\x0a", "/v1/logs", content_type="application/x-protobuf").status_code == 400
    assert accounted(field, 4)["rejected"] == 2


def test_refused_log_records_are_counted_and_kept_without_their_install(field: Any) -> None:
    installation = {"key": "app.installation.id", "value": {"stringValue": "the-install-of-ada"}}
    large = {"key": "text", "value": {"stringValue": "x" * 20_000}}
    body = otlp({"eventName": "a\0b", "attributes": [installation]}, {"eventName": "build", "attributes": [large]}, {"eventName": "build"})
    assert field.post(body, "/v1/logs").json()["partialSuccess"]["rejectedLogRecords"] == "2"
    ledger = accounted(field, 3)
    assert (ledger["stored"], ledger["rejected"]) == (1, 2)
    assert {each["reason"] for each in ledger["tray"]} == {"INVALID", "TOO_LARGE"}
    assert "the-install-of-ada" not in json.dumps(ledger["tray"])


@pytest.mark.one_path
def test_bodies_are_inflated_whatever_their_headers_are(field: Any) -> None:
    for path in ("/batch/", "/v1/batch"):
        plain = json.dumps(EVENTS[path]).encode()
        for body in (plain, gzip.compress(plain), zlib.compress(plain)):
            for headers in (
                {},
                {"content_encoding": "gzip"},
                {"content_type": "application/x-www-form-urlencoded"},
                {"content_type": "text/plain"},
            ):
                assert field.post(body, path, **headers).status_code == 200
    assert accounted(field, 24)["stored"] == 24


def test_an_event_that_is_sent_again_counts_once_for_its_install(field: Any) -> None:
    first, second = {**POSTHOG, "uuid": "28dd7555-b6fb-4cbb-94e6-8b71b52cf94c"}, {**SEGMENT, "messageId": "node-next-1-a"}
    for _ in range(2):
        assert field.post({"batch": [first]}, "/batch/").status_code == 200
        assert field.post({"batch": [second]}, "/v1/batch").status_code == 200
    ledger = field.ledger()
    assert (ledger["stored"], ledger["duplicates"]) == (2, 2)


def test_identify_counts_as_no_usage_and_describes_the_install(field: Any) -> None:
    assert (
        field.post({"batch": [{**POSTHOG, "event": "$identify"}, {**POSTHOG, "event": "$feature_flag_called"}]}, "/batch").status_code
        == 200
    )
    assert field.post({"batch": [{**SEGMENT, "type": "identify"}]}, "/v1/batch").status_code == 200
    assert field.ledger()["received"] == 0
    assert field.get("/v1/installs/inst-1").json()["install"]["os"] == "linux"


def test_a_wrong_event_is_counted_and_its_client_receives_a_success(field: Any) -> None:
    for path in ("/batch/", "/i/v1/analytics/events", "/v1/batch", "/v1/track", "/v1/import", "/2/httpapi", "/api/v0/events"):
        for body in (b"", b"\x1f\x8b\x08rubbish", b"{", b"[" * 5_000, b"[]" if path == "/v1/track" else b'{"batch":[{}]}', b"null"):
            answer = field.post(body, path)
            assert (answer.status_code, type(answer.json())) == (200, dict), (path, body[:10])
        assert field.post(EVENTS["/batch/"], path, content_encoding="br").status_code == 200
    assert field.server.client.post("/p/no-such-project/v1/batch", content=b"{}").status_code == 200
    assert field.server.client.post("/p/no-such-project/batch/", content=b"{}").status_code == 200
    assert accounted(field, 7 * 7 - 1)["rejected"] == 7 * 7 - 1
    assert field.ledger()["tray"]


def test_a_batch_that_is_too_long_or_too_large_is_dropped_and_counted(field: Any) -> None:
    assert field.post({"batch": [POSTHOG] * 1_001}, "/batch/").status_code == 200
    assert field.post({"batch": [SEGMENT] * 1_001}, "/v1/batch").status_code == 200
    assert field.post(b" " * (8 << 20), "/v1/batch").status_code == 200
    large = {**POSTHOG, "properties": {"text": "x" * 100_000}}
    assert field.post({"batch": [POSTHOG, large]}, "/batch/").status_code == 200
    ledger = accounted(field, 2_003)
    assert (ledger["stored"], ledger["rejected"]) == (1, 2_002)


def test_requests_for_feature_flags_get_an_empty_set(field: Any) -> None:
    for path in ("/flags/?v=4", "/flags/?v=2", "/decide/?v=3"):
        assert field.post({"api_key": "phc_x", "distinct_id": "a"}, path).json()["featureFlags"] == {}
    assert field.ledger()["received"] == 0


@pytest.mark.one_path
def test_a_key_in_the_sdks_own_place_names_the_project(field: Any) -> None:
    query = "mutation ($p: String!) { createKey(slug: $p, scopes: [INGEST]) { secret } }"
    secret = field.ask(query, p=field.slug)["createKey"]["secret"]
    adopted = f"phc_{field.slug}-adopted"
    made = field.server.footfall("key", "create", field.slug, "--client-key", adopted)
    assert made.returncode == 0, made.stderr
    client = field.server.client
    for key in (secret, adopted):
        assert client.post("/batch/", json={"batch": [POSTHOG], "api_key": key}).status_code == 200
        assert (
            client.post("/i/v1/analytics/events", json={"batch": [POSTHOG]}, headers={"authorization": f"Bearer {key}"}).status_code == 200
        )
        assert client.post("/v1/batch", json={"batch": [SEGMENT]}, headers={"authorization": basic(key)}).status_code == 200
        assert client.post("/v1/track", json={**SEGMENT, "writeKey": key}).status_code == 200
        assert client.post("/api/v0/event", json=APTABASE, headers={"app-key": key}).status_code == 200
        assert client.post("/track", json=OPENPANEL, headers={"openpanel-client-id": key}).status_code == 200
        assert client.post("/2/httpapi", json={"api_key": key, "events": [AMPLITUDE]}).status_code == 200
        assert client.post("/v1/logs", json=otlp({"eventName": "a"}), headers={"authorization": f"Bearer {key}"}).status_code == 200
    assert field.ledger()["stored"] == 16


@pytest.mark.one_path
def test_a_key_of_another_system_can_be_adopted_over_graphql(field: Any) -> None:
    create = """mutation ($p: String, $k: String, $s: [Scope!]!) {
      createKey(slug: $p, scopes: $s, clientKey: $k) { secret errors { field code } } }"""
    key = f"phc_{field.slug}-in-graphql"
    assert field.ask(create, p=field.slug, k=key, s=["INGEST"])["createKey"] == {"secret": key, "errors": []}
    assert field.server.client.post("/batch/", json={"batch": [POSTHOG], "api_key": key}).status_code == 200
    assert field.ledger()["stored"] == 1
    for project, text, scope, refused in (
        (field.slug, key, "INGEST", {"field": "clientKey", "code": "TAKEN"}),
        (field.slug, "short", "INGEST", {"field": "clientKey", "code": "INVALID"}),
        (field.slug, key + "2", "READ", {"field": "scopes", "code": "INVALID"}),
        (None, key + "3", "INGEST", {"field": "slug", "code": "INVALID"}),
    ):
        assert field.ask(create, p=project, k=text, s=[scope])["createKey"] == {"secret": None, "errors": [refused]}


@pytest.mark.one_path
def test_a_key_of_another_system_only_sends_and_names_one_project(field: Any) -> None:
    taken = f"phc_{field.slug}-taken"
    assert field.server.footfall("key", "create", field.slug, "--client-key", taken).returncode == 0
    for arguments in (
        ["--client-key", taken],
        ["--client-key", "ff_x-of-ours"],
        ["--client-key", "short"],
        ["--client-key", taken + "2", "--scope", "read"],
    ):
        made = field.server.footfall("key", "create", field.slug, *arguments)
        assert made.returncode != 0
        assert taken not in made.stderr


def test_a_project_that_requires_a_key_drops_and_counts_what_has_none(make_project: Any, field: Any) -> None:
    field.slug = make_project(requiresKey=True)
    for path, body in EVENTS.items():
        assert field.post(body, path).status_code == 200, path
    assert field.post(EVENTS["/batch"], "/batch", x_footfall_key="ff_unknown").status_code == 200
    assert field.events() == []


def test_clients_that_resend_for_ever_are_not_answered_with_a_limit_and_the_others_wait(make_project: Any, field: Any) -> None:
    field.slug = make_project(rateLimit="1/hour")
    assert [field.post(EVENTS["/v1/batch"], "/v1/batch").status_code for _ in range(3)] == [200, 200, 200]
    answer = field.post(EVENTS["/batch/"], "/batch/")
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
    for path, body in (("/api/v0/event", APTABASE), ("/track", OPENPANEL), ("/2/httpapi", {"events": [AMPLITUDE]})):
        assert field.post(body, path).status_code == 200
    assert field.post(otlp({"eventName": "a"}), "/v1/logs").status_code == 429
    ledger = accounted(field, 8)
    assert (ledger["stored"], ledger["limited"]) == (1, 7)


def test_an_opt_out_is_counted_as_one(field: Any) -> None:
    for path in ("/batch/", "/v1/batch"):
        assert field.post(EVENTS[path], path, dnt="1").status_code == 200
        assert field.post(b"{", path, dnt="1").status_code == 200
    assert accounted(field, 4)["optedOut"] == 4


def test_a_refused_event_can_be_replayed_once_it_is_understood(field: Any) -> None:
    assert field.post({"batch": [POSTHOG, {"distinct_id": "inst-2"}], "api_key": "phc_secret-of-a-client"}, "/batch/").status_code == 200
    ledger = accounted(field, 2)
    (refused,) = ledger["tray"]
    assert (refused["dialect"], refused["reason"], refused["replayable"]) == ("posthog", "INVALID", True)
    assert [error["path"] for error in refused["errors"]] == ["event"]
    assert "phc_secret" not in json.dumps(refused)
