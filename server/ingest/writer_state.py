"""The states of the writer.

          submit, or refusals          enough requests,
          after FLUSH_AFTER            or COALESCE_SECONDS
    IDLE ────────────────────▶ GATHERING ─────────▶ COMMITTING ──────────────┐
      ▲                            ▲                  │     ▲                │ after
      │                            │ more events      │     │ the commit     │ COMMIT_TIMEOUT
      │                            └──────────────────┤     │ ended          ▼
      │   nothing left, or refusals                   │     └───────────── OVERDUE
      └───────────────────────────────────────────────┘

IDLE       no task runs; refusals may wait for the next commit
GATHERING  waits a moment for the clients of the last commit; usually not at all
COMMITTING the store commits one batch; requests join the next one, unless the store is not available
OVERDUE    the commit takes too long; the requests of the next batch are refused, those of this one wait for the outcome

`close` refuses new requests in every state, and returns in IDLE.
"""

from __future__ import annotations

import enum


class WriterState(enum.Enum):
    """A state of the writer, see the drawing above."""

    IDLE = enum.auto()
    GATHERING = enum.auto()
    COMMITTING = enum.auto()
    OVERDUE = enum.auto()


IDLE, GATHERING, COMMITTING, OVERDUE = WriterState  # variables are read faster than members of an enum
TRANSITIONS = {
    IDLE: (GATHERING,),
    GATHERING: (COMMITTING, IDLE),  # IDLE: the task was cancelled
    COMMITTING: (GATHERING, OVERDUE, IDLE),
    OVERDUE: (COMMITTING,),
}
