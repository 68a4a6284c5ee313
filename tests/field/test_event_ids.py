"""Event ids are unique per install: two installs may use the same one, and a repeated event counts once."""

from __future__ import annotations

from typing import Any

import pytest

from server.event import DAY, Context, Event, Incoming, Receipt, RequestId
from server.event_id import first_id
from server.ingest.privacy import Privacy
from server.storage.batch import Batch
from server.storage.engine import Store
from tests.field.conftest import TOKEN, Field

NOW = 1_795_219_200_000


def one(install: str | None, id_: str = "1") -> dict[str, Any]:
    return {"name": "build", "id": id_, **({"installation_id": install} if install else {})}


def test_two_installs_may_give_their_events_the_same_id(field: Field) -> None:
    for install in ("install-one", "install-two", "install-one"):
        assert field.post(one(install)).status_code == 202
    assert len({event["install"] for event in field.events()}) == 2
    ledger = field.ledger()
    assert (ledger["stored"], ledger["duplicates"]) == (2, 1)


def test_in_a_batch_an_id_counts_once_for_each_install(field: Field) -> None:
    answer = field.post([one("install-one"), one("install-two"), one("install-one"), one(None), one(None)])
    assert answer.json() == {"accepted": 3, "duplicates": 2, "rejected": []}


def test_a_key_of_a_request_belongs_to_the_install_where_the_caller_has_no_key(field: Field) -> None:
    for install in ("install-one", "install-two", "install-one"):
        assert field.post({"name": "build", "installation_id": install}, idempotency_key="first").status_code == 202
    assert field.ledger()["duplicates"] == 1


def test_a_key_of_a_request_belongs_to_the_callers_key(field: Field) -> None:
    query = "mutation ($p: String!) { createKey(slug: $p, scopes: [INGEST]) { secret errors { message } } }"
    answer = field.server.client.post(
        "/graphql", json={"query": query, "variables": {"p": field.slug}}, headers={"authorization": f"Bearer {TOKEN}"}
    ).json()
    assert "errors" not in answer, answer
    first = f"Bearer {answer['data']['createKey']['secret']}"
    for install in ("install-one", "install-two"):
        answered = field.post({"name": "build", "installation_id": install}, idempotency_key="first", authorization=first)
        assert answered.status_code == 202
    assert field.post({"name": "build", "installation_id": "install-one"}, idempotency_key="first").status_code == 202
    ledger = field.ledger()
    assert (ledger["stored"], ledger["duplicates"]) == (2, 1)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"], indirect=True)
async def test_events_from_before_the_upgrade_are_recognized_after_it(store: Store) -> None:
    """Earlier versions treated ids as unique per project. A client that repeats its event after the upgrade is not counted twice."""
    privacy = Privacy(b"a secret")
    old = privacy.mark(1, "native", "x")
    context = Context(dialect="native")
    before = Event(id=first_id(NOW) + 1, project=1, name="build", occurred_at=NOW, context=context, mark=old)
    await store.commit(Batch([before], target_rules={}))
    await store.change(("INSERT INTO note (name, value) SELECT 'marks_by_project_until', max(expires_at) FROM mark", ()))
    privacy.former_marks_until = NOW + 30 * DAY

    async def repeated(at: int, number: int) -> dict[int, Receipt]:
        incoming = Incoming(name="build", install="install-one", id="x", context=context)
        event = privacy.event(incoming, id=first_id(at) + number, project=1, dialect="native", received_at=at, picked=())
        return (await store.commit(Batch([event], target_rules={}))).exceptions

    assert await repeated(NOW + DAY, 2) == {0: Receipt.DUPLICATE}
    assert await repeated(NOW + 31 * DAY, 3) == {}
    assert await repeated(NOW + 31 * DAY, 4) == {0: Receipt.DUPLICATE}


def test_event_ids_scoped_to_an_install_and_to_a_key_never_collide() -> None:
    privacy = Privacy(b"a secret")
    said = [
        Incoming(name="build", install="7", id="x"),
        Incoming(name="build", install="8", id="x"),
        Incoming(name="build", id="x"),
        Incoming(name="build", visitor="192.0.2.1 curl", id="x"),
        Incoming(name="build", install="7", id=RequestId("x")),
    ]
    events = privacy.events(said, ids=range(5), project=1, dialect="native", received_at=NOW, picked=(), key=7)
    assert len({event.mark for event in events}) == 5
    tomorrow = privacy.events(said, ids=range(5), project=1, dialect="native", received_at=NOW + DAY, picked=(), key=7)
    assert [event.mark for event in tomorrow] == [event.mark for event in events]
