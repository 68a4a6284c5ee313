"""Every page: complete and accessible in both themes, without sideways scrolling or jumps, and with controls that are large enough to tap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.conftest import PAGES, TOKEN, Tab, new_context
from tests.dashboard.test_pages import serious

pytestmark = pytest.mark.xdist_group("dashboard")

# Generic families that every machine has. The second is wider than any text font, so a page that holds it holds them all.
FONTS = ("sans-serif", "monospace")
NARROW = (360, 320)  # px
BEFORE_LOGIN = ("/login", "/docs")
ALL = (*(f"/d/demo{path}" for path in PAGES), "/d/demo?range=today", "/", "/graphql", "/d/default", *BEFORE_LOGIN)
# A page of figures and lines, one of forms, and one without the application: `make test` checks these in dark colors.
PICKED = ("/d/demo", "/d/demo/settings", "/login")

SMALL = """() => [...document.querySelectorAll("a[href], button, summary, select, textarea, label:has(input), input")]
  .filter((each) => getComputedStyle(each).display !== "inline" && !each.matches(".skip, label input"))
  .map((each) => [each.getBoundingClientRect(), each])
  .filter(([{ width, height }]) => width > 0 && height > 0 && (width < 24 || height < 24))
  .map(([{ width, height }, each]) => `${each.outerHTML.slice(0, 80)} ${width}x${height}`)"""

# Counts layout shifts like Chromium's Cumulative Layout Shift, and delivers responses in a different order than the requests.
SHIFTS = """
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  const ask = window.fetch, delays = [50, 400, 250, 100, 300];
  let asked = 0;
  window.fetch = async (...request) => {
    const delay = delays[asked++ % delays.length];
    const answer = await ask(...request);
    await new Promise((resolve) => setTimeout(resolve, delay));
    return answer;
  };
"""


@dataclass(frozen=True)
class Seen:
    """One page, as it was once it was complete."""

    width: int
    headings: int
    reached: int
    shifts: float
    small: list[str]
    serious: list[str]


LOADED = [pytest.param((width, Tab.open), marks=pytest.mark.slow, id=f"{width} loaded") for width in (1360, 390)]
# From page to page within the application, as a click on a link goes: `make test` does this, in half the time.
VISITED = pytest.param((390, Tab.go), id="390 visited")
at_both_widths = pytest.mark.parametrize("pages", [*LOADED, VISITED], indirect=True)
on_a_phone = pytest.mark.parametrize("pages", [LOADED[1], VISITED], indirect=True)
loaded = pytest.mark.parametrize("pages", LOADED, indirect=True)


@pytest.fixture(scope="module")
def pages(request: pytest.FixtureRequest, site: Any, browser: Any, session: Any) -> dict[str, Seen]:
    """All pages, each opened once for the tests below, by path."""
    width, way = request.param
    context = new_context(browser, width=width, height=850, storage_state=session)
    tab = Tab(context, site.url)
    tab.page.add_init_script(SHIFTS)
    seen = {}
    for path in ALL:
        page = tab.open(path) if path in BEFORE_LOGIN else way(tab, path)
        shifts = page.evaluate("window.shifts")
        reached = page.evaluate("document.documentElement.scrollWidth")
        headings, small = page.locator("h1").count(), page.evaluate(SMALL)
        seen[path] = Seen(width, headings, reached, shifts, small, serious(page))
    context.close()
    assert tab.complaints == []
    return seen


@pytest.fixture(scope="module")
def long_names(site: Any) -> str:
    """A project with values of the maximum length."""
    assert site.server.footfall("project", "create", "long").returncode == 0
    for number in range(12):
        long = f"{number}-" + "w" * 57
        site.post(
            "long",
            name=long,
            version=long,
            os=long[:30],
            runtime=long,
            outcome="failure",
            duration_ms=10.0 ** min(number, 9),
            error={"type": long * 2, "message": "m" * 300},
            target={"type": "tool", "id": long},
            properties={long: long},
        )
    return "long"


@pytest.mark.slow
def test_no_page_scrolls_sideways_on_a_small_phone_whatever_the_fonts(visit: Callable[..., Any], long_names: str) -> None:
    tab = visit(width=NARROW[0])
    paths = [f"/d/{long_names}{path.partition('?')[0]}" for path in PAGES]
    wide = []
    for path in (*paths, "/", "/graphql", "/d/default", "/d/demo?range=custom", *BEFORE_LOGIN):
        page = tab.open(path)
        for width in NARROW:
            page.set_viewport_size({"width": width, "height": 800})
            for font in FONTS:
                page.evaluate("(font) => document.documentElement.style.setProperty('--sans', font)", font)
                reached = page.evaluate("document.documentElement.scrollWidth")
                if reached > width:
                    wide.append(f"{path} in {font}: {reached} of {width} px")
    assert wide == []


@at_both_widths
def test_every_page_is_complete_and_accessible(pages: dict[str, Seen]) -> None:
    assert {path: seen.headings for path, seen in pages.items() if seen.headings != 1} == {}
    assert {path: seen.reached for path, seen in pages.items() if seen.reached > seen.width} == {}
    assert {path: seen.serious for path, seen in pages.items() if seen.serious} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "paths"),
    [
        (390, PICKED),
        pytest.param(390, [path for path in ALL if path not in PICKED], marks=pytest.mark.slow),
        pytest.param(1360, ALL, marks=pytest.mark.slow),
    ],
    ids=["picked pages", "the other pages", "all pages on a large screen"],
)
def test_contrasts_of_pages_are_sufficient_in_dark_colors(visit: Callable[..., Any], width: int, paths: Sequence[str]) -> None:
    tab = visit(color_scheme="dark", width=width, height=850)
    faint = {path: serious(tab.open(path), "color-contrast") for path in paths}
    assert {path: found for path, found in faint.items() if found} == {}


@on_a_phone
def test_touch_targets_are_at_least_24_pixels_wide_and_high(pages: dict[str, Seen]) -> None:
    assert {path: seen.small for path, seen in pages.items() if seen.small} == {}


@loaded
def test_nothing_jumps_while_a_page_loads(pages: dict[str, Seen]) -> None:
    assert {path: seen.shifts for path, seen in pages.items() if seen.shifts >= 0.1 and path not in BEFORE_LOGIN} == {}


@pytest.fixture
def restarted(server_class: Any, tmp_path: Path) -> Iterator[Any]:
    """A server that a test stops and restarts."""
    server = server_class(tmp_path, {"FOOTFALL_ADMIN_TOKEN": TOKEN})
    yield server.start()
    server.close()


@pytest.mark.slow
def test_the_overview_recovers_by_itself_within_seconds_of_a_restart(restarted: Any, browser: Any) -> None:
    event = {"name": "run", "installation_id": "one"}
    assert restarted.client.post("/v1/events", json=event).status_code == 202
    context = browser.new_context()
    context.request.post(f"{restarted.url}/login", form={"token": TOKEN, "next": "/"}, max_redirects=0)
    page = context.new_page()
    page.goto(f"{restarted.url}/d/default")
    page.get_by_role("heading", name="Active installs").first.wait_for()
    restarted.stop()
    page.get_by_role("button", name="7 days").click()
    page.get_by_role("button", name="Try again").first.wait_for()
    restarted.start()
    expect(page.get_by_role("alert")).to_have_count(0, timeout=8_000)
    expect(page.locator(".stale")).to_have_count(0)
    context.close()
