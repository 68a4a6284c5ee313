"""Screenshots of every page of the dashboard for `make screenshots`: large and small, light and dark, empty and full."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from playwright.sync_api import Browser, expect, sync_playwright

from tests import chromium
from tests.dashboard.conftest import PAGES, TOKEN

FOLDER = Path("screenshots")
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
FULL = {"projects": "/", **{(page.partition("?")[0].strip("/") or "overview"): f"/d/demo{page}" for page in PAGES}, "explorer": "/graphql"}
EMPTY = {(page.partition("?")[0].strip("/") or "overview"): f"/d/default{page.partition('?')[0]}" for page in PAGES}


@contextmanager
def demo() -> Iterator[str]:
    """A server with demo data."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        env = {
            **os.environ,
            "FOOTFALL_DATA_DIR": folder,
            "FOOTFALL_PORT": str(port),
            "FOOTFALL_ADMIN_TOKEN": TOKEN,
            "FOOTFALL_RATE_LIMIT": "off",
        }
        with subprocess.Popen([sys.executable, "-m", "server", "demo", "--serve"], env=env, stdout=subprocess.DEVNULL) as process:
            try:
                url = f"http://127.0.0.1:{port}"
                for _ in range(600):
                    try:
                        httpx.get(f"{url}/ready").raise_for_status()
                        break
                    except httpx.HTTPError:
                        time.sleep(0.1)
                yield url
            finally:
                process.terminate()


def shoot(browser: Browser, url: str, look: str, scheme: str, pages: dict[str, str], kind: str) -> None:
    """Take screenshots of all pages of a kind with one theme and size."""
    width, height = SIZES[look]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-US")  # type: ignore[arg-type]
    context.request.post(f"{url}/login", form={"token": TOKEN, "next": "/"}, max_redirects=0)
    page = context.new_page()
    for name, path in pages.items():
        page.goto(url + path)
        page.wait_for_load_state("networkidle")
        expect(page.locator(".skeleton, .stale")).to_have_count(0)
        file = FOLDER / f"{kind}-{name}-{look}-{scheme}.png"
        page.screenshot(path=file, full_page=True)
        print(file, flush=True)
    context.close()


def picture(browser: Browser, url: str) -> None:
    """Take the screenshot of the README: the overview of the last two complete weeks."""
    context = browser.new_context(viewport={"width": 1500, "height": 900}, color_scheme="light", locale="en-US")
    context.request.post(f"{url}/login", form={"token": TOKEN, "next": "/"}, max_redirects=0)
    page = context.new_page()
    today = datetime.now(UTC).date()
    page.goto(f"{url}/d/demo?range=custom&from={today - timedelta(days=14)}&to={today - timedelta(days=1)}")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=FOLDER / "readme.png")
    context.close()


def main() -> None:
    """Take all screenshots."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with demo() as url, sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        for look in SIZES:
            for scheme in SCHEMES:
                shoot(browser, url, look, scheme, FULL, "full")
                shoot(browser, url, look, scheme, EMPTY, "empty")
        picture(browser, url)
        browser.close()


if __name__ == "__main__":
    main()
