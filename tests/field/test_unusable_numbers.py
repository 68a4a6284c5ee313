"""Numbers that no store can keep, in fields that only describe an event: the event counts, without them."""

from __future__ import annotations

from typing import Any

import pytest

UNUSABLE = {
    "float beyond a double": "1e309",
    "negative float": "-1e400",
    "integer beyond 64 bits": "123456789012345678901234567890",
    "thousands of digits": "9" * 5_000,
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "depth": "[" * 40 + "]" * 40,
    "NUL": '"1\\u0000"',
    "object": '{"a":1,"a":2}',
    "not UTF-8": '"caf\xe9"',
}
FIELDS = ("weight", "sample_rate", "timestamp", "duration_ms")


def native(field: str, value: str, name: str = "build") -> str:
    return f'{{"name":"{name}","installation_id":"i","{field}":{value}}}'


def encoded(body: str) -> bytes:
    return body.encode("latin-1")  # so that é is a byte that is not UTF-8


@pytest.mark.parametrize("name", FIELDS)
def test_an_unusable_number_never_refuses_its_event(field: Any, name: str) -> None:
    for value in UNUSABLE.values():
        answer = field.post(encoded(native(name, value)))
        assert (answer.status_code, answer.json()["accepted"], answer.json()["ignored"]) == (202, 1, [name]), (value[:20], answer.text)
    batch = ",".join(native(name, value) for value in UNUSABLE.values())
    for body in (f"[{batch}]", f'{{"events":[{batch}]}}'):
        answer = field.post(encoded(body))
        assert answer.json() == {"accepted": len(UNUSABLE), "duplicates": 0, "rejected": [], "ignored": [name]}, answer.text
    answer = field.post(f'{{"data":{native(name, "1e309")}}}')
    assert answer.json()["ignored"] == [f"data.{name}"]
    events = field.events()
    assert len(events) == 3 * len(UNUSABLE) + 1
    assert {(event["weight"], event.get("duration_ms")) for event in events} == {(1, None)}
    assert field.ledger()["stored"] == len(events)


def test_a_repeated_weight_counts_as_none(field: Any) -> None:
    answer = field.post('{"name":"build","weight":10,"weight":20}')
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "ignored": ["weight"]}
    assert [event["weight"] for event in field.events()] == [1]


def test_an_unusable_weight_hides_no_other_fault(field: Any) -> None:
    faulty = '{"name":"b","weight":1e309,"properties":{"n":1e309}}'
    answer = field.post(f"[{faulty},{native('weight', '1e309')}]")
    assert answer.json() == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [{"index": 0, "errors": [{"path": "properties.n", "message": "is too large for a number"}]}],
        "ignored": ["weight"],
    }
    assert field.post(faulty).json()["errors"] == [{"path": "properties.n", "message": "is too large for a number"}]


def test_a_batch_of_a_program_that_writes_nan_loses_one_event(field: Any) -> None:
    answer = field.post('[{"name":"a"},{"name":"b","properties":{"n":NaN}},{"name":"c"}]')
    assert answer.json()["accepted"] == 2
    assert answer.json()["rejected"] == [
        {"index": 1, "errors": [{"path": "properties.n", "message": "must be a finite number: NaN and Infinity are not JSON"}]}
    ]
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"], ledger["rejected"]) == (3, 2, 1)


SDKS = {
    "posthog": ("/batch/", '{"batch":[%s]}', '{"event":"run","distinct_id":"d","properties":{"$sample_threshold":%s,"own":1}}'),
    "segment": ("/v1/batch", '{"batch":[%s]}', '{"type":"track","event":"run","anonymousId":"a","properties":{"sample_rate":%s,"own":1}}'),
    "amplitude": ("/2/httpapi", '{"events":[%s]}', '{"event_type":"run","device_id":"d","event_properties":{"sample_rate":%s,"own":1}}'),
    "aptabase": ("/api/v0/events", "[%s]", '{"eventName":"run","props":{"sample_rate":%s,"own":1}}'),
    "openpanel": ("/track", "%s", '{"type":"track","payload":{"name":"run","properties":{"sample_rate":%s,"own":1}}}'),
}


@pytest.mark.one_path
@pytest.mark.parametrize("system", SDKS)
def test_an_sdk_with_an_unusable_rate_loses_no_event(field: Any, system: str) -> None:
    path, envelope, event = SDKS[system]
    for value in UNUSABLE.values():
        assert field.post(encoded(envelope % (event % value)), path, content_type="application/json").status_code == 200
    stored = field.events()
    assert [(each["weight"], each["properties"]) for each in stored] == [(1, {"own": 1})] * len(UNUSABLE)
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"]) == (len(UNUSABLE), len(UNUSABLE))


TIMES = {
    "posthog": ("/batch/", '{"sent_at":%s,"batch":[{"event":"run","distinct_id":"d","timestamp":%s,"session_id":%s}]}'),
    "segment": (
        "/v1/batch",
        '{"sentAt":%s,"batch":[{"type":"track","event":"run","anonymousId":"a","originalTimestamp":%s,"receivedAt":%s}]}',
    ),
    "amplitude": ("/2/httpapi", '{"events":[{"event_type":"run","device_id":"d","time":%s,"session_id":%s,"event_id":%s}]}'),
    "aptabase": ("/api/v0/events", '[{"eventName":"run","timestamp":%s}]'),
    "openpanel": ("/track", '{"type":"track","payload":{"name":"run","properties":{"__timestamp":%s}}}'),
}


@pytest.mark.one_path
@pytest.mark.parametrize("system", TIMES)
def test_an_sdk_with_an_unusable_time_or_session_loses_no_event(field: Any, system: str) -> None:
    path, body = TIMES[system]
    for value in (*UNUSABLE.values(), "[]", "{}", "true", "-5", '""', "1e30"):
        short = value[:2_000]  # an event that is too large is refused
        answer = field.post(encoded(body.replace("%s", short)), path, content_type="application/json")
        assert answer.status_code == 200, (value[:20], answer.text)
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"]) == (len(UNUSABLE) + 6, len(UNUSABLE) + 6)


@pytest.mark.one_path
def test_a_log_record_with_an_unusable_rate_counts_once(field: Any) -> None:
    values = ('{"doubleValue":1e309}', '{"doubleValue":"NaN"}', '{"intValue":"99999999999999999999"}', '{"doubleValue":NaN}')
    for value in values:
        record = f'{{"eventName":"run","attributes":[{{"key":"sample_rate","value":{value}}}]}}'
        body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}'
        assert field.post(body, "/v1/logs", content_type="application/json").json() == {}
    assert [event["weight"] for event in field.events()] == [1] * len(values)


UPDATE = "mutation ($s: String!, $c: ProjectChanges!) { updateProject(slug: $s, changes: $c) { errors { message } } }"


@pytest.mark.one_path
def test_a_tracker_with_an_unusable_rate_loses_neither_its_event_nor_its_properties(field: Any) -> None:
    site = f"{field.slug}.example"
    assert field.ask(UPDATE, s=field.slug, c={"sites": [site]})["updateProject"]["errors"] == []
    for value in UNUSABLE.values():
        properties = '{"sample_rate":%s,"own":1}'.replace("%s", value)
        assert field.post(encoded(f'{{"n":"run","d":"{site}","p":{properties}}}'), "/api/event").status_code == 202
        assert (
            field.post(encoded(f'{{"type":"event","payload":{{"website":"{site}","data":{properties}}}}}'), "/api/send").status_code == 200
        )
    assert field.post({"n": "run", "d": site, "p": '{"sample_rate":NaN,"own":1}'}, "/api/event").status_code == 202
    stored = field.events()
    assert len(stored) == 2 * len(UNUSABLE) + 1
    assert {(each["weight"], each["properties"]["own"]) for each in stored} == {(1, 1)}
    assert field.ledger()["rejected"] == 0
