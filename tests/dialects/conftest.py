"""Helpers for dialect tests: a client's body, parsed like in ingest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from server.dialects.document import load
from server.event import Answer, Decoded, Outcomes, Receipt, Request

BODIES = Path(__file__).parent / "bodies"
RECEIVED_AT = 1_771_243_200_000  # 2026-02-16T12:00:00Z

Ask = Callable[..., Request]
Reply = Callable[..., Answer]


@pytest.fixture
def body() -> Callable[[str], bytes]:
    """The bytes of a real client's body, by the name of its file."""
    return lambda name: (BODIES / f"{name}.json").read_bytes()


@pytest.fixture
def ask() -> Ask:
    """A request from its body (bytes, or what is written as JSON), route and headers."""

    def make(body: Any = None, route: str = "/v1/events", params: tuple[str, ...] = (), **headers: str) -> Request:
        given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Request(route=route, headers=given, address="198.51.100.4", received_at=RECEIVED_AT, document=load(raw), params=params)

    return make


@pytest.fixture
def reply() -> Reply:
    """A function that returns a dialect's answer to these receipts; the ids are 0, 1, …"""

    def make(dialect: ModuleType, decoded: Decoded, *receipts: Receipt, created: list[bool] | None = None) -> Answer:
        given = list(receipts) or [Receipt.STORED] * len(decoded.events)
        answer = dialect.answer(decoded, Outcomes(receipts=given, ids=range(len(given)), created=created or []))
        assert isinstance(answer, Answer)
        return answer

    return make
