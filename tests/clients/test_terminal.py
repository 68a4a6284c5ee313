"""Terminals that close, or are interrupted, while a client starts its sender."""

from __future__ import annotations

import contextlib
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

import pytest

from tests.clients import hosts
from tests.clients.conftest import WITHIN, Host, Wire, environment, eventually, queue_of, queued
from tests.quick import first

SHELLS = first(["dash", "bash", "busybox"])
# Node.js does not wait until its sender ignores the signals: docs/clients.md.
WAITING = [pytest.param(name, marks=[pytest.mark.slow] if name in hosts.SLOW else []) for name in hosts.NAMES if name != "node"]
WITH_NICE = [pytest.param(name, marks=[pytest.mark.slow] if name in hosts.SLOW else []) for name in ("python", "node", "go", "rust")]

# The tests may run in the background or under `nohup`, where these signals are ignored, and programs inherit that.
DEFAULT_SIGNALS = (
    "import fcntl, os, signal, subprocess, sys, termios; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    " signal.signal(signal.SIGHUP, signal.SIG_DFL); "
)
# Make the process the leader of a session with the terminal: the kernel sends SIGHUP to the foreground process group when it ends.
LEAD = DEFAULT_SIGNALS + "os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
RUN = "os.execvp(sys.argv[1], sys.argv[1:])"
ONLY_PROGRAM = LEAD + RUN
UNTIL_SENDER_STARTS = LEAD + "subprocess.call(sys.argv[2:]); open(sys.argv[1]).read()"


@contextlib.contextmanager
def leader(code: str, words: list[str], env: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], FileIO]]:
    """A process that leads the session of a new terminal, and the terminal's other end."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-I", "-S", "-c", code, *words]
    with FileIO(ours) as terminal, subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        try:
            yield process, terminal
        finally:
            process.kill()


def open_for_writing(fifo: Path) -> int:
    """Open a FIFO when a process has opened it for reading."""
    deadline = time.monotonic() + WITHIN
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # ENXIO
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@pytest.mark.parametrize("name", WAITING)
def test_the_event_is_sent_although_the_terminal_closes_with_the_program(
    make_host: Callable[[str], Host], home: Path, make_wire: Callable[..., Wire], name: str
) -> None:
    wire = make_wire()
    with leader(ONLY_PROGRAM, make_host(name).command, environment(wire.url, home)) as (process, _):
        assert process.wait(timeout=WITHIN) == 3
    assert eventually(lambda: wire.events() and queued(home) == [])


@pytest.mark.parametrize("name", WITH_NICE)
def test_a_sender_without_a_session_survives_the_end_of_the_terminal(
    make_host: Callable[[str], Host], home: Path, make_wire: Callable[..., Wire], tmp_path: Path, name: str
) -> None:
    """A `nice` that waits stands for a slow start of the sender."""
    wire, programs = make_wire(), tmp_path / "bin"
    programs.mkdir()
    (programs / "curl").symlink_to(shutil.which("curl") or "/usr/bin/curl")
    started, proceed = tmp_path / "started", tmp_path / "proceed"
    for fifo in (started, proceed):
        os.mkfifo(fifo)
    (programs / "nice").write_text(
        f'#!/bin/sh\necho >{shlex.quote(str(started))}\nread -r _ <{shlex.quote(str(proceed))}\nshift 2\nexec "$@"\n'
    )
    (programs / "nice").chmod(0o755)
    words = [str(started), *make_host(name).command]
    with leader(UNTIL_SENDER_STARTS, words, environment(wire.url, home, PATH=str(programs))) as (process, _):
        assert process.wait(timeout=WITHIN) == 0
    os.close(open_for_writing(proceed))
    assert eventually(lambda: wire.events() and queued(home) == [])


@pytest.fixture
def choice(home: Path) -> Path:
    """A FIFO as the file of the user's choice: the shell client waits for it before it starts its sender."""
    queue_of(home).mkdir(parents=True)
    path = queue_of(home).parent / "choice"
    (path.parent / "notice").write_text("shown\n")
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("shell", SHELLS)
def test_a_terminal_that_closes_before_the_sender_starts_loses_no_event(
    make_host: Callable[[str], Host], home: Path, make_wire: Callable[..., Wire], choice: Path, shell: str
) -> None:
    wire = make_wire()
    with leader(ONLY_PROGRAM, make_host(shell).command, environment(wire.url, home)) as (process, terminal):
        writing = open_for_writing(choice)
        terminal.close()
        assert process.wait(timeout=WITHIN) == -signal.SIGHUP
        os.write(writing, b"on\n")
        os.close(writing)
    assert eventually(lambda: wire.events() and queued(home) == [])


@pytest.mark.parametrize("shell", SHELLS)
def test_an_interrupt_ends_the_script_although_the_client_is_recording(
    make_host: Callable[[str], Host], home: Path, choice: Path, tmp_path: Path, shell: str
) -> None:
    """bash continues after SIGINT if the command that it waits for ignored it."""
    command = make_host(shell).command
    script = tmp_path / "script"
    script.write_text(Path(command[-1]).read_text().replace("footfall_trap build", "footfall_track build; echo continued >&2; exit"))
    started = [sys.executable, "-I", "-S", "-c", DEFAULT_SIGNALS + RUN, *command[:-1], str(script)]
    with subprocess.Popen(started, env=environment("http://127.0.0.1:9", home), stderr=subprocess.PIPE, start_new_session=True) as process:
        writing = open_for_writing(choice)
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(BrokenPipeError):  # the client has ended
            os.write(writing, b"off\n")
        os.close(writing)
        assert process.communicate(timeout=WITHIN)[1] == b""
        assert process.returncode == -signal.SIGINT
