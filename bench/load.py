"""Servers on one core, load from another, and what came of it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, 1
UNLIMITED = {"FOOTFALL_RATE_LIMIT": "100000000/minute", "FOOTFALL_EVENT_LIMIT": "1000000000/minute"}  # on, but set high

# Random installs out of 20,000, as in the issue; each request is made anew.
SINGLE = """
math.randomseed(os.time())
request = function()
  local id = string.format("%08x-3b7d-4bad-9bdd-2b0d7b3dcb6d", math.random(1, 20000))
  return wrk.format("POST", "/v1/events", {["Content-Type"] = "application/json"}, '{"data":{"installation_id":"' .. id ..
    '","event_type":"installation_started","properties":{"os":"darwin","nodeVersion":"v20.10","packageManager":"npm"},"timestamp":"NOW"}}')
end
"""
DOWNLOAD = 'request = function() return wrk.format("POST", "/dl/pack" .. math.random(1, 100)) end'
COUNTS = 'request = function() return wrk.format("GET", "/counts") end'


@dataclass(frozen=True)
class Result:
    """One run of the load: requests a second, and percentiles of their time in milliseconds."""

    rate: float
    p50: float
    p99: float


def need_wrk() -> None:
    """Ends the program, saying how to get it, where the load generator is missing."""
    if shutil.which("wrk") is None:
        sys.exit("The load generator wrk is missing: apt-get install wrk")


def pin(core: int) -> Callable[[], None]:
    """For a child process: stay on one core."""
    return lambda: os.sched_setaffinity(0, {core})


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, **env: str) -> Iterator[str]:
    """A server on its core, from its first answer to its end; its base URL."""
    process = subprocess.Popen(
        command, env={**os.environ, **env}, preexec_fn=pin(SERVER_CORE), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextlib.contextmanager
def footfall(folder: Path | None = None, **env: str) -> Iterator[str]:
    """Footfall on a store in a folder of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory() as own:
        settings = {**UNLIMITED, "FOOTFALL_DATA_DIR": str(folder or own), "FOOTFALL_PORT": str(port), **env}
        with running([sys.executable, "-m", "server", "serve"], port, **settings) as url:
            yield url


@contextlib.contextmanager
def reference() -> Iterator[str]:
    """The stock handler."""
    port = free_port()
    with running([sys.executable, "-m", "bench.reference", str(port)], port) as url:
        yield url


def measure(url: str, script: str, *, connections: int, seconds: int) -> Result:
    """Load a server with wrk. Ends the program where it answered anything but success."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script.replace("NOW", time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())))
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", file.name, url]
        text = subprocess.run(command, preexec_fn=pin(LOAD_CORE), capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        sys.exit(f"{url} answered with errors:\n{text}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate is not None
    return Result(float(rate[1]), _percentile(text, 50), _percentile(text, 99))


def _percentile(text: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text)
    assert found is not None
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def median(results: list[Result]) -> Result:
    """The median of each figure."""
    return Result(*(statistics.median(getattr(result, name) for result in results) for name in ("rate", "p50", "p99")))


def get(url: str) -> bytes:
    """The body of a GET."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())
