"""The page `/clients/` in a real browser, the files that it offers, and the JavaScript client in a page of another origin."""

from __future__ import annotations

import ast
import functools
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import chromium
from tests.clients.conftest import CLIENTS, TOKEN, Project, Real

KINDS = {
    "footfall.py": "text/x-python",
    "footfall.sh": "text/x-shellscript",
    "footfall.js": "text/javascript",
    "footfall.d.ts": "text/plain",
    "footfall.go": "text/x-go",
    "footfall.rs": "text/x-rust",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = chromium.launch(playwright)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", sorted(path.name for path in CLIENTS.iterdir() if path.is_file()))
def test_each_client_is_served_with_its_own_type(real: Real, project: Project, name: str) -> None:
    answer = httpx.get(f"{project.url}/clients/{name}")
    assert (answer.status_code, answer.content) == (200, (CLIENTS / name).read_bytes())
    assert answer.headers["content-type"].partition(";")[0] == KINDS[name]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert httpx.get(f"{real.server.url}/clients/{name}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_nothing_else_is_served_there(real: Real) -> None:
    for name in ("nothing.py", "examples", "..%2fpages%2fpage.html", "__pycache__", "%00"):
        assert httpx.get(f"{real.server.url}/clients/{name}").status_code == 404, name


@pytest.mark.slow
def test_the_page_fills_in_address_project_tool_and_key(page: Page, project: Project) -> None:
    page.goto(f"{project.url}/clients/")
    page.get_by_label("Tool").fill("my-cli")
    page.get_by_label("Write key").fill("ff_key")
    code = page.locator("#python figure.example code").first
    expect(code).to_contain_text(f'Footfall("my-cli", "{project.url}", version="1.4.0", key="ff_key", command="my-cli telemetry")')
    expect(page.locator("#shell figure.example code")).to_contain_text(
        f'FOOTFALL_URL={project.url} FOOTFALL_VERSION=1.4.0 FOOTFALL_KEY="ff_key"'
    )
    expect(page.locator("#waiting")).to_contain_text("to see the first event here")
    ast.parse(code.inner_text())


@pytest.mark.slow
def test_the_page_makes_a_key_and_shows_the_first_event(page: Page, real: Real, project: Project) -> None:
    answer = page.request.post(f"{real.server.url}/login", form={"token": TOKEN, "next": "/"}, max_redirects=0)
    assert answer.status == 303
    page.goto(f"{project.url}/clients/")
    expect(page.locator("#waiting")).to_have_text("Waiting for the first event …")
    page.get_by_role("button", name="Create a key").click()
    expect(page.get_by_label("Write key")).not_to_have_value("")
    key = page.get_by_label("Write key").input_value()
    event = {"name": "build", "installation_id": "i1", "os": "linux", "outcome": "success", "install_source": "pipx"}
    sent = httpx.post(f"{real.server.url}/v1/events", json=event, headers={"Authorization": f"Bearer {key}"})
    assert sent.status_code == 202
    expect(page.locator("#waiting")).to_contain_text("The event arrived", timeout=20_000)
    seen = page.locator("#seen")
    for text in ("build", "SUCCESS", "linux", "install source", "pipx"):
        expect(seen).to_contain_text(text)


@pytest.fixture
def elsewhere(tmp_path: Path, project: Project, real: Real) -> Iterator[str]:
    """A site of another origin, whose page uses the client like the example."""
    example = (CLIENTS / "examples" / "javascript_browser.js").read_text()
    script = example.replace("https://stats.example.com/clients", f"{real.server.url}/clients").replace(
        "https://stats.example.com", project.url
    )
    (tmp_path / "index.html").write_text(f'<!doctype html><title>Site</title><script type="module">{script}</script>')

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_page_of_another_origin_sends_with_the_javascript_client(page: Page, elsewhere: str, project: Project) -> None:
    wrong: list[str] = []
    page.on(
        "console",
        lambda message: wrong.append(message.text) if message.type == "error" and "favicon" not in message.location["url"] else None,
    )
    page.goto(elsewhere)
    page.wait_for_load_state("networkidle")
    page.reload()
    page.wait_for_load_state("networkidle")
    events = project.events(at_least=2)
    assert [(event["name"], event["target_id"], event["runtime"], event["os"]) for event in events] == [
        ("download", "mytool-1.4.0.tar.gz", "browser", "linux")
    ] * 2
    assert len({event["install"] for event in events}) == 1
    assert page.evaluate("localStorage.getItem('footfall:mytool:queue')") == "[]"
    assert wrong == []


@pytest.mark.slow
def test_a_browser_that_asks_not_to_be_tracked_sends_nothing(page: Page, elsewhere: str, project: Project) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(elsewhere)
    page.wait_for_load_state("networkidle")
    assert any(url.endswith("/clients/footfall.js") for url in asked)
    assert not any("/v1/events" in url for url in asked)
    assert page.evaluate("Object.keys(localStorage)") == []


def test_the_line_without_a_client_works_when_pasted(real: Real, project: Project) -> None:
    """The line of shell works in `$(…)` and under `set -u`, and sends nothing after an opt-out."""
    text = httpx.get(f"{project.url}/clients/").text
    line = text.partition("One line of shell")[2].partition("<code>")[2].partition("</code>")[0]
    script = line.replace("&#x27;", "'").replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&").replace("&quot;", '"')
    for variables in ({"DO_NOT_TRACK": "1"}, {"MYTOOL_NO_TELEMETRY": "1"}, {}):
        ran = subprocess.run(
            ["dash", "-euc", script], env={"PATH": "/usr/bin:/bin", **variables}, capture_output=True, text=True, check=False
        )
        assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)
    assert [event["name"] for event in project.events(at_least=1)] == ["download"]
