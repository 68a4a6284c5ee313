"""Every page: complete, without console messages, accessible by keyboard and screen reader, at every width, without requests to other origins."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from server.settings import bundled
from tests.dashboard.conftest import PAGES

pytestmark = pytest.mark.xdist_group("dashboard")

AXE = bundled("static") / "node_modules" / "axe-core" / "axe.min.js"
FIRST_PAGE = 90 * 1000  # bytes
WIDTH = 1360  # px


def serious(page: Any, rule: str | None = None) -> list[str]:
    """Serious accessibility violations that axe reports, of all rules or of one."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    options = {"resultTypes": ["violations"], **({"runOnly": [rule]} if rule else {})}
    # By default, axe preloads files such as style sheets, which takes half the time of a run. Only its rules about audio and video use them.
    run = "(options) => axe.run(document, { ...options, preload: document.querySelector('audio, video') !== null })"
    found = page.evaluate(run, options)["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.slow
def test_every_page_is_complete_and_accessible_in_dark_colors(visit: Callable[..., Any]) -> None:
    """For light colors, and for contrasts in both on a phone, see `test_layout`."""
    tab = visit(color_scheme="dark", width=WIDTH)
    wrong = {}
    for path in (*(f"/d/demo{page}" for page in PAGES), "/", "/graphql", "/d/default"):
        page = tab.open(path)
        assert page.locator("h1").count() == 1, path
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH, path
        if found := serious(page):
            wrong[path] = found
    assert wrong == {}


def test_everything_can_be_reached_and_done_with_the_keyboard(visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Skip to content"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").startswith("2."):  # the first of the versions
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**where=version:is:2*")
    tab.settled()
    menu = page.get_by_label("Options for Versions")
    menu.focus()
    page.keyboard.press("Enter")
    page.get_by_role("region", name="Versions").get_by_role("button", name="Save as CSV").wait_for()
    page.keyboard.press("Escape")
    assert not page.get_by_role("region", name="Versions").get_by_role("button", name="Save as CSV").is_visible()


@pytest.mark.slow
def test_the_signed_out_page_too(visit: Callable[..., Any]) -> None:
    page = visit(known=False).open("/")
    expect(page).to_have_title("Log in to Footfall")
    assert serious(page) == []


def test_the_first_page_is_small(site: Any) -> None:
    page = site.client.get("/").text
    names = [part.split('"')[0] for part in page.split('"/')[1:] if part.startswith(("assets/", "theme.js"))]
    assert len(names) > 2
    sent = [site.client.get(f"/{name}", headers={"Accept-Encoding": "gzip"}) for name in names]
    assert {answer.status_code for answer in sent} == {200}
    assert sum(len(gzip.compress(answer.content)) for answer in sent) < FIRST_PAGE


def test_files_are_compressed_and_cached_by_browsers_until_they_change(site: Any) -> None:
    page = site.client.get("/", headers={"Accept-Encoding": "br;q=0, gzip"})
    assert page.headers["content-encoding"] == "gzip"
    assert page.headers["cache-control"] == "no-cache"
    known = {"If-None-Match": page.headers["etag"], "Accept-Encoding": "gzip"}
    assert site.client.get("/", headers=known).status_code == 304
    name = next(part.split('"')[0] for part in page.text.split('src="/')[1:] if part.startswith("assets/"))
    assert "immutable" in site.client.get(f"/{name}").headers["cache-control"]
    assert site.client.get("/assets/../../pyproject.toml").status_code == 404
    assert site.client.get("/assets/nothing.js").status_code == 404


def test_the_policy_of_a_page_allows_nothing_from_elsewhere_and_frames_only_of_single_charts(site: Any) -> None:
    policy = site.client.get("/d/demo").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "frame-ancestors *" in site.client.get("/embed/demo/active").headers["content-security-policy"]


def test_only_browsers_get_the_explorer_and_get_runs_no_operation(site: Any) -> None:
    assert site.client.get("/graphql", headers={"Accept": "application/json"}).status_code == 405
    assert "<title>Footfall</title>" in site.client.get("/graphql?query={me{label}}", headers={"Accept": "text/html"}).text


@pytest.mark.slow
def test_an_unknown_page_reports_that_it_does_not_exist(visit: Callable[..., Any]) -> None:
    tab = visit()
    assert tab.open("/d/demo/nonsense").locator("h1").inner_text() == "Page not found"
    assert tab.open("/d/unknown").locator("h1").inner_text() == "Page not found"


def test_the_explorer_asks_and_completes(visit: Callable[..., Any]) -> None:
    page = visit().open("/graphql")
    page.get_by_role("button", name="Run").click()
    page.get_by_label("Response").get_by_text('"label"').wait_for()
    page.get_by_role("textbox", name="Operation").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nquery Other { serv")
    page.keyboard.press("Control+Space")
    page.get_by_role("listbox").get_by_text("server", exact=True).wait_for()
