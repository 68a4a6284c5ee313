"""Debian's Chromium for the tests that need a browser."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

# Debian's wrapper rasterizes on the GPU, which this machine may have to emulate: a page then takes a fifth more CPU time.
_ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu-rasterization")


def launch(playwright: Playwright, *arguments: str) -> Browser:
    """Start a browser, with further arguments of its command line."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "these tests require Debian's chromium: apt-get install chromium"
    return playwright.chromium.launch(executable_path=chromium, args=[*_ARGUMENTS, *arguments])
