"""Live events over graphql-transport-ws."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import socket as network
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.admin.auth import COOKIE
from server.admin.socket import OF_ONE_ADDRESS
from server.app import create_app
from server.event import Context, Event
from server.settings import Settings, bundled
from server.shared import Live
from server.shared.live_events import KEPT, MAX_WATCHERS, TooManyWatchers

TOKEN = "ff_the-admin-token-of-the-tests-0123456789"
LIVE = (bundled("graphql") / "operations" / "Live.graphql").read_text()
PROTOCOL: Any = ["graphql-transport-ws"]


async def opened(url: str, token: str | None = TOKEN) -> ClientConnection:
    socket = await connect(url.replace("http", "ws") + "/graphql", subprotocols=PROTOCOL)
    await socket.send(json.dumps({"type": "connection_init", "payload": {"token": token} if token else {}}))
    assert json.loads(await asyncio.wait_for(socket.recv(), 60)) == {"type": "connection_ack"}
    return socket


async def subscribe(socket: ClientConnection, number: str = "1", **variables: Any) -> None:
    payload = {"query": LIVE, "variables": {"slug": "default", **variables}}
    await socket.send(json.dumps({"id": number, "type": "subscribe", "payload": payload}))
    await asyncio.sleep(0.2)


async def received(socket: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 60))
    return found


async def post(url: str, **fields: Any) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/v1/events", json={"name": "build", "installation_id": "x", **fields})
        assert answer.status_code == 202


async def test_events_arrive_live_and_filtered(filled: Any) -> None:
    socket = await opened(filled.url)
    await subscribe(socket, filter={"names": ["seen"]})
    await post(filled.url, name="unseen")
    await post(filled.url, name="seen", version="1.2.3", properties={"a": "<b>"}, target={"type": "pack", "id": "peon"})
    message = await received(socket)
    (event,) = message["payload"]["data"]["events"]["events"]
    assert (event["name"], event["version"], json.loads(event["propertiesText"]), event["target"]) == (
        "seen",
        "1.2.3",
        {"a": "<b>"},
        {"type": "pack", "id": "peon"},
    )
    assert event["install"]["hash"] != "x"
    await socket.close()


@pytest.mark.parametrize("token", [None, "ff_unknown"])
async def test_live_events_require_a_key(filled: Any, token: str | None) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        await opened(filled.url, token)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def test_a_page_of_another_site_gets_no_live_events(filled: Any) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(filled.url.replace("http", "ws") + "/graphql", subprotocols=PROTOCOL, origin="https://evil.example")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403


async def test_a_revoked_key_gets_no_more_events(filled: Any, admin: Any) -> None:
    made = admin.run("CreateKey", slug="default", scopes=["READ"])["createKey"]
    socket = await opened(filled.url, made["secret"])
    await subscribe(socket)
    await post(filled.url)
    assert (await received(socket))["type"] == "next"
    admin.run("RevokeKey", id=made["key"]["id"])
    await post(filled.url, name="secret")
    message = await received(socket)
    assert "secret" not in json.dumps(message)
    assert message["type"] in ("error", "complete") or message["payload"].get("errors")
    await socket.close()


async def test_a_key_of_one_project_does_not_watch_another(filled: Any, admin: Any) -> None:
    secret = admin.run("CreateKey", slug="demo", scopes=["READ"])["createKey"]["secret"]
    socket = await opened(filled.url, secret)
    await subscribe(socket, slug="default")
    message = await received(socket)
    assert message["type"] in ("error", "next")
    assert "NOT_FOUND" in json.dumps(message)  # the error does not reveal that it exists
    await socket.close()


async def test_a_cookie_opens_a_socket_only_on_our_pages_and_until_its_session_ends(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()
    async with httpx.AsyncClient(base_url=server.url) as browser:
        await browser.post("/login", data={"token": TOKEN})
        cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    address = server.url.replace("http", "ws") + "/graphql"
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
    ):
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, subprotocols=PROTOCOL, additional_headers={**cookie, **headers})
        assert refused.value.response.status_code == 403
    socket = await connect(address, subprotocols=PROTOCOL, additional_headers=cookie, origin=server.url)
    await socket.send(json.dumps({"type": "connection_init"}))
    assert (await received(socket))["type"] == "connection_ack"
    await subscribe(socket)
    await post(server.url)
    assert (await received(socket))["type"] == "next"
    ended = {"operationName": "RevokeSession", "variables": {"id": "1"}}
    answer = server.client.post("/graphql", json=ended, headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert answer["data"]["revokeSession"]["ended"] == 1
    await post(server.url, name="secret")
    message = await received(socket)
    assert "secret" not in json.dumps(message)
    assert "UNAUTHENTICATED" in json.dumps(message)
    await socket.close()


def test_a_revoked_caller_is_disconnected_without_any_event(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.admin.subscription.REAUTHORIZE_AFTER", 0.05)
    application: Any = create_app(dataclasses.replace(settings, admin_token=TOKEN))
    with TestClient(application) as client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        made = client.post("/graphql", json={"operationName": "CreateKey", "variables": {"scopes": ["READ"]}}, headers=headers).json()
        key = made["data"]["createKey"]
        with client.websocket_connect("/graphql", subprotocols=list(PROTOCOL)) as socket:
            socket.send_json({"type": "connection_init", "payload": {"token": key["secret"]}})
            assert socket.receive_json()["type"] == "connection_ack"
            socket.send_json({"id": "1", "type": "subscribe", "payload": {"operationName": "Live", "variables": {"slug": "default"}}})
            socket.send_json({"type": "ping"})
            assert socket.receive_json() == {"type": "pong"}
            revoked = {"operationName": "RevokeKey", "variables": {"id": key["key"]["id"]}}
            assert client.post("/graphql", json=revoked, headers=headers).json()["data"]["revokeKey"]["errors"] == []
            assert "UNAUTHENTICATED" in json.dumps(socket.receive_json())


@pytest.mark.parametrize("query", ["{me{kind}}", 'mutation{runJob(name:"backup"){errors{message}}}'])
async def test_a_socket_is_for_subscriptions_only(filled: Any, query: str) -> None:
    socket = await opened(filled.url)
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
    message = await received(socket)
    assert message["type"] == "error"
    await socket.close()


async def test_a_persisted_subscription_is_named_by_its_hash(filled: Any) -> None:
    socket = await opened(filled.url)
    for number, hash_ in (("1", "0" * 64), ("2", hashlib.sha256(LIVE.encode()).hexdigest())):
        payload = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_}}, "variables": {"slug": "default"}}
        await socket.send(json.dumps({"id": number, "type": "subscribe", "payload": payload}))
    message = await received(socket)
    assert (message["id"], message["type"]) == ("1", "error")
    assert "PERSISTED_QUERY_NOT_FOUND" in json.dumps(message)
    await asyncio.sleep(0.2)
    await post(filled.url, name="by hash")
    message = await received(socket)
    assert (message["id"], message["type"]) == ("2", "next")
    await socket.close()


@pytest.mark.slow
async def test_a_stalled_reader_learns_how_many_events_it_missed(filled: Any) -> None:
    """Send 14 MB to a client that does not read: ingest is not delayed, and the numbers add up afterwards."""
    plain = network.socket()
    plain.setsockopt(network.SOL_SOCKET, network.SO_RCVBUF, 8_192)
    plain.connect(("127.0.0.1", filled.port))
    url = filled.url.replace("http", "ws") + "/graphql"
    # Compressed, the events would fit into the buffers of the kernel, and only a fast sender would make the server drop any.
    async with connect(url, subprotocols=PROTOCOL, compression=None, max_queue=1, sock=plain) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"token": TOKEN}}))
        assert (await received(socket))["type"] == "connection_ack"
        await subscribe(socket, filter={"names": ["flood"]})
        events = [
            {"name": "flood", "installation_id": "x", "properties": {f"p{n}": "some words " * 40 for n in range(20)}} for _ in range(100)
        ]
        async with httpx.AsyncClient(base_url=filled.url, timeout=20) as client:
            for _ in range(15):
                answer = await client.post("/v1/events", json=events)
                assert answer.json()["accepted"] == 100
        seen = missed = 0
        while seen + missed < 1_500:
            told = (await received(socket))["payload"]["data"]["events"]
            seen, missed = seen + len(told["events"]), missed + told["missed"]
        assert seen + missed == 1_500
        assert missed > 0
        assert seen >= KEPT


@pytest.mark.slow
async def test_ten_thousand_subscriptions_are_refused_and_ingest_goes_on(filled: Any) -> None:
    socket = await opened(filled.url)
    frames = [
        json.dumps({"id": str(n), "type": "subscribe", "payload": {"query": LIVE, "variables": {"slug": "demo"}}}) for n in range(10_000)
    ]

    async def send() -> None:
        for frame in frames:
            await socket.send(frame)

    sending = asyncio.create_task(send())
    refused = 0
    while refused < 9_990:
        message = await received(socket)
        refused += message["type"] == "error" and "limit" in json.dumps(message)
        if refused % 2_000 == 1_000:
            await post(filled.url)
    await sending
    await socket.close()


async def test_one_address_cannot_take_all_sockets(filled: Any) -> None:
    address = filled.url.replace("http", "ws") + "/graphql"
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(OF_ONE_ADDRESS - 5):  # sockets of earlier tests may still be closing
            await stack.enter_async_context(connect(address, subprotocols=PROTOCOL))
        more = [stack.enter_async_context(connect(address, subprotocols=PROTOCOL)) for _ in range(6)]
        refused = [each for each in await asyncio.gather(*more, return_exceptions=True) if isinstance(each, InvalidStatus)]
        assert refused
        assert {each.response.status_code for each in refused} == {403}
    other = await opened(filled.url)
    await other.close()


async def test_many_subscriptions_on_one_socket_are_refused(filled: Any) -> None:
    socket = await opened(filled.url)
    for number in range(40):
        payload = {"query": LIVE, "variables": {"slug": "default"}}
        await socket.send(json.dumps({"id": str(number), "type": "subscribe", "payload": payload}))
    messages = [await received(socket) for _ in range(30)]
    assert {message["type"] for message in messages} == {"error"}
    assert "Subscription limit" in json.dumps(messages)
    await socket.close()


@pytest.mark.parametrize("text", ["{", "[" * 50_000, '{"type":"subscribe"}', '{"type":"nonsense"}', '"x"', "1"])
async def test_an_invalid_message_closes_only_its_socket(filled: Any, text: str) -> None:
    socket = await opened(filled.url)
    await socket.send(text)
    await asyncio.wait_for(socket.wait_closed(), 60)
    other = await opened(filled.url)
    await other.close()


def event(number: int, project: int = 1) -> Event:
    return Event(id=number, project=project, name="run", occurred_at=0, context=Context())


async def test_a_slow_reader_learns_how_many_events_it_missed() -> None:
    live = Live()
    assert [live.has_watchers] == [False]
    with live.watch(1) as watcher:
        assert live.has_watchers
        live.publish([event(number) for number in range(KEPT + 20)])
        live.publish([event(1_000_000, project=2)])
        taken = await watcher.take(5)
        assert taken is not None
        events, missed = taken
        assert ([each.id for each in events], missed) == (list(range(20, 25)), 20)
        left = await watcher.take(KEPT)
        assert left is not None
        assert (len(left[0]), left[1]) == (KEPT - 5, 0)
        waiting = asyncio.create_task(watcher.take(1))
        await asyncio.sleep(0)
        live.close()
        assert await waiting is None
    assert [live.has_watchers] == [False]


def test_the_number_of_watchers_is_limited() -> None:
    live = Live()
    entered = [live.watch(number % 3) for number in range(MAX_WATCHERS)]
    for each in entered:
        each.__enter__()
    with pytest.raises(TooManyWatchers), live.watch(1):
        pass
    entered.pop().__exit__(None, None, None)
    with live.watch(1):
        pass


async def test_the_server_stops_despite_open_subscriptions(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()
    socket = await opened(server.url)
    await subscribe(socket)
    assert await asyncio.to_thread(server.stop) == 0
    await socket.close()
