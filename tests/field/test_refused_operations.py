"""Promises about refused GraphQL operations: their cost is bounded on every transport, and others are not affected."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from server.admin.admission import MAX_WAITING, Admissions
from server.problems import Busy, Limited
from tests.quick import first

pytestmark = pytest.mark.one_path

REFUSED = {
    "an unknown field": "{nope}",
    "no GraphQL": "{{{",
    "too deep": "{" + "a{" * 100 + "b" + "}" * 101,
    "too many aliases": "{" + " ".join(f"a{number}:me{{kind}}" for number in range(41)) + "}",
}


def key_of(field: Any) -> str:
    """A key of its own for each test: the budget is each viewer's."""
    made = field.ask("mutation { createKey(scopes: [READ]) { secret } }")
    secret: str = made["createKey"]["secret"]
    return secret


def send(field: Any, key: str, query: str) -> Any:
    return field.server.client.post("/graphql", json={"query": query}, headers={"authorization": f"Bearer {key}"})


async def opened(field: Any, key: str) -> ClientConnection:
    url = field.server.url.replace("http", "ws") + "/graphql"
    socket = await connect(url, subprotocols=[Subprotocol("graphql-transport-ws")])
    await socket.send(json.dumps({"type": "connection_init", "payload": {"token": key}}))
    assert json.loads(await asyncio.wait_for(socket.recv(), 20))["type"] == "connection_ack"
    return socket


@pytest.mark.parametrize("query", first(REFUSED.values()), ids=REFUSED.keys())
def test_posted_operations_are_refused_unparsed_after_sixty_refusals(field: Any, query: str) -> None:
    key, other = key_of(field), key_of(field)
    statuses = [send(field, key, query).status_code for _ in range(70)]
    assert statuses == [200] * 60 + [429] * 10
    answer = send(field, key, "{me{kind}}")
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (429, "LIMITED")
    assert int(answer.headers["retry-after"]) > 0
    assert send(field, other, "{me{kind}}").json() == {"data": {"me": {"kind": "KEY"}}}


def test_long_refused_operations_use_up_the_limit_sooner(field: Any) -> None:
    key = key_of(field)
    statuses = [send(field, key, "{nope} #" + "x" * 20_000).status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]


@pytest.mark.parametrize(
    "query",
    first(["subscription {nope}", "{{{", "{me{kind}}", "subscription {events(project:1){missed}}"]),
    ids=["an unknown field", "no GraphQL", "a query", "a wrong argument"],
)
async def test_operations_over_sockets_are_refused_unparsed_after_many_refusals(field: Any, query: str) -> None:
    key, other = key_of(field), key_of(field)
    refused, codes = 0, set[int | None]()

    async def flood() -> None:
        nonlocal refused
        try:
            async with await opened(field, key) as socket:
                for number in range(100):
                    await socket.send(json.dumps({"id": str(number), "type": "subscribe", "payload": {"query": query}}))
                    message = json.loads(await asyncio.wait_for(socket.recv(), 20))
                    assert message["type"] == "error", message
                    refused += 1
        except ConnectionClosed as closed:
            codes.add(closed.rcvd.code if closed.rcvd else None)

    for _ in range(70 if query == "{{{" else 3):  # a document that cannot be parsed ends its socket
        await flood()
    assert refused <= 60
    assert codes <= {4400, 4429}
    assert send(field, key, "{me{kind}}").status_code == 429
    assert send(field, other, "{me{kind}}").status_code == 200
    async with await opened(field, other) as calm:
        known = f'subscription {{ events(project: "{field.slug}") {{ missed events {{ name }} }} }}'
        await calm.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": known}}))
        while True:
            await asyncio.to_thread(field.post, {"name": "build", "installation_id": "i1"})
            try:
                message = json.loads(await asyncio.wait_for(calm.recv(), 1))
            except TimeoutError:
                continue
            assert message["type"] == "next", message
            break


@pytest.mark.slow
def test_valid_operations_are_never_counted(field: Any) -> None:
    key = key_of(field)
    assert {send(field, key, f"{{me{{kind}}}} #{number}").status_code for number in range(100)} == {200}


async def test_operations_are_validated_one_at_a_time() -> None:
    admissions = Admissions()
    first = await admissions.admit("a", "{x}", is_anonymous=False)
    waiting = [asyncio.create_task(admissions.admit("a", "{x}", is_anonymous=False)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)
    with pytest.raises(Busy):
        await admissions.admit("a", "{x}", is_anonymous=False)
    other = asyncio.create_task(admissions.admit("b", "{x}", is_anonymous=False))
    first.accept()
    for each in waiting:
        (await each).refuse()
    (await other).accept()
    for _ in range(60 - MAX_WAITING):
        (await admissions.admit("a", "{x}", is_anonymous=False)).refuse()
    with pytest.raises(Limited):
        await admissions.admit("a", "{x}", is_anonymous=False)
    with pytest.raises(Limited):
        admissions.check("a")
    (await admissions.admit("b", "{x}", is_anonymous=False)).accept()


async def test_callers_without_a_login_share_a_limit() -> None:
    admissions = Admissions()
    for number in range(240):
        (await admissions.admit(f"address {number}", "{x}", is_anonymous=True)).refuse()
    with pytest.raises(Limited):
        await admissions.admit("one more", "{x}", is_anonymous=True)
    (await admissions.admit("a key", "{x}", is_anonymous=False)).accept()


async def test_a_page_that_follows_another_before_its_answers_is_not_refused(field: Any) -> None:
    """The dashboard asks up to eight questions for the visible part of a page, and those of the page before may still run."""
    operation = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "OverviewPage"}}, "variables": {"slug": field.slug}}
    headers = {"authorization": f"Bearer {key_of(field)}"}
    async with httpx.AsyncClient(base_url=field.server.url, headers=headers, timeout=60) as client:
        answers = await asyncio.gather(*(client.post("/graphql", json=operation) for _ in range(16)))
    assert [answer.status_code for answer in answers] == [200] * 16
    assert all("errors" not in answer.json() for answer in answers)
