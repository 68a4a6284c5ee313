"""Recorded and sent events: each client keeps the promises of docs/clients.md."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import ACCEPTED, WITHIN, Host, Project, Wire, environment, eventually, queue_of, queued, settled

HOSTILE_TEXT = "open /home/alice/.ssh/id: alice@example.org token=hunter22 ghp_0123456789abcdefghij https://u:pw@host/ 192.0.2.7"
CONTAINER = {"container", "person"}  # the tests themselves may run in CI


@pytest.mark.each_client
def test_an_event_arrives_with_what_the_client_filled_in(host: Host, home: Path, project: Project) -> None:
    ran = host.run(project.url, home, "--json", "--key=secret", "-psecret", "path/to/file")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)
    (event,) = project.events(at_least=1)
    assert event["name"] == "build"
    assert event["outcome"] == "failure"
    assert event["error_type"]
    assert event["version"] == "1.4.0"
    assert event["os"] == "linux"
    assert event["runtime"].startswith(host.runtime)
    assert event["install"]
    assert 0 <= event["duration_us"] < 60_000_000
    assert event["environment"] in CONTAINER
    assert event["properties"]["flags"] == "--json --key -p"
    text = json.dumps(event)
    assert "secret" not in text
    assert "path/to" not in text
    assert eventually(lambda: queued(home) == [])


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, {}),
        ({"CI": "false"}, {}),
        ({"CI": "true"}, {"environment": "ci", "ci_system": "other"}),
        ({"TF_BUILD": "True"}, {"environment": "ci", "ci_system": "azure"}),
        ({"JENKINS_URL": "https://ci.example.org/"}, {"environment": "ci", "ci_system": "jenkins"}),
        ({"GITLAB_CI": "true", "CI": "true"}, {"environment": "ci", "ci_system": "gitlab"}),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"environment": "container", "container": "kubernetes"}),
        ({"CODESPACES": "true", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"environment": "person", "container": "kubernetes"}),
        ({"CLAUDECODE": "1", "CURSOR_AGENT": "a-secret-value"}, {"agent": "claude-code cursor"}),
        ({"DO_NOT_TRACK": "0"}, {}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_the_client_detects_agent_source_and_terminal(host: Host, home: Path, env: dict[str, str], expected: dict[str, Any]) -> None:
    shown = host.telemetry("http://127.0.0.1:9", home, "show", **env)
    event = json.loads(shown.stdout.splitlines()[0])
    assert {key: event[key] for key in expected} == expected
    assert event["interactive"] is False
    assert event.get("ci_system") == expected.get("ci_system")
    assert event.get("agent") == expected.get("agent")
    assert "secret" not in shown.stdout


OPT_OUTS = [
    {"DO_NOT_TRACK": "1"},
    {"DO_NOT_TRACK": "true"},
    {"MYTOOL_TELEMETRY": "0"},
    {"MYTOOL_TELEMETRY": "false"},
    {"MYTOOL_TELEMETRY": "OFF"},
    {"MYTOOL_NO_TELEMETRY": "1"},
    {"MYTOOL_TELEMETRY": "unset"},  # no terminal: the notice was not shown
    {"MYTOOL_TELEMETRY": "unset", "CI": "true"},
    {"HOME": "unset"},
    {"HOME": "/dev/null"},
]


def test_an_opt_out_makes_no_connection_and_no_file(host: Host, home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    wire = make_wire()
    for env in OPT_OUTS:
        ran = host.run(wire.url, home, **env)
        assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3), env
    assert list(home.rglob("*")) == []
    assert host.telemetry(wire.url, home, "off").returncode == 0
    assert "hello" in host.run(wire.url, home).stdout
    assert sorted(path.name for path in home.rglob("*") if path.is_file()) == ["choice"]
    other = tmp_path / "other"
    assert "hello" in host.run(wire.url, other).stdout  # the consenting run is the last one, and only its event arrives
    assert eventually(lambda: wire.events() and queued(other) == [])
    assert [event["name"] for event in wire.events()] == ["build"]
    assert wire.connections == 1


def test_do_not_track_0_is_no_opt_out(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire()
    host.run(wire.url, home, DO_NOT_TRACK="0", MYTOOL_NO_TELEMETRY="false")
    assert eventually(wire.events)


def test_recorded_locally_only(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire()
    assert host.telemetry(wire.url, home, "local").stdout == "telemetry: local (your choice)\n"
    host.run(wire.url, home, MYTOOL_TELEMETRY="unset")
    kept = queue_of(home).parent / "local.jsonl"
    assert eventually(kept.exists)
    assert json.loads(kept.read_text())["name"] == "build"
    assert not (queue_of(home).parent / "id").exists()
    assert wire.connections == 0


def test_the_telemetry_command(host: Host, home: Path, project: Project) -> None:
    host.run(project.url, home, MYTOOL_TELEMETRY="unset")
    assert host.telemetry(project.url, home, "on", MYTOOL_TELEMETRY="unset").stdout == "telemetry: on (your choice)\n"
    host.run(project.url, home, MYTOOL_TELEMETRY="unset")
    assert len(project.events(at_least=1)) == 1
    shown = json.loads(host.telemetry(project.url, home, "show").stdout.splitlines()[0])
    assert shown["installation_id"] == (queue_of(home).parent / "id").read_text().strip()
    assert settled(home)
    assert queued(home) == []
    erased = host.telemetry(project.url, home, "erase")
    assert (erased.returncode, erased.stderr) == (0, "")
    assert project.events() == []
    assert not (queue_of(home).parent / "id").exists()
    assert host.telemetry(project.url, home, "off", MYTOOL_TELEMETRY="unset").stdout == "telemetry: off (your choice)\n"
    status = host.telemetry(project.url, home, "status", DO_NOT_TRACK="1")
    assert status.stdout == "telemetry: off (DO_NOT_TRACK is set)\n"
    assert host.telemetry(project.url, home, "nonsense").returncode == 2


def test_an_erasure_that_cannot_reach_the_server_changes_nothing(host: Host, home: Path) -> None:
    host.run("http://127.0.0.1:9", home)
    identity = queue_of(home).parent / "id"
    assert eventually(identity.exists)
    erased = host.telemetry("http://127.0.0.1:9", home, "erase")
    assert erased.returncode == 1
    assert identity.exists()


def test_an_erasure_waits_for_events_that_are_being_sent(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    """Events that arrive after the erasure would add the installation again."""
    may_answer, handled = threading.Event(), []

    def answer(connection: socket.socket, wire: Wire) -> None:
        method = wire.requests[-1].partition(b" ")[0]
        if method == b"POST":
            may_answer.wait(WITHIN)
        handled.append(method)
        ACCEPTED(connection, wire)

    wire = make_wire(answer)
    host.run(wire.url, home)
    assert eventually(lambda: wire.requests)
    erasing = subprocess.Popen([*host.command, "telemetry", "erase"], env=environment(wire.url, home), stdout=subprocess.DEVNULL)
    time.sleep(1)  # long enough for a request that is sent too early, and shorter than a sender's timeout
    may_answer.set()
    assert erasing.wait(WITHIN) == 0
    assert (handled[0], handled[-1]) == (b"POST", b"DELETE")
    assert settled(home)
    assert queued(home) == []
    assert not (queue_of(home).parent / "id").exists()


@pytest.mark.slow
@pytest.mark.parametrize("runs", [15, pytest.param(50, marks=pytest.mark.slow)])
def test_many_first_runs_at_once_make_one_id_and_as_many_events(host: Host, home: Path, project: Project, runs: int) -> None:
    env = environment(project.url, home)
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen(host.command, env=env, **quiet) for _ in range(runs)]
    assert [one.wait(timeout=280) for one in running] == [3] * runs
    events = project.events(at_least=runs)
    assert len(events) == runs
    assert len({event["install"] for event in events}) == 1
    assert eventually(lambda: queued(home) == [])


def age(home: Path, seconds: int) -> None:
    """Age the queued events: rename their files, which docs/clients.md describes."""
    folder = queue_of(home)
    for name in queued(home):
        written, _, rest = name.partition("-")
        (folder / name).rename(folder / f"{int(written) - seconds * 1000}-{rest}")
    (folder / "wait").unlink(missing_ok=True)


def test_a_day_offline_is_sent_once(host: Host, home: Path, project: Project) -> None:
    host.run("http://127.0.0.1:9", home)
    assert eventually((queue_of(home) / "wait").exists)
    host.run("http://127.0.0.1:9", home)
    assert settled(home)
    assert len(queued(home)) == 2
    age(home, 86_400)
    kept = {name: (queue_of(home) / name).read_bytes() for name in queued(home)}
    host.run(project.url, home)
    assert len(project.events(at_least=3)) == 3
    assert settled(home)
    assert queued(home) == []
    for name, body in kept.items():  # a sender that was killed before it deleted the sent events
        (queue_of(home) / name).write_bytes(body)
    host.run(project.url, home)
    assert len(project.events(at_least=4)) == 4
    assert eventually(lambda: project.ledger() == {"stored": 4, "duplicates": 2, "rejected": 0})


def test_a_sender_sends_the_events_of_all_clients_and_leaves_unknown_files(
    host: Host, home: Path, make_host: Callable[[str], Host], make_wire: Callable[..., Wire]
) -> None:
    """Clients of several languages and versions share a queue."""
    for name in ("python", "dash", "node"):
        make_host(name).run("http://127.0.0.1:9", home)
        assert settled(home)
    assert len(queued(home)) == 3
    later = queue_of(home) / f"{int(time.time() * 1000)}-later.0.v2.json"  # written by a newer client
    later.write_text('{"name":"later"}\n')
    (queue_of(home) / "wait").unlink()
    wire = make_wire()
    host.run(wire.url, home)
    assert eventually(lambda: len(wire.events()) == 4)
    assert settled(home)
    assert {event["runtime"].partition(" ")[0] for event in wire.events()} == {"python", "dash", "node", host.runtime.strip()}
    assert later.exists()


def test_events_of_a_killed_sender_are_sent_by_another(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    host.run("http://127.0.0.1:9", home)
    assert settled(home)
    (name,) = queued(home)
    (queue_of(home) / name).rename(queue_of(home) / f"{name}.{int(time.time()) - 61}")
    (queue_of(home) / "wait").unlink()
    wire = make_wire()
    host.run(wire.url, home)
    assert eventually(lambda: len(wire.events()) == 2)


def test_the_queue_is_bounded_in_number_and_age(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    folder = queue_of(home)
    folder.mkdir(parents=True)
    now = int(time.time() * 1000)
    for number in range(150):
        (folder / f"{now - 150 + number}-{number}.0.json").write_text(f'{{"name":"old-{number}"}}\n')
    (folder / f"{now - 8 * 86_400_000}-week.0.json").write_text('{"name":"too-old"}\n')
    (folder / f"{now - 500}-tried.100.json").write_text('{"name":"too-often"}\n')
    (folder / "wait").write_text(f"{int(time.time()) + 600} 3\n")
    host.run("http://127.0.0.1:9", home)
    assert settled(home)
    assert len(queued(home)) in (100, 101)
    (folder / "wait").unlink()
    wire = make_wire()
    host.run(wire.url, home)
    assert eventually(lambda: queued(home) == [])
    names = [event["name"] for event in wire.events()]
    assert names.count("build") == 2
    assert "old-149" in names
    assert not {"too-old", "too-often", "old-0"} & set(names)


def test_the_home_folder_of_another_user_is_left_alone(host: Host, home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """Run as under `sudo`, which may keep HOME: root's files would block the user's."""
    wire = make_wire()
    if os.geteuid() == 0:
        os.chown(home, 12345, 12345)
    else:
        home = Path("/")
    assert host.run(wire.url, home).stdout == "hello\n"
    assert host.telemetry(wire.url, home, "status").stdout == "telemetry: off (there is no home folder)\n"
    host.run(wire.url, tmp_path)
    assert eventually(wire.events)
    assert wire.connections == 1


def test_only_the_user_can_read_what_waits(host: Host, home: Path) -> None:
    host.run("http://127.0.0.1:9", home)
    assert eventually((queue_of(home) / "wait").exists)
    assert {path.stat().st_mode & 0o077 for path in queue_of(home).rglob("*.json")} == {0}
