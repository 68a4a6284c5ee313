"""The dashboard in a real browser, over a year of five million events: the time from the click that sets a filter to the last card on
the screen, and to the last one of the page.

    BENCH_YEAR=/var/tmp/year python -m bench.browser     # prints the table of bench/README.md and writes it there

The data folder is that of `bench.explore`; the server has one core and Chromium the others. A first filter needs an answer that the server has not
computed yet. A repeated filter, in a new tab with an empty cache, can use the server's caches.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bench.explore import EVENTS, measured, reference, write_table, year_folder
from bench.load import LOAD_CORE, TOKEN, Server, footfall

BEGIN, END = "<!-- browser -->", "<!-- end of browser -->"
HEAD = (
    "| page | period | first, median | first, slowest | whole page | CPU | repeated, median | repeated, slowest | whole page | CPU |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
BAR = 300  # milliseconds
PAGES = {"Overview": "", "Commands": "/usage", "Failures": "/errors", "Explore": "/explore"}
PERIODS = {"30 days": "30d", "a year": "12m"}
FILTERS = (
    ("Operating system", "linux"),
    ("Operating system", "darwin"),
    ("Package manager", "npm"),
    ("Architecture", "x64"),
    ("Version", "2.5.0"),
    ("Install source", "brew"),
)
# Measures the next click: until each card on the screen is drawn, and until the whole page is and no query runs. The address has the filter then, and
# nothing has changed for a while since.
WATCH = """() => { window.drawn = new Promise((resolve) => {
  let began = 0, visible = 0, whole = 0;
  addEventListener("submit", () => { began = performance.now(); }, { capture: true, once: true });
  const waiting = ".skeleton, .stale, main [aria-busy=true]";
  const isOnScreen = (element) => { const { top, bottom } = element.getBoundingClientRect(); return top < innerHeight && bottom > 0; };
  const look = () => {
    const now = performance.now(), isSet = began && location.search.includes("where=");
    if (!isSet || [...document.querySelectorAll(waiting)].some(isOnScreen)) visible = 0; else visible ||= now;
    if (!isSet || document.querySelector(`${waiting}, .busy.on`)) whole = 0; else whole ||= now;
    if (whole && now - whole > 200) resolve([visible - began, whole - began]);
    else requestAnimationFrame(look);
  };
  look();
}); }"""


# Waits for a page with its data.
READY = """() => new Promise((resolve) => {
  let quiet = 0;
  const look = () => {
    const waits = !document.querySelector("main .card, main form") || document.querySelector(".skeleton, .stale, main [aria-busy=true], .busy.on");
    const now = performance.now();
    if (waits) quiet = 0; else quiet ||= now;
    if (quiet && now - quiet > 500) resolve(true);
    else setTimeout(look, 20);
  };
  look();
})"""


class Timing(NamedTuple):
    """Milliseconds from the click to the last card on the screen and to the last one of the page, and of the server's CPU time."""

    clock: float
    whole: float
    cpu: float


def _ready(page: Page) -> None:
    """Wait until the page shows its data and has no pending requests."""
    page.evaluate(READY)


def _set_filter(page: Page, server: Server, field: str, value: str) -> Timing:
    page.locator("[data-add]").first.click()
    page.get_by_role("combobox", name="Field").fill(field)
    page.get_by_role("option", name=field, exact=True).first.click()
    page.get_by_role("combobox", name="Value").fill(value)
    page.get_by_role("option", name=value, exact=True).first.click()
    page.wait_for_timeout(200)
    page.evaluate(WATCH)
    before = server.cpu()
    page.get_by_role("group", name="New filter").or_(page.get_by_role("form", name="New filter")).get_by_role(
        "button", name="Apply"
    ).click()
    clock, whole = page.evaluate("window.drawn")
    return Timing(clock, whole, (server.cpu() - before) * 1_000)


def _tab(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    _ready(page)
    return page


def _measure(
    browser: Browser, server: Server, path: str, range_: str, filters: tuple[tuple[str, str], ...]
) -> Iterator[tuple[Timing, Timing]]:
    """Yield a first and a repeated timing of each filter."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US", timezone_id="UTC")
    context.request.post(f"{server.url}/login", form={"token": TOKEN, "next": "/"}, max_redirects=0)
    for field, value in filters:
        timings = []
        for _ in range(2):
            page = _tab(context, f"{server.url}/d/default{path}?range={range_}")
            timings.append(_set_filter(page, server, field, value))
            page.close()
        yield timings[0], timings[1]
    context.close()


def _cells(timings: list[Timing]) -> str:
    """The median and the slowest time to the last visible card, and the medians of the whole page and of the CPU time, as cells of the table."""
    middle, slowest = statistics.median(each.clock for each in timings), max(each.clock for each in timings)
    clocks = (f"{each:,.0f} ms" if each <= BAR else f"**{each:,.0f} ms**" for each in (middle, slowest))
    whole, cpu = (statistics.median(getattr(each, name) for each in timings) for name in ("whole", "cpu"))
    return f"{' | '.join(clocks)} | {whole:,.0f} ms | {cpu:,.0f} ms"


def lines(folder: Path, only: str, filters: int) -> Iterator[str]:
    """Yield the lines of the table."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Chromium is missing: apt-get install chromium")
    os.sched_setaffinity(0, {LOAD_CORE})
    with footfall(folder) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for page, path in PAGES.items():
            for period, range_ in PERIODS.items():
                if only not in f"{page}, {period}":
                    continue
                pairs = list(_measure(browser, server, path, range_, FILTERS[:filters]))
                first, repeated = ([pair[which] for pair in pairs] for which in (0, 1))
                yield f"| {page} | {period} | {_cells(first)} | {_cells(repeated)} |"
        browser.close()


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(prog="bench.browser", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--filters", type=int, default=len(FILTERS), help="number of filters to set on each page")
    parser.add_argument("--only", default="", help="measure the pages whose name and period contain this text, and write nothing down")
    options = parser.parse_args()
    busy, found, references = os.getloadavg()[0], list[str](), list[float]()
    with year_folder(options.events) as folder:
        print(HEAD)
        for line in lines(folder, options.only, options.filters):
            print(line, flush=True)
            found.append(line)
            references.append(reference(folder))
    if not options.only:
        write_table(BEGIN, END, [HEAD, *found], measured(options.events, busy, references))


if __name__ == "__main__":
    main()
