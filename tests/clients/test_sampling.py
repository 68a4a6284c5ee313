"""Clients that send only a share of their events."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import Host, Wire, eventually


def test_a_chosen_event_says_its_rate_and_the_others_leave_no_trace(
    host: Host, home: Path, make_wire: Callable[..., Wire], tmp_path: Path
) -> None:
    """The two rates differ from 1 and 0 by less than any test could see."""
    wire = make_wire()
    host.run(wire.url, home, HOST_SAMPLE_RATE="0.00000001")
    assert list(home.rglob("*")) == []
    other = tmp_path / "other"
    host.run(wire.url, other, HOST_SAMPLE_RATE="0.99999999")
    assert eventually(wire.events)
    assert [event["sample_rate"] for event in wire.events()] == [0.99999999]
    assert wire.connections == 1
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("rate", ["0", "1", "7", "-0.5"])
def test_an_invalid_sample_rate_sends_all_events(host: Host, home: Path, rate: str) -> None:
    shown = host.telemetry("http://127.0.0.1:9", home, "show", HOST_SAMPLE_RATE=rate)
    assert "sample_rate" not in json.loads(shown.stdout.splitlines()[0])


def test_local_records_are_complete(host: Host, home: Path) -> None:
    host.run("http://127.0.0.1:9", home, MYTOOL_TELEMETRY="local", HOST_SAMPLE_RATE="0.00000001")
    assert eventually((home / ".config" / "mytool" / "telemetry" / "local.jsonl").exists)
