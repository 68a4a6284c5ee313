"""The step from what a client sent to what is kept: `Incoming` to `Event`, `InstallReport` to `Install`."""

from __future__ import annotations

from typing import Any

import msgspec

from server.event import DAY, MINUTE, Context, Event, Incoming, Install, InstallReport
from server.ingest.privacy.hashes import ProjectHashes, keyed, number, utf8
from server.ingest.privacy.scrub import SHORTEST_ID, SUSPICIOUS, Scrubber, beginning, has_telling_key

AHEAD = 5 * MINUTE  # a client's clock may be as much ahead
BEHIND = 30 * DAY  # and as much behind, since clients keep events while they are offline
OLDEST_INSTALL = 946_684_800_000  # 2000-01-01T00:00:00Z in milliseconds; before that, a clock was never set
MESSAGE_READ = 4_000  # characters of an error message that are looked at
MESSAGE_KEPT = 1_000
TYPE_KEPT = 200
PICKED_KEPT = 64
CLEAN_REMEMBERED = 4_000  # texts of whole events that need no second look
CLEAN_LENGTH = 500  # characters of the longest of them

_encode = msgspec.json.Encoder().encode
_CANNOT_ENCODE = (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError)


class Privacy:
    """Makes events fit to be kept: identifiers become keyed hashes, text is scrubbed, times are believed or not.

    `secret` is the server's, of any length but zero. Hashes are signed 64-bit integers; `hashes.number` tells the odds of a collision.
    """

    def __init__(self, secret: bytes) -> None:
        if not secret:
            raise ValueError("without a secret, hashes would hide nothing")
        self._derive = keyed(secret, b"footfall/project/")
        self._address = keyed(secret, b"footfall/address/")
        self._projects: dict[int, ProjectHashes] = {}

    def project_key(self, project_id: int) -> bytes:
        """The key of a project's hashes: HMAC-SHA256(secret, "footfall/project/" + id), 32 bytes."""
        return self._derive(str(project_id).encode())

    def install(self, project: int, raw: str) -> int:
        """An install, from the id that its client sends."""
        return self._hashes(project).install(raw)

    def session(self, project: int, raw: str) -> int:
        """A session of a client."""
        return self._hashes(project).session(raw)

    def mark(self, project: int, dialect: str, raw_id: str) -> int:
        """An event that may arrive twice, from the id that its client gave it."""
        return self._hashes(project).mark(dialect, raw_id)

    def viewer(self, project: int, target_type: str, target_id: str, raw: str) -> int:
        """Somebody who looks at a target. The same person at another target is another viewer: nobody can be followed around."""
        return self._hashes(project).viewer(target_type, target_id, raw)

    def address(self, raw: str, day: int) -> int:
        """A client's address on one day (days since 1970), the same in all projects; on the next day it is another number."""
        return number(self._address(utf8(f"{day}/{raw}")))

    def event(self, incoming: Incoming, *, id: int, project: int, dialect: str, received_at: int, picked: tuple[str, ...]) -> Event:  # noqa: A002
        """What is kept of an event. Never raises for anything that was decoded from JSON.

        `id` is from `EventIds`, `received_at` is epoch milliseconds, `picked` names the properties that the project counts by.
        """
        hashes = self._hashes(project)
        target = incoming.target
        viewer = None
        if incoming.debounce is not None:
            viewer = hashes.viewer(*(target or ("", incoming.name)), incoming.debounce)
        mark = None if incoming.id is None else hashes.mark(dialect, incoming.id)
        install = None if incoming.install is None else hashes.install(incoming.install)
        session = None if incoming.session is None else hashes.session(incoming.session)
        occurred_at, skewed = believed(incoming.occurred_at, received_at)
        incoming, properties = without_traces(incoming)
        return Event(
            id=id,
            project=project,
            name=incoming.name,
            occurred_at=occurred_at,
            context=incoming.context,
            install=install,
            session=session,
            target=incoming.target,
            outcome=incoming.outcome,
            duration_us=incoming.duration_us,
            error_type=incoming.error_type,
            error_message=incoming.error_message,
            skewed=skewed,
            properties=properties,
            picked=_picked(incoming.properties, picked) if picked else (),
            mark=mark,
            viewer=viewer,
        )

    def install_report(self, report: InstallReport, *, project: int, received_at: int) -> Install:
        """What is kept of an installation's report. Installs may be years old; a time that cannot be is taken for the time of arrival."""
        last_seen = _possible(report.last_seen, received_at, received_at)
        first_seen = _possible(report.first_seen, received_at, last_seen if report.first_seen is None else received_at)
        return Install(
            id=self._hashes(project).install(report.install),
            project=project,
            first_seen=first_seen,
            last_seen=max(first_seen, last_seen),
            context=_context(report.context, Scrubber((report.install,))),
        )

    def _hashes(self, project: int) -> ProjectHashes:
        hashes = self._projects.get(project)
        if hashes is None:
            hashes = self._projects[project] = ProjectHashes(self.project_key(project))
        return hashes


def believed(occurred_at: int | None, received_at: int) -> tuple[int, bool]:
    """When it happened, and whether the client's clock is wrong. Epoch milliseconds."""
    if occurred_at is None:
        return received_at, False
    if received_at - BEHIND <= occurred_at <= received_at + AHEAD:
        return occurred_at, False
    return received_at, True


def without_traces(incoming: Incoming) -> tuple[Incoming, str | None]:
    """The event with its text scrubbed, and its properties as compact JSON. Its identifiers are still in it, to be dropped.

    Most events hold nothing to scrub: one look at all their text together finds out.
    """
    properties = incoming.properties
    try:
        document = _encode(properties).decode() if properties else ""
    except _CANNOT_ENCODE:
        return scrubbed(incoming)
    if len(incoming.error_message or "") > MESSAGE_KEPT or len(incoming.error_type or "") > TYPE_KEPT:
        return scrubbed(incoming)
    text = _all_text(incoming, document)
    lowered = _CLEAN.get(text)
    if lowered is not None:
        return scrubbed(incoming) if _names_itself(incoming, lowered) else (incoming, document or None)
    lowered = text.lower()
    if not text.isprintable() or SUSPICIOUS.search(lowered) or _names_itself(incoming, lowered) or has_telling_key(properties, document):
        return scrubbed(incoming)
    if len(text) <= CLEAN_LENGTH:
        if len(_CLEAN) >= CLEAN_REMEMBERED:
            _CLEAN.clear()
        _CLEAN[text] = lowered
    return incoming, document or None


# Texts in which nothing was found, and the same in lower case: a tool's installs say the same few things again and again. None of them holds
# an identifier of the client that sent it.
_CLEAN: dict[str, str] = {}


def _all_text(incoming: Incoming, document: str) -> str:
    """All that the client wrote, in a row. Line ends are as good as blanks here."""
    context = incoming.context
    text = f"{document} {incoming.name} {context.os} {context.arch} {context.runtime} {context.version} {context.package_manager}"
    if incoming.target is not None:
        text = f"{text} {incoming.target[0]} {incoming.target[1]}"
    if incoming.error_type is not None or incoming.error_message is not None:
        text = f"{text} {incoming.error_type} {incoming.error_message}".replace("\n", " ").replace("\t", " ")
    return text


def _names_itself(incoming: Incoming, lowered: str) -> bool:
    """Whether one of the client's own identifiers occurs in the (lower-cased) text."""
    for raw in (incoming.install, incoming.session, incoming.id, incoming.debounce):
        if raw is not None and len(raw) >= SHORTEST_ID and (raw.lower() in lowered or _escaped_in_json(raw)):
            return True
    return False


def _escaped_in_json(raw: str) -> bool:
    return '"' in raw or "\\" in raw or not raw.isprintable()


def _identifiers(incoming: Incoming) -> list[str]:
    raw = (incoming.install, incoming.session, incoming.id, incoming.debounce)
    return [identifier for identifier in raw if identifier is not None and len(identifier) >= SHORTEST_ID]


def scrubbed(incoming: Incoming) -> tuple[Incoming, str | None]:
    """The same, for events that may hold something."""
    scrubber = Scrubber(_identifiers(incoming))
    properties: dict[str, Any] = scrubber.json(incoming.properties)
    kept = msgspec.structs.replace(
        incoming,
        name=scrubber.text(incoming.name),
        target=incoming.target and (scrubber.text(incoming.target[0]), scrubber.text(incoming.target[1])),
        error_type=_cut(incoming.error_type, TYPE_KEPT, scrubber),
        error_message=_cut(incoming.error_message, MESSAGE_KEPT, scrubber),
        context=_context(incoming.context, scrubber),
        properties=properties,
    )
    return kept, _encode(properties).decode() if properties else None


def _context(context: Context, scrubber: Scrubber) -> Context:
    """The context with what the client wrote of it scrubbed; `environment`, `reason` and `dialect` are our own words."""
    return Context(
        environment=context.environment,
        reason=context.reason,
        dialect=context.dialect,
        os=scrubber.optional(context.os, version=True),
        arch=scrubber.optional(context.arch),
        runtime=scrubber.optional(context.runtime, version=True),
        version=scrubber.optional(context.version, version=True),
        package_manager=scrubber.optional(context.package_manager, version=True),
    )


def _cut(text: str | None, kept: int, scrubber: Scrubber) -> str | None:
    return None if text is None else scrubber.text(beginning(text, MESSAGE_READ))[:kept]


def _possible(at: int | None, received_at: int, otherwise: int) -> int:
    """The time if it can be true of an installation, else `otherwise`."""
    return at if at is not None and OLDEST_INSTALL <= at <= received_at + AHEAD else otherwise


def _picked(properties: dict[str, Any], names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _word(properties[name])[:PICKED_KEPT]) for name in names if isinstance(properties.get(name), str | int | float))


def _word(value: str | float) -> str:
    """A scalar as text, booleans as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)
