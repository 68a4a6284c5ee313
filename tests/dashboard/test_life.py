"""A user's tasks: log in, see the first event arrive, watch live events, change settings, share charts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import TimeoutError as NotInTime
from playwright.sync_api import expect

from tests.dashboard.conftest import LAN, TOKEN

pytestmark = pytest.mark.xdist_group("dashboard")

HOSTILE = '<img src=x onerror="document.title=1"><script>alert(1)</script>'


def test_an_admin_logs_in_and_out(visit: Callable[..., Any]) -> None:
    tab = visit(known=False)
    page = tab.open("/d/demo")
    page.get_by_label("Token or key").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/d/demo")
    tab.settled()
    assert page.locator("h1").inner_text() == "Overview"
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    assert tab.open("/d/demo").get_by_role("heading", name="Footfall is running").is_visible()


def test_a_new_project_shows_how_to_send_then_its_first_events_then_charts(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "fresh").returncode == 0
    page = visit().open("/d/fresh")
    assert "/p/fresh/v1/events" in page.get_by_label("A command that sends an event").inner_text()
    site.post("fresh", name="first", version="1.0.0", os="linux")
    page.get_by_text("The first event has arrived").wait_for()
    came = page.get_by_role("region", name="The first event")
    came.get_by_role("heading", name="first was stored").wait_for()
    facts = came.locator(".facts").inner_text()
    assert [word in facts for word in ("first", "1.0.0", "linux", f"{datetime.now(UTC).year}", "UTC")] == [True] * 5
    assert came.get_by_role("link", name="The clients").get_attribute("href") == f"{site.url}/p/fresh/clients"
    site.post("fresh", name="second", version="1.0.0", os="linux")
    page.wait_for_timeout(4_000)  # longer than the polling interval of the page
    assert came.get_by_role("heading", name="first was stored").is_visible()
    page.get_by_role("button", name="View charts").click()
    page.get_by_role("heading", name="Active installs").first.wait_for()
    assert page.get_by_role("button", name=re.compile("^1.0.0")).is_visible()


@pytest.mark.slow
def test_every_page_of_an_empty_project_says_how_to_send(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "bare").returncode == 0
    tab = visit()
    for path in ("", "/installs", "/usage", "/funnel", "/errors", "/downloads"):
        assert "/p/bare/" in tab.go(f"/d/bare{path}").get_by_label("A command that sends an event").inner_text(), path
    page = tab.open("/d/bare/downloads")
    assert site.client.post("/p/bare/dl/hello", headers={"Authorization": ""}).status_code == 202
    page.get_by_role("heading", name="hello was counted").wait_for()
    page.get_by_role("button", name="View downloads").click()
    page.get_by_role("button", name=re.compile("^hello")).first.wait_for()
    page = tab.open("/d/bare")  # no cards with 0 for measures that downloads do not have
    assert page.locator(".figure-card h2").all_inner_texts() == ["Events"]
    page.get_by_role("region", name="Events", exact=True).first.wait_for()


@pytest.mark.slow
def test_copy_works_over_plain_http_on_a_name_of_the_network(site: Any, visit: Callable[..., Any]) -> None:
    tab = visit(known=False)
    tab.url = site.url.replace("127.0.0.1", LAN)
    page = tab.open("/d/demo/live")
    page.get_by_label("Token or key").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Listening").wait_for()
    assert page.evaluate("[isSecureContext, typeof navigator.clipboard]") == [False, "undefined"]
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    page.goto(f"{tab.url}/login")
    field = page.locator("input[name=token]")
    field.focus()
    page.keyboard.press("Control+V")
    assert f"{LAN}:{site.server.port}/p/demo/v1/events" in field.input_value()
    tab.complaints = [each for each in tab.complaints if "Cross-Origin-Opener-Policy" not in each]  # requires https


def watching(site: Any, visit: Callable[..., Any], path: str) -> Any:
    """Open the live page and wait for its subscription: earlier events are not shown."""
    page = visit().open(path)
    page.get_by_text("Listening").wait_for()
    for _ in range(20):
        site.post(path.split("/")[2], name="warm-up", os="linux", ci=False)
        try:
            page.get_by_role("cell", name="warm-up").first.wait_for(timeout=500)
        except NotInTime:
            continue
        return page
    raise AssertionError("Nothing comes.")


def test_an_event_is_on_the_live_page_within_a_second_and_pausing_holds_it_back(site: Any, visit: Callable[..., Any]) -> None:
    page = watching(site, visit, "/d/demo/live")
    began = time.monotonic()
    site.post("demo", name="seen-live")
    page.get_by_role("cell", name="seen-live").wait_for()
    assert time.monotonic() - began < 5  # a second on an idle machine
    seen = int(page.get_by_text("since you opened this page").inner_text().split()[0])
    page.get_by_role("button", name="Pause").click()
    site.post("demo", name="held-back")
    page.get_by_text(f"{seen + 1} events since you opened this page").wait_for()
    assert page.get_by_role("cell", name="held-back").count() == 0
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("cell", name="held-back").wait_for()


@pytest.mark.slow
def test_the_live_page_shows_what_its_filter_lets_through(site: Any, visit: Callable[..., Any]) -> None:
    page = watching(site, visit, "/d/demo/live?os=linux&who=people")
    site.post("demo", name="on-another-system", os="darwin", ci=False)
    site.post("demo", name="by-a-machine", os="linux", ci=True)
    site.post("demo", name="by-a-person", os="linux", ci=False)
    page.get_by_role("cell", name="by-a-person").wait_for()
    names = {row.split("\t")[1].strip() for row in page.locator("tbody tr").all_inner_texts()}
    assert names == {"warm-up", "by-a-person"}


@pytest.mark.slow
def test_hostile_values_are_shown_as_text(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "hostile").returncode == 0
    live = watching(site, visit, "/d/hostile/live")
    site.post(
        "hostile",
        name=HOSTILE[:60],
        version=HOSTILE,
        os="linux",
        properties={"x": HOSTILE},
        outcome="failure",
        error={"type": HOSTILE, "message": HOSTILE},
    )
    live.get_by_text("<script>alert(1)</script>").first.wait_for()
    tab = visit()
    for path in ("", "/errors", "/usage", "/installs", "/health"):
        page = tab.go(f"/d/hostile{path}")
        assert page.locator("#app img[src=x], #app script").count() == 0
        assert page.title() != "1"


def test_settings_are_changed_and_a_key_is_shown_once(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "changed").returncode == 0
    tab = visit()
    page = tab.open("/d/changed/settings")
    page.get_by_label("Name", exact=True).first.fill("Another name")
    page.get_by_label("Requests per address").fill("often")
    page.get_by_role("button", name="Save").first.click()
    page.get_by_role("alert").wait_for()  # beside the invalid field
    page.get_by_label("Requests per address").fill("30/minute")
    page.get_by_role("button", name="Save").first.click()
    page.get_by_text("Saved", exact=True).wait_for()
    settings = site.ask("ProjectSettings", slug="changed")["project"]["settings"]
    assert (settings["name"], settings["rateLimit"]) == ("Another name", "30 per 1 minute")

    keys = page.get_by_role("region", name="Keys", exact=True)
    keys.get_by_placeholder("Name or purpose").fill("a script")
    keys.get_by_role("button", name="Create").click()
    secret = page.get_by_label("New key secret").inner_text()
    assert secret.startswith("ff_")
    assert "a script" in {key["name"] for key in site.ask("ProjectSettings", slug="changed")["project"]["keys"]}
    assert secret not in tab.open("/d/changed/settings").content()


@pytest.mark.slow
def test_an_install_is_erased_after_a_question(site: Any, visit: Callable[..., Any]) -> None:
    site.post("demo", name="run", installation_id="to-be-erased-here")
    page = visit().open("/d/demo/settings")
    page.get_by_label("Installation ID").fill("to-be-erased-here")
    page.get_by_role("button", name="Erase").click()
    page.get_by_role("dialog").get_by_role("button", name="Erase").click()
    page.get_by_text("Erased: 1 event, 1 day.").wait_for()


@pytest.mark.slow
def test_a_project_is_archived_and_restored(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "retired").returncode == 0
    tab = visit()
    page = tab.open("/d/retired/settings")
    page.get_by_role("button", name="Archive").click()
    page.get_by_role("dialog").get_by_role("button", name="Archive").click()
    page.wait_for_url(f"{tab.url}/")
    page = tab.open("/d/demo/settings")
    page.get_by_role("listitem").filter(has_text="retired").get_by_role("button", name="Restore").click()
    page.get_by_role("link", name="retired", exact=True).wait_for()
    assert tab.open("/d/retired/settings").locator("h1").inner_text() == "Settings"


@pytest.fixture
def elsewhere() -> Iterator[Callable[[str], str]]:
    """A factory of sites of another origin that serve a text as a page. Returns the URL."""
    shown: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(shown[0].encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()

        def show(text: str) -> str:
            shown[:] = [text]
            return f"http://127.0.0.1:{server.server_port}/"

        yield show
        server.shutdown()


@pytest.mark.slow
def test_charts_in_a_frame_of_another_site(site: Any, visit: Callable[..., Any], elsewhere: Callable[[str], str]) -> None:
    for slug in ("framed", "unframed"):
        assert site.server.footfall("project", "create", slug).returncode == 0
        for number in range(5):  # the minimum for a public figure
            site.post(slug, name="run", installation_id=f"install-{number}", os="linux", version="3.1.4")
    with site.published("framed"):
        address = elsewhere(
            f'<link rel="icon" href="data:,"><iframe src="{site.url}/embed/framed/versions?theme=dark"></iframe>'
            f'<iframe src="{site.url}/embed/unframed/os"></iframe>'
        )
        tab = visit(known=False)
        tab.page.goto(address)
        shown, refused = (tab.page.frame_locator("iframe").nth(place) for place in (0, 1))
        shown.get_by_text("3.1.4").wait_for()
        assert shown.locator("html").get_attribute("data-theme") == "dark"
        refused.get_by_text("This chart is not public.").wait_for()
        tab.complaints.remove(address)  # the page around them


@pytest.mark.slow
def test_shares_in_a_frame_are_of_all_values_and_not_of_the_ten_bars(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "shares").returncode == 0
    for version in range(20):
        for number in range(5):  # the minimum for a public figure
            site.post("shares", name="run", installation_id=f"install-{version}-{number}", version=f"1.{version}")
    with site.published("shares"):
        tab = visit(known=False)
        tab.page.goto(f"{site.url}/embed/shares/versions")
        tab.page.locator(".bar-share").first.wait_for(state="attached")
        assert {float(share.rstrip("%")) for share in tab.page.locator(".bar-share").all_text_contents()} == {5.0}


@pytest.mark.slow
def test_a_public_dashboard_shows_charts_and_no_lists(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "open").returncode == 0
    for number in range(6):
        site.post("open", name="run", installation_id=f"install-{number}", os="linux", version="2.0.0")
    tab = visit(known=False)
    assert tab.open("/d/open").get_by_role("heading", name="Footfall is running").is_visible()
    with site.published("open"):
        page = tab.open("/d/open")
        assert page.get_by_role("button", name=re.compile("^linux")).is_visible()
        shown = page.get_by_role("navigation", name="Pages").get_by_role("listitem").all_inner_texts()
        assert {text.strip() for text in shown} == {"Overview", "Installs"}
        assert tab.open("/d/open/installs").get_by_text("Log in to see this").count() == 0
        frame = tab.open("/embed/open/os?range=7d")
        assert frame.get_by_text("linux").is_visible()


@pytest.mark.slow
def test_the_theme_is_chosen_and_stays(visit: Callable[..., Any]) -> None:
    tab = visit(color_scheme="light")
    page = tab.open("/d/demo")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Use dark theme").click()
    dark = page.evaluate(ground)
    assert dark != light
    assert tab.open("/d/demo/usage").evaluate(ground) == dark


@pytest.mark.slow
def test_an_unreachable_server_is_reported_and_the_figures_stay(visit: Callable[..., Any], site: Any) -> None:
    tab = visit()
    page = tab.open("/d/demo")
    page.route("**/graphql", lambda route: route.abort())
    page.get_by_role("button", name="7 days").click()
    page.get_by_role("button", name="Try again").first.wait_for()
    page.unroute("**/graphql")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)  # automatically, or sooner with a click
    tab.settled()
    expect(page.get_by_role("heading", name="Active installs").first).to_be_visible()
    page.route("**/graphql", lambda route: route.abort())
    page.reload()
    page.get_by_role("heading", name="Footfall is not responding").wait_for()
    page.get_by_role("button", name="Try again").click(trial=True)
    page.unroute("**/graphql")
    page.get_by_role("heading", name="Active installs").first.wait_for()
    tab.complaints = [each for each in tab.complaints if "ERR_FAILED" not in each]


@pytest.mark.slow
def test_a_tab_older_than_the_server_asks_for_a_reload(visit: Callable[..., Any]) -> None:
    tab = visit()
    page = tab.open("/d/demo")
    page.route("**/assets/usage-*", lambda route: route.fulfill(status=404))
    page.get_by_role("link", name="Usage", exact=True).click()
    page.get_by_role("button", name="Reload the page").wait_for()
    page.get_by_role("link", name="Health", exact=True).click()  # the others continue
    page.get_by_role("heading", name="Received", exact=True).wait_for()
    page.unroute("**/assets/usage-*")
    page.get_by_role("link", name="Usage", exact=True).click()
    page.get_by_role("button", name="Reload the page").click()
    page.get_by_role("heading", name="Commands and other events").wait_for()
    tab.complaints = [each for each in tab.complaints if "404" not in each and "dynamically imported" not in each]


@pytest.mark.slow
def test_a_page_refreshes_each_minute_and_pauses_in_a_hidden_tab(site: Any, visit: Callable[..., Any]) -> None:
    assert site.server.footfall("project", "create", "ticking").returncode == 0
    site.post("ticking", name="run")
    tab = visit(locale="en-US")  # a context of its own, because the clock is changed for all tabs of a context
    tab.page.clock.install()
    page = tab.open("/d/ticking")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    site.post("ticking", name="run")
    page.clock.run_for(61_000)
    page.locator(".figure-card", has=page.get_by_role("heading", name="Events", exact=True)).get_by_text("2", exact=True).wait_for()
    assert asked

    page.evaluate("Object.defineProperty(document, 'visibilityState', {get: () => 'hidden', configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    asked.clear()
    page.clock.run_for(600_000)
    assert asked == []
