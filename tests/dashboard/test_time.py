"""Time on the pages: one named time zone, no bars for the future, and a mark on steps that have not ended."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.dashboard.test_figures import figure, overview, spaced, table_of

pytestmark = pytest.mark.xdist_group("dashboard")

NEW_YORK = "America/New_York"
# The number of background pixels in two columns of a chart's canvas: in the middle of the last step, and of the one before.
GROUND = """(canvas) => {
  const over = canvas.parentElement.querySelector(".u-over"), ratio = canvas.width / canvas.clientWidth;
  const ground = document.createElement("canvas").getContext("2d");
  ground.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--raised");
  ground.fillRect(0, 0, 1, 1);
  const [red, green, blue] = ground.getImageData(0, 0, 1, 1).data;
  const [left, width, bottom] = [over.offsetLeft * ratio, over.clientWidth * ratio, (over.offsetTop + over.clientHeight) * ratio];
  const { data } = canvas.getContext("2d").getImageData(0, bottom - 20, canvas.width, 20);
  return [5.5, 4.5].map((step) => {
    const x = Math.round(left + (width / 6) * step);
    let same = 0;
    for (let at = 4 * x; at < data.length; at += 4 * canvas.width) same += data[at] === red && data[at + 1] === green && data[at + 2] === blue;
    return same;
  });
}"""

# The share of a line's columns that its color covers, in the part before each step but the first: dashes leave gaps.
COVERED = """(canvas) => {
  const over = canvas.parentElement.querySelector(".u-over"), ratio = canvas.width / canvas.clientWidth;
  const paint = document.createElement("canvas").getContext("2d");
  paint.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  paint.fillRect(0, 0, 1, 1);
  const color = paint.getImageData(0, 0, 1, 1).data;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const has = (x) => {
    for (let at = 4 * x; at < data.length; at += 4 * canvas.width)
      if (data[at + 3] > 200 && [0, 1, 2].every((part) => Math.abs(data[at + part] - color[part]) < 40)) return true;
    return false;
  };
  const [left, width] = [over.offsetLeft * ratio, (over.clientWidth * ratio) / 3];
  return [0, 1, 2].map((part) => {
    const columns = Array.from({ length: Math.floor(width) - 16 }, (_, place) => Math.round(left + width * part) + 8 + place);
    return columns.filter(has).length / columns.length;
  });
}"""


@pytest.fixture(scope="module")
def young(site: Any) -> str:
    """A project with its first event at the current time."""
    assert site.server.footfall("project", "create", "young").returncode == 0
    site.post("young", name="run", outcome="failure", error={"type": "Wrong"})
    return "young"


@pytest.mark.slow
def test_days_before_the_first_event_and_hours_to_come_are_not_drawn(visit: Callable[..., Any], young: str) -> None:
    tab = visit()
    page = tab.open(f"/d/{young}?range=7d")
    rows = table_of(page.get_by_role("region", name="Active installs"), "Active installs")
    assert [row[1] for row in rows] == [""] * 6 + ["1"]
    page = tab.open(f"/d/{young}?range=today")
    hours = [row[1] for row in table_of(page.get_by_role("region", name="Events", exact=True).first, "Events")]
    now = datetime.now(UTC).hour
    assert hours.count("") >= len(hours) - 2, "one hour, or two if an hour has just begun"
    assert "1" in hours[max(0, now - 1) : now + 1]
    rows = table_of(page.get_by_role("region", name="Events by outcome"), "Events by outcome")
    now = datetime.now(UTC).hour  # read after the table: the hour may have just passed
    assert {tuple(row[1:]) for row in rows[now + 1 :]} <= {("", "", "")}
    page = tab.open("/d/demo?range=today")
    hours = [row[1] for row in table_of(page.get_by_role("region", name="Events", exact=True).first, "Events")]
    assert "" not in hours[:now]
    assert set(hours[now + 2 :]) <= {""}


@pytest.mark.slow
def test_a_step_that_has_not_ended_is_marked_in_lines_areas_and_sparklines(visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo?range=7d")
    assert page.locator(".figure-card .spark .open").count() == 6
    hatched, whole = page.get_by_role("region", name="Events by outcome").locator("canvas").evaluate(GROUND)
    assert hatched > whole + 2
    for title in ("Active installs", "Events by outcome"):
        chart = page.get_by_role("region", name=title).locator(".u-over")
        box = chart.bounding_box()
        chart.hover(position={"x": box["width"] - 2, "y": 50})
        assert "UTC, so far" in page.locator(".tip").inner_text()
        chart.hover(position={"x": 2, "y": 50})
        assert "UTC" in page.locator(".tip").inner_text()
        assert "so far" not in page.locator(".tip").inner_text()
    today = datetime.now(UTC).date()
    page = tab.go(f"/d/demo?range=custom&from={today - timedelta(days=9)}&to={today - timedelta(days=3)}")
    assert page.locator(".spark .open").count() == 0
    hatched, whole = page.get_by_role("region", name="Events by outcome").locator("canvas").evaluate(GROUND)
    assert hatched <= whole + 2


def test_steps_that_the_period_cuts_are_marked_at_both_ends(visit: Callable[..., Any]) -> None:
    monday = datetime.now(UTC).date() - timedelta(days=datetime.now(UTC).weekday())
    first, last = monday - timedelta(days=26), monday - timedelta(days=5)  # from a Wednesday to a Wednesday, in four weeks
    covers = [f"counts only from {first:%b} {first.day}", f"counts only through {last:%b} {last.day}"]
    tab = visit()
    page = tab.open(f"/d/demo/explore?over=week&range=custom&from={first}&to={last}")
    card = page.get_by_role("region", name="Events", exact=True)
    assert all(text in card.inner_text() for text in covers)
    chart = card.locator(".u-over")
    tips = []
    for share in (0, 1 / 3, 1):
        chart.hover(position={"x": share * (chart.bounding_box()["width"] - 4) + 2, "y": 50})
        tips.append(page.locator(".tip strong").inner_text().partition("UTC")[2])
    assert tips == [f", {covers[0]}", "", f", {covers[1]}"]
    before, between, after = card.locator("canvas").evaluate(COVERED)
    assert before < 0.8 < between
    assert after < 0.8 < between

    page = tab.go("/d/demo/explore?over=month&chart=table&range=custom&from=2026-01-10&to=2026-03-30")
    cells = page.locator("tbody td:first-child").all_inner_texts()
    assert cells == ["Jan 2026 (counts only from Jan 10)", "Feb 2026", "Mar 2026 (counts only through Mar 30)"]
    page = tab.go(f"/d/demo/explore?over=week&range=custom&from={monday - timedelta(days=21)}&to={monday - timedelta(days=1)}")
    assert "counts" not in page.get_by_role("region", name="Events", exact=True).inner_text()
    page = tab.go(f"/d/demo?range=custom&from={monday - timedelta(days=180)}&to={last}")
    assert page.locator(".figure-card .spark .open").count() == 6


def test_steps_of_a_compared_period_that_it_cuts_are_marked(visit: Callable[..., Any]) -> None:
    tab = visit()
    compared = "over=month&range=custom&from=2026-02-01&to=2026-03-31&compare=2025-11-10,2025-12-20"
    card = tab.open(f"/d/demo/explore?{compared}").get_by_role("region", name="Events", exact=True)
    for text in ("Nov 2025 in the compared period: counts only from Nov 10", "Dec 2025 in the compared period: counts only through Dec 20"):
        assert text in card.inner_text()
    cells = tab.go(f"/d/demo/explore?{compared}&chart=table").locator("tbody td:first-child").all_inner_texts()
    assert cells == ["Feb 2026 (compared period counts only from Nov 10)", "Mar 2026 (compared period counts only through Dec 20)"]


@pytest.mark.slow
def test_values_of_whole_steps_are_not_marked_where_the_period_cuts_them(visit: Callable[..., Any]) -> None:
    today = datetime.now(UTC).date()
    wednesday = today - timedelta(days=180 + today.weekday())  # more than 92 days: by week
    tab = visit()

    def first_tip(path: str, title: str) -> str:
        page = tab.go(path)
        page.get_by_role("region", name=title).locator(".u-over").hover(position={"x": 2, "y": 50})
        return page.locator(".tip small").inner_text()

    by_week = f"/d/demo?range=custom&from={wednesday}&to={today}"
    assert first_tip(f"{by_week}&metric=active", "Active installs") == f"UTC, counts only from {wednesday:%b} {wednesday.day}"
    assert first_tip(f"{by_week}&metric=installs", "Known installs") == "UTC"  # at the end of the week
    noons = [f"{today - timedelta(days=days)}T12:00Z" for days in (9, 3)]
    assert first_tip(f"/d/demo/health?range=custom&from={noons[0]}&to={noons[1]}", "Received events by result") == "UTC"  # by whole days


@pytest.mark.slow
def test_charts_and_lists_are_in_one_zone_and_say_which(site: Any, visit: Callable[..., Any], young: str) -> None:
    tab = visit(zone=NEW_YORK)
    for path in ("/installs", "/usage", "/errors", "/downloads", "/health", ""):
        page = tab.go(f"/d/{young}{path}")
        assert page.locator(".zone").inner_text() == "UTC", path
    card = page.get_by_role("region", name="Active installs")
    card.get_by_label("Options for Active installs", exact=True).click()
    card.get_by_role("button", name="Show as table").click()
    assert card.locator("th").first.inner_text() == "from (UTC)"

    now = datetime.now(UTC)
    hour = rf"{now.hour % 12 or 12}:\d\d:\d\d {now:%p}|{(now + timedelta(minutes=1)).hour % 12 or 12}:\d\d:\d\d"
    page = tab.open(f"/d/{young}/live")
    page.get_by_text("Listening").wait_for()
    for _ in range(20):
        site.post(young, name="watched")
        if page.get_by_role("cell", name="watched").count():
            break
        page.wait_for_timeout(250)
    assert page.get_by_role("columnheader", name="Time (UTC)").is_visible()
    assert re.search(hour, page.locator("tbody tr td").first.inner_text())
    titles = tab.open(f"/d/{young}/errors").locator("td[title*='UTC']").evaluate_all("(cells) => cells.map((each) => each.title)")
    assert titles
    assert all(f"{now.year}" in title for title in titles)


@pytest.mark.slow
@pytest.mark.parametrize("locale", [pytest.param("de-DE", marks=pytest.mark.slow), "ar-EG"])
def test_a_page_is_in_english_whatever_the_browsers_language(site: Any, visit: Callable[..., Any], locale: str) -> None:
    told = overview(site, {"last": 30})["events"]["value"]
    page = visit(locale=locale).open("/d/demo")
    assert figure(page, "Events") == spaced(told)
    assert figure(page, "Success rate").endswith("%")
    assert not re.search(r"\bvor\b|Okt|Dez|قبل", page.locator("main").inner_text())


@pytest.mark.slow
def test_today_stands_beside_the_same_time_of_yesterday(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "compared").returncode == 0
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = midnight - timedelta(days=1)
    earlier, later = yesterday + (now - midnight) / 2, yesterday + (now - midnight) + (timedelta(days=1) - (now - midnight)) / 2
    for at, times in ((yesterday - timedelta(hours=12), 1), (earlier, 2), (later, 40), (midnight + (now - midnight) / 2, 3)):
        for number in range(times):
            site.post("compared", name="run", installation_id=f"install-{number}", timestamp=at.isoformat())
    page = visit().open("/d/compared?range=today")
    card = page.locator(".figure-card", has=page.get_by_role("heading", name="Events", exact=True))
    assert card.locator(".change").inner_text().split() == ["+50%", "was", "2"]
    assert "UTC" in (card.locator(".change").get_attribute("title") or "")
