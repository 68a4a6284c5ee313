"""The filter bar of every page: the selection is in the address, and a bar shows the number that its filter gives."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Error, expect

from tests.dashboard.test_explore import add_filter, ask, bars, counted
from tests.dashboard.test_figures import MONTH, agree, cells, figure, funnel, overview, spaced

pytestmark = pytest.mark.xdist_group("dashboard")

CARDS = ("Versions", "Events", "Tools and targets", "Operating systems", "Runtimes", "Package managers", "Environments")
WARM = {"field": "properties.build.cache", "op": "IS", "values": ["warm"]}
UNIX = {"field": "os", "op": "IS", "values": ["linux", "darwin"]}


def chips(page: Any) -> list[str]:
    return [
        str(each.get_attribute("aria-label")).removeprefix("Edit the filter ")
        for each in page.locator(".condition > button:first-child").all()
    ]


@pytest.mark.slow
def test_filters_are_searched_and_combined_and_stay_from_page_to_page(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo")
    everything = figure(page, "Events")
    add_filter(page, "build.cache", "is any of", "warm")
    page.wait_for_url("**/d/demo?where=properties.build.cache:is:warm")
    add_filter(page, "Version", "in version range", ">=2.7 <3")
    add_filter(page, "Event", "begins with", "build")
    tab.settled()
    where = [WARM, {"field": "version", "op": "SEMVER", "values": [">=2.7 <3"]}, {"field": "name", "op": "PREFIX", "values": ["build"]}]
    agree(page, overview(site, MONTH, where=where), unfiltered=overview(site, MONTH))
    assert chips(page) == ["build.cache is warm", "Version in >=2.7 <3", "Event begins with build"]
    for link, path in (("Usage", "usage"), ("Errors", "errors"), ("Installs", "installs"), ("Explore", "explore")):
        page.get_by_role("navigation").get_by_role("link", name=link, exact=True).click()
        page.wait_for_url(f"**/{path}?where=*&where=*&where=*")
        tab.settled()
        assert len(chips(page)) == 3, path
        if path == "usage":
            told = site.ask("Usage", slug="demo", period=MONTH, filter={"where": where})["project"]["counted"]["rows"]
            assert cells(page, "Commands and other events", "build")[1] == spaced(told[0]["events"])
    page.get_by_role("navigation").get_by_role("link", name="Overview", exact=True).click()
    page.get_by_role("button", name="Clear all").click()
    page.wait_for_url(re.compile("/d/demo$"))
    tab.settled()
    assert figure(page, "Events") == everything


@pytest.mark.parametrize(
    ("address", "titles"),
    [
        ("?", CARDS[:1]),
        pytest.param("?", CARDS[1:], marks=pytest.mark.slow),
        pytest.param("?range=7d", CARDS, marks=pytest.mark.slow),
        pytest.param("?range=7d&who=people&where=properties.shell:is:zsh,bash", CARDS, marks=pytest.mark.slow),
    ],
)
def test_a_bars_number_equals_the_total_under_its_filter(visit: Callable[..., Any], address: str, titles: tuple[str, ...]) -> None:
    tab = visit()
    page = tab.open(f"/d/demo{address}")
    for title in titles:
        card = page.get_by_role("region", name=title, exact=True)
        unit = "Events" if card.locator(".note").inner_text() == "events" else "Active installs"
        shown = bars(page, title)
        for label in list(shown)[:2]:
            card.get_by_role("button", name=re.compile(f"^{re.escape(label)}")).first.click()
            expect(card.locator("button[aria-pressed=true]")).to_have_count(1)
            tab.settled()
            assert bars(page, title)[label] == shown[label], (title, label)
            if unit == "Active installs" or "who=people" not in address:  # the figure of events counts those of everyone
                assert figure(page, unit) == shown[label], (title, label)
            card.locator("button[aria-pressed=true]").click()
            expect(card.locator("button[aria-pressed=true]")).to_have_count(0)
            tab.settled()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["MINOR", pytest.param("MAJOR", marks=pytest.mark.slow)])
def test_versions_are_grouped_by_their_major_or_minor_part(site: Any, visit: Callable[..., Any], part: str) -> None:
    tab = visit()
    page = tab.open("/d/demo")
    page.get_by_label("Group versions").select_option(part.lower())
    page.wait_for_url(f"**versions={part.lower()}*")
    tab.settled()
    rows = ask(site, measures=["INSTALLS"], by=[{"field": "version", "version": part}], first=8)["rows"]
    answer = {
        "(other)" if row["isOther"] else row["keys"][0]: counted(row["figures"][0]["all"][0]) for row in rows if row["keys"] != [None]
    }
    shown = bars(page, "Versions")
    assert shown == answer
    label = next(iter(shown))
    page.get_by_role("region", name="Versions").get_by_role("button", name=re.compile(f"^{re.escape(label)}")).click()
    page.wait_for_url(f"**where=version:semver:{label}*")
    tab.settled()
    assert figure(page, "Active installs") == shown[label]
    page.get_by_role("button", name=f"Remove the filter Version in {label}").click()


@pytest.mark.slow
def test_a_click_on_one_value_replaces_a_filter_with_several_values_of_its_field(visit: Callable[..., Any]) -> None:
    page = visit().open("/d/demo?where=os:is:linux,darwin&where=name:is:build")
    page.get_by_role("region", name="Operating systems").get_by_role("button", name=re.compile("^darwin")).click()
    page.wait_for_url("**/d/demo?where=name:is:build&where=os:is:darwin")


@pytest.mark.slow
@pytest.mark.parametrize("paths", [("/usage",), pytest.param(("/errors", "/installs"), marks=pytest.mark.slow)])
def test_a_filter_that_matches_nothing_is_explained_on_every_page(visit: Callable[..., Any], paths: tuple[str, ...]) -> None:
    tab = visit()
    for path in ("", *paths):
        page = tab.go(f"/d/demo{path}?where=os:is:linux,windoes&where=properties.build.cache:is:wram")
        notice = page.locator(".top .notice")
        expect(notice).to_contain_text("No event in this period has properties.build.cache wram.")
    page = tab.go("/d/demo?where=properties.build.cache:is:wram")
    page.locator(".top .notice").get_by_role("button", name="warm", exact=True).click()
    page.wait_for_url("**where=properties.build.cache:is:warm")
    expect(page.locator(".top .notice")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("project", "names"),
    [
        ("odd", ("%41:b,c;d~1",)),
        pytest.param("odder", ("%41", "a:b,c;d~1", "100% & more", "é ü"), marks=pytest.mark.slow),
    ],
)
def test_values_that_look_encoded_or_like_separators_stay_what_they_are(
    site: Any, visit: Callable[..., Any], project: str, names: tuple[str, ...]
) -> None:
    assert site.server.footfall("project", "create", project).returncode == 0
    for name in {*names, *map(unquote, names)}:
        site.post(project, name=name, os="linux")
    tab = visit()
    page = tab.open(f"/d/{project}")
    for name in names:
        page.get_by_role("region", name="Events", exact=True).get_by_role("button", name=re.compile(f"^{re.escape(name)}")).click()
        page.get_by_role("button", name=f"Edit the filter Event is {name}", exact=True).wait_for()
        tab.settled()
        page = tab.open(page.url.removeprefix(site.url))
        assert bars(page, "Events") == {name: "1"}
        page.get_by_role("button", name=f"Remove the filter Event is {name}", exact=True).click()
        page.wait_for_url(re.compile(f"/d/{project}$"))
        tab.settled()


@pytest.mark.slow
def test_a_funnel_and_retention_are_split(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/funnel?step=init&step=build&step=deploy")
    page.get_by_label("Split by").select_option(label="Version")
    page.get_by_label("Part of the version").select_option("MINOR")
    page.wait_for_url("**by=version:minor*")
    tab.settled()
    rows = funnel(site, "init", "build", "deploy", by=[{"field": "version", "version": "MINOR"}])["rows"]
    assert len(rows) > 2
    for row in rows[:3]:
        shown = cells(page, "By Version, minor", row["keys"][0])
        assert [text.split()[-1] for text in shown] == [spaced(step["all"]) for step in row["steps"]]
    page = tab.go("/d/demo/installs?who=people")
    page.get_by_label("Split retention by").select_option(label="Operating system")
    page.wait_for_url("**by=os*")
    tab.settled()
    asked = {"over": "WEEK", "by": [{"field": "os"}], "period": MONTH}
    groups = site.ask("AskRetention", slug="demo", retention=asked)["project"]["askRetention"]["rows"]
    darwin = next(group for group in groups if group["keys"] == ["darwin"])
    shown = cells(page, "Retention by Operating system", "darwin")
    assert shown[0] == spaced(sum(cohort["size"]["people"] for cohort in darwin["cohorts"]))
    assert shown[1:3] == [f"{round(rate * 100)}%" for rate in darwin["ratesPeople"][:2]]


@pytest.mark.slow
def test_every_card_that_a_question_can_express_opens_in_explore(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    for path, title, label, explored in (
        ("usage", "Architectures", "x64", "x64"),
        ("usage", "Property: shell", "zsh", "zsh"),
        ("downloads", "This period", "peon", "pack · peon"),
    ):
        page = tab.go(f"/d/demo/{path}?range=7d&where=name:is_not:nothing")
        shown = bars(page, title)[label]
        page.get_by_role("link", name=f"Explore {title}", exact=True).click()
        page.wait_for_url("**/explore?range=7d*where=name:is_not:nothing*")
        tab.settled()
        assert bars(page, "Events")[explored] == shown, title


@pytest.mark.slow
def test_known_installs_note_that_filters_do_not_apply(visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo")
    known, before = page.locator(".figure-card", has=page.get_by_text("Known installs", exact=True)), figure(page, "Known installs")
    expect(known).not_to_contain_text("not filtered")
    tab.go("/d/demo?where=os:is:linux")
    expect(known).to_contain_text("not filtered")
    assert figure(page, "Known installs") == before


@pytest.mark.slow
def test_health_explains_why_its_count_differs_from_the_overview(site: Any, visit: Callable[..., Any]) -> None:
    page = visit().open("/d/demo/health")
    occurred = overview(site, MONTH)["events"]["value"]
    explained = page.locator(".explained")
    expect(explained).to_contain_text("by arrival, unfiltered")
    expect(explained).to_contain_text(f"{spaced(occurred)} in this period")


@pytest.mark.slow
def test_cards_below_the_screen_are_asked_after_the_visible_ones_or_once_they_are_scrolled_into_view(visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo")
    asked: list[tuple[str, str]] = []
    held: list[Any] = []

    def named(request: Any) -> tuple[str, str]:
        body = request.post_data_json or {}
        return body.get("operationName", ""), body.get("variables", {}).get("by", "")

    def hold(route: Any) -> None:
        asked.append(named(route.request))
        held.append(route) if named(route.request)[0] == "OverviewPage" else route.continue_()

    page.route("**/graphql", hold)
    with page.expect_response(lambda response: named(response.request) == ("Breakdown", "VERSION")):
        add_filter(page, "Operating system", "is any of", "linux")
    assert asked.index(("OverviewPage", "")) < asked.index(("Breakdown", "VERSION"))
    assert not {("Breakdown", "RUNTIME"), ("Breakdown", "ENVIRONMENT"), ("Ask", "")} & set(asked)
    with page.expect_response(lambda response: named(response.request) == ("Breakdown", "ENVIRONMENT")):
        page.get_by_role("region", name="Environments").scroll_into_view_if_needed()
    assert ("Ask", "") not in asked
    with page.expect_response(lambda response: named(response.request) == ("Ask", "")):
        held.pop().continue_()
    tab.settled()


@pytest.mark.slow
def test_usage_shows_the_filtered_commands_while_the_cards_below_the_screen_still_wait(visit: Callable[..., Any], site: Any) -> None:
    tab = visit()
    page = tab.open("/d/demo/usage")
    where = [{"field": "os", "op": "IS", "values": ["linux"]}]
    told = site.ask("Usage", slug="demo", period=MONTH, filter={"where": where})["project"]["counted"]["rows"]
    held: list[Any] = []
    released: list[bool] = []

    def hold(route: Any) -> None:
        variables = (route.request.post_data_json or {}).get("variables", {})
        is_below = variables.get("filter", {}).get("where") and variables.get("by") in ("TARGET", "ARCH", "PROPERTY")
        held.append(route) if is_below and not released else route.continue_()

    page.route("**/graphql", hold)
    add_filter(page, "Operating system", "is any of", "linux")
    row = page.get_by_role("region", name="Commands and other events").get_by_role("row", name=re.compile("^build"))
    expect(row.locator("td").nth(1)).to_have_text(spaced(next(each["events"] for each in told if each["value"] == "build")))
    released.append(True)
    for route in held:
        route.continue_()
    tab.settled()


@pytest.mark.slow
def test_reports_explain_their_own_conditions_that_match_nothing(visit: Callable[..., Any]) -> None:
    tab = visit()
    for address in ("funnel?step=biuld&step=deploy", "installs?start=name:is:biuld"):
        page = tab.go(f"/d/demo/{address}")
        expect(page.locator("main .notice")).to_contain_text("No event in this period has name biuld. Did you mean build")
    page = tab.go("/d/demo/funnel?where=os:is:linux&step=first;os:is:windoes&step=build")
    expect(page.locator("main .notice")).to_contain_text("No event in this period has os windoes.")
    page = tab.go("/d/demo/funnel?where=os:is:windoes&step=init&step=build")
    expect(page.get_by_text("No event in this period has os windoes")).to_have_count(1)


@pytest.mark.slow
def test_an_address_with_an_empty_value_where_none_is_taken_is_understood(visit: Callable[..., Any]) -> None:
    page = visit().open("/d/demo?where=os:exists:")
    expect(page.get_by_role("region", name="Operating systems").get_by_role("button", name=re.compile("^linux"))).to_be_visible()


@pytest.mark.slow
def test_bars_that_are_clicked_before_the_answers_arrive_set_their_filters_and_are_pressed(visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo")
    held: list[Any] = []
    page.route("**/graphql", lambda route: held.append(route))  # noqa: PLW0108 - Playwright does not accept a method of a list
    linux = page.get_by_role("region", name="Operating systems").get_by_role("button", name=re.compile("^linux"))
    linux.click()
    page.get_by_role("region", name="Events").get_by_role("button", name=re.compile("^build")).click()
    page.wait_for_url("**/d/demo?where=os:is:linux&where=name:is:build")
    expect(linux).to_have_attribute("aria-pressed", "true")
    linux.click()
    page.wait_for_url("**/d/demo?where=name:is:build")
    page.unroute("**/graphql")
    for route in held:
        with contextlib.suppress(Error):  # the page no longer needs the answer
            route.continue_()
    tab.settled()
    expect(linux).to_have_attribute("aria-pressed", "false")
