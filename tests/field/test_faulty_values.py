"""A value that cannot be stored rejects its own event only."""

from __future__ import annotations

import json
from typing import Any

import pytest

OK = '{"name":"ok","installation_id":"g1"}'
BATCHES = {  # route, an event that is right, one with a property, and the envelope
    "native array": ("/v1/events", OK, '{"name":"b","installation_id":"g2","properties":{%s}}', "[%s]"),
    "native events": ("/v1/events", OK, '{"name":"b","installation_id":"g2","properties":{%s}}', '{"events":[%s],"sent_at":1e999}'),
    "engagement": (
        "/v1/engagement",
        '{"targetType":"snippet","targetId":"a","kind":"copy"}',
        '{"targetType":"snippet","targetId":"b","kind":"copy","metadata":{%s}}',
        "[%s]",
    ),
    "trackskills": ("/api/track/batch", '{"tool_name":"a"}', '{"tool_name":"b","metadata":{%s}}', "[%s]"),
}
VALUES = {
    "integer": ('"n":12345678901234567890', "n"),
    "long integer": ('"n":' + "9" * 5_000, "n"),
    "NUL": ('"n":"a\\u0000b"', "n"),
    "NUL in a key": ('"a\\u0000":1', "*"),
    "float": ('"n":1e400', "n"),
    "doubled key": ('"n":1,"n":2', "n"),
    "depth": ('"n":' + "[" * 17 + "]" * 17, "n"),
    "great depth": ('"n":' + "[" * 4_000 + "]" * 4_000, "n"),
    "long key": ('"' + "k" * 257 + '":1', "*"),
}


@pytest.mark.parametrize("batch", BATCHES)
def test_a_batch_loses_only_the_events_with_faulty_values(field: Any, batch: str) -> None:
    route, ok, faulty, envelope = BATCHES[batch]
    events = [ok, *(faulty % value for value, _ in VALUES.values()), ok.replace("g1", "g3")]
    answer = field.post(envelope % ",".join(events), route)
    assert answer.status_code in (200, 202), answer.text
    said = answer.json()
    assert said["accepted"] == 2
    assert [rejection["index"] for rejection in said["rejected"]] == list(range(1, 1 + len(VALUES)))
    paths = [rejection["errors"][0]["path"] for rejection in said["rejected"]]
    for path, (_, name) in zip(paths, VALUES.values(), strict=True):
        assert path.partition("[")[0].partition(".")[2] == name
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"], ledger["rejected"]) == (2 + len(VALUES), 2, len(VALUES))


def test_the_answer_to_a_single_event_names_its_faulty_value(field: Any) -> None:
    for member, name in VALUES.values():
        answer = field.post(BATCHES["native array"][2] % member)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["path"].startswith(f"properties.{name}")
    field.post(OK)
    ledger = field.ledger()
    assert (ledger["stored"], ledger["rejected"]) == (1, len(VALUES))


def test_bytes_that_are_not_utf_8_refuse_their_event(field: Any) -> None:
    answer = field.post(b'[{"name":"ok","installation_id":"g1"},{"name":"b","installation_id":"g2","version":"caf\xe9"}]')
    assert answer.status_code == 202
    assert answer.json()["rejected"] == [{"index": 1, "errors": [{"path": "version", "message": "must be text in UTF-8"}]}]


SINGLE = {
    "native": ("/v1/events", {"name": "build", "installation_id": "n", "error": {"message": "TEXT"}}, 202),
    "sonicjs": ("/api/v1/events", {"data": {"installation_id": "n", "event_type": "e", "properties": {"errorType": "TEXT"}}}, 201),
    "flakedrop": ("/v1/events", {"type": "deployment", "data": {"data": {"user_id": "u", "note": "TEXT"}}}, 200),
    "engagement": ("/v1/engagement", {"targetType": "a", "targetId": "b", "kind": "copy", "metadata": {"note": "TEXT"}}, 202),
    "trackskills": ("/api/track", {"tool_name": "t", "status": "error", "error_message": "TEXT", "metadata": '{"a":"TEXT"}'}, 200),
}


HALVES = (b"\\ud83c", b"\\udf89", b"\xed\xa0\xbc")  # escaped, and encoded one by one


@pytest.mark.parametrize("family", SINGLE)
def test_a_text_that_was_cut_inside_an_emoji_is_kept(field: Any, family: str) -> None:
    route, document, status = SINGLE[family]
    for half in HALVES:
        answer = field.post(json.dumps(document).encode().replace(b"TEXT", b"x " + half), route)
        assert answer.status_code == status, answer.text
    events = field.events()
    assert len(events) == len(HALVES)
    assert all("x \ufffd" in json.dumps(event, ensure_ascii=False) for event in events)


def test_a_byte_order_mark_is_skipped(field: Any) -> None:
    for route, document, status in SINGLE.values():
        assert field.post(b"\xef\xbb\xbf" + json.dumps(document).encode(), route).status_code == status
    assert field.ledger()["stored"] == len(SINGLE)
