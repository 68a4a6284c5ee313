"""The command `footfall send`: one event, for scripts and experiments."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests import forked
from tests.clients.conftest import Project, Wire, environment


def send(url: str, home: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return forked.run(["send", *words, "--url", url], environment(url, home, **env), 60)


def test_an_event_is_sent_with_all_that_was_given(home: Path, project: Project) -> None:
    ran = send(
        project.url, home, "deploy", "--outcome", "failure", "--duration-ms", "812", "--version", "1.4.0", "--target", "pack:peon",
        "--error-type", "Timeout", "--error-message", "no answer from alice@example.org", "--property", "files=3", "--property", "mode=fast",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert '202 {"accepted":1' in ran.stdout
    (event,) = project.events(at_least=1)
    shown = {name: event[name] for name in ("name", "outcome", "duration_us", "version", "target_id", "error_type", "error_message")}
    assert shown == {
        "name": "deploy", "outcome": "failure", "duration_us": 812_000, "version": "1.4.0", "target_id": "peon", "error_type": "Timeout",
        "error_message": "no answer from [email]",
    }  # fmt: skip
    assert {name: event["properties"][name] for name in ("files", "mode")} == {"files": 3, "mode": "fast"}
    send(project.url, home, "deploy")
    assert len({event["install"] for event in project.events(at_least=2)}) == 1


def test_an_event_that_is_not_accepted_is_an_error_unless_quiet(home: Path, make_wire: Callable[..., Wire], project: Project) -> None:
    refused = send(project.url, home, "x" * 300)
    assert refused.returncode == 1
    assert "name" in refused.stderr
    away = send("http://127.0.0.1:9", home, "deploy")
    assert (away.returncode, "cannot be reached" in away.stderr) == (1, True)
    quiet = send("http://127.0.0.1:9", home, "deploy", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    wire = make_wire()
    assert send(wire.url, home, "deploy", DO_NOT_TRACK="1").stdout == "Not sent: DO_NOT_TRACK is set.\n"
    assert send(wire.url, home, "deploy", "--property", "nothing").returncode == 2
    shown = send(wire.url, home, "deploy", "--dry-run", "--installation-id", "mine")
    assert json.loads(shown.stdout)["installation_id"] == "mine"
    assert wire.connections == 0
