"""Clients with servers that are down, slow or wrong: no delay, no output, and no avoidable loss of events."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.clients import hosts
from tests.clients.conftest import (
    ACCEPTED,
    Host,
    Wire,
    drip,
    environment,
    eventually,
    garbage,
    hang,
    processes_of,
    queue_of,
    queued,
    replying,
)

WRONG = {
    "hangs": hang,
    "drips": drip,
    "garbage": garbage,
    "is a captive portal": replying("200 OK", "<html>Log in to the network</html>", "Content-Type: text/html"),
    "is behind a proxy that requires a password": replying("407 Proxy Authentication Required"),
    "fails": replying("500 Internal Server Error", "oops"),
}


def waited(home: Path) -> tuple[float, int]:
    """(seconds until the next attempt, failures so far) from the file `wait`."""
    until, failures = (queue_of(home) / "wait").read_text().split()
    return float(until) - time.time(), int(failures)


@pytest.mark.slow
@pytest.mark.parametrize(
    "names",
    [
        pytest.param([name for name in hosts.NAMES if name not in hosts.SLOW], id="usual"),
        pytest.param(hosts.SLOW, marks=pytest.mark.slow, id="slow"),
    ],
)
def test_a_wrong_server_delays_no_program_and_the_event_is_kept(
    names: Iterable[str], make_host: Callable[[str], Host], tmp_path: Path, make_wire: Callable[..., Wire]
) -> None:
    """Run all clients with all servers concurrently: a client waits ten seconds for a server that hangs."""

    def check(case: tuple[Host, str]) -> None:
        host, behavior = case
        home = tmp_path / f"{host.name} {behavior}"
        home.mkdir()
        try:
            keeps_its_event(host, home, make_wire(WRONG[behavior]))
        except AssertionError as error:
            error.add_note(f"{host.name} with a server that {behavior}")
            raise

    cases = [(make_host(name), behavior) for name in names for behavior in WRONG]
    with ThreadPoolExecutor(len(cases)) as pool:
        assert list(pool.map(check, cases)) == [None] * len(cases)


def keeps_its_event(host: Host, home: Path, wire: Wire) -> None:
    ran = host.run(wire.url, home)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)
    assert eventually(lambda: wire.connections)
    assert eventually((queue_of(home) / "wait").exists)
    assert eventually(lambda: [name.split(".")[1] for name in queued(home)] == ["1"] and queued(home)[0].endswith(".json"))
    seconds, failures = waited(home)
    assert 0 < seconds <= 30
    assert failures == 1
    host.run(wire.url, home)  # no attempt before that
    host.telemetry(wire.url, home, "status")
    assert eventually(lambda: len(queued(home)) == 2)
    assert wire.connections == 1


def test_output_is_complete_while_the_server_hangs(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    """`$(tool)` returns while the server still has the request: no pipe of the tool is held by the sender."""
    wire = make_wire(hang)
    host.run(wire.url, home)
    assert not (queue_of(home) / "wait").exists()
    assert eventually(lambda: wire.connections)


@pytest.mark.each_client
def test_senders_run_with_the_lowest_priority(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire(hang)
    host.run(wire.url, home)
    assert eventually(lambda: wire.requests)
    assert {process.nice() for process in processes_of(home) if process.is_running()} == {19}


@pytest.mark.parametrize("status", ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_redirect_is_not_followed(host: Host, home: Path, make_wire: Callable[..., Wire], status: str) -> None:
    other = make_wire()
    wire = make_wire(replying(status, "", f"Location: {other.url}/v1/events"))
    host.run(wire.url, home)
    assert eventually((queue_of(home) / "wait").exists)
    assert other.connections == 0
    assert len(queued(home)) == 1


def test_an_unreachable_server_delays_no_program(host: Host, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    for address in (url, "http://name.invalid", "http://", "nonsense", "https://127.0.0.1:1/p/x"):
        ran = host.run(address, home)
        assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3), address
        if (queue_of(home) / "wait").exists():
            (queue_of(home) / "wait").unlink()
    assert eventually(lambda: len(queued(home)) == 5)


@pytest.mark.parametrize("status", ["400 Bad Request", "410 Gone", "422 Unprocessable Content"])
def test_a_permanently_refused_event_is_not_sent_again(host: Host, home: Path, make_wire: Callable[..., Wire], status: str) -> None:
    wire = make_wire(replying(status, "{}"))
    host.run(wire.url, home)
    assert eventually(lambda: wire.connections and queued(home) == [])
    assert not (queue_of(home) / "wait").exists()


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_retry_after_is_honored(host: Host, home: Path, make_wire: Callable[..., Wire], status: str) -> None:
    wire = make_wire(replying(status, "{}", "Retry-After: 1800"))
    host.run(wire.url, home)
    assert eventually((queue_of(home) / "wait").exists)
    seconds, _ = waited(home)
    assert 1700 < seconds <= 1800
    host.run(wire.url, home)
    assert eventually(lambda: len(queued(home)) == 2)
    assert wire.connections == 1


def test_a_retry_after_without_end_is_bounded_by_a_day(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire(replying("503 Service Unavailable", "{}", "Retry-After: 999999"))
    host.run(wire.url, home)
    assert eventually((queue_of(home) / "wait").exists)
    assert waited(home)[0] <= 86_400


def test_pauses_between_failed_attempts_grow_to_an_hour(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    wire = make_wire(replying("500 Internal Server Error", "oops"))
    queue_of(home).mkdir(parents=True)
    for failures, least in ((2, 110), (11, 3590)):
        (queue_of(home) / "wait").write_text(f"{int(time.time()) - 1} {failures}\n")
        host.run(wire.url, home)
        now = failures + 1
        assert eventually(lambda: waited(home)[1] == now)  # noqa: B023 - called before the next round
        assert least < waited(home)[0] <= max(3600, least + 20)


@pytest.mark.parametrize("broken", ["the id", "the pause", "the choice", "the folder", "the queue"])
def test_broken_files_break_no_program(host: Host, home: Path, make_wire: Callable[..., Wire], broken: str) -> None:
    wire = make_wire()
    folder = queue_of(home).parent
    folder.mkdir(parents=True)
    if broken == "the id":
        (folder / "id").write_text("no id\n")
    elif broken == "the pause":
        queue_of(home).mkdir()
        (queue_of(home) / "wait").write_text("99999999999999 x\n")
    elif broken == "the choice":
        (folder / "choice").write_bytes(b"\xff\x00")
    elif broken == "the folder":
        folder.rmdir()
        folder.write_text("a file where the folder should be")
    else:
        queue_of(home).mkdir()
        (queue_of(home) / "nonsense.json").write_text("{")
        (queue_of(home) / f"{int(time.time() * 1000)}-half.0.json").write_text("")
    ran = host.run(wire.url, home)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 3)
    if broken in ("the id", "the pause", "the queue"):
        assert eventually(wire.events)
        assert len((folder / "id").read_text().strip()) == 36


def test_locks_of_the_host_are_not_held(host: Host, home: Path, make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """`exec 9>lock; flock 9; tool`: when the tool has ended, the lock is free, although the sender still waits for its answer."""
    wire = make_wire(hang)
    script = f'exec 9>"{tmp_path}/lock"; flock 9; "$@"; exec 9>&-; flock -n "{tmp_path}/lock" echo free'
    command = ["sh", "-c", script, "sh", *host.command]
    ran = subprocess.run(command, env=environment(wire.url, home), capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout == "hello\nfree\n"
    assert eventually(lambda: wire.connections)


def test_an_interrupt_of_the_terminal_does_not_reach_the_sender(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    """Ctrl-C goes to all processes of the terminal's group, when the next command runs."""
    asked, may_answer = threading.Event(), threading.Event()

    def answer(connection: socket.socket, wire: Wire) -> None:
        asked.set()
        may_answer.wait(30)
        ACCEPTED(connection, wire)

    wire = make_wire(answer)
    script = '"$@"; echo ended; read -r _'
    process = subprocess.Popen(
        ["sh", "-c", script, "sh", *host.command], env=environment(wire.url, home), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.read(12) == b"hello\nended\n"
    assert asked.wait(30)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    may_answer.set()
    assert eventually(lambda: queued(home) == [])
    assert not (queue_of(home) / "wait").exists()


ROUNDS = 12


def cpu(command: list[str], env: dict[str, str]) -> float:
    """Milliseconds of processor time of a program and its children. Clock time depends on the load of the machine."""
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    with process.stdout as shown:
        shown.read()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 3
    return (usage.ru_utime + usage.ru_stime) * 1000


@pytest.mark.slow
def test_a_program_takes_hardly_longer_with_telemetry(host: Host, home: Path, make_wire: Callable[..., Wire]) -> None:
    """Compare the processor time of the host program with a hanging server to the program without telemetry, alternately.

    Half a start of Python is about five milliseconds on the machine of docs/clients.md, and more on a slower one.
    """
    wire = make_wire(hang)
    env: dict[str, Any] = environment(wire.url, home)
    host.run(wire.url, home)
    assert eventually(lambda: wire.connections)
    costs: dict[str, list[float]] = {"bare": [], "sending": [], "python": []}
    for _ in range(ROUNDS):
        costs["bare"].append(cpu(host.bare, env))
        costs["sending"].append(cpu(host.command, env))
        costs["python"].append(cpu([sys.executable, "-I", "-c", ""], env))
        (queue_of(home) / "wait").unlink(missing_ok=True)
    bare, sending, python = (statistics.median(costs[name]) for name in ("bare", "sending", "python"))
    assert sending - bare < max(5.0, python * 0.5, bare * 0.35), (bare, sending, python)
