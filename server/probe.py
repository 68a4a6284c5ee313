"""`footfall health`: queries the health of the server with these settings, for container health checks. Has few imports, because it runs often."""

from __future__ import annotations

import http.client
import json
import os
import sys
from urllib.parse import urlsplit

from server.settings import Settings, SettingsError, load

SECONDS = 4.0


def main() -> int:
    """Print the server's status in one line; 0 if it is healthy, 1 if it is not or does not answer, 2 if a setting is invalid."""
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        status, body = ask(settings)
    except (OSError, http.client.HTTPException, ValueError) as error:
        sys.stderr.write(f"no answer from port {settings.port}: {type(error).__name__}\n")
        return 1
    sys.stdout.write(f"{body.get('status', 'unknown')}\n")
    return 0 if status == 200 else 1


def ask(settings: Settings) -> tuple[int, dict[str, object]]:
    """Return the status and the body of `GET /health`. Raises OSError, HTTPException, or ValueError for invalid JSON."""
    there = urlsplit(settings.local_url)
    connection = http.client.HTTPConnection(there.hostname or "127.0.0.1", settings.port, timeout=SECONDS)
    try:
        connection.request("GET", "/health", headers={"User-Agent": "footfall-health"})
        answer = connection.getresponse()
        body = json.loads(answer.read(64 * 1024))
        return answer.status, body if isinstance(body, dict) else {}
    finally:
        connection.close()
