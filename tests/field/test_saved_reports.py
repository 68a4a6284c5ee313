"""A funnel, retention or paths saved under a name give the same figures in GraphQL, in a terminal, in a file, behind a link and in an alert."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from server.dialects.parsing.times import iso
from server.event import DAY, MINUTE
from tests.conftest import Server, change_in
from tests.field.conftest import Field
from tests.field.test_shared_questions import REVOKE, SHARE, Page, visit, yesterday

pytestmark = pytest.mark.one_path

SAVE = """mutation ($slug: String!, $name: String!, $question: QuestionInput, $funnel: FunnelInput, $retention: RetentionInput, $paths: PathsInput) {
    saveQuestion(slug: $slug, name: $name, question: $question, funnel: $funnel, retention: $retention, paths: $paths) {
        errors { field message } } }"""
LIST = """query ($slug: String!) { project(slug: $slug) { savedQuestions { name text shareProblem
    question { audience } funnel { withinHours ordered audience steps { name } by { field } period { toDate } } retention { over } paths { length }
    answer { starts } funnelAnswer { total { name all people } rows { keys isOther steps { all people } } }
    retentionAnswer { total { cohorts { size { all } } } } pathsAnswer { total { paths { names } } } } } }"""
ALERT = (
    "mutation ($slug: String!, $alert: AlertInput!) { createAlert(slug: $slug, alert: $alert) { errors { field message } alert { id } } }"
)
STEPS = ("init", "build", "deploy")
FUNNEL: dict[str, Any] = {
    "steps": [{"name": name, "where": [{"field": "name", "values": [name]}]} for name in STEPS],
    "by": [{"field": "version"}],
    "period": {"last": 7},
}


def walk(field: Field, version: str, reached: list[int], environment: str = "person") -> None:
    """Send the events of installs; `reached` is the number of installs that reach each step."""
    events = [
        {
            "name": name, "installation_id": f"{version}-{environment}-{number}", "version": version, "environment": environment,
            "timestamp": yesterday() + step * MINUTE,
        }
        for step, (name, installs) in enumerate(zip(STEPS, reached, strict=True))
        for number in range(installs)
    ]  # fmt: skip
    for start in range(0, len(events), 50):
        assert field.post(events[start : start + 50]).status_code == 202


def saved(field: Field, name: str, **report: Any) -> dict[str, Any]:
    assert field.ask(SAVE, slug=field.slug, name=name, **report)["saveQuestion"]["errors"] == []
    (found,) = [each for each in field.ask(LIST, slug=field.slug)["project"]["savedQuestions"] if each["name"] == name]
    return dict(found)


def footfall(server: Server, *command: str) -> str:
    ran = server.footfall(*command)
    assert ran.returncode == 0, ran.stderr
    return str(ran.stdout)


def test_a_saved_funnel_is_the_same_in_graphql_in_a_terminal_and_in_a_file(field: Field, field_server: Server) -> None:
    walk(field, "1.0.0", [8, 6, 3])
    walk(field, "2.0.0", [12, 2, 1])
    walk(field, "2.0.0", [5, 5, 5], environment="ci")
    found = saved(field, "Deploys", funnel={**FUNNEL, "audience": "PEOPLE"})
    assert found["question"] is None
    assert found["answer"] is None
    assert found["funnel"]["audience"] == "PEOPLE"
    assert found["funnel"]["withinHours"] == 24
    assert found["text"] == ["step=init", "step=build", "step=deploy", "by=version", "last=7", "audience=people"]
    assert [(step["all"], step["people"]) for step in found["funnelAnswer"]["total"]] == [(25, 20), (13, 8), (9, 4)]
    table = footfall(field_server, "ask", field.slug, "--saved", "Deploys").splitlines()
    cells = {line.split()[0]: line.replace(" %", "%").split()[1::2] for line in table[1:]}
    assert cells == {"(all)": ["20", "8", "4"], "2.0.0": ["12", "2", "1"], "1.0.0": ["8", "6", "3"]}
    command = footfall(field_server, "question", "show", field.slug, "Deploys").strip()
    assert command == f"footfall ask funnel {field.slug} --step init --step build --step deploy --by version --last 7 --people"
    assert footfall(field_server, *command.split()[1:]).splitlines() == table
    rows = [json.loads(line) for line in field.get("/v1/export/ask?saved=Deploys").text.splitlines()]
    parts = "step=init&step=build&step=deploy&by=version&last=7&audience=people"
    assert rows == [json.loads(line) for line in field.get(f"/v1/export/funnel?{parts}").text.splitlines()]
    assert {(row["version"], row["step"]): row["installs_people"] for row in rows}[("2.0.0", "init")] == 12


def test_a_funnel_saved_in_a_terminal_opens_in_graphql(field: Field, field_server: Server) -> None:
    walk(field, "1.0.0", [4, 2, 1])
    steps = [word for name in STEPS for word in ("--step", name)]
    footfall(
        field_server, "question", "save", "funnel", field.slug, "Weekly", *steps, "--by", "version", "--to-date", "week", "--within", "30m"
    )
    (found,) = field.ask(LIST, slug=field.slug)["project"]["savedQuestions"]
    assert found["funnel"] == {
        "withinHours": 0.5, "ordered": True, "audience": "EVERYTHING", "steps": [{"name": name} for name in STEPS],
        "by": [{"field": "version"}], "period": {"toDate": "WEEK"},
    }  # fmt: skip
    refused = field_server.footfall("question", "save", "funnel", field.slug, "One step", "--step", "init")
    assert "--step must be 2 to 10 steps" in refused.stderr


def test_retention_and_paths_are_saved_too(field: Field, field_server: Server) -> None:
    walk(field, "1.0.0", [3, 2, 1])
    retention = saved(field, "Returns", retention={"over": "DAY", "period": {"last": 3}})
    assert retention["retention"] == {"over": "DAY"}
    assert sum(cohort["size"]["all"] for cohort in retention["retentionAnswer"]["total"]["cohorts"]) == 3
    paths = saved(field, "After init", paths={"event": [{"field": "name", "values": ["init"]}], "length": 2, "period": {"last": 3}})
    assert paths["pathsAnswer"]["total"]["paths"][0]["names"] in (["build"], ["build", "deploy"], [])
    assert "init" not in paths["text"][1:]
    assert "build" in footfall(field_server, "ask", field.slug, "--saved", "After init")
    assert "installs_all" in field.get("/v1/export/ask?saved=Returns").text
    assert paths["shareProblem"] == "It shows sequences of events, which can identify an install."
    listed = footfall(field_server, "question", "list", field.slug)
    assert "retention" in listed
    assert "paths" in listed


def test_a_report_that_is_invalid_is_refused_with_its_field_and_nothing_is_saved(field: Field) -> None:
    for report, path in (
        ({"funnel": {**FUNNEL, "steps": FUNNEL["steps"][:1]}}, "steps"),
        ({"funnel": {**FUNNEL, "withinHours": 5000}}, "withinHours"),
        ({"retention": {"over": "HOUR"}}, "over"),
        ({"paths": {"event": []}}, "event"),
        ({}, "question"),
        ({"question": {}, "funnel": FUNNEL}, "question"),
    ):
        (error,) = field.ask(SAVE, slug=field.slug, name="Wrong", **report)["saveQuestion"]["errors"]
        assert error["field"] == path
    assert field.ask(LIST, slug=field.slug)["project"]["savedQuestions"] == []


def test_a_report_that_has_no_answer_is_refused_with_its_field(field: Field) -> None:
    """A saved funnel that splits by an unknown field made the list of all saved questions fail."""
    unknown, linux = [{"field": "nope"}], [{"field": "os", "values": ["linux"]}]
    first, second = FUNNEL["steps"][:2]
    for report, path in (
        ({"funnel": {**FUNNEL, "by": unknown}}, "by[0].field"),
        ({"funnel": {**FUNNEL, "by": [{"field": name} for name in ("os", "arch", "version")]}}, "by"),
        ({"funnel": {**FUNNEL, "first": 0}}, "first"),
        ({"funnel": {**FUNNEL, "where": unknown}}, "where[0].field"),
        ({"funnel": {**FUNNEL, "where": linux, "steps": [first, {**second, "where": unknown}]}}, "steps[1].where[0].field"),
        ({"funnel": {**FUNNEL, "steps": [first, {**second, "name": ""}]}}, "steps[1].name"),
        ({"paths": {"event": linux * 20, "where": linux}}, "where"),
    ):
        (error,) = field.ask(SAVE, slug=field.slug, name="Wrong", **report)["saveQuestion"]["errors"]
        assert error["field"] == path
    assert field.ask(LIST, slug=field.slug)["project"]["savedQuestions"] == []


@pytest.mark.slow
def test_a_question_that_this_version_cannot_read_is_listed_beside_the_others(field: Field, field_server: Server) -> None:
    """A question saved by a newer version made the whole list fail, so no question of the project could be opened."""
    saved(field, "Readable", question={"over": "DAY"})
    saved(field, "Newer", funnel=FUNNEL)
    where = f"name = 'Newer' AND project_id = (SELECT id FROM project WHERE slug = '{field.slug}')"
    change_in(field_server.store, f"""UPDATE saved_question SET question = '{{"report": "heatmap"}}' WHERE {where}""")
    listed = "query ($s: String!) { project(slug: $s) { savedQuestions { name text problem shareProblem question { over } funnel { ordered } } } }"
    newer, readable = field.ask(listed, s=field.slug)["project"]["savedQuestions"]
    problem = "this version of Footfall cannot read the saved question; save it again"
    assert newer == {"name": "Newer", "text": [], "problem": problem, "shareProblem": problem, "question": None, "funnel": None}
    assert (readable["text"], readable["problem"], readable["question"]) == (["over=day"], None, {"over": "DAY"})
    lines = [" ".join(line.split()) for line in footfall(field_server, "question", "list", field.slug).splitlines()]
    assert any(line.startswith("Newer") and "unreadable" in line for line in lines)
    assert any(line.startswith("Readable") and "--over day" in line for line in lines)
    refused = field_server.footfall("question", "show", field.slug, "Newer")
    assert (refused.returncode, problem in refused.stderr) == (1, True)
    footfall(field_server, "question", "delete", field.slug, "Newer")


def test_the_text_of_a_step_with_quotes_in_its_name_asks_for_the_same_event(field: Field) -> None:
    name = '"build"'
    events = [{"name": each, "installation_id": "one", "timestamp": yesterday()} for each in (name, "deploy")]
    assert field.post(events).status_code == 202
    quoted = {"name": name, "where": [{"field": "name", "values": [name]}]}
    found = saved(field, "Quoted", funnel={"steps": [quoted, FUNNEL["steps"][2]], "period": {"last": 7}})
    assert [step["all"] for step in found["funnelAnswer"]["total"]] == [1, 1]
    parts = urlencode([tuple(part.split("=", 1)) for part in found["text"]])
    assert field.get(f"/v1/export/funnel?{parts}").text == field.get("/v1/export/ask?saved=Quoted").text


@pytest.mark.slow
def test_a_saved_question_about_people_shows_people_wherever_it_is_opened(field: Field, field_server: Server) -> None:
    walk(field, "1.0.0", [6, 0, 0])
    walk(field, "2.0.0", [5, 0, 0])
    walk(field, "3.0.0", [9, 9, 9], environment="ci")
    question = {"measures": ["INSTALLS"], "by": [{"field": "version"}], "first": 2, "audience": "PEOPLE", "period": {"last": 7}}
    found = saved(field, "Versions", question=question)
    assert found["question"] == {"audience": "PEOPLE"}
    for options, total in ((["--people"], 11), (["--everything"], 20), ([], 11)):
        rows = footfall(field_server, "ask", field.slug, "--saved", "Versions", *options).splitlines()[1:]
        assert sum(int(row.split()[1]) for row in rows) == total, options
    table = [line.split() for line in footfall(field_server, "ask", field.slug, "--saved", "Versions").splitlines()]
    assert table == [["version", "installs"], ["1.0.0", "6"], ["2.0.0", "5"], ["(other)", "0"]]  # the largest of people
    path = field.ask(SHARE, slug=field.slug, name="Versions")["createShare"]["path"]
    assert Page(visit(field, path)).rows == [["version", "installs"], ["1.0.0", "6"], ["2.0.0", "5"]]


def test_a_link_to_a_funnel_shows_no_figure_of_few_installs_and_can_be_revoked(field: Field) -> None:
    walk(field, "1.0.0", [20, 18, 10])  # two installs did not go on to build
    walk(field, "2.0.0", [9, 9, 2])
    walk(field, "3.0.0", [3, 3, 3])
    saved(field, "Shared", funnel=FUNNEL)
    share = field.ask(SHARE, slug=field.slug, name="Shared")["createShare"]
    answer = visit(field, share["path"])
    assert answer.status_code == 200
    assert Page(answer).rows == [
        ["version", "init", "share", "build", "share", "deploy", "share"],
        ["1.0.0", "20", "100.0 %", "-", "-", "10", "50.0 %"],
        ["(other)", "12", "100.0 %", "12", "100.0 %", "5", "41.7 %"],
    ]
    assert "3.0.0" not in answer.text
    assert field.ask(REVOKE, slug=field.slug, id=share["share"]["id"])["revokeShare"]["errors"] == []
    assert visit(field, share["path"]).status_code == 404


def test_a_link_to_retention_shows_weeks_that_have_ended(field: Field) -> None:
    walk(field, "1.0.0", [8, 0, 0])
    saved(field, "Returns", retention={"over": "DAY", "period": {"last": 5}})
    path = field.ask(SHARE, slug=field.slug, name="Returns")["createShare"]["path"]
    answer = visit(field, path)
    assert answer.status_code == 200
    assert Page(answer).rows[0][:2] == ["day", "installs"]
    for kind in ("paths", "question"):
        report = (
            {"paths": {"event": [{"field": "name", "values": ["init"]}]}}
            if kind == "paths"
            else {"question": {"by": [{"field": "target"}]}}
        )
        saved(field, "Private", **report)
        assert field.ask(SHARE, slug=field.slug, name="Private")["createShare"]["errors"] == [{"field": "name"}]


def test_a_link_to_split_retention_hides_the_few_installs_that_began_last(field: Field) -> None:
    """Of 22 installs, a share of 35 % can only be 7 of 20: the other 2 began yesterday, which the share must not reveal."""
    began = {"1.0.0": [(20, 3), (2, 0)], "2.0.0": [(20, 3), (5, 0)]}  # numbers of installs, and days before yesterday
    for version, cohorts in began.items():
        for installs, days in cohorts:
            events = [
                {
                    "name": "init",
                    "installation_id": f"{version}-{days}-{number}",
                    "version": version,
                    "timestamp": yesterday() - days * DAY + after,
                }
                for number in range(installs)
                for after in ((0, DAY) if days and number < 7 else (0,))
            ]
            assert field.post(events).status_code == 202
    period = {"from": iso(yesterday() // DAY * DAY - 3 * DAY), "to": iso(yesterday() // DAY * DAY + DAY)}
    retention = {"over": "DAY", "start": FUNNEL["steps"][0]["where"], "by": FUNNEL["by"], "period": period}
    saved(field, "Returns", retention=retention)
    path = field.ask(SHARE, slug=field.slug, name="Returns")["createShare"]["path"]
    rows = Page(visit(field, path)).rows
    assert rows[0][:4] == ["version", "installs", "+0", "+1"]
    assert rows[1][:4] == ["2.0.0", "25", "100.0 %", "35.0 %"]
    assert rows[2][:4] == ["1.0.0", "22", "100.0 %", "-"]


def test_an_alert_watches_the_conversion_of_a_funnel_but_no_retention(field: Field) -> None:
    saved(field, "Deploys", funnel=FUNNEL)
    saved(field, "Returns", retention={})
    url = "https://93.184.216.34/hook"
    watched = {"kind": "QUESTION_BELOW", "threshold": 0.5, "url": url}
    created = field.ask(ALERT, slug=field.slug, alert={**watched, "question": "Deploys"})["createAlert"]
    assert created["errors"] == []
    for question, kind, words in (("Returns", "QUESTION_BELOW", "not retention"), ("Deploys", "QUESTION_CHANGE", "compared")):
        (error,) = field.ask(ALERT, slug=field.slug, alert={**watched, "kind": kind, "question": question})["createAlert"]["errors"]
        assert error["field"] == "question"
        assert words in error["message"]
    (error,) = field.ask(SAVE, slug=field.slug, name="Deploys", retention={})["saveQuestion"]["errors"]
    assert error["field"] == "name"
    assert "alert" in error["message"]


def test_the_threshold_of_a_share_is_not_in_percent(field: Field) -> None:
    """If 40 stands for a conversion of 40 %, `question_below` always fires, and `question_above` never."""
    saved(field, "Deploys", funnel=FUNNEL)
    saved(field, "Failures", question={"measures": ["FAILURE_RATE"]})
    saved(field, "Builds", question={})
    alert = {"kind": "QUESTION_BELOW", "url": "https://93.184.216.34/hook"}
    update = "mutation ($id: ID!, $changes: AlertChanges!) { updateAlert(id: $id, changes: $changes) { errors { field message } } }"
    for name in ("Deploys", "Failures"):
        (error,) = field.ask(ALERT, slug=field.slug, alert={**alert, "question": name, "threshold": 40})["createAlert"]["errors"]
        assert (error["field"], "0.4 for 40 %" in error["message"]) == ("threshold", True)
        created = field.ask(ALERT, slug=field.slug, alert={**alert, "question": name, "threshold": 0.4})["createAlert"]
        assert created["errors"] == []
        (error,) = field.ask(update, id=created["alert"]["id"], changes={"threshold": 40})["updateAlert"]["errors"]
        assert (error["field"], "0.4 for 40 %" in error["message"]) == ("threshold", True)
        assert field.ask(update, id=created["alert"]["id"], changes={"threshold": 0.5})["updateAlert"]["errors"] == []
    assert field.ask(ALERT, slug=field.slug, alert={**alert, "question": "Builds", "threshold": 40})["createAlert"]["errors"] == []


def test_a_question_whose_change_an_alert_watches_stays_compared(field: Field) -> None:
    """Replaced by a funnel, the alert would never fire, without an error."""
    saved(field, "Builds", question={"compare": "PREVIOUS"})
    alert = {"kind": "QUESTION_CHANGE", "threshold": 5, "url": "https://93.184.216.34/hook", "question": "Builds"}
    assert field.ask(ALERT, slug=field.slug, alert=alert)["createAlert"]["errors"] == []
    uncompared: tuple[dict[str, Any], ...] = ({"funnel": FUNNEL}, {"question": {}})
    for report in uncompared:
        (error,) = field.ask(SAVE, slug=field.slug, name="Builds", **report)["saveQuestion"]["errors"]
        assert error["field"] == "name"
        assert "compared with another period" in error["message"]
    saved(field, "Builds", question={"compare": "LAST_YEAR"})
