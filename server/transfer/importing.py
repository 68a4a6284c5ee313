"""The import loop: read, convert and commit a thousand rows at a time. It is idempotent: repeated or resumed, it counts each row once.

Invalid rows are counted, and the first few are reported by position; they do not stop the import.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from server.clock import Clock, epoch_ms
from server.event import Event, Install, Receipt
from server.ingest.privacy import Privacy
from server.problems import Problem
from server.storage.history.imports import ImportBatch, ImportStore, PackCount, target_rules
from server.storage.projects import LiveProject
from server.transfer import downloads_dump, footfall, posthog, sdk_exports, wire
from server.transfer.import_sources import Row, Source, SourceError
from server.transfer.posthog import Skipped

ROWS_A_COMMIT = 1_000  # about fifty milliseconds of the writer
NAMED = 10  # invalid rows that are reported
MAX_REST = 0.1  # seconds
FORMS = ("footfall", "downloads", "posthog", *sdk_exports.FORMS, "wire")
_LOOKED = 20  # rows that are examined to detect the format

Made = Event | Install | PackCount
Convert = Callable[[Any], Made]


@dataclass(slots=True)
class Summary:
    """The outcome of the rows. `stored` counts events, `counts` and `installs` other rows, `bad` invalid rows."""

    form: str
    stored: int = 0
    duplicates: int = 0
    installs: int = 0
    counts: int = 0
    bad: int = 0
    named: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        return self.stored + self.duplicates + self.installs + self.counts + self.bad + self.skipped.total()

    def refuse(self, place: int, why: str) -> None:
        """Count an invalid row. `why` names fields, never values."""
        self.bad += 1
        if len(self.named) < NAMED:
            self.named.append(f"row {place}: {why}")


class Importer:
    """Imports files into one project."""

    def __init__(self, store: ImportStore, privacy: Privacy, project: LiveProject, *, now: Clock = epoch_ms) -> None:
        self._store = store
        self._privacy = privacy
        self._project = project
        self._now = now

    async def run(self, source: Source, form: str | None = None, *, progress: Callable[[Summary], None] = lambda _: None) -> Summary:
        """Import a file. `form` is one of `FORMS`, or None to detect it. Raises SourceError for an unknown format."""
        rows = source.rows()
        first = list(itertools.islice(rows, _LOOKED))
        kind = _kind_of(first, form)
        summary = Summary(form or kind.partition(" ")[0])
        convert = self._converter(kind)
        rows = itertools.chain.from_iterable(sdk_exports.split(kind, row) for row in itertools.chain(first, rows))
        while few := list(itertools.islice(rows, ROWS_A_COMMIT)):
            started = time.perf_counter()
            await self._commit(few, convert, summary)
            progress(summary)
            # Pause, so that a running server can commit events.
            await asyncio.sleep(min(MAX_REST, (time.perf_counter() - started) / 4))
        return summary

    def _converter(self, kind: str) -> Convert:
        project, privacy, now = self._project, self._privacy, self._now()
        kinds: dict[str, Convert] = {
            "footfall events": lambda document: footfall.event(document, project, privacy, now),
            "footfall installs": lambda document: footfall.install(document, project, privacy, now).install,
            "posthog": lambda document: posthog.event(document, project, privacy, now),
            **{form: partial(self._from_sdk, form, now) for form in sdk_exports.FORMS},
            "wire": lambda document: wire.event(document, project, privacy, now),
            "downloads": lambda document: downloads_dump.count(document, now),
        }
        return kinds[kind]

    def _from_sdk(self, form: str, now: int, document: Any) -> Made:
        return sdk_exports.event(form, document, self._project, self._privacy, now)

    async def _commit(self, rows: Iterable[Row], convert: Convert, summary: Summary) -> None:
        batch = ImportBatch(project=self._project.id)
        batch.target_rules[self._project.id] = target_rules(self._project.target_rules.most)
        places: list[int] = []
        for row, made in await self._own(_converted(rows, convert, summary), summary):
            if isinstance(made, Event):
                batch.events.append(made)
                places.append(row.place)
            elif isinstance(made, Install):
                batch.installs.append(made)
            else:
                batch.counts.append(made)
        committed = await self._store.commit(batch)
        for place, number in enumerate(places):
            receipt = committed.exceptions.get(place, Receipt.STORED)
            if receipt is Receipt.STORED:
                summary.stored += 1
            elif receipt is Receipt.DUPLICATE:
                summary.duplicates += 1
            else:
                summary.refuse(number, "the project has reached its maximum number of targets")
        summary.installs += len(batch.installs)
        summary.counts += len(batch.counts)

    async def _own(self, made: list[tuple[Row, Made]], summary: Summary) -> list[tuple[Row, Made]]:
        """Reject rows whose install belongs to another project. Hashes are per project, and projects must not be mixed."""
        installs = {hash_ for _, one in made if (hash_ := _install_of(one)) is not None}
        foreign = await self._store.foreign_installs(self._project.id, installs) if installs else set()
        for row, one in made:
            if _install_of(one) in foreign:
                summary.refuse(row.place, "install: belongs to another project of this server")
        return [(row, one) for row, one in made if _install_of(one) not in foreign] if foreign else made


def _install_of(made: Made) -> int | None:
    if isinstance(made, Event):
        return made.install
    return made.id if isinstance(made, Install) else None


def _converted(rows: Iterable[Row], convert: Convert, summary: Summary) -> list[tuple[Row, Made]]:
    found = []
    for row in rows:
        if row.wrong:
            summary.refuse(row.place, row.wrong)
            continue
        try:
            found.append((row, convert(row.document)))
        except Skipped as skipped:
            summary.skipped[skipped.name] += 1
        except Problem as problem:
            named = "; ".join(f"{error.path or 'row'}: {error.message}" for error in problem.errors)
            summary.refuse(row.place, named or problem.detail)
    return found


def _kind_of(rows: list[Row], form: str | None) -> str:
    """Detect the kind of the first rows. `form` is the operator's choice."""
    kinds = [kind for row in rows if not row.wrong and (kind := _kind(row.document))]
    found = kinds[0] if kinds else None
    if form is None:
        if found is None and rows:
            raise SourceError(
                "the format is unknown: expected an export of Footfall or of a system that it replaces, a downloads dump, or events as "
                "clients send them; set it with --format"
            )
        return found or "downloads"  # an empty file
    if form == "footfall":
        return found if found is not None and found.startswith("footfall") else "footfall events"
    return form


def _kind(document: Any) -> str | None:
    if not isinstance(document, dict):
        return None
    if {"event", "distinct_id"} <= document.keys():
        return "posthog"
    if {"id", "name", "occurred_at"} <= document.keys():
        return "footfall events"
    if {"install", "first_seen", "last_seen"} <= document.keys():
        return "footfall installs"
    if form := sdk_exports.form_of(document):
        return form
    if wire.claims(document):
        return "wire"
    name = document.get("name", document.get("key"))
    return "downloads" if isinstance(name, str) and name.startswith("dl:") else None
