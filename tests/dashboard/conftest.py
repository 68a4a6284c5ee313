"""Shared fixtures: a real browser, and a real server with demo data."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Request, sync_playwright

from server.settings import bundled
from tests import chromium, demo_store

TOKEN = "ff_the-admin-token-of-the-dashboards-tests"
OPERATIONS = bundled("graphql") / "operations"
SLOW = 40_000  # milliseconds in which a page is complete, on a machine that runs much else
LAN = "footfall.lan"  # a name of this machine in the tests' browser
# Waits in the page until it has a heading and shows no placeholder in several consecutive checks: one response may lead to the next request.
QUIET = """(limit) => new Promise((resolve) => {
  const end = performance.now() + limit;
  let looks = 0;
  const look = () => {
    looks = document.querySelector("h1") && !document.querySelector(".skeleton, .stale, .busy.on") ? looks + 1 : 0;
    if (looks === 4 || performance.now() > end) resolve(looks === 4);
    else setTimeout(look, 50);
  };
  look();
})"""
PAGES = (
    "",
    "/explore",
    "/installs",
    "/usage",
    "/funnel?step=init&step=build&step=deploy",
    "/errors",
    "/downloads",
    "/live",
    "/health",
    "/settings",
)


class Site:
    """The server and a client of its API."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.url: str = server.url
        self.client = httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30, verify=False)

    def ask(self, operation: str, **variables: Any) -> Any:
        """Run a documented operation over HTTP, like a script. Return its data."""
        body = {"query": (OPERATIONS / f"{operation}.graphql").read_text(), "variables": variables}
        document = self.client.post("/graphql", json=body).json()
        assert "errors" not in document, document
        return document["data"]

    def post(self, project: str, **event: Any) -> None:
        answer = self.client.post(f"/p/{project}/v1/events", json={"installation_id": "install-1", **event}, headers={"Authorization": ""})
        assert answer.status_code == 202, answer.text

    @contextlib.contextmanager
    def published(self, project: str) -> Iterator[None]:
        """Publish the dashboard of a project, and hide it afterwards: a server with one public project shows that to all visitors."""
        self.ask("UpdateProject", slug=project, changes={"public": ["DASHBOARD"]})
        try:
            yield
        finally:
            self.ask("UpdateProject", slug=project, changes={"public": ["COUNTERS"]})


@pytest.fixture(scope="session")
def site(server_class: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = server_class(
        tmp_path_factory.mktemp("dashboard"),
        {"FOOTFALL_ADMIN_TOKEN": TOKEN, "FOOTFALL_RATE_LIMIT": "off", "FOOTFALL_EVENT_LIMIT": "off"},
    )
    demo_store.fill(server, tmp_path_factory)
    server.start()
    made = Site(server)
    yield made
    made.client.close()
    server.close()


class Opened(NamedTuple):
    """A browser with a login."""

    browser: Browser
    session: Any  # the storage of a browser after a login, shared by all tests because logins are limited
    usual: BrowserContext


@contextlib.contextmanager
def opening(url: str) -> Iterator[Opened]:
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright, f"--host-resolver-rules=MAP {LAN} 127.0.0.1")
        context = browser.new_context()
        answer = context.request.post(f"{url}/login", form={"token": TOKEN, "next": "/"}, max_redirects=0)
        assert answer.status == 303
        session = context.storage_state()
        context.close()
        usual = new_context(browser, storage_state=session)
        usual.new_page()
        yield Opened(browser, session, usual)
        browser.close()


_opened: list[Opened] = []
_closing = contextlib.ExitStack()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Close the browser after the last of consecutive tests of this folder: its event loop in this thread breaks async tests of other folders."""
    if nextitem is None or nextitem.path.parent != Path(__file__).parent:
        _opened.clear()
        _closing.close()


@pytest.fixture(scope="module")
def opened(site: Site) -> Opened:
    """One browser for all modules: a start with a login takes 2 s of CPU time."""
    if not _opened:
        _opened.append(_closing.enter_context(opening(site.url)))
    return _opened[0]


@pytest.fixture(scope="module")
def browser(opened: Opened) -> Browser:
    return opened.browser


class Tab:
    """A page of the browser that records warnings, errors and requests to other origins."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.url = url
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self._complain(message.type in ("error", "warning"), message.text))
        self.page.on("pageerror", lambda error: self._complain(True, str(error)))
        self.page.on("request", self._started)
        self._pending: set[Request] = set()
        for end in ("requestfinished", "requestfailed"):
            self.page.on(end, self._ended)

    def _started(self, request: Request) -> None:
        self._pending.add(request)
        self._complain(not request.url.startswith((self.url, "data:", "blob:")), request.url)

    def _ended(self, request: Request) -> None:
        self._pending.discard(request)

    def _complain(self, wrong: bool, what: str) -> None:
        if wrong:
            self.complaints.append(what)

    def open(self, path: str) -> Page:
        """Go to a path and wait until the page has loaded its data."""
        self.page.goto(self.url + path)
        self.settled()
        return self.page

    def go(self, path: str) -> Page:
        """Go to a path within the loaded application, as a click on a link does, and wait until the page has loaded its data.

        Takes half the CPU time of `open`, which loads the application for the first path.
        """
        if self.page.url == "about:blank":
            return self.open(path)
        self.page.evaluate("(path) => history.pushState(null, '', path)", path)
        self.settled()
        return self.page

    def settled(self) -> None:
        """Wait until the page has received all of its data and shows it.

        Playwright's `networkidle` waits for half a second without requests, which may pass on a busy machine before the page sends the first one.
        """
        end = time.monotonic() + SLOW / 1000
        is_quiet = False
        while not is_quiet or self._pending:
            assert time.monotonic() < end, f"{self.page.url} is not complete"
            with contextlib.suppress(Error):  # the page went on to another address
                is_quiet = self.page.evaluate(QUIET, SLOW)


@pytest.fixture(scope="module")
def session(opened: Opened) -> Any:
    return opened.session


def new_context(
    browser: Browser, *, width: int = 1360, height: int = 900, locale: str = "en-US", zone: str = "UTC", **options: Any
) -> BrowserContext:
    viewport: Any = {"width": width, "height": height}
    return browser.new_context(viewport=viewport, locale=locale, timezone_id=zone, reduced_motion="reduce", **options)


@pytest.fixture(scope="module")
def usual_context(opened: Opened) -> BrowserContext:
    """A context with a login, for all tabs without options. A tab of a context with another open tab takes half of the CPU time: 0.7 s less."""
    return opened.usual


def reset(context: BrowserContext, origin: str, session: Any) -> None:
    """Close all tabs of a context except the first, which is empty, and let it forget what they stored."""
    first, *others = context.pages
    for page in others:
        page.close()
    devtools = context.new_cdp_session(first)
    devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage"})
    devtools.detach()
    context.clear_cookies()
    context.add_cookies(session["cookies"])


@pytest.fixture
def visit(site: Site, browser: Browser, session: Any, usual_context: BrowserContext) -> Iterator[Callable[..., Tab]]:
    """A factory of tabs, with a login by default. At the end of the test, no tab may have complaints."""
    contexts: list[BrowserContext] = []
    tabs: list[Tab] = []

    def open_tab(*, known: bool = True, **options: Any) -> Tab:
        context = usual_context
        if options or not known:
            context = new_context(browser, storage_state=session if known else None, **options)
            contexts.append(context)
        tabs.append(Tab(context, site.url))
        return tabs[-1]

    yield open_tab
    reset(usual_context, site.url, session)
    for context in contexts:
        context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []
