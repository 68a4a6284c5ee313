"""Alerts go to allowed addresses only, and to the address that was checked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time

import httpx
import pytest
import uvloop

from server.jobs.addresses import LOOKUPS, CheckedTransport, Refused, Unresolved, allowed, check_addresses, check_url, lookup

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.167.1.1", "198.17.0.1", "223.255.255.1",
    "2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "64:ff9b::8.8.8.8",
]  # fmt: skip
OWN = [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255",
    "198.18.0.1", "198.19.255.255", "::1", "fc00::1", "fd12:3456::1", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1",
]  # fmt: skip
NEVER = [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
    "100::1", "2001::1", "2001:db8::1", "2001:10::1", "2001:20::1", "2002:7f00:1::", "2002:a00:1::", "3fff::1", "5f00::1", "64:ff9b:1::1",
    "64:ff9b::169.254.169.254", "fd00:ec2::254", "168.63.129.16", "100.100.100.200", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "192.0.0.192",
    "64:ff9b::168.63.129.16",
]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_the_public_internet_is_allowed(text: str) -> None:
    assert allowed(ipaddress.ip_address(text))
    assert allowed(ipaddress.ip_address(text), private=True)


@pytest.mark.parametrize("text", OWN)
def test_networks_of_ones_own_are_allowed_only_where_a_setting_says_so(text: str) -> None:
    assert not allowed(ipaddress.ip_address(text))
    assert allowed(ipaddress.ip_address(text), private=True)


@pytest.mark.parametrize("text", NEVER)
def test_special_addresses_are_never_allowed(text: str) -> None:
    assert not allowed(ipaddress.ip_address(text))
    assert not allowed(ipaddress.ip_address(text), private=True)


@pytest.mark.parametrize("text", PUBLIC)
def test_python_agrees_that_what_is_allowed_is_global(text: str) -> None:
    assert ipaddress.ip_address(text).is_global


@pytest.mark.parametrize("host", ["metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data.ec2.internal"])
def test_names_of_metadata_services_are_refused_before_they_are_looked_up(host: str) -> None:
    with pytest.raises(Refused):
        check_url(f"http://{host}/computeMetadata/v1/")


def test_one_forbidden_address_refuses_the_whole_host() -> None:
    assert check_addresses(["1.1.1.1", "8.8.8.8"], private=False) == ["1.1.1.1", "8.8.8.8"]
    for addresses in (["1.1.1.1", "10.0.0.1"], ["10.0.0.1", "1.1.1.1"], []):
        with pytest.raises(Refused):
            check_addresses(addresses, private=False)


@pytest.mark.parametrize(
    "host", ["localhost", "127.1", "0x7f.1", "2130706433", "017700000001", "0", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.1.", "LOCALHOST"]
)
async def test_every_spelling_of_this_machines_address_is_refused(host: str) -> None:
    transport = CheckedTransport()
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(Refused):
            await client.post(f"http://{host}:9/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "//example.org", "example.org/hook", "https://", "https:///path", "gopher://x/", "javascript:alert(1)",
        "https://user:password@example.org/", "https://user@example.org/", "https://example.org/#part", "https://example.org/\n", "http://[::1", "",
        "https://example.org/" + "x" * 2_000, "http://example.org:99999/",
    ],
)  # fmt: skip
def test_an_invalid_webhook_url_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://example.org/hooks/abc?x=1", "http://example.org:8080/", "https://bücher.example/", "https://[2606:4700::1]/"]
)
def test_a_valid_webhook_url_is_accepted(url: str) -> None:
    assert check_url(url).host


class Inner(httpx.AsyncBaseTransport):
    """A transport that records requests, and fails to connect to the addresses in `down`."""

    def __init__(self, *down: str) -> None:
        self.requests: list[tuple[str, str, str]] = []
        self._down = down

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((str(request.url), request.headers["host"], request.extensions["sni_hostname"]))
        if request.url.host in self._down:
            raise httpx.ConnectError("down")
        return httpx.Response(200)


async def test_the_connection_goes_to_the_address_that_was_checked_under_the_name_of_the_url() -> None:
    inner, asked = Inner(), []

    async def rebinding(host: str, port: int) -> list[str]:
        """A host name that resolves to a public address once, and then to this machine (DNS rebinding)."""
        asked.append((host, port))
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    async with httpx.AsyncClient(transport=CheckedTransport(resolver=rebinding, inner=inner)) as client:
        await client.post("https://hooks.example.org/abc?x=1")
        assert asked == [("hooks.example.org", 443)]
        assert inner.requests == [("https://93.184.216.34/abc?x=1", "hooks.example.org", "hooks.example.org")]
        with pytest.raises(Refused):
            await client.post("https://hooks.example.org/abc")
    assert len(inner.requests) == 1


async def test_the_next_address_is_tried_where_one_is_down() -> None:
    async def two(host: str, port: int) -> list[str]:
        return ["2606:4700::1", "1.1.1.1"]

    inner = Inner("2606:4700::1")
    async with httpx.AsyncClient(transport=CheckedTransport(resolver=two, inner=inner)) as client:
        assert (await client.post("http://bücher.example:8080/")).status_code == 200
    host = "xn--bcher-kva.example"
    assert inner.requests == [
        ("http://[2606:4700::1]:8080/", f"{host}:8080", host),
        ("http://1.1.1.1:8080/", f"{host}:8080", host),
    ]


async def test_a_host_that_is_not_known_is_refused() -> None:
    with pytest.raises(Refused, match="cannot be resolved"):
        await lookup("nowhere.invalid", 443)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxy settings are ignored: a proxy would connect without the check."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")


def test_a_dns_server_that_does_not_answer_delays_neither_other_work_nor_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: silent.wait(30) and [])

    async def work() -> None:
        waiting = [asyncio.create_task(lookup("old.example", 443)) for _ in range(LOOKUPS)]
        await asyncio.sleep(0)
        with pytest.raises(Unresolved, match="too many"):
            await lookup("old.example", 443)
        assert await asyncio.to_thread(lambda: 5) == 5
        waiting[0].cancel()

    try:
        began = time.monotonic()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work())
        assert time.monotonic() - began < 10
    finally:
        silent.set()
