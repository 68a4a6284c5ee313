"""The size limit of an event also applies in a batch."""

from __future__ import annotations

import json
from typing import Any

PATH_MATTERS = True  # the paths read headers and bodies differently
LARGE = {"name": "large", "installation_id": "i", "properties": {"text": "x" * 11_000}}
SMALL = {"name": "small", "installation_id": "i"}


def test_a_large_event_is_refused_and_its_neighbors_are_not(field: Any) -> None:
    for body in ([SMALL, LARGE, SMALL], {"events": [SMALL, LARGE, {**SMALL, "unknown": None}]}, [SMALL, {**LARGE, "unknown": 1}, SMALL]):
        answer = field.post(body)
        assert answer.json() == {
            "accepted": 2,
            "duplicates": 0,
            "rejected": [{"index": 1, "errors": [{"path": "", "message": "must be at most 10240 bytes"}]}],
        }
    ledger = field.ledger()
    assert (ledger["stored"], ledger["rejected"], ledger["reasons"]) == (6, 3, [{"entry": "REJECTED", "reason": "too_large", "events": 3}])
    assert {(row["reason"], json.loads(row["excerpt"])["name"]) for row in ledger["tray"]} == {("TOO_LARGE", "large")}


def test_too_large_and_invalid_events_of_a_batch_are_refused_for_their_own_reasons(field: Any) -> None:
    answer = field.post([LARGE, {"name": 5}, SMALL, {"name": 5, "properties": LARGE["properties"]}, {**SMALL, "n": 1 << 70}])
    assert (answer.json()["accepted"], [rejection["index"] for rejection in answer.json()["rejected"]]) == (1, [0, 1, 3, 4])
    assert {reason["reason"]: reason["events"] for reason in field.ledger()["reasons"]} == {"too_large": 1, "invalid": 3}


def test_the_limit_holds_in_every_family_and_for_every_body(field: Any) -> None:
    text = "x" * 11_000
    view = {"targetType": "a", "targetId": "b", "kind": "copy"}
    answer = field.post([view, {**view, "metadata": {"text": text}}], "/v1/engagement").json()
    assert (answer["accepted"], answer["counted"], len(answer["rejected"])) == (1, [True, False], 1)
    answer = field.post([{"tool_name": "a"}, {"tool_name": "b", "metadata": {"text": text}}], "/api/track/batch").json()
    assert (answer["accepted"], len(answer["rejected"])) == (1, 1)
    body = json.dumps([SMALL, LARGE, {**SMALL, "version": "HALF"}]).encode().replace(b"HALF", b"\\ud83c")
    for start in (b"", b"\xef\xbb\xbf"):
        answer = field.post(start + body).json()
        assert (answer["accepted"], [rejection["index"] for rejection in answer["rejected"]]) == (2, [1])


def test_a_large_batch_of_small_events_is_stored(field: Any) -> None:
    assert field.post([{**SMALL, "properties": {"text": "x" * 500}} for _ in range(300)]).json()["accepted"] == 300
