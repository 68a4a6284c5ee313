"""The arguments and the result of a commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from server.event import Event, Install, Receipt

TRUSTED = 0  # the sender of events from imports and replays


def trusted(_: int) -> int:
    return TRUSTED


class TargetRules(msgspec.Struct, frozen=True):
    """A project's rules for targets. `listed_only` accepts only targets that are listed as public; `most` is their maximum number."""

    listed_only: bool
    most: int


class RejectedRow(msgspec.Struct, gc=False, kw_only=True):
    """One rejected event or request, which admins can see for a week. `errors` is JSON; `excerpt` is scrubbed text.

    `event` is the whole event in MessagePack if only its target was refused; `install` is then its install.
    """

    id: int
    project: int
    route: str
    dialect: str
    reason: str
    errors: str
    excerpt: str
    size: int
    event: bytes | None = None
    install: int | None = None


@dataclass(slots=True)
class Batch:
    """Events, install reports and refusals that arrived while the last commit ran.

    `target_rules` has an entry for each project with events in the batch. `sender_of` takes the index of an event and returns a number for the
    address that sent it, which is not stored. `ledger` has the keys of `rollups.LEDGER`, `refusals` those of `rollups.REFUSALS`. Both count only
    events that were not accepted; the commit adds the events that it stores.
    """

    events: list[Event] = field(default_factory=list)
    installs: list[Install] = field(default_factory=list)
    target_rules: dict[int, TargetRules] = field(default_factory=dict)
    ledger: dict[tuple[int, int, str, str], int] = field(default_factory=dict)
    refusals: dict[tuple[int, int, int, str], int] = field(default_factory=dict)
    rejected: list[RejectedRow] = field(default_factory=list)
    sender_of: Callable[[int], int] = trusted

    def __bool__(self) -> bool:
        return bool(self.events or self.installs or self.ledger or self.refusals or self.rejected)


@dataclass(slots=True)
class Committed:
    """The result of a commit.

    `exceptions` maps the indexes of events that were not stored to their receipts. `created` runs parallel to `Batch.installs`: True for each
    install that is new.
    """

    exceptions: dict[int, Receipt] = field(default_factory=dict)
    created: list[bool] = field(default_factory=list)
