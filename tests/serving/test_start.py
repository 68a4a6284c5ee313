"""Startup loads the parts needed later in the background; requests that need them wait."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

LATER = ("strawberry", "graphql", "pydantic", "psycopg", "redis", "server.demo.simulated_clients")
TOKEN = "ff_an-admin-token-of-a-test"


@pytest.mark.slow
def test_the_first_responses_import_only_the_modules_that_they_need() -> None:
    program = f"""
import sys, server.cli
from server.app import create_app
from server.settings import load
create_app(load({{}}))
print([name for name in {LATER} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_graphql_requests_right_after_the_start_are_answered(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN).start()

    def ask(_: int) -> httpx.Response:
        return httpx.post(f"{server.url}/graphql", json={"query": "{me {kind}}"}, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)

    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(ask, range(4)))
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"data": {"me": {"kind": "KEY"}}})] * 4
