"""A link to a saved question shows its answer to everyone who has it, and nothing about a few installs."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from server.event import DAY, HOUR
from tests.conftest import Server
from tests.field.conftest import Field

pytestmark = pytest.mark.one_path

SAVE = """mutation ($slug: String!, $name: String!, $question: QuestionInput!) {
    saveQuestion(slug: $slug, name: $name, question: $question) { errors { field message } } }"""
SHARE = "mutation ($slug: String!, $name: String!) { createShare(slug: $slug, name: $name) { errors { field } path share { id } } }"
REVOKE = "mutation ($slug: String!, $id: ID!) { revokeShare(slug: $slug, id: $id) { errors { field } } }"


class Page(HTMLParser):
    """The cells of a page's table, and everything that its elements load."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.loaded: list[str] = []
        self.tags: set[str] = set()
        self._in_cell = False
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self._in_cell = tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def yesterday() -> int:
    """Nine o'clock (UTC) of the day before, in milliseconds."""
    return time.time_ns() // 1_000_000 // DAY * DAY - DAY + 9 * HOUR


def send(field: Field, system: str, installs: int, at: int | None = None, **fields: Any) -> None:
    time_ = yesterday() if at is None else at
    events = [
        {"name": "build", "installation_id": f"{system}-{number}", "os": system, "timestamp": time_, "environment": "person", **fields}
        for number in range(installs)
    ]
    assert field.post(events).status_code == 202


def share(field: Field, name: str, question: dict[str, Any]) -> tuple[str, str]:
    """The path and the id of a new link to a new question."""
    assert field.ask(SAVE, slug=field.slug, name=name, question=question)["saveQuestion"]["errors"] == []
    created = field.ask(SHARE, slug=field.slug, name=name)["createShare"]
    return created["path"], created["share"]["id"]


def visit(field: Field, path: str) -> httpx.Response:
    return httpx.get(f"{field.server.url}{path}", timeout=30)


def test_a_link_shows_the_answer_without_a_login_and_folds_groups_of_few_installs(field: Field) -> None:
    for system, installs in (("linux", 20), ("macos", 7), ("plan9", 2)):
        send(field, system, installs)
    path, _ = share(field, "Systems <b>", {"measures": ["INSTALLS", "EVENTS"], "by": [{"field": "os"}]})
    answer = visit(field, path)
    assert answer.status_code == 200
    page = Page(answer)
    assert page.rows == [["os", "installs", "events"], ["linux", "20", "20"], ["(other)", "9", "9"]]
    assert "plan9" not in answer.text
    assert "macos" not in answer.text
    assert "Systems &lt;b&gt;" in answer.text
    assert "svg" in page.tags


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script(field: Field) -> None:
    send(field, "linux", 6)
    path, _ = share(field, "Daily", {"over": "DAY", "period": {"last": 3}, "by": [{"field": "os"}]})
    answer = visit(field, path)
    page = Page(answer)
    assert not page.tags & {"script", "iframe", "object", "form", "style"}
    assert page.loaded
    assert all(re.fullmatch(r"/static/pages/footfall\.(css|svg)\?\w+", each) for each in page.loaded)
    assert " style=" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in answer.headers["x-robots-tag"]
    assert answer.headers["cache-control"] == "no-store"


def test_the_current_hour_is_not_shown_so_that_no_event_can_be_seen_to_arrive(field: Field) -> None:
    now = time.time_ns() // 1_000_000
    send(field, "linux", 6)
    send(field, "linux", 6, at=now)
    path, _ = share(field, "So far", {"measures": ["EVENTS"], "period": {"last": 2}})
    rows = Page(visit(field, path)).rows
    assert rows in ([["events"], ["6"]], [["events"], ["12"]])  # 12 if an hour ended since
    send(field, "linux", 20)
    assert Page(visit(field, path)).rows == rows or time.time_ns() // 1_000_000 // HOUR > now // HOUR  # computed once an hour


def test_a_link_to_a_question_about_people_may_have_as_many_conditions_as_any(field: Field) -> None:
    """The condition that a link adds exceeded the limit, and the page reported that the question had changed."""
    send(field, "linux", 6)
    where = [{"field": "name", "values": ["build"]}] * 20
    path, _ = share(field, "All conditions", {"measures": ["EVENTS"], "where": where, "audience": "PEOPLE", "period": {"last": 3}})
    answer = visit(field, path)
    assert (answer.status_code, Page(answer).rows) == (200, [["events"], ["6"]])


def test_a_revoked_link_shows_nothing(field: Field, field_server: Server) -> None:
    send(field, "linux", 6)
    path, id_ = share(field, "Revoked", {})
    assert visit(field, path).status_code == 200
    assert field.ask(REVOKE, slug=field.slug, id=id_)["revokeShare"]["errors"] == []
    answer = visit(field, path)
    assert answer.status_code == 404
    assert "has expired, or was revoked" in answer.text
    assert path.rpartition("/")[2] not in field_server.log.read_text()


def test_invalid_links_show_nothing_and_count_as_guesses(field: Field) -> None:
    path, _ = share(field, "Guessed", {})
    address = {"x-forwarded-for": "198.51.100.7"}
    for wrong in ("/shared/ffs_wrong", f"{path}x", "/shared/%00", f"/p/{field.slug}{path}"):
        assert httpx.get(f"{field.server.url}{wrong}", headers=address).status_code == 404


def test_a_question_that_splits_by_private_values_later_is_not_shown(field: Field) -> None:
    send(field, "linux", 6, error={"type": "SecretError", "message": "x"})
    path, _ = share(field, "Later", {"by": [{"field": "os"}]})
    assert visit(field, path).status_code == 200
    changed = {"slug": field.slug, "name": "Later", "question": {"by": [{"field": "error_type"}]}}
    assert field.ask(SAVE, **changed)["saveQuestion"]["errors"] == []
    answer = visit(field, path)
    assert answer.status_code == 404
    assert "SecretError" not in answer.text


def test_a_question_compared_with_a_part_of_its_own_period_is_not_shown(field: Field) -> None:
    """The difference of the two figures was one install that was seen on the last day."""
    day = yesterday()
    send(field, "linux", 6, at=day - 2 * DAY)
    send(field, "plan9", 1)
    start, end = (time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(at / 1000)) for at in (day - 3 * DAY, day))
    overlapping = {"measures": ["INSTALLS"], "period": {"from": start}, "compareTo": {"from": start, "to": end}}
    saved = {"slug": field.slug, "name": "Overlapping", "question": overlapping}
    assert field.ask(SAVE, **saved)["saveQuestion"]["errors"] == []
    assert field.ask(SHARE, slug=field.slug, name="Overlapping")["createShare"] == {
        "errors": [{"field": "name"}],
        "path": None,
        "share": None,
    }
    path, _ = share(field, "Later", {"measures": ["INSTALLS"], "compare": "PREVIOUS"})
    assert field.ask(SAVE, **{**saved, "name": "Later"})["saveQuestion"]["errors"] == []
    answer = visit(field, path)
    assert (answer.status_code, Page(answer).rows) == (404, [])


def test_an_empty_question_does_not_suggest_values_that_it_must_not_show(field: Field) -> None:
    send(field, "plan9", 2)
    path, _ = share(field, "Empty", {"where": [{"field": "os", "values": ["plan8"]}], "by": [{"field": "os"}]})
    answer = visit(field, path)
    assert answer.status_code == 200
    assert "plan9" not in answer.text


@pytest.mark.slow
def test_links_are_made_listed_and_revoked_in_a_terminal(field: Field, field_server: Server) -> None:
    send(field, "linux", 6)
    run = field_server.footfall
    assert run("question", "save", field.slug, "By system", "--by", "os").returncode == 0
    renamed = run("question", "rename", field.slug, "By system", "Systems")
    assert (renamed.returncode, run("question", "rename", field.slug, "By system", "x").returncode) == (0, 1)
    created = run("question", "share", field.slug, "Systems", "--days", "3")
    assert created.returncode == 0, created.stderr
    link = created.stdout.strip()
    assert "linux" in httpx.get(f"{field_server.url}/shared/{link.rpartition('/')[2]}", timeout=30).text
    listed = run("question", "shares", field.slug).stdout
    assert "Systems" in listed
    assert link.rpartition("/")[2] not in listed
    number = listed.splitlines()[1].split()[0]
    assert run("question", "revoke", field.slug, number).returncode == 0
    assert run("question", "revoke", field.slug, number).returncode == 1
    assert run("question", "share", field.slug, "Nothing").returncode == 1
