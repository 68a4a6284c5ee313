"""The SDKs of PostHog, Segment and RudderStack, unmodified, each as a program of its own against a real server.

The SDKs come from PyPI and npm, into the folder FOOTFALL_SDKS or a folder of the temporary directory, and stay there for the next run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.conftest import Server, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TOKEN = "ff_the-admin-token-of-the-sdk-tests-0123456789"
FOLDER = Path(os.environ.get("FOOTFALL_SDKS", Path(tempfile.gettempdir()) / "footfall-sdks"))
HANG = 60  # seconds: more than any of these SDKs may keep its program

POSTHOG_PY = """
import sys, posthog
client = posthog.Posthog(sys.argv[2], host=sys.argv[1], max_retries=1, flush_interval=0.1)
{call}
client.shutdown()
"""
SEGMENT_PY = """
import sys
{load}
analytics.write_key, analytics.max_retries = sys.argv[2], 1
analytics.identify(anonymous_id="inst-1", traits={{"version": "1.2.3"}})
analytics.track(anonymous_id="inst-1", event="build", properties={{"command": "x"}},
                context={{"app": {{"version": "1.2.3"}}, "os": {{"name": "Linux"}}}})
analytics.shutdown()
"""
POSTHOG_JS = """
const { PostHog } = require("posthog-node")
const client = new PostHog(process.argv[3], { host: process.argv[2], fetchRetryCount: 0 })
client.capture({ distinctId: "inst-1", event: "build", properties: { version: "1.2.3", command: "x" } })
client.shutdown().then(() => {})
"""
SEGMENT_JS = """
const { Analytics } = require("@segment/analytics-node")
const client = new Analytics({ host: process.argv[2], writeKey: process.argv[3], maxRetries: 0 })
client.on("error", () => {})
client.track({ anonymousId: "inst-1", event: "build", properties: { command: "x" },
  context: { app: { version: "1.2.3" }, os: { name: "Linux" } } })
client.closeAndFlush({ timeout: 5000 })
"""
RUDDER_JS = """
const Analytics = require("@rudderstack/rudder-sdk-node")
const client = new Analytics(process.argv[3], { dataPlaneUrl: process.argv[2], maxRetries: 0 })
client.track({ anonymousId: "inst-1", event: "build", properties: { command: "x" },
  context: { app: { version: "1.2.3" }, os: { name: "Linux" } } })
client.flush(() => process.exit(0))
"""
_NEW = 'client.capture("build", distinct_id="inst-1", properties={"version": "1.2.3", "command": "x"})'
_OLD = 'client.capture("inst-1", "build", {"version": "1.2.3", "command": "x"})'
_RUDDER = "import rudderstack.analytics as analytics; analytics.dataPlaneUrl = sys.argv[1]"


class Sdk(NamedTuple):
    """A package and a program that sends one event `build` with it. `os` is None where the SDK sends no system."""

    package: str
    program: str
    dialect: str
    runtime: str
    os: str | None = "linux"


SDKS = (
    Sdk("posthog", POSTHOG_PY.format(call=_NEW), "posthog", "python 3."),
    Sdk("posthog==5.4.0", POSTHOG_PY.format(call=_OLD), "posthog", "python 3."),
    Sdk("posthog==3.25.0", POSTHOG_PY.format(call=_OLD), "posthog", "python 3."),
    Sdk(
        "segment-analytics-python",
        SEGMENT_PY.format(load="import segment.analytics as analytics; analytics.host = sys.argv[1]"),
        "segment",
        "analytics-python ",
    ),
    Sdk("rudder-sdk-python", SEGMENT_PY.format(load=_RUDDER), "segment", ""),
    Sdk("posthog-node", POSTHOG_JS, "posthog", "posthog-node ", None),
    Sdk("@segment/analytics-node", SEGMENT_JS, "segment", "node "),
    Sdk("@rudderstack/rudder-sdk-node", RUDDER_JS, "segment", "node "),
)


def run(sdk: Sdk, url: str, key: str) -> subprocess.CompletedProcess[str]:
    """Install the SDK where it is missing, and run its program to its end."""
    folder = FOLDER / sdk.package.replace("/", "+").replace("@", "")
    if sdk.program.lstrip().startswith("import"):
        if not folder.exists():
            subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), sdk.package], check=True, timeout=300)
        command, env = [sys.executable, "-c", sdk.program, url, key], {**os.environ, "PYTHONPATH": str(folder)}
    else:
        if not (folder / "node_modules").exists():
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", sdk.package], cwd=folder, check=True, timeout=300)
        (folder / "program.js").write_text(sdk.program)
        command, env = ["node", str(folder / "program.js"), url, key], dict(os.environ)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=HANG, check=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sdks"), {"FOOTFALL_ADMIN_TOKEN": TOKEN})
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(params=SDKS, ids=lambda sdk: sdk.package)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    found: Sdk = request.param
    return found


def events(server: Server, slug: str) -> list[dict[str, Any]]:
    answer: httpx.Response = server.client.get(f"/p/{slug}/v1/export/events?format=jsonl", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return [httpx.Response(200, text=line).json() for line in answer.text.splitlines()]


def test_an_sdk_with_another_host_name_sends_its_event_once(server: Server, sdk: Sdk) -> None:
    slug = "".join(letter if letter.isalnum() else "-" for letter in sdk.package.lower()).strip("-")
    key = f"wk_{slug}-key"
    assert server.footfall("project", "create", slug).returncode == 0
    assert server.footfall("key", "create", slug, "--client-key", key).returncode == 0
    ended = run(sdk, server.url, key)
    assert ended.returncode == 0, ended.stderr
    (event,) = events(server, slug)
    assert (event["name"], event["dialect"], event["version"], event["os"]) == ("build", sdk.dialect, "1.2.3", sdk.os)
    assert event["runtime"].startswith(sdk.runtime)
    assert event["install"]


def test_a_wrong_key_and_a_stopped_server_neither_crash_nor_hang_the_program(server: Server, sdk: Sdk) -> None:
    for url, key in ((server.url, "ff_no-such-key-anywhere"), (f"http://127.0.0.1:{free_port()}", "wk_any-key")):
        ended = run(sdk, url, key)
        # RudderStack's Node.js SDK ends its program by itself where no server listens; no answer could change that.
        assert ended.returncode == 0 or (url != server.url and sdk.package.startswith("@rudderstack")), ended.stderr
