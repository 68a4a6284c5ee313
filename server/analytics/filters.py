"""What a question is asked about: a project, a period, and which of its events count."""

from __future__ import annotations

import enum

import msgspec

from server.event import PEOPLE, Environment, Outcome
from server.questions.periods import Period


class Audience(enum.Enum):
    """Whose events count. `server.event.PEOPLE` says who is one of the people."""

    EVERYTHING = "everything"
    PEOPLE = "people"


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events count: all that meet every condition. What is None or empty is no condition.

    All conditions are about the event itself: `os="linux"` means events that said so. An install counts where one of its events does.
    `target` is a type and an id, `target_type` the type alone. Texts are compared exactly.
    """

    project: int
    period: Period
    audience: Audience = Audience.EVERYTHING
    environments: tuple[Environment, ...] = ()
    names: tuple[str, ...] = ()
    os: str | None = None
    arch: str | None = None
    runtime: str | None = None
    version: str | None = None
    package_manager: str | None = None
    target: tuple[str, str] | None = None
    target_type: str | None = None
    outcome: Outcome | None = None

    @property
    def allowed(self) -> tuple[Environment, ...] | None:
        """The environments that audience and filter leave, None for all of them."""
        if self.audience is Audience.PEOPLE:
            return tuple(each for each in PEOPLE if not self.environments or each in self.environments)
        return self.environments or None

    def during(self, period: Period) -> Filter:
        """The same question about another period."""
        return msgspec.structs.replace(self, period=period)

    def people(self) -> Filter:
        """The same question about people only."""
        return msgspec.structs.replace(self, audience=Audience.PEOPLE)
