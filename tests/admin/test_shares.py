"""Links that share saved questions, over GraphQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.admin.conftest import Asker
from tests.admin.test_saved_questions import DELETE, SAVE, problem
from tests.conftest import rows_of

CREATE = """mutation ($name: String!, $days: Int! = 30) { createShare(slug: "demo", name: $name, days: $days) {
    errors { field code message } path share { id question createdAt expiresAt isExpired } } }"""
REVOKE = """mutation ($id: ID!) { revokeShare(slug: "demo", id: $id) { errors { field code } } }"""
LIST = """{ project(slug: "demo") { shares { id question isExpired } savedQuestions { name shareProblem } } }"""


def shared(admin: Asker) -> list[str]:
    return [each["id"] for each in admin.ask(LIST)["project"]["shares"]]


def test_a_link_is_created_listed_and_revoked(admin: Asker, filled: Any) -> None:
    admin.ask(SAVE, name="Weekly installs", question={"by": [{"field": "os"}]})
    created = admin.ask(CREATE, name="Weekly installs", days=7)["createShare"]
    share = created["share"]
    assert share["question"] == "Weekly installs"
    assert not share["isExpired"]
    assert datetime.fromisoformat(share["expiresAt"]) - datetime.fromisoformat(share["createdAt"]) == timedelta(days=7)
    assert shared(admin)[0] == share["id"]
    assert admin.ask(REVOKE, id=share["id"])["revokeShare"]["errors"] == []
    assert share["id"] not in shared(admin)
    assert problem(admin.ask(REVOKE, id=share["id"])) == ("id", "UNKNOWN")
    log = admin.run("Operation")["auditLog"]
    assert [each["action"] for each in log if each["action"].startswith("share.")][:2] == ["share.revoke", "share.create"]
    assert not any(created["path"].rpartition("/")[2] in each["detail"] for each in log)


def test_only_the_hash_of_a_secret_is_stored(admin: Asker, filled: Any) -> None:
    admin.ask(SAVE, name="Hashed", question={})
    path = admin.ask(CREATE, name="Hashed")["createShare"]["path"]
    assert path.startswith("/shared/ffs_")
    secret = path.rpartition("/")[2]
    for row in rows_of(filled.store, "SELECT * FROM question_share"):
        assert secret not in str(row)
        assert secret.encode() not in bytes(row[3])


@pytest.mark.parametrize("days", [0, -1, 366, 100_000])
def test_no_link_lives_for_ever(admin: Asker, days: int) -> None:
    admin.ask(SAVE, name="Endless", question={})
    assert problem(admin.ask(CREATE, name="Endless", days=days)) == ("days", "INVALID")


@pytest.mark.parametrize("field", ["error_type", "target", "target_type", "properties.theme"])
def test_a_split_by_private_values_cannot_be_shared(admin: Asker, field: str) -> None:
    admin.ask(SAVE, name="Private", question={"by": [{"field": "os"}, {"field": field}]})
    assert problem(admin.ask(CREATE, name="Private")) == ("name", "INVALID")
    (named,) = [each for each in admin.ask(LIST)["project"]["savedQuestions"] if each["name"] == "Private"]
    assert named["shareProblem"] == f"It splits by `{field}`, whose values are private."
    admin.ask(SAVE, name="Private", question={"by": [{"field": "os"}]})
    assert admin.ask(CREATE, name="Private")["createShare"]["errors"] == []


def test_the_links_of_a_deleted_question_are_revoked(admin: Asker) -> None:
    admin.ask(SAVE, name="Gone", question={})
    id_ = admin.ask(CREATE, name="Gone")["createShare"]["share"]["id"]
    assert id_ in shared(admin)
    admin.ask(DELETE, name="Gone")
    assert id_ not in shared(admin)
    assert problem(admin.ask(CREATE, name="Gone")) == ("name", "UNKNOWN")


def test_a_key_that_may_only_read_lists_links_and_makes_none(admin: Asker, asker: Any, anonymous: Asker) -> None:
    admin.ask(SAVE, name="Listed", question={})
    id_ = admin.ask(CREATE, name="Listed")["createShare"]["share"]["id"]
    reader = asker(admin.run("CreateKey", slug="demo", scopes=["READ"])["createKey"]["secret"])
    assert id_ in shared(reader)
    assert reader.refused(CREATE, name="Listed") == "FORBIDDEN"
    assert reader.refused(REVOKE, id=id_) == "FORBIDDEN"
    assert anonymous.refused(LIST) == "UNAUTHENTICATED"
