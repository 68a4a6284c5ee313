"""Footfall processes forked from one that has imported the server: a start costs a quarter of the CPU time of `python -m server`.

Each process runs `server/__main__.py` from its first line, with its own environment, arguments and output, and is a child of the test process.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphans of descendants become children of this process
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_POLL = 0.01  # seconds
# What servers import before or after they start to serve, and `footfall doctor`: 1.6 s of CPU time in each process without this.
_IMPORTED = (
    "server.cli",
    "server.serving",
    "server.admin.endpoint",
    "server.admin.socket",
    "server.storage.postgres.opening",
    "server.doctor",
    "server.demo",
    "zstandard",
    "anyio._backends._asyncio",
    "apscheduler.executors.asyncio",
    "apscheduler.triggers.date",
    "duckdb",
    "encodings.idna",
    "piccolo.apps.migrations.auto.migration_manager",
    "rich._emoji_codes",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.websockets.auto",
)
_starting = threading.Lock()  # tests start servers in threads, and the state below belongs to the process
is_supported = sys.platform == "linux"


class Forked:
    """A forked process, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(["footfall"], timeout or 0)
            time.sleep(_POLL)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(arguments: Sequence[str], env: Mapping[str, str], stdout: Path, stderr: Path, cwd: Path | None = None) -> Forked:
    """Start `footfall` with these arguments. Output is appended to the files."""
    request = {"arguments": list(arguments), "env": dict(env), "stdout": str(stdout), "stderr": str(stderr), "cwd": str(cwd or Path.cwd())}
    with _starting:
        parent = _parent()
        assert parent.stdin is not None
        assert parent.stdout is not None
        # Only for this moment, so that the orphans of other programs still go to init.
        _set_subreaper(True)
        try:
            parent.stdin.write(json.dumps(request).encode() + b"\n")
            parent.stdin.flush()
            return Forked(int(parent.stdout.readline()))
        finally:
            _set_subreaper(False)


def run(arguments: Sequence[str], env: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run `footfall` with these arguments, like `subprocess.run` with captured text."""
    if not is_supported:
        command = [sys.executable, "-m", "server", *arguments]
        return subprocess.run(command, env=dict(env), capture_output=True, text=True, timeout=timeout, check=False)
    with tempfile.TemporaryDirectory() as folder:
        stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
        process = start(arguments, env, stdout, stderr)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        return subprocess.CompletedProcess(["footfall", *arguments], code, stdout.read_text(), stderr.read_text())


def _set_subreaper(on: bool) -> None:
    ctypes.CDLL(None).prctl(_SUBREAPER, int(on), 0, 0, 0)


@cache
def _parent() -> subprocess.Popen[bytes]:
    """The process to fork from, one for each test process. It ends when its input is closed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("FOOTFALL_")}
    parent = subprocess.Popen([sys.executable, "-m", "tests.forked"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=env)

    def close() -> None:
        for pipe in (parent.stdin, parent.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        parent.wait()

    atexit.register(close)
    return parent


def _serve_requests() -> None:
    from server.app import create_app  # noqa: PLC0415 - test processes import this module, and need no server
    from server.settings import load  # noqa: PLC0415

    for name in _IMPORTED:
        importlib.import_module(name)
    create_app(load({}))  # fills caches, above all of type hints, and opens no file
    gc.collect()
    gc.freeze()  # collections in the forked processes skip what is shared
    assert threading.active_count() == 1, "a process with threads must not fork"
    while line := sys.stdin.buffer.readline():
        reader, writer = os.pipe()
        middle = os.fork()
        if middle == 0:
            middle_pid = os.getpid()
            if pid := os.fork():
                os.write(writer, str(pid).encode())
                os._exit(0)  # which makes the new process an orphan
            os.close(reader)
            os.close(writer)
            _end_with_the_parent_after(middle_pid)
            _become(json.loads(line))
        os.close(writer)
        pid_text = os.read(reader, 20).decode()
        os.close(reader)
        os.waitpid(middle, 0)
        print(pid_text, flush=True)


def _end_with_the_parent_after(middle: int) -> None:
    """Have this process killed when the test process ends, which becomes its parent once `middle` has ended."""
    while os.getppid() == middle:
        time.sleep(0.0005)
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _become(request: dict[str, Any]) -> None:
    """Take on the request's environment and files, run `footfall` and exit."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    for target, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["stdout"], os.O_WRONLY | os.O_APPEND | os.O_CREAT),
        (2, request["stderr"], os.O_WRONLY | os.O_APPEND | os.O_CREAT),
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, target)
        os.close(opened)
    sys.argv = ["footfall", *request["arguments"]]
    runpy.run_module("server", run_name="__main__", alter_sys=False)
    sys.exit(0)


if __name__ == "__main__":
    _serve_requests()
