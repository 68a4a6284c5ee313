"""Webhooks receive each alert once and signed, and no other receiver gets it."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.event import DAY, HOUR, MINUTE
from server.jobs import Run, rules
from server.jobs.addresses import Unresolved
from server.jobs.alert_job import alerts, deliver_waiting, look
from server.jobs.webhooks import HEADER, TOLERANCE, Webhooks, sign, verify
from server.storage.engine import Store
from server.storage.upkeep import alert_rules as kept
from server.storage.upkeep.alert_rules import Kind

Make = Callable[..., Any]
SECRET = "a secret of the test"


def private(run: Run) -> Run:
    """The argument of a job on a server whose alerts may go to this machine."""
    return dataclasses.replace(run, settings=dataclasses.replace(run.settings, alert_private=True))


async def test_an_alert_is_delivered_signed_and_once(
    run: Run, store: Store, receiver: Any, make_rule: Make, commit: Make, now: int, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0, name="Too many failures")
    await commit(ended(0.1, 10, 10))
    allowed = private(run)
    assert await alerts(allowed) == "1 alerts raised, 1 delivered, 0 to be retried"
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
        **dict.fromkeys(("message", "text", "content"), "50.0 % of 20 runs of default failed, which is at or above 20 %"),
        "observed": {"failure_rate": 50.0, "failures": 10, "ended": 20},
    }
    assert await alerts(allowed) == "0 alerts raised, 0 delivered, 0 to be retried"
    assert len(receiver.got) == 1


async def test_texts_of_clients_mention_no_user_of_a_chat(
    run: Run, store: Store, receiver: Any, make_rule: Make, commit: Make, ended: Make
) -> None:
    await make_rule(Kind.NEW_ERROR)
    allowed = private(run)
    await alerts(allowed)  # existing values are not new
    hostile = "@everyone <!channel> `now` https://evil.example"
    await commit(ended(0.1, 0, 20, error_type=hostile))
    assert await alerts(allowed) == "1 alerts raised, 1 delivered, 0 to be retried"
    (document,) = receiver.documents
    assert hostile in document["message"]
    for shown in (document["text"], document["content"]):
        assert not [sign for sign in ("@everyone", "<", ">", "`", "://") if sign in shown]
        assert "everyone" in shown


async def test_a_rule_is_silent_until_its_cooldown_has_passed(
    run: Run, receiver: Any, make_rule: Make, commit: Make, now: int, ended: Make
) -> None:
    await make_rule(Kind.FAILURE_RATE, threshold=20.0, cooldown_minutes=30)
    await commit(ended(0.1, 0, 50))
    for minutes in (0, 5, 29, 30, 35, 59):
        at = now + minutes * MINUTE
        await alerts(dataclasses.replace(private(run), now=functools.partial(int, at)))
    assert len(receiver.got) == 2
    assert len({document["id"] for document in receiver.documents}) == 2


async def test_an_alert_reaches_a_receiver_that_was_down_later_and_once(
    run: Run, store: Store, receiver: Any, webhooks: Webhooks, make_rule: Make, commit: Make, now: int, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 0, 50))
    await look(store, rule, now)
    receiver.answers = [503, 500, 429, 502, 200]
    assert await deliver_waiting(store, webhooks, run.now) == (0, 1)  # three attempts
    assert (await kept.last_deliveries(store))[rule.id] == kept.LastAlert(
        status="waiting", attempts=3, answered=429, last_error="answered 429", created_at=now
    )
    assert await deliver_waiting(store, webhooks, run.now) == (0, 1)  # not yet: the wait before the next attempt
    assert len(receiver.got) == 3
    later = functools.partial(int, now + 5 * MINUTE)
    assert await deliver_waiting(store, webhooks, later) == (1, 0)
    assert await deliver_waiting(store, webhooks, later) == (0, 0)
    assert len(receiver.got) == 5
    assert len({document["id"] for document in receiver.documents}) == 1
    assert (await kept.last_deliveries(store))[rule.id].status == "delivered"


@pytest.mark.parametrize(
    ("answer", "said"),
    [(404, "answered 404"), (400, "answered 400"), (302, "answered 302: redirects are not followed; use the URL that it redirects to")],
)
async def test_a_permanent_refusal_ends_the_delivery_and_no_redirect_is_followed(
    run: Run, store: Store, receiver: Any, webhooks: Webhooks, make_rule: Make, commit: Make, now: int, answer: int, said: str, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 0, 50))
    await look(store, rule, now)
    receiver.answers = [answer]
    assert await deliver_waiting(store, webhooks, run.now) == (0, 0)
    last = (await kept.last_deliveries(store))[rule.id]
    assert (last.status, last.attempts, last.last_error) == ("failed", 1, said)
    assert [path for path, _, _ in receiver.got] == ["/hook?token=xyzzy"]


async def test_delivery_to_an_absent_receiver_is_retried_with_growing_pauses_for_a_day(
    store: Store, receiver: Any, webhooks: Webhooks, make_rule: Make, commit: Make, now: int, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 0, 50))
    await look(store, rule, now)
    receiver.answers = [500]
    tried = []
    for age in range(0, DAY + HOUR, 5 * MINUTE):
        before = len(receiver.got)
        _, waiting = await deliver_waiting(store, webhooks, functools.partial(int, now + age))
        if len(receiver.got) > before:
            tried.append((age // MINUTE, len(receiver.got) - before, waiting))
    assert tried == [(0, 3, 1), (5, 3, 1), (20, 3, 1), (60, 3, 1), (180, 3, 1), (480, 3, 1), (1_440, 3, 0)]
    assert (await kept.last_deliveries(store))[rule.id].status == "failed"


async def test_a_receiver_that_hangs_does_not_delay_others(
    run: Run, store: Store, receiver: Any, webhooks: Webhooks, make_rule: Make, commit: Make, now: int, ended: Make
) -> None:
    made = [await make_rule(Kind.FAILURE_RATE, threshold=20.0, name=f"rule {number}") for number in range(6)]
    await commit(ended(0.1, 0, 50))
    for rule in made:
        await look(store, rule, now)
    receiver.seconds = 3.0
    began = time.monotonic()
    assert await deliver_waiting(store, webhooks, run.now) == (6, 0)
    assert time.monotonic() - began < 15  # one after the other they would take 18 s
    assert len({document["id"] for document in receiver.documents}) == 6


async def test_a_name_that_does_not_resolve_may_do_so_later(store: Store, make_rule: Make, commit: Make, now: int, ended: Make) -> None:
    async def away(_: str, __: int) -> list[str]:
        raise Unresolved("the host cannot be resolved")

    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 0, 50))
    await look(store, rule, now)
    without_names = Webhooks(private=True, resolver=away, first_wait=0.01)
    assert await deliver_waiting(store, without_names, functools.partial(int, now)) == (0, 1)
    assert (await kept.last_deliveries(store))[rule.id].last_error == "the host cannot be resolved"


async def test_a_receiver_written_from_the_documentation_verifies_signatures(
    receiver: Any, webhooks: Webhooks, make_rule: Make, store: Store, commit: Make, now: int, ended: Make
) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 10, 10))
    await look(store, rule, now)
    assert await deliver_waiting(store, webhooks, lambda: time.time_ns() // 1_000_000) == (1, 0)
    ((_, headers, body),) = receiver.got
    (snippet,) = re.findall(r"^```python\n(.*?)^```", documented, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    assert names["is_ours"](SECRET, body, headers[HEADER.lower()])
    assert not names["is_ours"](SECRET, body + b" ", headers[HEADER.lower()])
    assert not names["is_ours"]("another secret of theirs", body, headers[HEADER.lower()])
    (shown,) = re.findall(r"^```json\n(.*?)^```", documented, re.MULTILINE | re.DOTALL)
    said, got = json.loads(shown), json.loads(body)
    assert (said.keys(), said["rule"].keys(), said["observed"]) == (got.keys(), got["rule"].keys(), got["observed"])


async def test_a_receiver_that_never_answers_is_not_waited_for(receiver: Any, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.jobs.webhooks.TIMEOUT", 0.2)
    receiver.seconds = 30.0
    began = time.monotonic()
    delivered = await webhooks.deliver(receiver.url, SECRET, b"{}", 0, attempts=2)
    assert time.monotonic() - began < 25
    assert (delivered.attempts, delivered.error, delivered.again) == (2, "no answer in 0.2 seconds", True)


async def test_without_the_setting_nothing_goes_to_this_machine_and_no_secret_is_on_record(
    run: Run, store: Store, receiver: Any, make_rule: Make, commit: Make, ended: Make
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(0.1, 0, 50))
    assert await alerts(run) == "1 alerts raised, 0 delivered, 0 to be retried"
    assert receiver.got == []
    last = (await kept.last_deliveries(store))[rule.id]
    assert (last.status, last.last_error) == ("failed", "the host resolves to an address that is not public")
    assert "xyzzy" not in rules.host_of(rule)


async def test_an_unreachable_webhook_is_reported_without_its_address(webhooks: Webhooks) -> None:
    delivered = await webhooks.deliver("http://127.0.0.1:9/hook?token=xyzzy", SECRET, b"{}", 0, attempts=2)
    assert delivered.error == "no connection: the port is closed, or its certificate is not valid"
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
    assert await kept.pending_deliveries(store) == []


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
    # Calculated with OpenSSL: printf '1795219200.{"a":1}' | openssl dgst -sha256 -hmac 'a secret of the test'
    assert sign(SECRET, b'{"a":1}', 1_795_219_200) == "t=1795219200,v1=cc64c304f5231b446d8bb50bdf709225ec1ad8d9c56608d72c89c837b7707f87"
