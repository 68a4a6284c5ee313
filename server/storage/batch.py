"""What one commit takes, and what it says back."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from server.event import Event, Install, Receipt


class TargetRules(msgspec.Struct, frozen=True):
    """What a project says of its targets: whether only listed public ones count, and how many there may be."""

    listed_only: bool
    most: int


class RejectedRow(msgspec.Struct, gc=False, kw_only=True):
    """One refused event or request, as the admin may see it for a week; `errors` and `excerpt` are JSON or scrubbed text.

    `event` is the whole event in MessagePack, where nothing is wrong with it but its target; `install` is then its install.
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
    """Everything that arrived while the last commit ran.

    `target_rules` has an entry for each project with events here. `ledger` is keyed as `rollups.LEDGER`, `refusals` as
    `rollups.REFUSALS`: only what was not taken; the commit itself adds what it stores.
    """

    events: list[Event] = field(default_factory=list)
    installs: list[Install] = field(default_factory=list)
    target_rules: dict[int, TargetRules] = field(default_factory=dict)
    ledger: dict[tuple[int, int, str, str], int] = field(default_factory=dict)
    refusals: dict[tuple[int, int, int, str], int] = field(default_factory=dict)
    rejected: list[RejectedRow] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.installs or self.ledger or self.refusals or self.rejected)


@dataclass(slots=True)
class Committed:
    """What became of a batch. `exceptions` holds the receipt of each event, by its place, that was not simply stored; `created`
    runs beside `Batch.installs`."""

    exceptions: dict[int, Receipt] = field(default_factory=dict)
    created: list[bool] = field(default_factory=list)
