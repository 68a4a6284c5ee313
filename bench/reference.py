"""The reference of the benchmarks: a stock typed Litestar handler that decodes the same body, returns it and stores nothing."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, get, post


class Data(msgspec.Struct):
    """The inner object of a SonicJS event."""

    installation_id: str
    event_type: str
    properties: dict[str, Any]
    timestamp: str


class Body(msgspec.Struct):
    """A SonicJS event."""

    data: Data


@post("/v1/events")
async def echo(data: Body) -> Body:
    """Decode and encode the event."""
    return data


@get("/health")
async def health() -> str:
    """Readiness probe."""
    return "ok"


if __name__ == "__main__":
    uvicorn.run(
        Litestar([echo, health], openapi_config=None),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
    )
