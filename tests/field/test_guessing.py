"""Promises about secrets: short ones are refused at the start, guesses are counted wherever they are made, and no answer is an oracle."""

from __future__ import annotations

from typing import Any

import pytest

from server.settings import SettingsError, load

pytestmark = pytest.mark.one_path


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
    for mutation, number in (("revokeKey(id: $id)", known), ("deleteAlert(id: $id)", alert), ("tryAlert(id: $id)", alert)):
        query = f"mutation ($id: ID!) {{ {mutation} {{ errors {{ code message }} }} }}"
        answers = [ask(field, mine, query, id=each) for each in (number, "999999", "1", "x")]
        assert answers.count(answers[0]) == len(answers), answers
    assert key_of(field, field.slug, "READ")
    assert ask(field, key_of(field, other, "ADMIN")[1], "mutation ($id: ID!) { revokeKey(id: $id) { errors { code } } }", id=known) == {
        "data": {"revokeKey": {"errors": []}}
    }
