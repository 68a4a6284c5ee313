"""Layout promises: no page scrolls sideways whatever its fonts, nothing jumps while it loads, and controls are large enough to tap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.conftest import PAGES, TOKEN

pytestmark = pytest.mark.xdist_group("dashboard")

# Generic families that every machine has. The second is wider than any text font, so a page that holds it holds them all.
FONTS = ("sans-serif", "monospace")
NARROW = (360, 320)  # px
BEFORE_LOGIN = ("/login", "/docs")

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


def test_what_is_tapped_is_at_least_24_pixels_wide_and_high(visit: Callable[..., Any]) -> None:
    tab = visit(width=390)
    small = {}
    for path in (*(f"/d/demo{path}" for path in PAGES), "/", "/graphql", "/d/default", *BEFORE_LOGIN):
        if found := tab.open(path).evaluate(SMALL):
            small[path] = found
    assert small == {}


@pytest.mark.parametrize("width", [1360, 390])
def test_nothing_jumps_while_a_page_loads(visit: Callable[..., Any], width: int) -> None:
    tab = visit(width=width, height=850)
    tab.page.add_init_script(SHIFTS)
    shifts = {}
    for path in (*(f"/d/demo{path}" for path in PAGES), "/d/demo?range=today", "/", "/graphql", "/d/default"):
        shifts[path] = tab.open(path).evaluate("window.shifts")
    assert {path: value for path, value in shifts.items() if value >= 0.1} == {}


@pytest.fixture
def restarted(server_class: Any, tmp_path: Path) -> Iterator[Any]:
    """A server that a test stops and restarts."""
    server = server_class(tmp_path, {"FOOTFALL_ADMIN_TOKEN": TOKEN})
    yield server.start()
    server.close()


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
