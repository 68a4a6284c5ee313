"""Shared fixtures of the job tests: events of any age in a store, and readers of its tables."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from server.event import DAY, HOUR, Context, Environment, Event, Outcome
from server.event_id import first_id
from server.jobs import Run, rules
from server.jobs.rules import Draft
from server.jobs.webhooks import Webhooks
from server.settings import Settings
from server.storage.batch import Batch, TargetRules
from server.storage.engine import Store
from server.storage.upkeep.alert_rules import Kind, Rule
from tests.conftest import asking

NOW = 1_795_262_400_000  # noon of a day in 2026
RULES = TargetRules(listed_only=False, most=100_000)
SUMS = (
    "rollup_hour", "rollup_day", "rollup_day_duration", "rollup_name_duration", "rollup_active", "rollup_arrival", "rollup_cohort", "rollup_version",
    "rollup_dimension", "rollup_target_day", "rollup_target_duration", "rollup_target_total",
    "rollup_error", "ledger", "activity", "error_install", "error_seen", "install",
)  # fmt: skip
SECRET = "a secret of the test"
numbers = itertools.count()


@pytest.fixture
def now() -> int:
    return NOW


@pytest.fixture
def secret() -> str:
    """The signing secret of the rules that `make_rule` creates."""
    return SECRET


@pytest.fixture
def event() -> Callable[..., Event]:
    """A factory of events that arrived `days` ago, or `at` a time; other fields have their defaults."""

    def make(days: float = 0, **fields: Any) -> Event:
        at = fields.pop("at", NOW - int(days * DAY))
        defaults: dict[str, Any] = {
            "id": first_id(at) + next(numbers),
            "project": 1,
            "name": "run",
            "occurred_at": at,
            "context": Context(),
        }
        return Event(**{**defaults, **fields})

    return make


@pytest.fixture
def varied(event: Callable[..., Event]) -> Callable[..., list[Event]]:
    """A factory of varied events that arrived `days` ago."""

    def make(count: int, days: float = 0, **fields: Any) -> list[Event]:
        return [
            event(
                days,
                **{
                    "name": f"n{number % 7}",
                    "install": number % 997 + 1,
                    "outcome": Outcome(number % 3),
                    "duration_us": number * 13 if number % 4 else None,
                    "target": ("pack", f"p{number % 11}") if number % 2 else None,
                    "error_type": f"E{number % 5}" if number % 3 == 2 else None,
                    "weight": 1 + number // 10 if number % 10 == 3 else 1,
                    "context": Context(
                        environment=Environment(number % 6), os=("linux", "darwin", None)[number % 3], version=f"1.{number % 5}"
                    ),
                    **fields,
                },
            )
            for number in range(count)
        ]

    return make


@pytest.fixture
def commit(store: Store) -> Callable[[Iterable[Event]], Any]:
    """A function that stores events, 2,000 at a time."""

    async def run(events: Iterable[Event]) -> None:
        events = list(events)
        for first in range(0, len(events), 2_000):
            few = events[first : first + 2_000]
            await store.commit(Batch(few, target_rules={each.project: RULES for each in few}))

    return run


@pytest.fixture
def run(store: Store, settings: Settings) -> Run:
    """The argument of a job, as the scheduler passes it."""
    return Run(store, settings, now=lambda: NOW)


@pytest.fixture
def tables(where: Path | str) -> Callable[..., dict[str, list[Any]]]:
    """A function that returns all rows of some tables, by default of the rollups."""

    def read(*names: str) -> dict[str, list[Any]]:
        with asking(where) as ask:
            return {name: sorted(ask(f"SELECT * FROM {name}"), key=repr) for name in names or SUMS}

    return read


@pytest.fixture
def count(where: Path | str, rows_of: Callable[[Path | str, str], list[Any]]) -> Callable[[str], int]:
    """A function that counts the rows of a table."""

    def rows(table: str) -> int:
        return int(rows_of(where, f"SELECT count(*) FROM {table}")[0][0])

    return rows


@pytest.fixture
def stored_at(where: Path | str) -> Path | str:
    return where


class Receiver:
    """A webhook receiver on this machine. `answers` are its statuses in order; the last one repeats."""

    def __init__(self) -> None:
        self.answers = [200]
        self.seconds = 0.0
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                time.sleep(receiver.seconds)
                status = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", f"{receiver.url}elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def webhooks() -> Webhooks:
    return Webhooks(private=True, first_wait=0.01)


@pytest.fixture
def make_rule(store: Store, receiver: Receiver, now: int) -> Callable[..., Any]:
    """A factory of alert rules of the default project that notify the receiver."""

    async def make(kind: Kind, **fields: Any) -> Rule:
        draft = Draft(**{"kind": kind, "url": f"{receiver.url}hook?token=xyzzy", "secret": SECRET, "minimum_events": 10, **fields})
        number, _ = await rules.create(store, "default", draft, now=now, private=True)
        return await rules.find_rule(store, number)

    return make


@pytest.fixture
def ended(event: Callable[..., Event]) -> Callable[..., list[Event]]:
    """A factory of successful and failed events, `hours` ago."""

    def make(hours_ago: float, successes: int, failures: int, **fields: Any) -> list[Event]:
        outcomes = [Outcome.SUCCESS] * successes + [Outcome.FAILURE] * failures
        return [event(at=NOW - int(hours_ago * HOUR), outcome=outcome, **fields) for outcome in outcomes]

    return make
