"""Unmodified programs that send to PostHog: environment variables direct them to Footfall."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.sdks.conftest import FOLDER, events

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PACKAGE = "great_expectations==1.3.0"
PROGRAM = """
import great_expectations as gx
context = gx.get_context(mode="ephemeral")
context.suites.add(gx.ExpectationSuite(name="orders"))
"""


def test_great_expectations_sends_here_with_another_host_in_its_environment(server: Server, tmp_path: Path) -> None:
    folder = FOLDER / PACKAGE
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), PACKAGE], check=True, timeout=400)
    key = "phc_key-of-great-expectations"
    assert server.footfall("project", "create", "gx").returncode == 0
    assert server.footfall("key", "create", "gx", "--client-key", key).returncode == 0
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS")}
    env = {
        **inherited,
        "PYTHONPATH": str(folder),
        "HOME": str(tmp_path),  # the program stores the id of its install there
        "GX_ANALYTICS_ENABLED": "true",
        "GX_POSTHOG_HOST": server.url,
        "GX_POSTHOG_PROJECT_API_KEY": key,
    }
    for runs in (1, 2):
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.returncode == 0, ended.stderr
        deadline = time.monotonic() + 60
        while len(found := events(server, "gx")) < 2 * runs and time.monotonic() < deadline:
            time.sleep(0.1)
    assert [event["name"] for event in found] == ["data_context.initialized", "expectation_suite.created"] * 2
    assert {(event["dialect"], event["version"]) for event in found} == {("posthog", "1.3.0")}
    assert all(event["runtime"] == "posthog-python 2.5.0" for event in found)
    assert all(abs(time.time() * 1000 - _ms(event["occurred_at"])) < 120_000 for event in found)
    (install,) = {event["install"] for event in found}
    assert install


def _ms(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000
