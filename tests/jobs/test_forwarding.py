"""Forwarding: a bounded queue in the background, checked addresses, and counts that add up whatever the other system does."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from server.event import DAY
from server.jobs import forwarding
from server.jobs.forwarding import Forwarder
from server.storage.batch import TargetRules
from server.storage.engine import Store
from server.storage.projects import LiveProject
from server.storage.upkeep import forwarded_counts
from server.storage.upkeep.forwarded_counts import ForwardedCounts

BODY = b'{"event": "build"}'


def project(url: str) -> LiveProject:
    rules = TargetRules(listed_only=False, most=1)
    return LiveProject(1, "default", False, None, None, rules, (), (), (), forward_to=url.rstrip("/"))


def offer(forwarder: Forwarder, url: str, now: int, *, events: int = 1, body: bytes = BODY) -> None:
    headers = [(b"content-type", b"application/json"), (b"x-broken", b"a\r\nx-injected: 1")]
    forwarder.offer(project(url), "/batch/", headers, body, events=events, stored=events, at=now)


async def counts(store: Store, now: int) -> ForwardedCounts:
    (found,) = (await forwarded_counts.by_day(store, 1, now // DAY, now // DAY)).values()
    assert found.events == found.accepted + found.refused + found.failed + found.dropped, found
    return found


async def until_sent(forwarder: Forwarder) -> None:
    while forwarder._tasks:
        await asyncio.sleep(0.01)


async def test_requests_are_forwarded_unchanged_and_counted(store: Store, receiver: Any, now: int) -> None:
    forwarder = Forwarder(store, private=True)
    async with forwarder.running():
        offer(forwarder, receiver.url, now, events=3)
        await until_sent(forwarder)
    assert await counts(store, now) == ForwardedCounts(events=3, stored=3, accepted=3)
    ((path, headers, body),) = receiver.got
    assert (path, body) == ("/batch/", BODY)
    assert not {"x-broken", "x-injected"} & {name.lower() for name in headers}


async def test_a_transient_error_is_tried_again_and_counts_are_added_to_those_of_the_day(store: Store, receiver: Any, now: int) -> None:
    receiver.answers = [503, 429, 200]
    for _ in range(2):
        forwarder = Forwarder(store, private=True, first_wait=0.01)
        async with forwarder.running():
            offer(forwarder, receiver.url, now)
            await until_sent(forwarder)
    assert await counts(store, now) == ForwardedCounts(events=2, stored=2, accepted=2)
    assert len(receiver.got) == 4


async def test_requests_that_wait_when_the_server_stops_are_dropped_and_counted(store: Store, receiver: Any, now: int) -> None:
    receiver.seconds = 5.0
    forwarder = Forwarder(store, private=True)
    async with forwarder.running():
        for _ in range(forwarding.SENDERS + 3):
            offer(forwarder, receiver.url, now)
        await asyncio.sleep(0.1)
    assert (await counts(store, now)).dropped == forwarding.SENDERS + 3


async def test_the_queue_is_bounded(store: Store, receiver: Any, now: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "MAX_WAITING", 5)
    monkeypatch.setattr(forwarding, "MAX_BYTES", 1_000)
    forwarder = Forwarder(store, private=True)
    async with forwarder.running():
        for _ in range(8):  # none is sent before the first await
            offer(forwarder, receiver.url, now)
        offer(forwarder, receiver.url, now, body=b" " * 990)
        await until_sent(forwarder)
        assert len(receiver.got) == 5
        offer(forwarder, receiver.url, now)  # there is room again
        await until_sent(forwarder)
    assert await counts(store, now) == ForwardedCounts(events=10, stored=10, accepted=6, dropped=4)


async def test_long_queries_and_headers_count_against_the_size_of_the_queue(
    store: Store, receiver: Any, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "MAX_BYTES", 1_000)
    forwarder = Forwarder(store, private=True)
    async with forwarder.running():
        forwarder.offer(project(receiver.url), "/batch/?" + "a" * 1_000, [], BODY, events=1, stored=1, at=now)
        forwarder.offer(project(receiver.url), "/batch/", [(b"user-agent", b"a" * 1_000)], BODY, events=1, stored=1, at=now)
        offer(forwarder, receiver.url, now)
        await until_sent(forwarder)
    assert await counts(store, now) == ForwardedCounts(events=3, stored=3, accepted=1, dropped=2)
    assert [path for path, _, _ in receiver.got] == ["/batch/"]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"])
async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(store: Store, receiver: Any, now: int, address: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return [address]

    forwarder = Forwarder(store, private=False, resolver=resolve, first_wait=0.01)
    async with forwarder.running():
        offer(forwarder, receiver.url.replace("127.0.0.1", "public.example"), now)
        await until_sent(forwarder)
    found = await counts(store, now)
    assert msgspec.structs.replace(found, error=None) == ForwardedCounts(events=1, stored=1, failed=1)
    assert found.error == "the host resolves to an address that is not public"
    assert receiver.got == []
