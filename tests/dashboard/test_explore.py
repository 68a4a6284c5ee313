"""The Explore page: a question built by clicks is in the address, and its figures equal those of the API."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.test_pages import serious

pytestmark = pytest.mark.xdist_group("dashboard")

QUESTIONS = (
    "",
    "?measures=events,failure_rate&by=os&chart=bars&compare=previous&range=7d",
    "?measures=installs&segment=Linux;os:is:linux&segment=Mac;os:is:darwin&by=version:major",
    "?measures=events&by=os&over=week&chart=table",
    "?where=os:is:windoes",
    "?where=duration_ms:above:long",
)
LOOKS = [
    ("dark", 390, QUESTIONS[::2]),
    pytest.param("dark", 390, QUESTIONS[1::2], marks=pytest.mark.slow),
    pytest.param("light", 1360, QUESTIONS, marks=pytest.mark.slow),
]


def ask(site: Any, **question: Any) -> Any:
    return site.ask("Ask", slug="demo", question=question)["project"]["ask"]


def counted(value: float) -> str:
    return f"{value:,.0f}"


def bars(page: Any, title: str) -> dict[str, str]:
    """The figures of a card of bars, by label."""
    found = page.get_by_role("region", name=title, exact=True).locator(".bars li")
    return {row.locator(".bar-label").inner_text(): row.locator(".bar-figure").inner_text() for row in found.all()}


def total(page: Any, label: str) -> str:
    card = page.locator(".totals .figure-card").filter(has=page.get_by_role("heading", name=label, exact=True))
    return str(card.locator(".big").inner_text())


def add_filter(page: Any, field: str, operator: str, value: str, *, group: str = "Filters") -> None:
    """Add a filter with the keyboard alone."""
    page.get_by_role("group", name=group, exact=True).get_by_role("button", name="Add a filter").press("Enter")
    form = page.get_by_role("form", name="New filter")
    expect(form.get_by_role("combobox", name="Field")).to_be_focused()
    page.keyboard.type(field)
    form.get_by_role("option", name=field).first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    form.get_by_label("Operator").select_option(label=operator)
    if operator == "in version range":
        form.get_by_label("Version range").fill(value)
    else:
        form.get_by_role("combobox", name="Value").focus()
        page.keyboard.type(value)
        form.get_by_role("option", name=value, exact=True).wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    form.get_by_role("button", name="Apply").press("Enter")
    expect(form).to_have_count(0)


def test_a_question_is_built_by_clicks_and_its_link_gives_the_same_figures(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/explore")
    page.get_by_label("Add a measure").select_option(label="Installs")
    add_filter(page, "Version", "in version range", ">=2 <3")
    add_filter(page, "Environment", "is any of", "person")
    page.get_by_label("Split by").select_option(label="Operating system")
    page.get_by_role("button", name="Bars", exact=True).click()
    page.wait_for_url("**chart=bars*")
    tab.settled()
    where = [
        {"field": "version", "op": "SEMVER", "values": [">=2 <3"]},
        {"field": "environment", "op": "IS", "values": ["person"]},
    ]
    answer = ask(site, measures=["EVENTS", "INSTALLS"], where=where, by=[{"field": "os"}])
    expected = {row["keys"][0] or "(none)": [counted(figure["all"][0]) for figure in row["figures"]] for row in answer["rows"]}
    assert len(expected) > 1
    for link in (page.url.removeprefix(site.url), None):
        assert bars(page, "Events") == {label: events for label, (events, _) in expected.items()}
        assert bars(page, "Installs") == {label: installs for label, (_, installs) in expected.items()}
        if link:
            tab = visit()
            page = tab.open(link)
            assert page.get_by_role("button", name="Edit the filter Version in >=2 <3").is_visible()
    people = ask(site, measures=["EVENTS"], where=where, by=[{"field": "os"}])["rows"]
    page.get_by_role("button", name="People only").click()
    page.wait_for_url("**who=people*")
    tab.settled()
    assert bars(page, "Events") == {row["keys"][0] or "(none)": counted(row["figures"][0]["people"][0]) for row in people}


@pytest.mark.slow
def test_a_bar_sets_a_filter_whose_total_is_the_number_of_the_bar(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/explore?measures=events,installs&by=os&by=version:minor&chart=bars")
    shown = bars(page, "Events")
    rows = ask(site, by=[{"field": "os"}, {"field": "version", "version": "MINOR"}])["rows"]
    labels = [" · ".join(key or "(none)" for key in row["keys"]) for row in rows if not row["isOther"]]
    assert [*labels, "(other)"] == list(shown)  # largest first, all others last and not clickable
    assert page.locator(".bars .rest").count() == 2
    assert page.locator(".bars .rest button").count() == 0
    for label in labels[:3]:
        installs = bars(page, "Installs")[label]
        page.get_by_role("region", name="Events", exact=True).get_by_role("button", name=re.compile(f"^{re.escape(label)}")).click()
        page.wait_for_url("**where=*")
        tab.settled()
        assert (total(page, "Events"), total(page, "Installs")) == (shown[label], installs)
        assert bars(page, "Events") == {label: shown[label]}
        page.get_by_role("region", name="Events", exact=True).get_by_role("button", name=re.compile(f"^{re.escape(label)}")).click()
        expect(page.get_by_role("button", name=re.compile("^Edit the filter"))).to_have_count(0)
        tab.settled()


def test_filters_are_edited_and_removed_and_values_are_searched(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/explore?where=os:is:linux")
    page.get_by_role("button", name="Edit the filter Operating system is linux").click()
    form = page.get_by_role("form", name="Edit the filter")
    values = form.get_by_role("combobox", name="Value")
    values.fill("DARW")
    form.get_by_role("option", name="darwin", exact=True).click()
    form.get_by_role("button", name="Apply").click()
    page.get_by_role("button", name="Edit the filter Operating system is any of linux, darwin").wait_for()
    page.wait_for_url("**where=os:is:linux,darwin*")
    tab.settled()
    answer = ask(site, where=[{"field": "os", "values": ["linux", "darwin"]}])
    assert total(page, "Events") == counted(answer["rows"][0]["figures"][0]["all"][0])
    page.get_by_role("button", name=re.compile("^Edit the filter Operating system")).click()
    expect(page.get_by_role("combobox", name="Value")).to_be_focused()
    page.keyboard.press("Escape")  # closes the list
    page.keyboard.press("Escape")  # closes the form
    expect(page.get_by_role("button", name="Add a filter")).to_be_focused()
    page.get_by_role("button", name=re.compile("^Remove the filter Operating system")).click()
    expect(page).not_to_have_url(re.compile("where="))
    tab.settled()
    assert total(page, "Events") == counted(ask(site)["rows"][0]["figures"][0]["all"][0])


@pytest.mark.slow
def test_a_filter_that_matches_nothing_suggests_values_that_exist(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/explore?where=os:is:windoes")
    card = page.get_by_role("region", name="No events match")
    expect(card).to_contain_text("No event in this period has os windoes.")
    card.get_by_role("button", name="windows", exact=True).click()
    page.get_by_role("button", name="Edit the filter Operating system is windows").wait_for()
    tab.settled()
    windows = ask(site, where=[{"field": "os", "values": ["windows"]}])
    assert total(page, "Events") == counted(windows["rows"][0]["figures"][0]["all"][0])


@pytest.mark.slow
def test_a_mistyped_property_is_replaced_in_filters_and_splits(visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/explore?chart=bars&by=properties.shel&where=properties.shel:is:zsh")
    card = page.get_by_role("region", name="No events match")
    expect(card).to_contain_text("No event in this period has properties.shel.")
    card.get_by_role("button", name="properties.shell", exact=True).click()
    page.get_by_role("button", name="Edit the filter shell is zsh").wait_for()
    tab.settled()
    assert set(bars(page, "Events")) == {"zsh"}


@pytest.mark.slow
def test_an_error_names_the_filter_and_the_page_goes_on(visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/explore?where=os:is:linux&where=duration_ms:above:long")
    assert page.get_by_role("alert").inner_text() == "Filter 2 (Duration) must be a number."
    page.get_by_role("button", name="Remove the filter Duration above long").click()
    expect(page.get_by_role("region", name="Events", exact=True)).to_be_visible()


@pytest.mark.slow
def test_segments_are_shown_side_by_side(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/explore?chart=bars")
    page.get_by_role("button", name="Compare segments").click()
    page.get_by_label("Name of segment 1").fill("Linux; 64%, ~1:2")
    page.get_by_label("Name of segment 1").press("Tab")
    page.wait_for_url("**segment=*64*")
    page.get_by_role("button", name="Add a segment").click()
    page.get_by_label("Name of segment 2").wait_for()
    tab.settled()
    page = tab.open(page.url.removeprefix(site.url))
    everything = counted(ask(site)["rows"][0]["figures"][0]["all"][0])
    assert bars(page, "Events") == {"Linux; 64%, ~1:2": everything, "Segment 1": everything}
    linux = {"name": "Linux", "where": [{"field": "os", "values": ["linux"]}]}
    mac = {"name": "Mac", "where": [{"field": "os", "values": ["darwin"]}]}
    page = tab.open("/d/demo/explore?measures=installs&by=version:major&chart=bars&segment=Linux;os:is:linux&segment=Mac;os:is:darwin")
    rows = ask(site, measures=["INSTALLS"], by=[{"field": "version", "version": "MAJOR"}], segments=[linux, mac])["rows"]
    for name in ("Linux", "Mac"):
        expected = {row["keys"][0] or "(none)": counted(row["figures"][0]["all"][0]) for row in rows if row["segment"] == name}
        assert bars(page, f"Installs: {name}") == expected


@pytest.mark.slow
def test_cards_of_the_overview_open_in_explore_with_their_filter_and_period(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo?range=7d&os=linux&who=people")
    cards = page.locator("section.card").filter(has=page.get_by_role("link", name=re.compile("^Explore")))
    assert cards.count() == page.locator("section.card").count()
    events = bars(page, "Events")
    page.get_by_role("link", name="Explore Events", exact=True).click()
    page.wait_for_url("**/d/demo/explore?*range=7d*")
    page.get_by_role("button", name="Edit the filter Operating system is linux").wait_for()
    tab.settled()
    period = {"last": 7}
    where = [{"field": "os", "values": ["linux"]}]
    rows = ask(site, where=where, by=[{"field": "name"}], period=period, first=10, audience="PEOPLE")["rows"]
    shown = bars(page, "Events")
    assert shown == {"(other)" if row["isOther"] else row["keys"][0]: counted(row["figures"][0]["people"][0]) for row in rows}
    listed = {label: value for label, value in events.items() if label in shown and label != "(other)"}
    assert {label: shown[label] for label in listed} == listed
    assert len(listed) >= 3


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width", "queries"), LOOKS)
def test_every_state_is_accessible(visit: Callable[..., Any], scheme: str, width: int, queries: Sequence[str]) -> None:
    tab = visit(color_scheme=scheme, width=width)
    for query in queries:
        page = tab.open(f"/d/demo/explore{query}")
        if width < 640 and not page.get_by_label("Split by").is_visible():
            page.locator(".question-summary").click()
        page.get_by_role("group", name="Filters", exact=True).get_by_role("button", name="Add a filter").click()
        page.get_by_role("listbox").get_by_role("option").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, query
        assert serious(page) == [], query


@pytest.mark.slow
def test_a_line_marks_the_step_that_has_not_ended_and_a_wrong_address_is_still_a_page(visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/explore?over=day&chart=table&by=os")
    assert page.get_by_role("cell", name="(so far)").count() > 0
    page = tab.open("/d/demo/explore?measures=nothing&where=x&where=%25&by=&over=never&chart=pie&segment=&first=x")
    assert page.locator("h1").inner_text() == "Explore"


@pytest.mark.slow
def test_retention_and_funnels_open_in_explore_with_the_same_numbers(visit: Callable[..., Any]) -> None:
    tab = visit()
    for path, card, figures, controls in (
        ("/d/demo/installs?range=7d&cohorts=month&where=os:is:linux", "Retention", "Cohorts", "Cohorts"),  # of 90 days
        ("/d/demo/funnel?step=init&step=build&by=os&where=arch:is:x64", "Funnel", "Funnel", "Split by"),
    ):
        page = tab.open(path)
        shown = page.get_by_role("region", name=figures, exact=True).inner_text()
        page.get_by_role("link", name=f"Explore {card}", exact=True).click()
        page.wait_for_url(f"**/explore?*report={card.lower()}*")
        tab.settled()
        assert page.get_by_role("region", name=figures, exact=True).inner_text() == shown.replace("\nExplore", "")
        assert page.get_by_label(controls).first.is_visible()
        page.get_by_role("button", name="Remove the filter").click()
        tab.settled()
        assert page.get_by_role("region", name=figures, exact=True).inner_text() != shown
    page.get_by_role("button", name="Figures", exact=True).click()
    page.get_by_role("region", name="Question").wait_for()


@pytest.mark.slow
def test_explore_needs_a_login(visit: Callable[..., Any]) -> None:
    page = visit(known=False).open("/d/demo/explore")
    assert page.get_by_role("link", name="Explore").count() == 0


@pytest.mark.slow
def test_a_period_that_retention_has_cut_says_from_when_it_is_complete(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "cut").returncode == 0
    for days in (0, 10):
        site.post("cut", name="build", timestamp=(datetime.now(UTC) - timedelta(days=days)).isoformat())
    tab = visit()
    page = tab.open("/d/cut/explore")
    assert page.get_by_text("have been deleted").count() == 0
    site.ask("UpdateProject", slug="cut", changes={"retentionDays": 2})
    site.ask("RunJob", name="retention")
    end = time.monotonic() + 20
    asked = {"by": [{"field": "os"}, {"field": "arch"}]}  # rollups outlive events, but have no pairs of fields
    while (answer := site.ask("Ask", slug="cut", question=asked)["project"]["ask"])["complete"]:  # the job runs in the background
        assert time.monotonic() < end
        time.sleep(0.1)
    page = tab.open("/d/cut/explore?by=os&by=arch")
    since = datetime.fromisoformat(answer["since"])
    expect(page.get_by_text("have been deleted")).to_contain_text(f"Events before {since:%b} {since.day}")


@pytest.mark.slow
def test_estimates_from_a_sample_are_marked_with_their_margin(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "sampled").returncode == 0
    for number in range(20):
        site.post("sampled", name="build", os="linux", sample_rate=0.1, outcome="failure" if number % 5 == 0 else "success")
    site.post("sampled", name="build", os="darwin", outcome="success")
    tab = visit()
    page = tab.open("/d/sampled/explore?measures=events,failure_rate")
    assert total(page, "Events") == "201"
    notes = page.locator(".totals .figure-note")
    expect(notes).to_have_text(
        ["estimated, ±42%", "estimated, ±16.5 pts"]
    )  # 1.96 * sqrt(20 * 90) = 83.2; 1.96 * sqrt(0.801² * 360 + 0.199² * 1440) = 33.3
    page = tab.open("/d/sampled/explore?by=os&chart=bars")
    kinds = page.get_by_role("region", name="Events", exact=True).locator(".bars li")
    expect(kinds.filter(has_text="linux")).to_contain_text("±42%")
    expect(kinds.filter(has_text="darwin")).not_to_contain_text("±")
    page = tab.open("/d/sampled/explore?by=os&chart=table")
    expect(page.get_by_role("row").filter(has_text="linux")).to_contain_text("200 ±42%")
    page = tab.open("/d/sampled")
    card = page.locator(".figure-card").filter(has=page.get_by_role("button", name="Events", exact=True))
    expect(card.locator(".figure-note")).to_contain_text("estimated, ±42%")


def test_a_step_of_a_funnel_has_conditions_of_its_own(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/explore?report=funnel&step=init&step=build&within=168")
    page.get_by_role("button", name="Edit step 2, build").click()
    add_filter(page, "Operating system", "is any of", "linux", group="Conditions of step 2")
    page.wait_for_url("**os:is:linux*")
    page.get_by_label("Next step").select_option("build")  # without the condition
    tab.settled()
    name = "build, Operating system is linux"
    where = [{"field": "name", "values": ["build"]}]
    steps = [
        {"name": "init", "where": [{"field": "name", "values": ["init"]}]},
        {"name": name, "where": [*where, {"field": "os", "values": ["linux"]}]},
        {"name": "build", "where": where},
    ]
    asked = site.ask("AskFunnel", slug="demo", funnel={"steps": steps, "withinHours": 168})["project"]["askFunnel"]["total"]
    assert 0 < asked[1]["all"] < asked[0]["all"]
    card = page.get_by_role("region", name="Funnel", exact=True)
    assert card.locator(".step-figure b").all_inner_texts() == [counted(step["all"]) for step in asked]
    assert card.locator(".step > b").all_inner_texts() == ["init", name, "build"]
    page.get_by_role("group", name="Conditions of step 2").get_by_role("button", name="Clear all").click()
    tab.settled()
    every = {"name": "any event", "where": []}
    asked = site.ask("AskFunnel", slug="demo", funnel={"steps": [steps[0], every, steps[2]], "withinHours": 168})["project"]["askFunnel"][
        "total"
    ]
    assert card.locator(".step-figure b").all_inner_texts() == [counted(step["all"]) for step in asked]
    page.get_by_role("button", name="Remove step 2, any event").click()
    page.wait_for_url("**within=168&step=init&step=build")
