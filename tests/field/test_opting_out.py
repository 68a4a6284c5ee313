"""A client that opts out always gets a success, and none of its data is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.quick import first

PATH_MATTERS = True  # the paths read headers and bodies differently
BROKEN = [b"", b"{", b"\xff", b"null", b'{"name":', b"[1,", b"[" * 5_000, b"{" + b" " * 20_000 + b"}"]
BODIES: dict[str, tuple[int, list[Any]]] = {
    "/v1/events": (202, [{}, {"name": 7}, {"name": "a", "os": 7}, {"name": "a", "n": 1 << 70}, {"data": {"name": ""}}, {"events": 5}]),
    "/api/v1/events": (201, [{}, {"data": {"installation_id": "i"}}, {"data": 5}, {"data": {"installation_id": 5, "event_type": "e"}}]),
    "/v1/installs": (201, [{}, {"data": {"os": "linux"}}]),
    "/v1/engagement": (202, [{}, {"targetType": "a"}, 5]),
    "/api/track": (200, [{}, {"tool_name": ""}, []]),
    "/api/track/batch": (200, [{}, 5]),
}


@pytest.mark.parametrize("header", first(["dnt", "sec_gpc"]))
def test_a_body_that_is_not_valid_is_answered_like_a_success(field: Any, header: str) -> None:
    sent = 0
    for route, (status, documents) in BODIES.items():
        for body in [*BROKEN, *(json.dumps(document).encode() for document in documents)]:
            answer = field.post(body, route, **{header: "1"})
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), (route, body[:40], answer.text)
            assert "rejected" not in answer.json() or answer.json()["rejected"] == []
            sent += 1
    for flakedrop in ({"type": "x", "data": []}, {"type": ""}):
        assert field.post(flakedrop, **{header: "1"}).json() == {"status": "ok"}
    field.post({"name": "ok"})
    ledger = field.ledger()
    assert (ledger["received"], ledger["stored"], ledger["optedOut"], ledger["tray"]) == (sent + 3, 1, sent + 2, [])


def test_the_answers_have_the_shape_of_a_success(field: Any) -> None:
    assert field.post(b"{", dnt="1").json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert field.post([{"name": "a"}, {"name": 5}, 7], dnt="1").json() == {"accepted": 3, "duplicates": 0, "rejected": []}
    answer = field.post({"data": {"installation_id": "i", "properties": {"a": 1}}}, dnt="1").json()
    assert answer["success"] is True
    assert answer["data"].keys() == {"id", "installation_id", "properties"}
    assert field.post([{"kind": "view"}], "/v1/engagement", dnt="1").json()["counted"] == [True]
    assert field.post(b"[{}]", "/api/track/batch", dnt="1").json()["accepted"] == 1
    assert field.post(b"x", content_encoding="br", dnt="1").status_code == 202
    field.post({"name": "ok"})
    assert field.ledger()["optedOut"] == 8


@pytest.mark.one_path
def test_a_client_that_did_not_opt_out_receives_errors(field: Any) -> None:
    assert field.post({"name": 7}, dnt="0").status_code == 422
    assert field.post(b"{", sec_gpc="yes").status_code == 400
