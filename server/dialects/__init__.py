"""The wire formats that Footfall accepts, one module each, and their list.

A dialect decodes a request into `Incoming` events and encodes the response that its clients expect. It does not depend on a store, a web
framework or another dialect. To add one, write its module and add it to `DIALECTS`.
"""

from __future__ import annotations

from typing import Protocol

from server.dialects import (
    amplitude,
    aptabase,
    engagement,
    flakedrop,
    native,
    openpanel,
    otlp,
    peon_ping,
    plausible,
    posthog_sdk,
    segment,
    sonicjs,
    trackskills,
    umami,
)
from server.dialects.parsing import Path
from server.event import Answer, Decoded, Outcomes, Request


class Dialect(Protocol):
    """The interface of a dialect."""

    @property
    def NAME(self) -> str: ...

    @property
    def PATHS(self) -> tuple[Path, ...]: ...

    def claims(self, request: Request) -> bool:
        """Return True if this dialect accepts the body. Called only if dialects share a path, in the order of `DIALECTS`."""
        ...

    def decode(self, request: Request) -> Decoded:
        """Return the events of a request. Raises only `Malformed` or `Invalid`, for any body."""
        ...

    def answer(self, decoded: Decoded, outcomes: Outcomes) -> Answer:
        """Return the response that this dialect's clients expect.

        A single event with the receipt `UNKNOWN_TARGET` or `TOO_MANY_TARGETS` raises the problem of that name; in a batch it is rejected.
        """
        ...

    def success(self, request: Request) -> Answer:
        """Return a success for a client that opted out. The body may be invalid, and `document` may be None."""
        ...


# In the order of `claims`; the last one accepts any remaining body of a shared path.
DIALECTS: tuple[Dialect, ...] = (
    sonicjs,
    flakedrop,
    peon_ping,
    engagement,
    trackskills,
    posthog_sdk,
    segment,
    otlp,
    aptabase,
    openpanel,
    amplitude,
    plausible,
    umami,
    native,
)
