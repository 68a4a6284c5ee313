"""Client addresses, behind trusted proxies and others, and their limits."""

from __future__ import annotations

import pytest

from server.ingest.gate import Gate, opted_out
from server.ingest.networks import limit_network
from server.settings import load
from server.shared import Counters, Limits
from server.storage.projects import Projects

FLY = {"FOOTFALL_CLIENT_IP_HEADER": "Fly-Client-IP", "FOOTFALL_TRUSTED_PROXIES": "private"}
FORWARDED = {"FOOTFALL_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32"}


def gate(**env: str) -> Gate:
    return Gate(load(env), Projects(max_targets=1, public=()), Limits())


@pytest.mark.parametrize(
    ("env", "peer", "headers", "address"),
    [
        ({}, "203.0.113.9", {}, "203.0.113.9"),
        ({}, "203.0.113.9", {b"x-forwarded-for": b"1.2.3.4", b"fly-client-ip": b"1.2.3.4"}, "203.0.113.9"),
        (FLY, "172.16.3.4", {b"fly-client-ip": b"198.51.100.7"}, "198.51.100.7"),
        (FLY, "fd00::5", {b"fly-client-ip": b"2001:db8::7"}, "2001:db8::7"),
        (FLY, "::ffff:172.16.3.4", {b"fly-client-ip": b"198.51.100.7"}, "198.51.100.7"),
        (FLY, "203.0.113.9", {b"fly-client-ip": b"198.51.100.7"}, "203.0.113.9"),
        (FLY, "172.16.3.4", {b"fly-client-ip": b"nonsense"}, "172.16.3.4"),
        (FLY, "172.16.3.4", {b"x-forwarded-for": b"198.51.100.7"}, "172.16.3.4"),
        (FORWARDED, "10.0.0.1", {b"x-forwarded-for": b"198.51.100.7"}, "198.51.100.7"),
        (FORWARDED, "10.0.0.1", {b"x-forwarded-for": b"1.1.1.1, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"),
        (FORWARDED, "10.0.0.1", {b"x-forwarded-for": b"[2001:db9::1]:443"}, "2001:db9::1"),
        (FORWARDED, "10.0.0.1", {b"x-forwarded-for": b"198.51.100.7:1234"}, "198.51.100.7"),
        (FORWARDED, "10.0.0.1", {b"x-forwarded-for": b"unknown"}, "10.0.0.1"),
        (FORWARDED, "10.0.0.1", {}, "10.0.0.1"),
        (FORWARDED, "", {b"x-forwarded-for": b"1.2.3.4"}, ""),
    ],
)
def test_the_address_is_the_peers_or_what_a_trusted_proxy_says(
    env: dict[str, str], peer: str, headers: dict[bytes, bytes], address: str
) -> None:
    assert gate(**env).address(peer, headers) == address


def test_an_ipv6_client_is_limited_by_its_network_and_an_ipv4_one_by_itself() -> None:
    assert limit_network("2001:db8:1:2:3::4") == limit_network("2001:db8:1:2:ffff::9") != limit_network("2001:db8:1:3::")
    assert limit_network("::ffff:198.51.100.7") == limit_network("198.51.100.7") != limit_network("198.51.100.8")
    assert limit_network("") == ""


@pytest.mark.parametrize(
    ("headers", "out"),
    [({b"dnt": b"1"}, True), ({b"sec-gpc": b"1"}, True), ({b"dnt": b"0"}, False), ({b"sec-fetch-mode": b"cors"}, False), ({}, False)],
)
def test_clients_that_opted_out_are_recognized(headers: dict[bytes, bytes], out: bool) -> None:
    assert opted_out(headers) is out


async def test_a_refused_batch_does_not_count_against_the_limit() -> None:
    limits, item = Limits(), load({}).rate_limit
    assert item is not None
    assert not (await limits.hit(item, "a", 11)).allowed
    assert (await limits.hit(item, "a", 10)) == (True, 10, 0, 60)
    assert not (await limits.hit(item, "a")).allowed
    assert (await limits.hit(item, "b")).allowed


def test_expired_windows_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr("server.shared.limits.time.time", lambda: now)
    counters = Counters()
    for number in range(1_000):
        counters.incr(f"k{number}", 60)
    now = 1_061.0
    for number in range(600):
        assert counters.incr(f"n{number}", 60) == 1
    assert len(counters._windows) == 600
    assert counters.incr("k0", 60) == 1
