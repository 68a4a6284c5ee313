"""The unmodified SDKs of other systems, each in a program of its own, against a real server.

They are installed from PyPI and npm into the folder FOOTFALL_SDKS, or into a temporary folder, and stay there for the next run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time

import pytest

from tests.conftest import Server, free_port
from tests.sdks.conftest import FOLDER, events
from tests.sdks.programs import SDKS, Sdk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HANG = 60  # seconds: more than any of these SDKs may keep its program


def run(sdk: Sdk, url: str, key: str) -> subprocess.CompletedProcess[str]:
    """Install the SDK if it is missing, and run its program to its end."""
    folder = FOLDER / sdk.package.replace("/", "+").replace("@", "")
    if sdk.program.lstrip().startswith("import"):
        if not folder.exists():
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), sdk.package, *sdk.also], check=True, timeout=300
            )
        command, env = [sys.executable, "-c", sdk.program, url, key], {**os.environ, "PYTHONPATH": str(folder)}
    else:
        if not (folder / "node_modules").exists():
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                ["npm", "install", "--silent", "--no-audit", "--no-fund", sdk.package, *sdk.also], cwd=folder, check=True, timeout=300
            )
        (folder / "program.js").write_text(sdk.program)
        command, env = ["node", str(folder / "program.js"), url, key], dict(os.environ)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=HANG, check=False)


@pytest.fixture(params=SDKS, ids=lambda sdk: sdk.package)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    found: Sdk = request.param
    return found


def project_for(server: Server, sdk: Sdk, about: str, *limits: str) -> tuple[str, str]:
    """Return a fresh project and the key that names it."""
    name = "".join(letter if letter.isalnum() else "-" for letter in sdk.package.lower()).strip("-")
    slug, key = f"{about}-{name}"[:40].strip("-"), sdk.key.format(hashlib.sha256(f"{about} {name}".encode()).hexdigest())
    if sdk.is_site:
        made = server.footfall("project", "create", slug, "--site", key, *limits)
        assert made.returncode == 0, made.stderr
        return slug, key
    assert server.footfall("project", "create", slug).returncode == 0
    made = server.footfall("key", "create", slug, "--client-key", key, *limits)
    assert made.returncode == 0, made.stderr
    return slug, key


def test_an_sdk_with_another_host_name_sends_its_event_once(server: Server, sdk: Sdk) -> None:
    slug, key = project_for(server, sdk, "once")
    ended = run(sdk, server.url, key)
    assert ended.returncode == 0, ended.stderr
    # Some SDKs do not wait for the answer: their program may end before the commit.
    deadline = time.monotonic() + 60
    while not events(server, slug) and time.monotonic() < deadline:
        time.sleep(0.1)
    (event,) = events(server, slug)
    assert (event["name"], event["dialect"], event["version"], event["os"]) == ("build", sdk.dialect, "1.2.3", sdk.os)
    assert (event["runtime"] or "").startswith(sdk.runtime)
    assert "private" not in str(event)
    assert bool(event["install"]) is sdk.has_install


def test_a_limit_neither_crashes_nor_hangs_the_program(server: Server, sdk: Sdk) -> None:
    slug, key = project_for(server, sdk, "limit", "--rate-limit", "1/hour")
    for _ in range(2):
        ended = run(sdk, server.url, key)
        assert ended.returncode == 0, ended.stderr
    assert len(events(server, slug)) <= 1


def test_a_wrong_key_and_a_stopped_server_neither_crash_nor_hang_the_program(server: Server, sdk: Sdk) -> None:
    for url, key in (
        (server.url, sdk.key.format("no-such-key".replace("-", ""))),
        (f"http://127.0.0.1:{free_port()}", sdk.key.format("anykey")),
    ):
        ended = run(sdk, url, key)
        # RudderStack's Node.js SDK ends its program if no server listens; no answer could change that.
        assert ended.returncode == 0 or (url != server.url and sdk.package.startswith("@rudderstack")), ended.stderr
