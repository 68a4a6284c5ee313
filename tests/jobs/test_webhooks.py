"""Whoever listens at a webhook gets an alert, once and signed; nobody else gets anything."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from server.event import MINUTE
from server.jobs import Run, rules
from server.jobs.alerts import alerts, deliver_waiting, look
from server.jobs.webhooks import HEADER, TOLERANCE, Webhooks, sign, verify
from server.storage import alerts as kept
from server.storage.alerts import Kind
from server.storage.engine import Store

Make = Callable[..., Any]
SECRET = "a secret of the test"


async def test_an_alert_is_delivered_signed_and_once(
    run: Run, store: Store, receiver: Any, make_rule: Make, commit: Make, now: int, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0, name="Too many failures")
    await commit(ended(0.1, 10, 10))
    allowed = dataclasses.replace(run, private_alerts=True)
    assert await alerts(allowed) == "1 alerts raised, 1 delivered, 0 to be tried again"
    ((path, headers, body),) = receiver.got
    assert path == "/hook?token=xyzzy"
    assert headers["host"] == receiver.url.split("/")[2]
    assert headers["content-type"] == "application/json"
    assert verify(SECRET, body, headers[HEADER.lower()], now // 1000)
    assert json.loads(body) == {
        "id": f"{rule.id}-{now}",
        "type": "alert",
        "test": False,
        "fired_at": "2026-11-21T12:00:00Z",
        "project": "default",
        "rule": {"id": rule.id, "name": "Too many failures", "kind": "failure_rate", "threshold": 20.0, "window_minutes": 60},
        "message": "50.0 % of 20 runs of default failed, which is at or above 20 %",
        "observed": {"failure_rate": 50.0, "failures": 10, "ended": 20},
    }
    assert await alerts(allowed) == "0 alerts raised, 0 delivered, 0 to be tried again"
    assert len(receiver.got) == 1


async def test_a_rule_is_silent_until_its_cooldown_has_passed(
    run: Run, receiver: Any, make_rule: Make, commit: Make, now: int, ended: Make
) -> None:
    await make_rule(Kind.FAILURE_RATE, threshold=20.0, cooldown_minutes=30)
    await commit(ended(0.1, 0, 50))
    for minutes in (0, 5, 29, 30, 35, 59):
        at = now + minutes * MINUTE
        await alerts(dataclasses.replace(run, private_alerts=True, now=functools.partial(int, at)))
    assert len(receiver.got) == 2
    assert len({document["id"] for document in receiver.documents}) == 2


async def test_a_receiver_that_is_down_gets_it_later_and_once(
    run: Run, store: Store, receiver: Any, webhooks: Webhooks, make_rule: Make, commit: Make, now: int, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 0, 50))
    await look(store, rule, now)
    receiver.answers = [503, 500, 429, 502, 200]
    assert await deliver_waiting(store, webhooks, run.now) == (0, 1)  # three attempts
    assert (await kept.last_deliveries(store))[rule.id] == {
        "rule_id": rule.id, "status": "waiting", "attempts": 3, "answered": 429, "last_error": "answered 429", "created_at": now,
    }  # fmt: skip
    assert await deliver_waiting(store, webhooks, run.now) == (1, 0)
    assert await deliver_waiting(store, webhooks, run.now) == (0, 0)
    assert len(receiver.got) == 5
    assert len({document["id"] for document in receiver.documents}) == 1
    assert (await kept.last_deliveries(store))[rule.id]["status"] == "delivered"


@pytest.mark.parametrize(
    ("answer", "said"),
    [(404, "answered 404"), (400, "answered 400"), (302, "answered 302: redirects are not followed, give the address that it leads to")],
)
async def test_an_answer_that_will_not_change_ends_it_and_no_redirect_is_followed(
    run: Run, store: Store, receiver: Any, webhooks: Webhooks, make_rule: Make, commit: Make, now: int, answer: int, said: str, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 0, 50))
    await look(store, rule, now)
    receiver.answers = [answer]
    assert await deliver_waiting(store, webhooks, run.now) == (0, 0)
    last = (await kept.last_deliveries(store))[rule.id]
    assert (last["status"], last["attempts"], last["last_error"]) == ("failed", 1, said)
    assert [path for path, _, _ in receiver.got] == ["/hook?token=xyzzy"]


async def test_after_a_dozen_attempts_it_is_given_up(
    run: Run, store: Store, receiver: Any, webhooks: Webhooks, make_rule: Make, commit: Make, now: int, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 0, 50))
    await look(store, rule, now)
    receiver.answers = [500]
    runs = [await deliver_waiting(store, webhooks, run.now) for _ in range(6)]
    assert runs == [(0, 1), (0, 1), (0, 1), (0, 0), (0, 0), (0, 0)]
    assert len(receiver.got) == 12
    assert (await kept.last_deliveries(store))[rule.id]["status"] == "failed"


async def test_a_receiver_that_never_answers_is_not_waited_for(receiver: Any, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.jobs.webhooks.TIMEOUT", 0.2)
    receiver.seconds = 1.0
    began = time.monotonic()
    delivered = await webhooks.deliver(receiver.url, SECRET, b"{}", 0, attempts=2)
    assert time.monotonic() - began < 0.9
    assert (delivered.attempts, delivered.error, delivered.again) == (2, "no answer in 0.2 seconds", True)


async def test_without_the_setting_nothing_goes_to_this_machine_and_no_secret_is_on_record(
    run: Run, store: Store, receiver: Any, make_rule: Make, commit: Make, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 0, 50))
    assert await alerts(run) == "1 alerts raised, 0 delivered, 0 to be tried again"
    assert receiver.got == []
    last = (await kept.last_deliveries(store))[rule.id]
    assert (last["status"], last["last_error"]) == ("failed", "the host of the webhook has an address that is not public")
    assert "xyzzy" not in rules.host_of(rule)


async def test_a_webhook_that_nobody_listens_at_is_told_without_its_address(webhooks: Webhooks) -> None:
    delivered = await webhooks.deliver("http://127.0.0.1:9/hook?token=xyzzy", SECRET, b"{}", 0, attempts=2)
    assert delivered.error == "no connection: nobody listens there, or its certificate is not valid"
    assert delivered.again


async def test_a_rule_may_be_tried(
    store: Store, receiver: Any, webhooks: Webhooks, make_rule: Make, commit: Make, now: int, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    tried = await rules.try_rule(store, rule.id, webhooks, now=now)
    assert (tried.finding, tried.delivered.answered) == (None, 200)
    await commit(ended(0.1, 0, 50))
    tried = await rules.try_rule(store, rule.id, webhooks, now=now)
    assert tried.finding is not None
    assert [document["test"] for document in receiver.documents] == [True, True]
    assert (await rules.find_rule(store, rule.id)).last_fired_at is None
    assert await kept.waiting(store) == []


async def test_only_the_last_hundred_alerts_of_a_rule_are_kept(store: Store, make_rule: Make, now: int) -> None:
    rule = await make_rule(Kind.FAILURE_RATE)
    for number in range(105):
        await kept.fire(store, rule.id, rule.state, b"%d" % number, now)
    rows = await store.rows("SELECT payload FROM alert_delivery ORDER BY id")
    assert [row["payload"] for row in rows] == [str(number) for number in range(5, 105)]


def test_a_signature_holds_for_its_body_its_secret_and_five_minutes() -> None:
    header = sign(SECRET, b"body", 1_000_000)
    assert verify(SECRET, b"body", header, 1_000_000)
    assert verify(SECRET, b"body", header, 1_000_000 + TOLERANCE)
    for secret, body, given, now in (
        (SECRET, b"body!", header, 1_000_000),
        ("another secret", b"body", header, 1_000_000),
        (SECRET, b"body", header, 1_000_000 + TOLERANCE + 1),
        (SECRET, b"body", header, 1_000_000 - TOLERANCE - 1),
        (SECRET, b"body", header.replace("t=1000000", "t=1000001"), 1_000_000),
        (SECRET, b"body", "", 1_000_000),
        (SECRET, b"body", "v1=abc", 1_000_000),
    ):
        assert not verify(secret, body, given, now)


def test_the_signature_is_what_the_documentation_says() -> None:
    # Worked out with OpenSSL: printf '1795219200.{"a":1}' | openssl dgst -sha256 -hmac 'a secret of the test'
    assert sign(SECRET, b'{"a":1}', 1_795_219_200) == "t=1795219200,v1=cc64c304f5231b446d8bb50bdf709225ec1ad8d9c56608d72c89c837b7707f87"
