"""The wire formats that Footfall understands: a module each, held to `Dialect`, and the list of them.

A dialect turns a request into `Incoming` events and phrases the answer that its clients expect. It knows no store, no web
framework and no other dialect. To add one: write its module, and name it in `DIALECTS`.
"""

from __future__ import annotations

from typing import Protocol

from server.dialects import engagement, flakedrop, native, peon_ping, sonicjs, trackskills
from server.dialects.parsing import Path
from server.event import Answer, Decoded, Outcomes, Request


class Dialect(Protocol):
    """What the way in asks of a dialect."""

    @property
    def NAME(self) -> str: ...

    @property
    def PATHS(self) -> tuple[Path, ...]: ...

    def claims(self, request: Request) -> bool:
        """Whether this body is mine. Asked only where dialects share a path, in the order of `DIALECTS`."""
        ...

    def decode(self, request: Request) -> Decoded:
        """The events of a request. Raises `Malformed` or `Invalid` and nothing else, whatever the body holds."""
        ...

    def answer(self, decoded: Decoded, outcomes: Outcomes) -> Answer:
        """What this dialect's clients expect to hear. A single event whose receipt is `UNKNOWN_TARGET` or `TOO_MANY_TARGETS`
        raises the problem of that name; within a batch it is one of the rejected."""
        ...

    def success(self, request: Request) -> Answer:
        """The answer of a success to a client that opted out, whose body may be anything: `document` may be None."""
        ...


# In the order in which they are asked; the last one takes whatever is left of a shared path.
DIALECTS: tuple[Dialect, ...] = (sonicjs, flakedrop, peon_ping, engagement, trackskills, native)
