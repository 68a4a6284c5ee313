"""Saved questions over GraphQL: they keep relative periods relative, and answer as the question itself does."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.admin.conftest import Asker

SAVE = """mutation ($name: String!, $question: QuestionInput!) { saveQuestion(slug: "demo", name: $name, question: $question) {
    errors { field code message } savedQuestion { name } } }"""
RENAME = """mutation ($name: String!, $newName: String!) { renameQuestion(slug: "demo", name: $name, newName: $newName) {
    errors { field code } savedQuestion { name } } }"""
DELETE = """mutation ($name: String!) { deleteQuestion(slug: "demo", name: $name) { errors { field code } } }"""
LIST = """{ project(slug: "demo") { savedQuestions { name text question {
    measures where { field op values } by { field version } over period { last toDate from to } compare
    segments { name where { field } } first } } } }"""
SHOW = """query ($name: String!) { project(slug: "demo") { savedQuestion(name: $name) { answer {
    starts rows { keys figures { measure all allBefore } } } } } }"""
ASK = """query ($question: QuestionInput!) { project(slug: "demo") { ask(question: $question) {
    starts rows { keys figures { measure all allBefore } } } } }"""
QUESTION = {
    "measures": ["INSTALLS", "FAILURE_RATE"],
    "where": [{"field": "version", "op": "SEMVER", "values": [">=2 <4"]}, {"field": "error_type", "op": "MISSING"}],
    "by": [{"field": "os"}, {"field": "version", "version": "MAJOR"}],
    "over": "DAY",
    "period": {"toDate": "WEEK"},
    "compare": "PREVIOUS",
    "segments": [{"name": "ci", "where": [{"field": "environment", "values": ["ci"]}]}],
    "first": 3,
}


def names(admin: Asker) -> list[str]:
    return [each["name"] for each in admin.ask(LIST)["project"]["savedQuestions"]]


def problem(document: Any) -> tuple[str, str]:
    ((payload,),) = (document.values(),)
    (error,) = payload["errors"]
    return error["field"], error["code"]


def test_a_question_is_saved_listed_answered_renamed_and_deleted(admin: Asker) -> None:
    assert admin.ask(SAVE, name="Stability", question=QUESTION)["saveQuestion"]["savedQuestion"] == {"name": "Stability"}
    (stored,) = (each for each in admin.ask(LIST)["project"]["savedQuestions"] if each["name"] == "Stability")
    assert stored["question"]["period"] == {"last": None, "toDate": "WEEK", "from": None, "to": None}
    assert stored["question"]["by"] == [{"field": "os", "version": None}, {"field": "version", "version": "MAJOR"}]
    assert {"to_date=week", "where=version~>=2 <4", "segment=ci: environment=ci"} <= set(stored["text"])
    assert admin.ask(SHOW, name="Stability")["project"]["savedQuestion"]["answer"] == admin.ask(ASK, question=QUESTION)["project"]["ask"]
    assert admin.ask(RENAME, name="Stability", newName="Calm")["renameQuestion"]["errors"] == []
    assert "Calm" in names(admin)
    assert "Stability" not in names(admin)
    assert admin.ask(DELETE, name="Calm")["deleteQuestion"]["errors"] == []
    assert "Calm" not in names(admin)
    log = admin.run("Operation")["auditLog"]
    assert [each["action"] for each in log if each["action"].startswith("question.")][:3] == [
        "question.delete", "question.rename", "question.save",
    ]  # fmt: skip


def test_saving_under_a_name_that_is_taken_replaces_the_question(admin: Asker) -> None:
    for first in (3, 4):
        admin.ask(SAVE, name="Twice", question={"first": first})
    assert [each["question"]["first"] for each in admin.ask(LIST)["project"]["savedQuestions"] if each["name"] == "Twice"] == [4]


@pytest.mark.parametrize(
    ("name", "question", "field"),
    [
        ("", {}, "name"),
        (" x", {}, "name"),
        ("two\nlines", {}, "name"),
        ("x" * 101, {}, "name"),
        ("x", {"where": [{"field": "colour", "values": ["red"]}]}, "where[0].field"),
        ("x", {"period": {"last": 7, "toDate": "WEEK"}}, "period.toDate"),
        ("x", {"over": "HOUR", "period": {"last": 1000}}, "over"),
    ],
)
def test_an_invalid_saved_question_is_refused_by_field(admin: Asker, name: str, question: dict[str, Any], field: str) -> None:
    assert problem(admin.ask(SAVE, name=name, question=question)) == (field, "INVALID")


def test_names_that_do_not_exist_or_are_taken_are_named(admin: Asker) -> None:
    for name in ("One", "Other"):
        admin.ask(SAVE, name=name, question={})
    assert problem(admin.ask(RENAME, name="One", newName="Other")) == ("newName", "TAKEN")
    assert problem(admin.ask(RENAME, name="None", newName="x")) == ("name", "UNKNOWN")
    assert problem(admin.ask(DELETE, name="None")) == ("name", "UNKNOWN")
    assert admin.ask(SHOW, name="None")["project"]["savedQuestion"] is None


def test_a_key_that_may_only_read_lists_questions_and_saves_none(admin: Asker, asker: Any, anonymous: Asker) -> None:
    key = admin.run("CreateKey", slug="demo", scopes=["READ"])["createKey"]["secret"]
    admin.ask(SAVE, name="Readable", question={})
    reader = asker(key)
    assert "Readable" in names(reader)
    assert reader.refused(SAVE, name="Mine", question={}) == "FORBIDDEN"
    assert reader.refused(DELETE, name="Readable") == "FORBIDDEN"
    assert anonymous.refused(LIST) == "UNAUTHENTICATED"


def test_a_saved_question_is_exported_by_its_name(admin: Asker, filled: Any) -> None:
    admin.ask(SAVE, name="Systems & more", question={"by": [{"field": "os"}]})
    headers = dict(admin.client.headers)
    url = f"{filled.url}/p/demo/v1/export/ask"
    rows = httpx.get(url, params={"saved": "Systems & more"}, headers=headers)
    assert rows.status_code == 200, rows.text
    assert rows.text == httpx.get(url, params={"by": "os"}, headers=headers).text
    assert rows.text
    for parameters in ({"saved": "None"}, {"saved": "Systems & more", "by": "os"}):
        refused = httpx.get(url, params=parameters, headers=headers)
        assert [error["path"] for error in refused.json()["errors"]] == ["saved"]


def test_an_alert_is_moved_to_another_question(admin: Asker) -> None:
    for name in ("First", "Second"):
        admin.ask(SAVE, name=name, question={})
    alert = {"kind": "QUESTION_EMPTY", "url": "https://93.184.216.34/hook", "question": "First"}
    id_ = admin.run("CreateAlert", slug="demo", alert=alert)["createAlert"]["alert"]["id"]
    change = "mutation ($id: ID!, $c: AlertChanges!) { updateAlert(id: $id, changes: $c) { errors { field } alert { question } } }"
    assert admin.ask(change, id=id_, c={"question": "Second"})["updateAlert"] == {"errors": [], "alert": {"question": "Second"}}
    assert admin.ask(change, id=id_, c={"question": "None"})["updateAlert"]["errors"] == [{"field": "question"}]
    assert admin.run("DeleteAlert", id=id_)["deleteAlert"]["errors"] == []
