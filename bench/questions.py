"""The admin API beside ingest: the effect of the largest answers on posts, and the time of the documented questions on a large store."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.filled import fill
from bench.load import SINGLE, TOKEN, Server, footfall, measure
from server.settings import bundled

OPERATIONS = bundled("graphql") / "operations"
# The largest answers that the bounds allow: all fields of 100 events with their installs, 100 installs with five events each, and lists over time
# with 30,000 entries in all.
LARGEST = {
    "events": """{ project(slug: "default") { events(first: 100) { nodes { id name occurredAt receivedAt outcome duration errorType errorMessage
        environment environmentReason dialect os arch runtime version packageManager session properties
        install { hash firstSeen lastSeen os version } } } } }""",
    "installs": """{ project(slug: "default") { installs(first: 100) { nodes { hash firstSeen lastSeen environment os version runtime
        events(first: 5) { id name occurredAt } } } } }""",
    "lists": '{ project(slug: "default") { '
    + " ".join(
        f"a{n}: activeUsers(period: {{last: 660}}) {{ starts dailyAll dailyPeople weeklyAll weeklyPeople monthlyAll monthlyPeople"
        " stickinessAll stickinessPeople }"
        for n in range(5)
    )
    + " } }",
}
QUESTIONS = (
    "ActiveUsers", "Breakdown", "Durations", "Errors", "Events", "Families", "Installs", "Ledger", "Overview", "OverviewPage", "Retention", "Series", "Targets",
    "Usage", "Versions", "Vocabulary",
)  # fmt: skip
ASKING = """
import json, sys, time, urllib.request
url, token, queries, seconds = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), float(sys.argv[4])
until, answers, size = time.monotonic() + seconds, 0, 0
while time.monotonic() < until:
    for query in queries:
        body = json.dumps({"query": query}).encode()
        headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url + "/graphql", body, headers), timeout=60) as answer:
            text = answer.read()
        assert b'"errors"' not in text, text[:500]
        answers, size = answers + 1, max(size, len(text))
print(json.dumps([answers, size]))
"""


def beside_ingest(rounds: int, seconds: int) -> tuple[float, float, float, int]:
    """The p99 of single posts at 32 connections in milliseconds, alone and beside a reader of the largest answers; the reader's answers per
    second, and the bytes of the largest answer."""
    alone, beside, answers, size = [], [], [], 0
    with footfall() as server:
        measure(server, SINGLE, connections=32, seconds=3)  # data for the answers
        for _ in range(rounds):
            alone.append(measure(server, SINGLE, connections=32, seconds=seconds).p99)
            arguments = [sys.executable, "-c", ASKING, server.url, TOKEN, json.dumps(list(LARGEST.values())), str(seconds)]
            with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as asking:
                beside.append(measure(server, SINGLE, connections=32, seconds=seconds).p99)
                said, _ = asking.communicate(timeout=60)
            count, size = json.loads(said)
            answers.append(count / seconds)
    return statistics.median(alone), statistics.median(beside), statistics.median(answers), size


def documented(events: int, rounds: int) -> dict[str, float]:
    """The median time in milliseconds of each documented question on a store with `events` events, without cached answers."""
    with tempfile.TemporaryDirectory() as folder:
        with footfall(Path(folder)):
            pass  # creates the project
        fill(Path(folder), events)
        with footfall(Path(folder)) as server:
            return {name: statistics.median(_took(server, name, turn) for turn in range(rounds)) for name in QUESTIONS}


def _took(server: Server, name: str, turn: int) -> float:
    # A different filter each time, so that no answer is cached.
    variables: dict[str, Any] = {"slug": "default", "period": {"last": 30 - turn}}
    if name == "Breakdown":
        variables["by"] = "VERSION"
    if name == "Installs":
        variables = {"slug": "default", "first": 50 + turn}
    body = json.dumps({"query": (OPERATIONS / f"{name}.graphql").read_text(), "variables": variables}).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    began = time.perf_counter()
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/graphql", body, headers), timeout=120) as answer:
        text = answer.read()
    assert b'"errors":[{' not in text, (name, text[:300])
    return (time.perf_counter() - began) * 1000


def lines(rounds: int, seconds: int, events: int) -> Iterator[tuple[str, str, str, str, str]]:
    """Rows of subject, our figure, reference, ratio and details."""
    alone, beside, answers, size = beside_ingest(rounds, seconds)
    more = f"{answers:.1f} answers a second, the largest of {size / 1024:.0f} KiB"
    yield (
        "p99 of single posts beside the largest GraphQL answers",
        f"{beside:.1f} ms",
        f"alone: {alone:.1f} ms",
        f"{beside / alone:.2f}",
        more,
    )
    took = documented(events, rounds)
    slowest = max(took, key=lambda name: took[name])
    more = ", ".join(f"{name} {ms:.0f}" for name, ms in sorted(took.items(), key=lambda pair: -pair[1]))
    yield (
        f"slowest documented question, {events:,} events",
        f"{took[slowest]:.0f} ms",
        "",
        f"{slowest}: {took[slowest]:.0f} ms",
        f"ms: {more}",
    )
