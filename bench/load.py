"""Servers on one core under load from another core: requests per second, and the server's CPU time per request."""

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
TOKEN = "ff_the-admin-token-of-the-benchmarks"
_TICKS = os.sysconf("SC_CLK_TCK")

# Random installs out of 20,000; each request is new.
SINGLE = """
math.randomseed(os.time())
request = function()
  local id = string.format("%08x-3b7d-4bad-9bdd-2b0d7b3dcb6d", math.random(1, 20000))
  return wrk.format("POST", "/v1/events", {["Content-Type"] = "application/json"}, '{"data":{"installation_id":"' .. id ..
    '","event_type":"installation_started","properties":{"os":"darwin","nodeVersion":"v20.10","packageManager":"npm"},"timestamp":"NOW"}}')
end
"""
# A hundred of these in Footfall's own format. Built in advance, so that the load generator is not the bottleneck.
BATCH = """
math.randomseed(os.time())
local bodies = {}
for made = 1, 100 do
  local events = {}
  for place = 1, 100 do
    events[place] = string.format('{"name":"installation_started","installation_id":"%08x-3b7d-4bad-9bdd-2b0d7b3dcb6d","os":"darwin",' ..
      '"runtime":"node 20.10","package_manager":"npm","properties":{"template":"starter","theme":"dark"},"timestamp":"NOW"}',
      math.random(1, 20000))
  end
  bodies[made] = '{"events":[' .. table.concat(events, ",") .. "]}"
end
request = function()
  return wrk.format("POST", "/v1/events", {["Content-Type"] = "application/json"}, bodies[math.random(1, 100)])
end
"""
DOWNLOAD = 'request = function() return wrk.format("POST", "/dl/pack" .. math.random(1, 100)) end'
COUNTS = 'request = function() return wrk.format("GET", "/counts") end'


@dataclass(frozen=True)
class Result:
    """The result of a load: requests per second, percentiles of their time in milliseconds, and the server's CPU time for each in µs."""

    rate: float
    p50: float
    p99: float
    cpu: float


@dataclass(frozen=True)
class Server:
    """A server process."""

    url: str
    pid: int

    def cpu(self) -> float:
        """The used CPU time in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> float:
        """The resident memory in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024


def need_wrk() -> None:
    """Exit with an installation hint if the load generator is missing."""
    if shutil.which("wrk") is None:
        sys.exit("The load generator wrk is missing: apt-get install wrk")


def pin(core: int) -> Callable[[], None]:
    """Pin a child process to one core."""
    return lambda: os.sched_setaffinity(0, {core})


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, **env: str) -> Iterator[Server]:
    """A pinned server, from its first response to its end."""
    process = subprocess.Popen(
        command, env={**os.environ, **env}, preexec_fn=pin(SERVER_CORE), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        for _ in range(12_000):
            with contextlib.suppress(OSError):
                get(f"{server.url}/health")
                break
            time.sleep(0.005)
        else:
            sys.exit(f"{' '.join(command)} did not answer within a minute")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextlib.contextmanager
def footfall(folder: Path | None = None, **env: str) -> Iterator[Server]:
    """Footfall on a store in a folder, by default a new one."""
    port = free_port()
    with tempfile.TemporaryDirectory() as own:
        settings = {**UNLIMITED, "FOOTFALL_DATA_DIR": str(folder or own), "FOOTFALL_PORT": str(port), "FOOTFALL_ADMIN_TOKEN": TOKEN, **env}
        with running([sys.executable, "-m", "server", "serve"], port, **settings) as server:
            yield server


@contextlib.contextmanager
def reference() -> Iterator[Server]:
    """The stock handler."""
    port = free_port()
    with running([sys.executable, "-m", "bench.reference", str(port)], port) as server:
        yield server


def measure(server: Server, script: str, *, connections: int, seconds: int) -> Result:
    """Load a server with wrk. Exits if a response was not a success."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script.replace("NOW", time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())))
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", file.name, server.url]
        before = server.cpu()
        text = subprocess.run(command, preexec_fn=pin(LOAD_CORE), capture_output=True, text=True, check=True).stdout
        used = server.cpu() - before
    if "Non-2xx" in text:
        sys.exit(f"{server.url} answered with errors:\n{text}")
    rate, requests = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"(\d+) requests in", text)
    assert rate is not None
    assert requests is not None
    return Result(float(rate[1]), _percentile(text, 50), _percentile(text, 99), used / int(requests[1]) * 1e6)


def _percentile(text: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text)
    assert found is not None
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def median(results: list[Result]) -> Result:
    """The median of each figure."""
    return Result(*(statistics.median(getattr(result, name) for result in results) for name in ("rate", "p50", "p99", "cpu")))


def get(url: str, body: bytes | None = None) -> bytes:
    """The body of a response to GET, or to POST as an admin. Raises OSError if it is not a success."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=120) as answer:
        return bytes(answer.read())
