"""Promises about secrets: short ones are refused at startup, guesses are counted on all routes, and no response is an oracle."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from server.ingest.guesses import WRONG_KEYS, Guesses
from server.problems import Limited
from server.settings import SettingsError, load
from server.shared import Limits
from tests.quick import first

pytestmark = pytest.mark.one_path

SETTINGS = {"FOOTFALL_TRUSTED_PROXIES": "loopback"}


@pytest.mark.parametrize("token", ["x", "hunter2", "fifteen-letters"])
def test_a_short_admin_token_is_refused_at_the_start(token: str) -> None:
    with pytest.raises(SettingsError, match="FOOTFALL_ADMIN_TOKEN .* at least 16 characters") as refusal:
        load({"FOOTFALL_ADMIN_TOKEN": token})
    assert token not in str(refusal.value).split()
    assert load({"FOOTFALL_ADMIN_TOKEN": "x" * 16}).admin_token


def ask(field: Any, key: str, query: str, **variables: Any) -> Any:
    body = {"query": query, "variables": variables}
    return field.server.client.post("/graphql", json=body, headers={"authorization": f"Bearer {key}"}).json()


def key_of(field: Any, slug: str | None, scope: str) -> tuple[str, str]:
    """The number and the secret of a new key."""
    query = "mutation ($s: String, $p: [Scope!]!) { createKey(slug: $s, scopes: $p) { key { id } secret } }"
    made = field.ask(query, s=slug, p=[scope])["createKey"]
    return made["key"]["id"], made["secret"]


@pytest.mark.parametrize("scope", ["READ", "ADMIN"])
def test_no_number_tells_whether_a_key_or_an_alert_of_another_project_exists(field: Any, make_project: Any, scope: str) -> None:
    other = make_project()
    known, _ = key_of(field, other, "INGEST")
    _, mine = key_of(field, field.slug, scope)
    alert = field.ask(
        'mutation ($s: String!) { createAlert(slug: $s, alert: {kind: NEW_VERSION, url: "https://1.1.1.1/x"}) { alert { id } } }',
        s=other,
    )["createAlert"]["alert"]["id"]
    for mutation, number in (("revokeKey(id: $id)", known), ("deleteAlert(id: $id)", alert), ("testAlert(id: $id)", alert)):
        query = f"mutation ($id: ID!) {{ {mutation} {{ errors {{ code message }} }} }}"
        answers = [ask(field, mine, query, id=each) for each in (number, "999999", "1", "x")]
        assert answers.count(answers[0]) == len(answers), answers
    assert key_of(field, field.slug, "READ")
    assert ask(field, key_of(field, other, "ADMIN")[1], "mutation ($id: ID!) { revokeKey(id: $id) { errors { code } } }", id=known) == {
        "data": {"revokeKey": {"errors": []}}
    }


GUESSES = {
    "ingest": ("POST", "/v1/events"),
    "export": ("GET", "/v1/export/events"),
    "analytics": ("GET", "/analytics/summary"),
    "metrics": ("GET", "/metrics"),
    "GraphQL": ("POST", "/graphql"),
    "login": ("POST", "/login"),
}


def guess(field: Any, route: str, token: str, address: str) -> int:
    """The status of a try from an address."""
    method, path = GUESSES[route]
    body: dict[str, Any] = {"json": {"query": "{me{kind}}", "name": "build", "installation_id": "i"}}
    headers = {"x-forwarded-for": address, "authorization": f"Bearer {token}"}
    if route == "login":
        body, headers = {"data": {"token": token}}, {"x-forwarded-for": address}
    status: int = field.server.client.request(method, path, headers=headers, **body).status_code
    return status


@pytest.mark.parametrize("route", first(["ingest", "export", "GraphQL"]))
def test_guesses_at_one_route_count_on_all_routes(field: Any, route: str) -> None:
    address = f"198.51.{100 + len(route)}.{len(field.slug) + ord(route[0]) % 100 + ord(field.slug[-1]) % 50}"
    _, right = key_of(field, None, "ADMIN")
    _, sends = key_of(field, None, "INGEST")
    with ThreadPoolExecutor(WRONG_KEYS) as pool:  # at once: the server delays each answer
        wrong = list(pool.map(lambda number: guess(field, route, f"ff_guess-{number}", address), range(WRONG_KEYS)))
    assert wrong == [401] * 60
    assert guess(field, route, "ff_guess-60", address) == 429
    assert {each: guess(field, each, right, address) for each in GUESSES} == dict.fromkeys(GUESSES, 429)
    assert guess(field, "ingest", sends, address) == 202  # an old key costs no neighbor its events
    assert guess(field, "export", right, "203.0.113.1") == 200


def test_wrong_links_to_questions_are_counted_as_guesses(field: Any) -> None:
    address = {"x-forwarded-for": "198.51.99.7"}
    _, right = key_of(field, field.slug, "READ")
    get = field.server.client.get
    statuses = [get(f"/shared/ffs_{number}", headers=address).status_code for number in range(2 * WRONG_KEYS + 1)]
    assert (statuses[0], statuses[-1], guess(field, "export", right, address["x-forwarded-for"])) == (404, 429, 429)
    assert get("/shared/ffs_0", headers={"x-forwarded-for": "203.0.113.2"}).status_code == 404


async def test_guesses_of_all_networks_of_a_provider_are_counted_together() -> None:
    guesses = Guesses(Limits())
    for number in range(16 * WRONG_KEYS):
        await guesses.check(f"2001:db8:1:{number * 64:x}::1")
        await guesses.count_wrong(f"2001:db8:1:{number * 64:x}::1")
    for other in ("2001:db8:1:ffff::1", "2001:db8:1::1"):
        with pytest.raises(Limited):
            await guesses.check(other)
    await guesses.check("2001:db8:2::1")
    await guesses.check("198.51.100.1")
