"""The trackers of other systems in a real browser, on a page of another origin than the server's."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests import chromium
from tests.conftest import Server
from tests.sdks.conftest import FOLDER, events

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PLAUSIBLE = """<!doctype html><title>a</title><script type="module">
import { init, track } from "/node_modules/@plausible-analytics/tracker/plausible.js"
init({ domain: "SITE", endpoint: "SERVER/api/event", captureOnLocalhost: true, autoCapturePageviews: true })
track("build", { props: { version: "1.2.3", os: "linux", command: "x" }, callback: result => { document.title = JSON.stringify(result ?? null) } })
</script>"""
# The requests of Umami's script.js, which no package has: its headers need the server's permission.
UMAMI = """<!doctype html><title>a</title><script>
const send = (type, payload, more) => fetch("SERVER/api/send", {
  keepalive: true, method: "POST", credentials: "omit",
  headers: { "Content-Type": "application/json", "x-umami-website-id": "SITE", "x-umami-hostname": location.hostname, ...more },
  body: JSON.stringify({ type, payload: { website: "SITE", screen: "800x600", hostname: location.hostname, url: location.href, ...payload } }),
}).then(answer => answer.json())
send("event", {}).then(() => send("event", { name: "build", data: { version: "1.2.3", os: "linux", command: "x" } }))
  .then(() => send("performance", { lcp: 5 })).then(() => send("identify", { id: "user-1" }, { "x-umami-cache": "" }))
  .then(answer => { document.title = JSON.stringify(answer) }, error => { document.title = String(error) })
</script>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = chromium.launch(playwright)
        yield opened
        opened.close()


@pytest.fixture
def pages() -> Iterator[tuple[Path, str]]:
    """A folder with the packages of trackers, and its address."""
    folder = FOLDER / "trackers"
    if not (folder / "node_modules").exists():
        folder.mkdir(parents=True, exist_ok=True)
        package = "@plausible-analytics/tracker"
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", package], cwd=folder, check=True, timeout=200)
    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield folder, f"http://127.0.0.1:{web.server_port}"
    web.shutdown()
    web.server_close()


@pytest.mark.parametrize(("name", "page"), [("plausible", PLAUSIBLE), ("umami", UMAMI)])
def test_a_tracker_on_a_page_of_another_origin_sends_its_events(
    server: Server, browser: Browser, pages: tuple[Path, str], name: str, page: str
) -> None:
    slug, site = f"tracker-{name}", f"tracker-{name}.example"
    assert server.footfall("project", "create", slug, "--site", site).returncode == 0
    folder, url = pages
    (folder / f"{name}.html").write_text(page.replace("SERVER", server.url).replace("SITE", site))
    tab = browser.new_page(user_agent="Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0")  # the tracker sends nothing from a headless browser
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.goto(f"{url}/{name}.html?token=private")
    deadline = time.monotonic() + 20
    while tab.title() == "a" and time.monotonic() < deadline:
        tab.wait_for_timeout(50)
    assert tab.title() in ("{}", '{"status":202}'), (tab.title(), complaints)
    while len(stored := events(server, slug)) < 2 and time.monotonic() < deadline:
        tab.wait_for_timeout(100)
    tab.close()
    found = {event["name"]: event for event in stored}
    assert set(found) == {"build", "pageview"}, complaints
    build = found["build"]
    assert (build["dialect"], build["version"], build["os"], build.get("install")) == (name, "1.2.3", "linux", None)
    assert build["properties"] == {"version": "1.2.3", "os": "linux", "command": "x"}
    assert "private" not in str(stored)
