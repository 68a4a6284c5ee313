"""The ledger and the metrics account for every event on every route."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.conftest import rows_of

ENGINES = ("sqlite", "postgres")

SENDERS = 8
ENTRIES = ("stored", "duplicate", "rejected", "limited", "opted_out")
NATIVE = {"name": "build", "installation_id": "i-1"}
SONICJS = {"data": {"event_type": "page_viewed", "installation_id": "i-1"}}
FLAKEDROP = {"type": "heartbeat", "data": {"data": {"user_id": "u-1"}}}
TOOL = {"tool_name": "search", "status": "success"}
VIEW = {"targetType": "snippet", "targetId": "hello", "kind": "view", "sessionId": "s-1"}
COPY = {**VIEW, "kind": "copy"}
BAD: list[Any] = [{}, 5, None, [], {"name": 5}]
SINGLES = {
    "/v1/events": (NATIVE, {"data": NATIVE}, SONICJS, FLAKEDROP),
    "/api/v1/events": (SONICJS,),
    "/v1/engagement": (VIEW, COPY),
    "/api/track": (TOOL,),
}
BATCHES = {"/v1/events": (NATIVE, {**NATIVE, "id": "the-same"}), "/v1/engagement": (VIEW, COPY), "/api/track/batch": (TOOL,)}
BROKEN = (b"", b"{", b"\xff", b'{"a": 1, "a": 2}', b"[" * 50, b" " * (1024 * 1024 + 1), b'{"name": "' + b"x" * 20_000 + b'"}')
BODILESS = ("/dl/glados", "/dl/NONE", "/preview/glados", "/registry")


class Sender:
    """Sends all kinds of requests, and keeps its own account from the requests and their responses."""

    def __init__(self, url: str, client: httpx.Client, seed: int) -> None:
        self.url = url
        self.client = client
        self.random = random.Random(seed)
        self.account: Counter[str] = Counter()

    def send_something(self) -> None:
        kind = self.random.choice(("single", "single", "batch", "batch", "broken", "bodiless"))
        headers = self.random.choice(
            ({}, {}, {}, {"DNT": "1"}, {"Idempotency-Key": str(self.random.randrange(9))}, {"X-Footfall-Key": "ff_x"})
        )
        prefix = self.random.choice(("", "", "", "/", "/p/default", "/p/unknown"))
        route, body, events = getattr(self, f"_{kind}")()
        answer = self.client.post(f"{self.url}{prefix}{route}", content=body, headers=headers)
        self._note(answer, events, batch=kind == "batch", opted_out="DNT" in headers)

    def _single(self) -> tuple[str, bytes, int]:
        route = self.random.choice(list(SINGLES))
        return route, json.dumps(self.random.choice((*SINGLES[route], {"targetType": 5}, "no"))).encode(), 1

    def _batch(self) -> tuple[str, bytes, int]:
        route = self.random.choice(list(BATCHES))
        most = 1_100 if self.random.random() < 0.05 else 30
        batch = [self.random.choice((*BATCHES[route], *BATCHES[route], *BAD)) for _ in range(self.random.randrange(most))]
        document = {"events": batch} if route == "/v1/events" and self.random.random() < 0.5 else batch
        return route, json.dumps(document).encode(), len(batch)

    def _broken(self) -> tuple[str, bytes, int]:
        return self.random.choice(list(SINGLES)), self.random.choice(BROKEN), 1

    def _bodiless(self) -> tuple[str, bytes, int]:
        return self.random.choice(BODILESS), b"", 1

    def _note(self, answer: httpx.Response, events: int, *, batch: bool, opted_out: bool) -> None:
        assert answer.status_code < 500, answer.text
        if answer.status_code == 429:
            # After too many wrong keys, a body is not read and counts as one event.
            self.account["limited"] += 1 if "wrong keys" in answer.json()["detail"] else events or 1
        elif answer.status_code >= 400:
            self.account["rejected"] += 1  # not read, so it counts as one event
        elif opted_out:
            self.account["opted_out"] += events
        elif batch:
            said = answer.json()
            self.account["rejected"] += len(said["rejected"])
            self.account["taken"] += events - len(said["rejected"])
        else:
            self.account["taken"] += 1


def test_received_is_stored_and_duplicates_and_rejected_and_limited_and_opted_out(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_EVENT_LIMIT="700/hour").start()
    senders = [Sender(server.url, server.client, seed=20_261_125 + number) for number in range(SENDERS)]
    with ThreadPoolExecutor(SENDERS) as pool:  # at once: the server delays its answers to unknown keys
        list(pool.map(lambda sender: [sender.send_something() for _ in range(400 // SENDERS)], senders))
    account = sum((sender.account for sender in senders), Counter())
    text = server.client.get("/metrics").text
    assert server.stop() == 0

    ledger: dict[str, int] = Counter()
    for entry, events in rows_of(server.store, "SELECT entry, sum(events) FROM ledger GROUP BY 1"):
        ledger[entry] = int(events)
    counted = {
        entry: sum(int(float(n)) for n in re.findall(rf'footfall_events_total{{.*result="{entry}"}} (\S+)', text)) for entry in ENTRIES
    }
    assert counted == {entry: ledger[entry] for entry in ENTRIES}
    assert all(counted.values()), counted
    assert {"taken": ledger["stored"] + ledger["duplicate"], **{entry: ledger[entry] for entry in ENTRIES[2:]}} == account
    assert rows_of(server.store, "SELECT count(*) FROM event") == [(ledger["stored"],)]
