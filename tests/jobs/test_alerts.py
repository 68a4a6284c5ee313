"""Rules see what is out of the ordinary, and somebody who listens at a webhook gets it, once, signed."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from server.event import DAY, HOUR, MINUTE, Context, Outcome
from server.jobs import Run, rules
from server.jobs.alerts import alerts, deliver_waiting, find, look
from server.jobs.rules import Draft
from server.jobs.webhooks import HEADER, TOLERANCE, Webhooks, sign, verify
from server.storage import alerts as kept
from server.storage.alerts import Kind, Rule
from server.storage.engine import Store
from server.storage.projects import ProjectError, create_project

Make = Callable[..., Any]
SECRET = "a secret of the test"


class Receiver:
    """A webhook on this machine. `answers` are the statuses that it gives, the last one for ever."""

    def __init__(self) -> None:
        self.answers = [200]
        self.seconds = 0.0
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                time.sleep(receiver.seconds)
                status = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", f"{receiver.url}elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def webhooks() -> Webhooks:
    return Webhooks(private=True, first_wait=0.01)


@pytest.fixture
def make_rule(store: Store, receiver: Receiver, now: int) -> Make:
    """Makes a rule for the default project that tells the receiver."""

    async def make(kind: Kind, **fields: Any) -> Rule:
        draft = Draft(**{"kind": kind, "url": f"{receiver.url}hook?token=xyzzy", "secret": SECRET, "minimum_events": 10, **fields})
        number, _ = await rules.create(store, "default", draft, now=now, private=True)
        return await rules.find_rule(store, number)

    return make


@pytest.fixture
def found(store: Store, now: int) -> Make:
    """What a rule finds now, in a sentence."""

    async def look_with(rule: Rule, at: int = now) -> str | None:
        finding = await find(store, await rules.find_rule(store, rule.id), at)
        return None if finding is None else finding.message

    return look_with


def ended(event: Make, now: int, hours_ago: float, successes: int, failures: int, **fields: Any) -> list[Any]:
    outcomes = [Outcome.SUCCESS] * successes + [Outcome.FAILURE] * failures
    return [event(at=now - int(hours_ago * HOUR), outcome=outcome, **fields) for outcome in outcomes]


async def test_too_many_failures_are_told(make_rule: Make, found: Make, commit: Make, event: Make, now: int) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(event, now, 0.1, 40, 9) + [event() for _ in range(100)])  # those say nothing of how they ended
    assert await found(rule) is None
    await commit(ended(event, now, 0.5, 0, 1))
    assert await found(rule) == "20.0 % of 50 runs of default failed, which is at or above 20 %"


async def test_failures_before_the_window_and_of_other_projects_do_not_count(
    make_rule: Make, found: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await create_project("other")
    await commit([*ended(event, now, 2.1, 0, 50), *ended(event, now, 0.1, 0, 50, project=2), *ended(event, now, 0.1, 10, 0)])
    assert await found(rule) is None


async def test_a_rate_of_very_few_is_none(make_rule: Make, found: Make, commit: Make, event: Make, now: int) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0, minimum_events=10)
    await commit(ended(event, now, 0.1, 0, 9))
    assert await found(rule) is None
    await commit(ended(event, now, 0.1, 0, 1))
    assert await found(rule) is not None


@pytest.fixture
def usual(commit: Make, event: Make, now: int) -> Make:
    """Stores 100 events in the hour before this one, on so many days before today."""

    async def run(days: int, events: int = 100) -> None:
        await commit(event(at=now - day * DAY - HOUR // 2) for day in range(1, days + 1) for _ in range(events))

    return run


@pytest.mark.parametrize(
    ("kind", "threshold", "quiet", "loud"),
    [(Kind.VOLUME_DROP, 50.0, 51, 50), (Kind.VOLUME_DROP, 100.0, 1, 0), (Kind.VOLUME_SPIKE, 200.0, 299, 300)],
)
async def test_a_volume_is_compared_with_the_same_hours_of_the_days_before(
    make_rule: Make, found: Make, usual: Make, commit: Make, event: Make, now: int, kind: Kind, threshold: float, quiet: int, loud: int
) -> None:
    rule = await make_rule(kind, threshold=threshold)
    await usual(7)
    await commit(event(at=now - HOUR // 2) for _ in range(min(quiet, loud)))
    low = await found(rule)
    await commit(event(at=now - HOUR // 2) for _ in range(abs(quiet - loud)))
    high = await found(rule)
    told, silent = (low, high) if loud < quiet else (high, low)
    assert silent is None
    assert told == f"default had {loud} events in the last full hour; at this time of day there are usually 100"


async def test_the_hour_that_is_not_over_is_not_compared(
    make_rule: Make, found: Make, usual: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.VOLUME_DROP, threshold=50.0)
    await usual(7)
    await commit(event(at=now - HOUR // 2) for _ in range(100))
    assert await found(rule, now + 59 * MINUTE) is None  # nothing has come in the present hour yet


async def test_one_day_out_of_the_ordinary_does_not_change_what_is_usual(
    make_rule: Make, found: Make, usual: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.VOLUME_SPIKE, threshold=100.0)
    await usual(7)
    await commit(event(at=now - DAY - HOUR // 2) for _ in range(5_000))
    await commit(event(at=now - HOUR // 2) for _ in range(200))
    assert await found(rule) is not None


async def test_without_days_to_compare_with_nothing_is_told(make_rule: Make, found: Make, usual: Make, now: int) -> None:
    rule = await make_rule(Kind.VOLUME_DROP, threshold=50.0)
    assert await found(rule) is None
    await usual(2)
    assert await found(rule) is None
    await usual(3)
    assert await found(rule) is not None


async def test_a_type_of_error_never_seen_before_is_told_once(
    run: Run, store: Store, make_rule: Make, commit: Make, event: Make, now: int
) -> None:
    await commit(event(error_type="Known", outcome=Outcome.FAILURE) for _ in range(30))
    rule = await make_rule(Kind.NEW_ERROR, minimum_events=3)

    async def told(at: int) -> bool:
        return await look(store, await rules.find_rule(store, rule.id), at)

    assert not await told(now)  # the first look only learns what there is
    assert not await told(now)
    await commit([*(event(error_type="New") for _ in range(2)), event(error_type="Known")])
    assert not await told(now)  # too few to be told, but not forgotten
    await commit([event(error_type="New")])
    assert await told(now)
    await commit(event(error_type="New") for _ in range(5))
    assert not await told(now)
    (delivery,) = await kept.waiting(store)
    assert json.loads(delivery.payload)["observed"] == {"new": [{"name": "New", "events": 3}], "count": 1}


async def test_a_version_never_seen_before_is_told_once(store: Store, make_rule: Make, commit: Make, event: Make, now: int) -> None:
    def of(version: str, days: float = 0, count: int = 5) -> list[Any]:
        return [event(days, context=Context(version=version)) for _ in range(count)]

    await commit([*of("1.0", 40), *of("1.1", 0)])
    rule = await make_rule(Kind.NEW_VERSION, minimum_events=5)

    async def told(at: int = now) -> str | None:
        fired = await look(store, await rules.find_rule(store, rule.id), at)
        waiting = await kept.waiting(store)
        return json.loads(waiting[-1].payload)["message"] if fired else None

    assert await told() is None
    await commit([*of("1.0"), *of("1.2", count=4)])  # the first is back after forty days
    assert await told() is None
    await commit([*of("1.2", count=1), *of("2.0"), *of("2.1"), *of("2.2")])
    assert await told() == "default has 4 new versions: 1.2, 2.0, 2.1 and 1 more"
    assert await told() is None
    await commit(of("3.0", -1.5))
    assert await told(now + 2 * DAY) == "default has a new version: 3.0"
    assert await told(now + 3 * DAY) is None


async def test_an_alert_is_delivered_signed_and_once(
    run: Run, store: Store, receiver: Receiver, make_rule: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0, name="Too many failures")
    await commit(ended(event, now, 0.1, 10, 10))
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
    run: Run, receiver: Receiver, make_rule: Make, commit: Make, event: Make, now: int
) -> None:
    await make_rule(Kind.FAILURE_RATE, threshold=20.0, cooldown_minutes=30)
    await commit(ended(event, now, 0.1, 0, 50))
    for minutes in (0, 5, 29, 30, 35, 59):
        at = now + minutes * MINUTE
        await alerts(dataclasses.replace(run, private_alerts=True, now=functools.partial(int, at)))
    assert len(receiver.got) == 2
    assert len({document["id"] for document in receiver.documents}) == 2


async def test_a_receiver_that_is_down_gets_it_later_and_once(
    run: Run, store: Store, receiver: Receiver, webhooks: Webhooks, make_rule: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(event, now, 0.1, 0, 50))
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
    run: Run,
    store: Store,
    receiver: Receiver,
    webhooks: Webhooks,
    make_rule: Make,
    commit: Make,
    event: Make,
    now: int,
    answer: int,
    said: str,
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(event, now, 0.1, 0, 50))
    await look(store, rule, now)
    receiver.answers = [answer]
    assert await deliver_waiting(store, webhooks, run.now) == (0, 0)
    last = (await kept.last_deliveries(store))[rule.id]
    assert (last["status"], last["attempts"], last["last_error"]) == ("failed", 1, said)
    assert [path for path, _, _ in receiver.got] == ["/hook?token=xyzzy"]


async def test_after_a_dozen_attempts_it_is_given_up(
    run: Run, store: Store, receiver: Receiver, webhooks: Webhooks, make_rule: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(event, now, 0.1, 0, 50))
    await look(store, rule, now)
    receiver.answers = [500]
    runs = [await deliver_waiting(store, webhooks, run.now) for _ in range(6)]
    assert runs == [(0, 1), (0, 1), (0, 1), (0, 0), (0, 0), (0, 0)]
    assert len(receiver.got) == 12
    assert (await kept.last_deliveries(store))[rule.id]["status"] == "failed"


async def test_a_receiver_that_never_answers_is_not_waited_for(
    receiver: Receiver, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.webhooks.TIMEOUT", 0.2)
    receiver.seconds = 1.0
    began = time.monotonic()
    delivered = await webhooks.deliver(receiver.url, SECRET, b"{}", 0, attempts=2)
    assert time.monotonic() - began < 0.9
    assert (delivered.attempts, delivered.error, delivered.again) == (2, "no answer in 0.2 seconds", True)


async def test_without_the_setting_nothing_goes_to_this_machine_and_no_secret_is_on_record(
    run: Run, store: Store, receiver: Receiver, make_rule: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await commit(ended(event, now, 0.1, 0, 50))
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
    store: Store, receiver: Receiver, webhooks: Webhooks, make_rule: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    tried = await rules.try_rule(store, rule.id, webhooks, now=now)
    assert (tried.finding, tried.delivered.answered) == (None, 200)
    await commit(ended(event, now, 0.1, 0, 50))
    tried = await rules.try_rule(store, rule.id, webhooks, now=now)
    assert tried.finding is not None
    assert [document["test"] for document in receiver.documents] == [True, True]
    assert (await rules.find_rule(store, rule.id)).last_fired_at is None
    assert await kept.waiting(store) == []


async def test_rules_are_listed_with_their_last_alert_and_deleted_with_all_of_them(
    run: Run, store: Store, make_rule: Make, commit: Make, event: Make, now: int
) -> None:
    rule = await make_rule(Kind.FAILURE_RATE, threshold=20.0)
    await make_rule(Kind.NEW_VERSION)
    await commit(ended(event, now, 0.1, 0, 50))
    await alerts(run)
    assert [(each.kind, last is None) for each, last in await rules.listed(store)] == [(Kind.FAILURE_RATE, False), (Kind.NEW_VERSION, True)]
    await rules.delete(store, rule.id)
    assert await store.rows("SELECT * FROM alert_delivery") == []
    with pytest.raises(ProjectError, match="no rule"):
        await rules.delete(store, rule.id)


async def test_only_the_last_hundred_alerts_of_a_rule_are_kept(store: Store, make_rule: Make, now: int) -> None:
    rule = await make_rule(Kind.FAILURE_RATE)
    for number in range(105):
        await kept.fire(store, rule.id, rule.state, b"%d" % number, now)
    rows = await store.rows("SELECT payload FROM alert_delivery ORDER BY id")
    assert [row["payload"] for row in rows] == [str(number) for number in range(5, 105)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"threshold": 0.0}, "threshold"), ({"threshold": 101.0}, "threshold"), ({"window_minutes": 0}, "window"),
        ({"window_minutes": 20_000}, "window"), ({"minimum_events": 0}, "at least one"), ({"cooldown_minutes": 1}, "between two alerts"),
        ({"name": "x" * 101}, "name"), ({"name": "a\nb"}, "name"), ({"secret": "short"}, "secret"), ({"url": "ftp://x/"}, "begins with https"),
        ({"url": "https://nowhere.invalid/"}, "not known"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_no_rule(make_rule: Make, store: Store, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ProjectError, match=said):
        await make_rule(Kind.FAILURE_RATE, **fields)
    assert await kept.rules(store) == []


async def test_a_rule_for_this_machine_cannot_be_made_without_the_setting(store: Store, receiver: Receiver, now: int) -> None:
    with pytest.raises(ProjectError, match="not public"):
        await rules.create(store, "default", Draft(Kind.NEW_ERROR, receiver.url), now=now)


async def test_a_secret_is_made_where_none_is_given(store: Store, receiver: Receiver, now: int) -> None:
    made = {(await rules.create(store, "default", Draft(Kind.NEW_ERROR, receiver.url), now=now, private=True))[1] for _ in range(2)}
    assert len(made) == 2
    assert all(secret.startswith("whsec_") and len(secret) > 40 for secret in made)


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
