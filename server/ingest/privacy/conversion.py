"""Conversion of client data to stored data: `Incoming` to `Event`, `InstallReport` to `Install`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import msgspec

from server.caching import BoundedDict
from server.event import CONTEXT_FIELDS, DAY, MINUTE, Context, Event, Incoming, Install, InstallReport, RequestId
from server.identifiers import MISSING, identifier, is_ordinary, strip_padding
from server.ingest.privacy.hashes import REMEMBERED, ProjectHashes, make_hmac, number, utf8
from server.ingest.privacy.weights import whole_weight
from server.scrubbing.scrub import CUT, SUSPICIOUS, Scrubber, beginning, has_long_run, has_sensitive_key
from server.scrubbing.traces import SHORTEST_ID, is_plain
from server.storage.rollups import picked_values

AHEAD = 5 * MINUTE  # accepted clock error into the future
BEHIND = 30 * DAY  # accepted age, because clients queue events while offline
OLDEST_INSTALL = 946_684_800_000  # 2000-01-01T00:00:00Z in milliseconds; earlier times come from an unset clock
MESSAGE_READ = 4_000  # characters of an error message that are scrubbed
MESSAGE_KEPT = 1_000
TYPE_KEPT = 200
SKEWED = "clock_not_believed"  # the ledger's reason for an event that is stored with its time of arrival, and not counted for its install
CLEAN_REMEMBERED = 4_000  # events without personal data whose text is cached
CLEAN_LENGTH = 500  # characters; longer texts are not cached

MANY = 8  # the smallest number of events that is converted by column
_astuple = msgspec.structs.astuple
_encode = msgspec.json.Encoder().encode
_CANNOT_ENCODE = (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError)


class Privacy:
    """Removes personal data from events: hashes identifiers, scrubs text and checks times.

    `secret` is the server's secret and must not be empty. Hashes are signed 64-bit integers; see `hashes.number` for the odds of a collision.
    """

    former_marks_until = 0
    """The time (epoch ms) until which the store may hold marks of the former format, in which ids were unique per project; see `Event.former`."""

    def __init__(self, secret: bytes) -> None:
        if not secret:
            raise ValueError("secret must not be empty")
        self._derive = make_hmac(secret, b"footfall/project/")
        self._address = make_hmac(secret, b"footfall/address/")
        self._projects: dict[int, ProjectHashes] = {}
        self._known: BoundedDict[int, int] = BoundedDict(REMEMBERED)

    def project_key(self, project_id: int) -> bytes:
        """Return the key of a project's hashes: HMAC-SHA256(secret, "footfall/project/" + id), 32 bytes."""
        return self._derive(str(project_id).encode())

    def install(self, project: int, raw: str) -> int:
        """Hash an install id. Check it with `identifier` first."""
        return self._hashes(project).install(strip_padding(raw))

    def visitor(self, project: int, raw: str, day: int) -> int:
        """Hash a visitor without an install id, by address and agent, for one day (days since 1970)."""
        return self._hashes(project).visitor(day, raw)

    def session(self, project: int, raw: str) -> int:
        """Hash a session id."""
        return self._hashes(project).session(strip_padding(raw))

    def mark(self, project: int, dialect: str, raw_id: str, scope: str = "") -> int:
        """Hash an event id, which makes a repeated event a duplicate. The id is unique within `scope`, or in the project if `scope` is empty."""
        hashes = self._hashes(project)
        return hashes.mark_within(scope, dialect, raw_id) if scope else hashes.mark(dialect, raw_id)

    def forwarding_mark(self, project: int) -> bytes:
        """Return the mark of a project on the requests that it forwards. With it, the project recognizes requests that come back."""
        return b"%016x" % (self._hashes(project).mark("forwarding", "") & (1 << 64) - 1)

    def viewer(self, project: int, target_type: str, target_id: str, raw: str) -> int:
        """Hash a viewer of a target. The hash differs for each target, so that a person cannot be tracked across targets."""
        return self._hashes(project).viewer(target_type, target_id, raw)

    def address(self, raw: str, day: int) -> int:
        """Hash an address for one day (days since 1970). The hash is the same in all projects, and differs on the next day."""
        return number(self._address(utf8(f"{day}/{raw}")))

    def event(self, incoming: Incoming, *, id: int, project: int, dialect: str, received_at: int, picked: tuple[str, ...]) -> Event:  # noqa: A002
        """Convert an event. Never raises for an event decoded from JSON.

        `id` comes from `EventIds`, `received_at` is epoch milliseconds, `picked` names the properties that the project counts by.
        """
        return self.events([incoming], ids=[id], project=project, dialect=dialect, received_at=received_at, picked=picked)[0]

    def events(
        self,
        incoming: Sequence[Incoming],
        *,
        ids: Sequence[int],
        project: int,
        dialect: str,
        received_at: int,
        picked: tuple[str, ...],
        key: int | None = None,
    ) -> list[Event]:
        """Convert all events of a request. `ids` has an entry for each event; `key` is the number of the caller's key."""
        hashes = self._hashes(project)
        earliest, latest = received_at - BEHIND, received_at + AHEAD
        many = len(incoming) >= MANY and not picked
        if many and (plain := _plain_events(incoming, ids, project, hashes, earliest, latest)) is not None:
            return plain
        salt, known = hashes.salt, hashes.cache
        events = []
        for source, event_id in zip(incoming, ids, strict=True):
            raw_install, raw_session, raw_id, at = source.install, source.session, source.id, source.occurred_at
            install, note, plain_install = None, "", False
            if raw_install is not None:
                cache_key = hash(salt + raw_install)
                install = known.get(cache_key)
                if install is None:
                    install = hashes.learn(raw_install, cache_key)
                    note = MISSING if install is None else ""
                    plain_install = cache_key in known
                else:
                    plain_install = True
            elif source.visitor is not None:
                install = hashes.visitor(received_at // DAY, source.visitor)
            mark = former = None
            if raw_id is not None:
                scope = _scope(source, raw_id, install, key)
                mark = hashes.mark_within(scope, dialect, raw_id) if scope else hashes.mark(dialect, raw_id)
                if scope and received_at < self.former_marks_until:
                    former = hashes.mark(dialect, raw_id)
            raw_session = raw_session and identifier(raw_session)
            session = hashes.session(raw_session) if raw_session else None
            viewer = None if source.debounce is None else hashes.viewer(*(source.target or ("", source.name)), source.debounce)
            skewed = at is not None and not earliest <= at <= latest  # the clock is wrong
            if skewed and not note:
                note = SKEWED
            scrubbed, properties = scrub_if_needed(source, plain_install=plain_install)
            events.append(
                Event(  # positional: keywords take 1.5 times as long
                    event_id,
                    project,
                    scrubbed.name,
                    received_at if at is None or skewed else at,
                    scrubbed.context,
                    install,
                    session,
                    scrubbed.target,
                    scrubbed.outcome,
                    scrubbed.duration_us,
                    scrubbed.error_type,
                    scrubbed.error_message,
                    skewed,
                    properties,
                    picked_values(scrubbed.properties, picked) if picked else (),
                    mark,
                    viewer,
                    note,
                    former,
                )
            )
            if source.weight != 1:
                events[-1].weight = whole_weight(source.weight, source.duration_us, event_id if mark is None else mark)
        return events

    def install_report(self, report: InstallReport, *, project: int, received_at: int) -> Install:
        """Convert an install report. Installs may be years old; an implausible time becomes the time of arrival."""
        last_seen = _plausible_time(report.last_seen, received_at, received_at)
        first_seen = _plausible_time(report.first_seen, received_at, last_seen if report.first_seen is None else received_at)
        return Install(
            id=self.install(project, report.install),
            project=project,
            first_seen=first_seen,
            last_seen=max(first_seen, last_seen),
            context=_context(report.context, Scrubber(install=(report.install,))),
        )

    def _hashes(self, project: int) -> ProjectHashes:
        hashes = self._projects.get(project)
        if hashes is None:
            hashes = self._projects[project] = ProjectHashes(self.project_key(project), self._known)
        return hashes


def _plain_events(
    incoming: Sequence[Incoming], ids: Sequence[int], project: int, hashes: ProjectHashes, earliest: int, latest: int
) -> list[Event] | None:
    """Convert many events by column, in a third of the time: a loop over a column runs in C.

    Returns None unless each event has a plain install id, no other identifier, a time from `earliest` to `latest`, weight 1, and nothing to scrub.
    """
    columns = zip(*map(_astuple, incoming), strict=True)
    names, installs, times, marks, sessions, targets, outcomes, durations, types, messages, contexts, _, documents, weights, *others = (
        columns
    )
    if not (all(installs) and all(times) and earliest <= min(times) and max(times) <= latest and set(weights) == {1}):
        return None
    if any(column.count(None) != len(incoming) for column in (marks, sessions, *others)) or None in documents:
        return None
    found = hashes.plain_installs(installs)
    if found is None:
        return None
    cleans = map(_CLEAN.get, zip(documents, names, contexts, targets, types, messages, strict=True))
    for source, install, clean in zip(incoming, installs, cleans, strict=True):
        if (clean is None or len(install) <= clean[1]) and scrub_if_needed(source, plain_install=True)[0] is not source:
            return None
    properties = [document or None for document in documents]
    parts = (ids, repeat(project), names, times, contexts, found, sessions, targets, outcomes, durations, types, messages)
    return list(map(Event, *parts, repeat(False), properties))


def _scope(source: Incoming, raw_id: str, install: int | None, key: int | None) -> str:
    """Return the scope in which an event's id is unique: the caller's key for a request id, else the install. Empty for the project.

    A visitor has the same scope on the next day, because a client may retry then. Only a hash of the scope and the id is stored.
    """
    if key is not None and type(raw_id) is RequestId:
        return f"key {key}"
    if source.visitor is not None:
        return f"visitor {source.visitor}"
    return "" if install is None else f"install {install}"


def scrub_if_needed(incoming: Incoming, *, plain_install: bool = False) -> tuple[Incoming, str | None]:
    """Scrub an event if it may contain personal data. Returns the event and its properties as compact JSON.

    The event still holds its identifiers, which the caller drops. `plain_install`: the install id is known to be plain (`is_plain`) and to have no space.

    Most events need no scrubbing: one search over all of their text detects this.
    """
    document = incoming.document
    if document is None:
        try:
            document = _encode(incoming.properties).decode() if incoming.properties else ""
        except _CANNOT_ENCODE:
            return scrub_event(incoming)
    source = (document, incoming.name, incoming.context, incoming.target, incoming.error_type, incoming.error_message)
    clean = _CLEAN.get(source)
    if clean is None:
        text = _all_text(incoming, document)
        lowered = text.lower()
        # Half of an identifier may stand before a truncation mark.
        if (
            CUT in lowered
            or _suspicious(incoming, document, text, lowered)
            or _names_itself(incoming, lowered, plain_install=plain_install)
        ):
            return scrub_event(incoming)
        if len(text) <= CLEAN_LENGTH:
            _CLEAN.keep(source, (lowered, max(map(len, _UNBROKEN(lowered)))))
        return incoming, document or None
    lowered, longest = clean
    if (  # most events
        plain_install and incoming.id is None and incoming.session is None and incoming.debounce is None and len(incoming.install) > longest  # type: ignore[arg-type]  # it is plain, and longer than any part of the text that could hold it
    ):
        return incoming, document or None
    if _names_itself(incoming, lowered, plain_install=plain_install):
        return scrub_event(incoming)
    return incoming, document or None


# Cache of events without personal data: their text in lower case, and the length of its longest part without a space or a quotation mark. The
# installs of a tool repeatedly send the same few events. No entry contains an identifier of its client.
_CLEAN: BoundedDict[tuple[object, ...], tuple[str, int]] = BoundedDict(CLEAN_REMEMBERED)
_UNBROKEN = re.compile(r'[^ "]+').findall


def _suspicious(incoming: Incoming, document: str, text: str, lowered: str) -> bool:
    """Return True if an event's text may need scrubbing, apart from the client's identifiers."""
    if len(incoming.error_message or "") > MESSAGE_KEPT or len(incoming.error_type or "") > TYPE_KEPT:
        return True
    if not text.isprintable() or SUSPICIOUS.search(lowered) is not None or has_long_run(text):
        return True
    return has_sensitive_key(incoming.properties, document)


def _all_text(incoming: Incoming, document: str) -> str:
    """Join all text that the client sent. Line ends are replaced by spaces.

    Fields are separated by more than spaces: otherwise `linux x64 1.4.0` looks like the output of uname, with a host name.
    """
    text = f"{document}; {incoming.name}; {_context_text(incoming.context)}"
    if incoming.target is not None:
        text = f"{text}; {incoming.target[0]}; {incoming.target[1]}"
    if incoming.error_type is not None or incoming.error_message is not None:
        text = f"{text}; {incoming.error_type}; {incoming.error_message}".replace("\n", " ").replace("\t", " ")
    return text


@lru_cache(maxsize=512)
def _context_text(context: Context) -> str:
    """Join the texts of a context. Cached, because events share contexts, which cache their hashes."""
    return "; ".join(filter(None, (context.reason, *(getattr(context, name) for name in CONTEXT_FIELDS))))


def _names_itself(incoming: Incoming, lowered: str, *, plain_install: bool) -> bool:
    """Return True if the lower-case text contains one of the client's identifiers."""
    raw = incoming.install
    if raw is not None and (raw.lower() in lowered if plain_install else _names(raw, lowered)):
        return True
    others = (incoming.session, incoming.id, incoming.debounce)
    return others != _NO_OTHERS and any(raw is not None and _names(raw, lowered) for raw in others)


_NO_OTHERS = (None, None, None)


def _names(raw: str, lowered: str) -> bool:
    """Return True if the text may contain an identifier. An identifier that is not plain may be escaped, which only the scrubber handles."""
    if not is_ordinary(raw):
        raw = strip_padding(raw)
    return len(raw) >= SHORTEST_ID and (not is_plain(raw) or raw.lower() in lowered)


def scrub_event(incoming: Incoming) -> tuple[Incoming, str | None]:
    """Scrub an event. Returns the event and its properties as compact JSON."""
    scrubber = Scrubber(install=(incoming.install,), others=(incoming.session, incoming.id, incoming.debounce))
    properties: dict[str, Any] = scrubber.json(incoming.properties)
    scrubbed = msgspec.structs.replace(
        incoming,
        name=scrubber.text(incoming.name, label=True),
        target=incoming.target and (scrubber.text(incoming.target[0], label=True), scrubber.text(incoming.target[1], label=True)),
        error_type=_cut(incoming.error_type, TYPE_KEPT, scrubber),
        error_message=_cut(incoming.error_message, MESSAGE_KEPT, scrubber),
        context=_context(incoming.context, scrubber),
        properties=properties,
    )
    return scrubbed, _encode(properties).decode() if properties else None


def _context(context: Context, scrubber: Scrubber) -> Context:
    """Scrub the client's part of a context.

    `environment` and `dialect` are set by the server, and so is `reason` if the environment is known.
    """
    return Context(
        environment=context.environment,
        reason=context.reason if context.environment else scrubber.label(context.reason) or "",
        dialect=context.dialect,
        **{name: scrubber.label(getattr(context, name), version=declared.has_numbers) for name, declared in CONTEXT_FIELDS.items()},
    )


def _cut(text: str | None, length: int, scrubber: Scrubber) -> str | None:
    return None if text is None else scrubber.text(beginning(text, MESSAGE_READ))[:length]


def _plausible_time(at: int | None, received_at: int, otherwise: int) -> int:
    """Return the time if it is plausible for an install, else `otherwise`."""
    return at if at is not None and OLDEST_INSTALL <= at <= received_at + AHEAD else otherwise
