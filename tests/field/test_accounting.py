"""Promises to clients about their events."""

from __future__ import annotations

from typing import Any

PATH_MATTERS = True  # the paths read headers and bodies differently


def test_an_event_is_stored_and_accounted_for(field: Any) -> None:
    answer = field.post({"name": "build", "installation_id": "i1"})
    assert answer.status_code == 202
    assert [event["name"] for event in field.events()] == ["build"]
    assert field.ledger()["stored"] == 1
