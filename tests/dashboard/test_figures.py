"""The figures of the pages equal the server's answers for any selection, and the selection is in the address."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("dashboard")

MONTH = {"last": 30}


def spaced(value: float) -> str:
    return f"{round(value):,}"


def figure(page: Any, label: str) -> str:
    return str(page.locator(".figure-card", has=page.get_by_role("heading", name=label, exact=True)).locator(".big").inner_text())


def overview(site: Any, period: dict[str, Any], **wanted: Any) -> Any:
    return site.ask("Overview", slug="demo", period=period, filter=wanted or None, step="DAY")["project"]["overview"]


def agree(page: Any, told: Any, *, who: str = "all", unfiltered: Any = None) -> None:
    """Check the figures of the page against an answer. `unfiltered` is the answer for known installs, if the page's filters do not apply."""
    assert figure(page, "Events") == spaced(told["events"]["value"])
    assert figure(page, "Active installs") == spaced(told["active"][who]["value"])
    assert figure(page, "Known installs") == spaced((unfiltered or told)["installs"][who]["value"])
    assert figure(page, "Success rate") == f"{told['successRate']['value'] * 100:.1f}".removesuffix(".0") + "%"


def test_the_overview_shows_the_servers_figures(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    agree(tab.open("/d/demo"), overview(site, MONTH))
    agree(tab.go("/d/demo?range=7d"), overview(site, {"last": 7}))
    agree(tab.go("/d/demo?who=people"), overview(site, MONTH, audience="PEOPLE"), who="people")
    today = datetime.now(UTC).date()
    first, last = today - timedelta(days=12), today - timedelta(days=5)
    days = {"from": f"{first}T00:00:00Z", "to": f"{last + timedelta(days=1)}T00:00:00Z"}
    agree(tab.open(f"/d/demo?range=custom&from={first}&to={last}"), overview(site, days))


@pytest.mark.slow
def test_a_click_on_a_bar_filters_and_back_goes_back(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo")
    everything = figure(page, "Events")
    page.get_by_role("button", name=re.compile("^linux")).click()
    page.wait_for_url("**/d/demo?where=os:is:linux")
    tab.settled()
    agree(page, overview(site, MONTH, os="linux"))
    page.get_by_role("button", name="7 days").click()
    page.wait_for_url("**range=7d")
    tab.settled()
    agree(page, overview(site, {"last": 7}, os="linux"))
    page.get_by_role("link", name="Usage", exact=True).click()  # which keeps the selection
    page.wait_for_url("**/usage?where=os:is:linux&range=7d")
    for _ in range(2):
        page.go_back()
    page.wait_for_url("**/d/demo?where=os:is:linux")
    page.get_by_role("button", name="Remove the filter Operating system is linux").click()
    page.wait_for_url(re.compile("/d/demo$"))
    tab.settled()
    assert figure(page, "Events") == everything


def cells(page: Any, region: str, row: str) -> list[str]:
    found = page.get_by_role("region", name=region).get_by_role("row", name=re.compile(f"^{re.escape(row)}"))
    return [text.strip() for text in found.first.locator("td").all_inner_texts()]


def test_usage_errors_and_health_show_the_servers_figures(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/usage")
    told = site.ask("Usage", slug="demo", period=MONTH)["project"]["counted"]["rows"]
    build = next(row for row in told if row["value"] == "build")
    assert cells(page, "Commands and other events", "build")[1] == spaced(build["events"])

    page = tab.open("/d/demo/errors")
    groups = site.ask("Errors", slug="demo", period=MONTH)["project"]["errors"]["groups"]
    for group in [each for each in groups if each["type"]][:3]:
        shown = cells(page, "Errors by type", group["type"] or "No error type")
        assert (shown[1], shown[3]) == (spaced(group["events"]), spaced(group["installs"]["all"]))

    page = tab.go("/d/demo/health")
    ledger = site.ask("Ledger", slug="demo", period=MONTH)["project"]["ledger"]
    for label, name in (("Received", "received"), ("Stored", "stored"), ("Duplicates", "duplicates"), ("Rejected", "rejected")):
        assert figure(page, label) == spaced(sum(ledger[name]))


def funnel(site: Any, *names: str, **asked: Any) -> Any:
    steps = [{"name": name, "where": [{"field": "name", "values": [name]}]} for name in names]
    return site.ask("AskFunnel", slug="demo", funnel={"steps": steps, "period": MONTH, **asked})["project"]["askFunnel"]


@pytest.mark.slow
def test_cohorts_funnel_and_targets_show_the_servers_figures(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/installs")
    cohort = next(each for each in site.ask("Retention", slug="demo", period=MONTH)["project"]["retention"] if each["size"]["all"])
    start = datetime.fromisoformat(cohort["start"])
    shown = cells(page, "Cohorts", f"{start:%b} {start.day}")
    assert shown[0] == spaced(cohort["size"]["all"])
    assert shown[1] == "100%"

    page = tab.go("/d/demo/funnel?step=init&step=deploy&within=720")
    steps = funnel(site, "init", "deploy", withinHours=720)["total"]
    said = page.locator(".step").all_inner_texts()
    assert [spaced(step["all"]) in text for step, text in zip(steps, said, strict=True)] == [True, True]

    page = tab.go("/d/demo/downloads?type=pack")
    packs = site.ask("Targets", slug="demo", period=MONTH, filter={"targetType": "pack", "names": ["download"]}, first=25)["project"][
        "targets"
    ]
    bars = page.get_by_role("region", name="This period").locator(".bars li")
    assert bars.count() == len(packs)
    for pack, text in zip(packs, bars.all_inner_texts(), strict=True):
        assert pack["id"] in text
        assert text.endswith(spaced(pack["events"]))


def test_a_chart_can_be_saved_and_read_as_a_table(site: Any, visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit().open("/d/demo")
    card = page.get_by_role("region", name="Versions")
    versions = site.ask("Breakdown", slug="demo", by="VERSION", period=MONTH, first=40)["project"]["breakdown"]["rows"]
    every = {row["value"]: row["installs"]["all"] for row in versions if row["value"] and row["installs"]["all"]}
    told = dict(sorted(every.items(), key=lambda each: -each[1])[:8])

    def saved(what: str) -> bytes:
        card.get_by_label("Options for Versions").click()
        with page.expect_download() as download:
            card.get_by_role("button", name=what).click()
        download.value.save_as(tmp_path / what)
        return (tmp_path / what).read_bytes()

    rows = list(csv.reader(io.StringIO(saved("Save as CSV").decode(), newline="")))
    assert {row[0]: int(row[1]) for row in rows[1:]} == every
    assert saved("Save as PNG").startswith(b"\x89PNG")
    card.get_by_label("Options for Versions").click()
    card.get_by_role("button", name="Show as table").click()
    assert card.get_by_role("row").count() == len(told) + 1
    card.get_by_label("Options for Versions").click()
    card.get_by_role("button", name="Show as chart").click()
    card.get_by_role("button", name=f"and {len(every) - len(told)} more").click()
    card.get_by_role("button", name="Show fewer").wait_for()
    assert card.locator(".bars li").count() == len(every)

    main = page.get_by_role("region", name="Active installs")
    main.get_by_label("Options for Active installs").click()
    with page.expect_download() as download:
        main.get_by_role("button", name="Save as PNG").click()
    download.value.save_as(tmp_path / "main.png")
    assert (tmp_path / "main.png").stat().st_size > 5_000


def table_of(card: Any, title: str) -> list[list[str]]:
    """The data of a card's chart, read from its table."""
    card.get_by_label(f"Options for {title}", exact=True).click()
    card.get_by_role("button", name="Show as table").click()
    return [row.locator("td").all_inner_texts() for row in card.locator("tbody tr").all()]


@pytest.mark.slow
def test_a_click_on_a_figure_shows_it_over_time_beside_the_period_before(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo?range=7d")
    page.get_by_role("button", name="New installs").click()
    page.wait_for_url("**metric=new")
    tab.settled()
    today = datetime.now(UTC).date()
    periods = ({"last": 7}, {"from": f"{today - timedelta(days=13)}T00:00:00Z", "to": f"{today - timedelta(days=6)}T00:00:00Z"})
    told = [site.ask("ActiveUsers", slug="demo", period=period)["project"]["newAndReturning"]["newAll"] for period in periods]
    rows = table_of(page.get_by_role("region", name="New installs"), "New installs")
    assert [[int(now), int(before)] for _, now, before in rows] == [list(pair) for pair in zip(*told, strict=True)]
    page.get_by_role("button", name="Success rate").click()
    page.wait_for_url("**metric=success")
    page.get_by_role("region", name="Success rate").wait_for()
    page.go_back()
    page.get_by_role("region", name="New installs").wait_for()


@pytest.mark.slow
def test_a_period_is_only_compared_with_one_that_had_events(visit: Callable[..., Any]) -> None:
    tab = visit()
    assert tab.open("/d/demo").get_by_text("since ").count() == 6  # the demo has one month, and none before it
    page = tab.go("/d/demo?range=7d")
    assert page.get_by_text("since ").count() == 0
    assert page.get_by_role("button", name="Previous period").count() == 1


@pytest.mark.slow
def test_an_error_opens_to_its_own_versions_and_samples(site: Any, visit: Callable[..., Any]) -> None:
    groups = site.ask("Errors", slug="demo", period=MONTH, first=50)["project"]["errors"]["groups"]
    rarest = min(
        (group for group in groups if group["type"] and any(each["version"] for each in group["versions"])),
        key=lambda group: group["events"],
    )
    tab = visit()
    page = tab.open("/d/demo/errors")
    page.get_by_role("button", name=rarest["type"], exact=True).click()
    page.wait_for_url("**error=*")
    tab.settled()
    told = site.ask("ErrorSamples", slug="demo", errorType=rarest["type"], period=MONTH)["project"]["failures"]
    shown = page.get_by_role("region", name="Samples").locator("tbody tr")
    assert shown.count() == len(told)
    assert [told[0]["name"] in text and (told[0]["message"] or "") in text for text in shown.all_inner_texts()[:1]] == [True]
    version = next(each["version"] for each in rarest["versions"] if each["version"])
    page.get_by_role("region", name="Affected versions").get_by_role("button", name=re.compile(f"^{re.escape(version)}")).click()
    page.wait_for_url(f"**where=version:is:{version}*")
    page.go_back()
    page.go_back()
    tab.settled()
    assert page.get_by_role("region", name="Samples").count() == 0


@pytest.mark.slow
def test_durations_are_a_histogram_that_can_be_saved(site: Any, visit: Callable[..., Any], tmp_path: Path) -> None:
    tab = visit()
    page = tab.open("/d/demo/usage")
    page.get_by_role("button", name="Durations of lint").click()
    page.wait_for_url("**times=lint")
    card = page.get_by_role("region", name="Durations of lint")
    groups = site.ask("Durations", slug="demo", period=MONTH)["project"]["durations"]["groups"]
    told = next(group for group in groups if group["label"] == "lint")
    card.get_by_label("Options for Durations of lint").click()
    with page.expect_download() as download:
        card.get_by_role("button", name="Save as CSV").click()
    download.value.save_as(tmp_path / "lint.csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "lint.csv").read_text())))[1:]
    assert [int(row[1]) for row in rows] == told["counts"]
    assert [float(row[2]) for row in rows] == told["edges"][:-1]
    assert card.locator(".mark").count() == 2


@pytest.mark.slow
def test_days_are_picked_by_hand(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo")
    page.get_by_role("button", name="Custom").click()
    today = datetime.now(UTC).date()
    first, last = today - timedelta(days=9), today - timedelta(days=8)
    page.get_by_label("First day").fill(f"{first}")
    page.get_by_label("Last day").fill(f"{last}")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url(f"**from={first}&to={last}")
    tab.settled()
    days = {"from": f"{first}T00:00:00Z", "to": f"{last + timedelta(days=1)}T00:00:00Z"}
    assert figure(page, "Events") == spaced(overview(site, days)["events"]["value"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        "range=custom&from=yesterday&to=2026-13-45&metric=none&who=unknown",
        pytest.param("range=never&metric=none&who=unknown", marks=pytest.mark.slow),
        pytest.param("range=custom&from=2030-01-01&to=2020-01-01", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_address_is_still_a_page(visit: Callable[..., Any], wrong: str) -> None:
    page = visit().open(f"/d/demo?{wrong}")
    assert page.locator(".figure-card").count() == 6
    assert page.get_by_role("alert").count() == 0


@pytest.mark.slow
def test_a_funnel_is_picked_event_by_event_and_people_only_by_a_switch(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo/funnel")
    page.get_by_role("button", name="build", exact=True).click()
    page.wait_for_url("**step=build")
    page.get_by_label("Next step").select_option("deploy")
    page.wait_for_url("**step=build&step=deploy")
    page.get_by_label("within").select_option("1 week")
    page.get_by_role("button", name="People only").click()
    page.wait_for_url("**who=people*")
    tab.settled()
    steps = funnel(site, "build", "deploy", withinHours=168)["total"]
    said = page.locator(".step-figure b").all_inner_texts()
    assert said == [spaced(step["people"]) for step in steps]
    for _ in range(4):
        page.go_back()
    page.wait_for_url("**/d/demo/funnel")


@pytest.mark.slow
def test_a_cards_line_is_its_own_figures_or_absent(site: Any, visit: Callable[..., Any]) -> None:
    lines = """() => Object.fromEntries([...document.querySelectorAll(".figure-card")].map((card) =>
        [card.querySelector("h2").textContent, card.querySelector(".spark polyline")?.getAttribute("points") ?? null]))"""
    tab = visit()
    shown = tab.open("/d/demo").evaluate(lines)
    assert shown["Events"] not in {shown["Known installs"], shown["Active installs"], None}
    assert shown["Known installs"]
    today = tab.go("/d/demo?range=today").evaluate(lines)
    assert [today[label] for label in ("Active installs", "New installs", "Median duration", "Known installs")] == [None] * 4
