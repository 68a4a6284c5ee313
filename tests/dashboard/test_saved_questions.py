"""Saved questions on the Explore page: save, list, open, change, rename and delete, and periods that stay relative."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.dashboard.test_explore import ask, bars, counted, total

pytestmark = pytest.mark.xdist_group("dashboard")


def saved(site: Any) -> dict[str, Any]:
    return {each["name"]: each["question"] for each in site.ask("SavedQuestions", slug="demo")["project"]["savedQuestions"]}


def choose(page: Any, label: str, action: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_text(action, exact=True).click()


def name_it(page: Any, dialog: str, name: str, action: str) -> None:
    form = page.get_by_role("dialog", name=dialog)
    form.get_by_label("Name").fill(name)
    form.get_by_role("button", name=action, exact=True).click()


def test_a_question_is_saved_opened_changed_renamed_and_deleted(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/explore?measures=installs&where=os:is:linux&by=version:minor&chart=bars&range=7d")
    page.get_by_role("button", name="Save this question").click()
    name_it(page, "Save this question", "Linux: versions, 100%", "Save")
    page.get_by_role("heading", name="Linux: versions, 100%").wait_for()
    assert saved(site)["Linux: versions, 100%"]["period"]["last"] == 7
    shown = bars(page, "Installs")

    page = tab.open("/d/demo/explore?who=people")
    choose(page, "Saved questions", "Linux: versions, 100%")
    page.get_by_role("heading", name="Linux: versions, 100%").wait_for()
    tab.settled()
    assert bars(page, "Installs") == shown  # all, because it was saved so
    expect(page.get_by_text("changed", exact=True)).to_have_count(0)
    page.get_by_role("button", name="People").click()
    page.get_by_text("changed", exact=True).wait_for()

    page.get_by_role("button", name="30 days").click()
    page.get_by_text("changed", exact=True).wait_for()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("changed", exact=True)).to_have_count(0)
    assert saved(site)["Linux: versions, 100%"]["period"]["last"] == 30

    choose(page, "Options for Linux: versions, 100%", "Rename…")
    name_it(page, "Rename the question", "Versions on Linux", "Rename")
    page.get_by_role("heading", name="Versions on Linux").wait_for()
    choose(page, "Options for Versions on Linux", "Delete…")
    page.get_by_role("dialog", name="Delete the question").get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("heading", name="New question").wait_for()
    assert saved(site) == {}


@pytest.mark.slow
def test_a_question_saved_in_a_terminal_opens_with_its_period_and_its_figures(site: Any, visit: Callable[..., Any]) -> None:
    periods = [{"toDate": "WEEK"}, {"toDate": "MONTH"}, {"last": 14}, {"from": "2026-01-05T06:00:00Z", "to": "2027-01-05T00:00:00Z"}]
    where = [{"field": "name", "values": ["build"]}, {"field": "version", "op": "SEMVER", "values": [">=2 <3"]}]
    tab = visit()
    for number, period in enumerate(periods):
        question = {"measures": ["EVENTS"], "where": where, "by": [{"field": "os"}], "period": period, "first": 3}
        site.ask("SaveQuestion", slug="demo", name=f"Terminal {number}", question=question)
        page = tab.open("/d/demo/explore")
        choose(page, "Saved questions", f"Terminal {number}")
        page.get_by_role("heading", name=f"Terminal {number}").wait_for()
        tab.settled()
        rows = ask(site, **question)["rows"]
        assert bars(page, "Events") == {
            "(other)" if row["isOther"] else row["keys"][0] or "(none)": counted(row["figures"][0]["all"][0]) for row in rows
        }, period
        expect(page.get_by_text("changed", exact=True)).to_have_count(0)
        site.ask("DeleteQuestion", slug="demo", name=f"Terminal {number}")


@pytest.mark.slow
def test_a_question_is_compared_with_a_period_of_its_own_and_keeps_it_when_saved(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    today = datetime.now(UTC).date()
    first, last = today - timedelta(days=20), today - timedelta(days=14)
    page = tab.open("/d/demo/explore?range=7d&chart=bars")
    page.get_by_label("Compare with").select_option(label="Another period")
    page.get_by_label("First day compared").fill(f"{first}")
    page.get_by_label("Last day compared").fill(f"{last}")
    page.wait_for_url(f"**compare={first},{last}*")
    tab.settled()
    compared = {"from": f"{first}T00:00:00Z", "to": f"{last + timedelta(days=1)}T00:00:00Z"}
    figures = ask(site, period={"last": 7}, compareTo=compared)["rows"][0]["figures"][0]
    assert total(page, "Events") == counted(figures["all"][0])
    expect(page.locator(".totals")).to_contain_text(f"was {counted(figures['allBefore'][0])}")
    page.get_by_role("button", name="Save this question").click()
    name_it(page, "Save this question", "Three weeks ago", "Save")
    page.get_by_role("heading", name="Three weeks ago").wait_for()
    page = tab.open("/d/demo/explore?who=people")
    choose(page, "Saved questions", "Three weeks ago")
    page.wait_for_url(f"**compare={first},{last}*")
    expect(page.get_by_text("changed", exact=True)).to_have_count(0)
    site.ask("DeleteQuestion", slug="demo", name="Three weeks ago")


def test_a_link_to_a_saved_question_is_created_opened_without_a_login_and_revoked(site: Any, visit: Callable[..., Any]) -> None:
    site.ask("SaveQuestion", slug="demo", name="Systems", question={"measures": ["INSTALLS"], "by": [{"field": "os"}]})
    tab = visit()
    page = tab.open("/d/demo/explore")
    choose(page, "Saved questions", "Systems")
    choose(page, "Options for Systems", "Share…")
    dialog = page.get_by_role("dialog", name="Share the question")
    dialog.get_by_label("Expires after").select_option("7 days")
    dialog.get_by_role("button", name="Create a link").click()
    link = dialog.get_by_label("New link", exact=True).inner_text()
    assert link.startswith(site.url)
    shown = httpx.get(link)
    assert shown.status_code == 200
    assert "linux" in shown.text
    dialog.get_by_role("list", name="Links").get_by_role("button", name="Revoke").click()
    expect(dialog.get_by_role("list", name="Links")).to_have_count(0)
    end = time.monotonic() + 60
    while httpx.get(link).status_code != 404:  # a server looks a link up again after two seconds
        assert time.monotonic() < end
        time.sleep(0.3)
    dialog.get_by_role("button", name="Close").click()
    site.ask("SaveQuestion", slug="demo", name="Error types", question={"by": [{"field": "error_type"}]})
    page = tab.open("/d/demo/explore")
    choose(page, "Saved questions", "Error types")
    choose(page, "Options for Error types", "Share…")
    expect(page.get_by_role("dialog", name="Share the question").get_by_role("button", name="Create a link")).to_have_count(0)
    for name in ("Systems", "Error types"):
        site.ask("DeleteQuestion", slug="demo", name=name)


REPORTS = {
    "Deploys of people": ("report=funnel&step=init&step=build&step=deploy&by=version:minor&within=168&who=people&range=90d", "Funnel"),
    "Weekly return": ("report=retention&cohorts=day&return=name:is:build&by=os&range=14d", "Retention"),
    "After a build": ("report=paths&event=name:is:build&length=2&where=os:is:linux&range=14d", "Paths"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name == "Weekly return" else [pytest.mark.slow]) for name in REPORTS])
def test_a_report_is_saved_and_opens_with_its_figures_for_every_reader(site: Any, visit: Callable[..., Any], name: str) -> None:
    query, card = REPORTS[name]
    tab = visit()
    page = tab.open(f"/d/demo/explore?{query}")
    figures = page.get_by_role("region", name=card, exact=True).inner_text()
    assert re.search(r"\d", figures)
    page.get_by_role("button", name="Save this question").click()
    name_it(page, "Save this question", name, "Save")
    page.get_by_role("heading", name=name).wait_for()
    page = tab.open("/d/demo/explore?where=arch:is:x64&range=7d")
    choose(page, "Saved questions", name)
    page.get_by_role("heading", name=name).wait_for()
    tab.settled()
    assert page.get_by_role("region", name=card, exact=True).inner_text() == figures
    expect(page.get_by_text("changed", exact=True)).to_have_count(0)
    page.get_by_role("button", name="30 days").click()
    page.get_by_text("changed", exact=True).wait_for()
    site.ask("DeleteQuestion", slug="demo", name=name)


@pytest.mark.slow
def test_a_funnel_saved_in_a_terminal_opens_with_its_conditions_and_its_order(site: Any, visit: Callable[..., Any]) -> None:
    built = {"name": "built", "where": [{"field": "name", "values": ["build"]}, {"field": "outcome", "values": ["success"]}]}
    steps = [built, {"name": "deploy", "where": [{"field": "name", "values": ["deploy"]}]}]
    funnel = {"steps": steps, "ordered": False, "withinHours": 0.5, "period": {"last": 14}, "by": [{"field": "os"}, {"field": "arch"}]}
    site.ask("SaveQuestion", slug="demo", name="Terminal", funnel=funnel)
    total = site.ask("AskFunnel", slug="demo", funnel=funnel)["project"]["askFunnel"]["total"]
    tab = visit()
    page = tab.open("/d/demo/explore")
    choose(page, "Saved questions", "Terminal")
    page.get_by_role("heading", name="Terminal").wait_for()
    tab.settled()
    shown = page.get_by_role("region", name="Funnel", exact=True).locator(".step-figure b").all_inner_texts()
    assert shown == [f"{step['all']:,}" for step in total]
    assert page.get_by_label("Order of the steps").input_value() == "any"
    expect(page.get_by_text("changed", exact=True)).to_have_count(0)
    site.ask("DeleteQuestion", slug="demo", name="Terminal")


@pytest.mark.slow
def test_a_refused_name_has_an_error_beside_its_field(visit: Callable[..., Any]) -> None:
    page = visit().open("/d/demo/explore")
    page.get_by_role("button", name="Save this question").click()
    dialog = page.get_by_role("dialog", name="Save this question")
    dialog.get_by_label("Name").fill("a\u200bb")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("must be a single line")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


@pytest.mark.slow
def test_on_a_phone_the_form_is_a_sentence_until_it_is_opened(visit: Callable[..., Any]) -> None:
    page = visit(width=390).open("/d/demo/explore?measures=installs&where=os:is:linux&by=version:minor")
    sentence = page.get_by_role("button", name="Installs where Operating system is linux by Version, minor each day")
    assert not page.get_by_label("Split by").is_visible()
    sentence.click()
    assert page.get_by_label("Split by").is_visible()


@pytest.mark.slow
def test_a_segment_without_events_is_named_and_the_others_stay(visit: Callable[..., Any]) -> None:
    page = visit().open("/d/demo/explore?chart=bars&segment=Linux;os:is:linux&segment=Typo;os:is:windoes")
    assert set(bars(page, "Events")) == {"Linux", "Typo"}
    page.get_by_role("status").get_by_role("button", name="windows", exact=True).click()
    page.get_by_role("button", name="Edit the filter Operating system is windows").wait_for()
    expect(page.get_by_text("Try", exact=True)).to_have_count(0)
