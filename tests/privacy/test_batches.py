"""Batches: many events are converted by column, with the same result as one by one."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from server.event import DAY, MINUTE, Context, Event, Incoming, Outcome, RequestId
from server.ingest.privacy import Privacy, conversion

NOW = 1_790_000_000_000
ID = "9f2c3b1e-4a7d-4c0a-9a53-7e1f0c2d4b6a"


def ordinary(number: int, **changes: Any) -> Incoming:
    properties = {"template": ("starter", "blog")[number % 2]}
    event = Incoming(
        name="build",
        install=f"{number:08x}-3b7d-4bad-9bdd-2b0d7b3dcb6d",
        occurred_at=NOW - number,
        outcome=Outcome.SUCCESS,
        context=Context(dialect="native", os="linux"),
        properties=properties,
        document=msgspec.json.encode(properties).decode(),
    )
    return msgspec.structs.replace(event, **changes)


def of_text(text: str) -> dict[str, Any]:
    return {"properties": {"note": text}, "document": msgspec.json.encode({"note": text}).decode()}


ODD: dict[str, dict[str, Any]] = {
    "an event id": {"id": "event-4711"},
    "a request id": {"id": RequestId("request-4711:1")},
    "a session": {"session": "session-4711"},
    "a visitor": {"install": None, "visitor": "198.51.100.7 curl"},
    "a view": {"debounce": "198.51.100.7", "target": ("page", "home")},
    "no install": {"install": None},
    "an empty install": {"install": ""},
    "a placeholder": {"install": "00000000-0000-0000-0000-000000000000"},
    "an install with padding": {"install": f" {ID}\n"},
    "a short install": {"install": "me"},
    "its install in its name": {"install": ID, "name": f"build {ID}"},
    "its install in a property": {"install": ID, **of_text(f"of {ID.upper()}.")},
    "an install with spaces in a property": {"install": "anna of room 4711", **of_text("seen: anna of room 4711")},
    "an install with spaces over two fields": {"install": "build; linux 77", "context": Context(dialect="native", os="linux 77")},
    "a secret": of_text("password=hunter2hunter2"),
    "an address": of_text("mail to anna@example.com"),
    "a long text": of_text("words " * 200),
    "properties that are not encoded": {"document": None},
    "no properties": {"properties": {}, "document": ""},
    "a time in the future": {"occurred_at": NOW + DAY},
    "a time in the past": {"occurred_at": NOW - 60 * DAY},
    "the latest accepted time": {"occurred_at": NOW + 5 * MINUTE},
    "no time": {"occurred_at": None},
    "the first time": {"occurred_at": 0},
    "a weight": {"weight": 2.5, "duration_us": 1_000},
    "an error": {"outcome": Outcome.FAILURE, "error_type": "ENOENT", "error_message": "no such file: /home/anna/x"},
    "a target": {"target": ("pack", "glados")},
    "a duration": {"duration_us": 0},
}


def one_by_one(events: list[Incoming], picked: tuple[str, ...] = ()) -> list[Event]:
    privacy = Privacy(b"secret")
    options: Any = {"project": 1, "dialect": "native", "received_at": NOW, "picked": picked}
    return [privacy.event(event, id=number, **options) for number, event in enumerate(events)]


def at_once(events: list[Incoming], picked: tuple[str, ...] = (), privacy: Privacy | None = None) -> list[Event]:
    options: Any = {"project": 1, "dialect": "native", "received_at": NOW, "picked": picked}
    return (privacy or Privacy(b"secret")).events(events, ids=range(len(events)), **options)


def test_ordinary_events_are_converted_by_column():
    hashes = Privacy(b"secret")._hashes(1)
    events = [ordinary(number) for number in range(100)]
    assert conversion._plain_events(events, range(100), 1, hashes, NOW - DAY, NOW + MINUTE) == one_by_one(events)


@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_an_odd_event_among_ordinary_ones_is_converted_as_if_alone(changes):
    events = [ordinary(number, **(changes if number == 7 else {})) for number in range(12)]
    privacy = Privacy(b"secret")
    assert at_once(events, privacy=privacy) == one_by_one(events)
    assert at_once(events, privacy=privacy) == one_by_one(events), "with all caches filled"


def test_picked_properties_are_the_same():
    events = [ordinary(number) for number in range(12)]
    assert at_once(events, ("template",)) == one_by_one(events, ("template",))
    assert at_once(events, ("template",))[1].picked == (("template", "blog"),)


@pytest.mark.parametrize("seed", range(30))
def test_any_mixture_is_converted_as_one_by_one(seed):
    chance = random.Random(seed)
    changes: list[dict[str, Any]] = [{}] * 40 + list(ODD.values())
    privacy = Privacy(b"secret")
    for _ in range(5):
        events = [
            ordinary(chance.randrange(30), **chance.choice(changes[: chance.choice((40, 45, 80))])) for _ in range(chance.randrange(8, 30))
        ]
        assert at_once(events, privacy=privacy) == one_by_one(events)


def test_no_identifier_stays_in_a_batch():
    events = [ordinary(number, **ODD["its install in a property"]) for number in range(12)]
    assert ID.lower() not in repr(at_once(events)).lower()


@pytest.mark.parametrize("what", [name for name in ODD if name.startswith(("its install in", "an install with spaces"))])
def test_a_text_that_is_clean_for_other_clients_is_scrubbed_for_the_client_that_it_names(what):
    changes = dict(ODD[what])
    raw = changes.pop("install")
    privacy = Privacy(b"secret")
    at_once([ordinary(number, **changes) for number in range(12)], privacy=privacy)
    events = [ordinary(number, **changes, **({"install": raw} if number == 7 else {})) for number in range(12)]
    for _ in range(2):  # the second time, the install's hash is cached
        converted = at_once(events, privacy=privacy)
        assert converted == one_by_one(events)
        assert raw.lower() not in msgspec.json.encode(converted[7]).decode().lower()
