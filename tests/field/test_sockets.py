"""Promises about WebSockets: silent connections, from any number of addresses, do not block others."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from server.admin.socket import MAX_SOCKETS, MAX_UNAUTHENTICATED, OF_ONE_ADDRESS

pytestmark = pytest.mark.one_path

SETTINGS = {"FOOTFALL_TRUSTED_PROXIES": "loopback"}
PROTOCOL = [Subprotocol("graphql-transport-ws")]


def silent(field: Any, address: str) -> Any:
    url = field.server.url.replace("http", "ws") + "/graphql"
    return connect(url, subprotocols=PROTOCOL, additional_headers={"x-forwarded-for": address})


@pytest.mark.slow
async def test_idle_sockets_of_many_addresses_do_not_keep_others_out(field: Any) -> None:
    key = field.ask("mutation { createKey(scopes: [READ]) { secret } }")["createKey"]["secret"]
    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(silent(field, f"198.51.100.{number}")) for number in range(MAX_UNAUTHENTICATED + 3)]
        for each in opened[:3]:  # the oldest have made room
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(each.recv(), 8)
        known = await stack.enter_async_context(silent(field, "203.0.113.1"))
        await known.send(json.dumps({"type": "connection_init", "payload": {"token": key}}))
        assert json.loads(await asyncio.wait_for(known.recv(), 20)) == {"type": "connection_ack"}
    assert MAX_UNAUTHENTICATED < MAX_SOCKETS


async def test_sockets_of_a_providers_networks_are_limited_together(field: Any) -> None:
    async with contextlib.AsyncExitStack() as stack:
        refused = 0
        for number in range(OF_ONE_ADDRESS + 2):
            try:
                await stack.enter_async_context(silent(field, f"2001:db8:7:7::{number:x}"))
            except InvalidStatus as error:
                refused += error.response.status_code == 403
        assert refused == 2
